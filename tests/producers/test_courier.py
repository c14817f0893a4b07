"""The gauge's thread: order kept, nothing lost silently, no spinning, an end with a deadline."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from streamgauge.producers import Gauge, Message, Rejected, Unavailable, courier
from streamgauge.producers.outbox import COLLECTED_MAX
from streamgauge.producers.testing import MemorySink
from streamgauge.schemas import codec
from streamgauge.schemas.frames import Close, Data, Frame, Open, Pulse
from streamgauge.schemas.limits import FRAME_BYTES_MAX
from streamgauge.schemas.words import How

Gauges = Callable[..., Gauge]


class Scripted(MemorySink):
    """Fails as the script says, then works."""

    def __init__(self, *, starts: Sequence[Exception] = (), sends: Sequence[Exception] = (), **options: Any) -> None:
        super().__init__(**options)
        self.starts, self.sends = list(starts), list(sends)
        self.started = self.stopped = 0
        self.threads: set[str] = set()
        self.batches: list[int] = []

    async def start(self) -> None:
        self.started += 1
        self.threads.add(threading.current_thread().name)
        if self.starts:
            raise self.starts.pop(0)

    async def send(self, partition: int, messages: Sequence[Message]) -> None:
        if self.sends:
            raise self.sends.pop(0)
        self.batches.append(len(messages))
        await super().send(partition, messages)

    async def stop(self) -> None:
        self.stopped += 1


class Gate(Scripted):
    """Lets nothing through until it is opened, or only as many batches as are permitted."""

    def __init__(self) -> None:
        super().__init__()
        self.opened = threading.Event()
        self.permits = 0
        self.waiting = 0

    async def send(self, partition: int, messages: Sequence[Message]) -> None:
        self.waiting += 1
        while not self.opened.is_set() and not self.permits:  # noqa: ASYNC110 - opened by another thread
            await asyncio.sleep(0.001)
        self.permits = max(0, self.permits - 1)
        await super().send(partition, messages)


@pytest.fixture
def gauges(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gauges]:
    """Make gauges with the system's clock, that retry soon; close them."""
    monkeypatch.setattr(courier, "RETRY_FIRST_S", 0.001)
    monkeypatch.setattr(courier, "RETRY_LAST_S", 0.01)
    made: list[Gauge] = []

    def make(sink: MemorySink, **settings: Any) -> Gauge:
        made.append(Gauge(tenant="acme", sink=sink, **{"segment_ms": 20, **settings}))
        return made[-1]

    yield make
    for gauge in made:
        gauge.close(2.0)


def until(condition: Callable[[], Any], *, seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.001)


def kinds(frames: Sequence[Frame]) -> list[str]:
    return [type(frame).__name__ for frame in frames]


def test_a_gauge_nobody_uses_has_no_thread(gauges: Gauges) -> None:
    sink = Scripted()
    gauge = gauges(sink)
    assert gauge.flush()
    assert gauge.close()
    assert (sink.started, sink.stopped) == (0, 0)


def test_everything_of_the_sink_happens_on_one_daemon_thread(gauges: Gauges) -> None:
    sink = Scripted()
    gauge = gauges(sink)
    gauge.stream().close("eof")
    assert gauge.flush()
    assert sink.threads == {"streamgauge"}
    assert all(thread.daemon for thread in threading.enumerate() if thread.name == "streamgauge")


def test_an_open_does_not_wait_for_the_beat(gauges: Gauges) -> None:
    sink = Scripted()
    gauge = gauges(sink, segment_ms=60_000)
    gauge.stream()
    until(lambda: kinds(sink.frames)[:1] == ["Open"])


def test_chunks_leave_at_the_beat_without_anybody_asking(gauges: Gauges) -> None:
    sink = Scripted()
    with gauges(sink).stream() as stream:
        stream.chunk({"a": 1})
        until(lambda: "Data" in kinds(sink.frames))


def test_a_silent_stream_gives_pulses(gauges: Gauges) -> None:
    sink = Scripted()
    with gauges(sink, pulse_s=0.1).stream():
        until(lambda: kinds(sink.frames).count("Pulse") >= 2)


def test_what_came_before_the_sink_was_reached_is_sent_then(gauges: Gauges) -> None:
    sink = Scripted(starts=[Unavailable("no broker")] * 5)
    gauge = gauges(sink)
    with gauge.stream() as stream:
        for number in range(100):
            stream.chunk({"n": number})
    assert gauge.flush()
    assert kinds(sink.frames) == ["Open", "Data", "Close"]
    assert gauge.counters.connects_failed == 5
    assert gauge.counters.frames_failed == 0


def test_a_batch_that_could_not_be_sent_is_sent_again_and_nothing_overtakes_it(gauges: Gauges) -> None:
    sink = Scripted(sends=[Unavailable("reset"), TimeoutError(), Unavailable("reset")])
    gauge = gauges(sink)
    with gauge.stream() as stream:
        for number in range(50):
            stream.chunk({"n": number})
            if number % 10 == 0:
                gauge.flush(0.001)
    assert gauge.flush()
    assert [frame.n for frame in sink.frames] == list(range(len(sink.frames)))
    assert [type(frame) for frame in sink.frames[:1] + sink.frames[-1:]] == [Open, Close]
    assert (gauge.counters.sends_retried, gauge.counters.frames_failed) == (3, 0)


def test_what_is_refused_for_good_is_counted_and_the_rest_goes_on(
    gauges: Gauges, caplog: pytest.LogCaptureFixture
) -> None:
    sink = Scripted(sends=[Rejected("too large")])
    gauge = gauges(sink)
    stream = gauge.stream()
    until(lambda: gauge.counters.frames_failed == 1)
    stream.close("eof")
    assert gauge.flush()
    assert kinds(sink.frames) == ["Close"]
    assert gauge._outbox.level == 0
    assert "lost 1 frames, refused: too large" in caplog.text


def test_partitions_do_not_wait_for_each_other(gauges: Gauges) -> None:
    class OneStuck(Scripted):
        async def send(self, partition: int, messages: Sequence[Message]) -> None:
            if partition == 0:
                await asyncio.sleep(3600)
            await super().send(partition, messages)

    sink = OneStuck(partitions=2)
    gauge = gauges(sink)
    for number in range(20):
        gauge.stream(call=f"call {number}").close("eof")
    until(lambda: len(sink.sent) >= 2)
    assert {sent.partition for sent in sink.sent} == {1}
    gauge.close(0.01)


def test_while_a_lane_is_busy_its_segments_grow(gauges: Gauges) -> None:
    sink = Gate()
    gauge = gauges(sink, segment_ms=1, segment_bytes=64 * 1024)
    with gauge.stream() as stream:
        for number in range(2000):
            stream.chunk({"n": number, "text": "x" * 1000})
            if number % 100 == 0:
                until(lambda: gauge._outbox.queued == 0)
        until(lambda: sink.waiting)
        assert gauge._courier._lanes[0].bytes <= courier.LANE_BYTES_ENOUGH + FRAME_BYTES_MAX, "the rest stays behind"
        sink.opened.set()
    assert gauge.flush()
    data = [frame for frame in sink.frames if isinstance(frame, Data)]
    assert sum(len(frame.got) for frame in data) == 2000
    assert len(data) < 100


def test_a_batch_stays_below_what_a_broker_takes(gauges: Gauges) -> None:
    sink = Gate()
    gauge = gauges(sink)
    with gauge.stream(format="http") as stream:
        for _ in range(40):
            stream.chunk(b"x" * 200_000)
        until(lambda: sink.waiting)
        sink.opened.set()
    assert gauge.flush()
    sizes = iter([len(sent.message.value) for sent in sink.sent])
    assert max(sum(next(sizes) for _ in range(count)) for count in sink.batches) <= courier.BATCH_BYTES_MAX


def test_a_flush_does_not_wait_for_what_comes_later(gauges: Gauges) -> None:
    sink = Scripted()
    gauge = gauges(sink)
    stop = threading.Event()

    def goes_on() -> None:
        with gauge.stream() as stream:
            while not stop.is_set():
                stream.chunk({"a": 1})
                time.sleep(0)

    thread = threading.Thread(target=goes_on)
    thread.start()
    try:
        assert all(gauge.flush(5.0) for _ in range(3))
    finally:
        stop.set()
        thread.join()


def test_a_flush_waits_for_what_had_to_stay_behind(gauges: Gauges) -> None:
    sink = Gate()
    gauge = gauges(sink, segment_ms=1)
    stream = gauge.stream(format="http")
    for _ in range(40):
        stream.chunk(b"x" * 100_000)
        until(lambda: gauge._outbox.queued == 0)
    until(lambda: sink.waiting)
    sink.permits = 3  # what is in the lane gets through, what was kept back does not
    assert gauge.flush(0.3) is False
    sink.opened.set()
    assert gauge.flush(10.0)
    assert sum(len(frame.got) for frame in sink.frames if isinstance(frame, Data)) == 40


def test_a_flush_that_cannot_succeed_takes_its_time_and_no_longer(gauges: Gauges) -> None:
    gauge = gauges(Scripted(starts=[Unavailable("no broker")] * 100_000))
    gauge.stream().close("eof")
    began = time.monotonic()
    assert gauge.flush(0.05) is False
    assert 0.05 <= time.monotonic() - began < 1
    assert gauge.flush(0.001) is False
    assert len(gauge._courier._flushing) + len(gauge._courier._flushes) <= 2, "flushes given up do not pile up"
    gauge.close(0.01)


def test_the_end_closes_what_is_open_and_sends_what_is_here(gauges: Gauges) -> None:
    sink = Scripted()
    gauge = gauges(sink, segment_ms=60_000)
    stream = gauge.stream()
    stream.chunk({"a": 1})
    assert gauge.close()
    assert kinds(sink.frames) == ["Open", "Data", "Close"]
    close = sink.frames[-1]
    assert isinstance(close, Close)
    assert (close.how, close.reading, sink.stopped) == (How.SHUTDOWN, None, 1)
    stream.chunk({"b": 1})
    stream.close("eof")
    assert gauge.close(), "a second close does nothing"
    assert len(sink.sent) == 3


def test_the_end_takes_in_all_that_came_before_it(gauges: Gauges) -> None:
    """More than one look at the outbox takes in, the streams' own Closes among it."""
    sink = Scripted()
    gauge = gauges(sink)
    for _ in range(3):
        with gauge.stream() as stream:
            for at in range(COLLECTED_MAX):
                stream.chunk({"a": at})
    assert gauge.close()
    closes = [frame for frame in sink.frames if isinstance(frame, Close)]
    assert [(close.how, close.chunks, close.dropped) for close in closes] == [(How.EOF, COLLECTED_MAX, 0)] * 3
    assert gauge.counters.chunks_dropped == 0


def test_the_end_takes_in_what_comes_between_the_last_look_and_it(
    gauges: Gauges, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = Scripted()
    gauge = gauges(sink)
    stream = gauge.stream()
    assert gauge.flush(5.0)
    collect = gauge._outbox.collect

    def collects() -> bool:
        all_in = collect()
        if not gauge._outbox.shut:  # as a host's threads may, right behind the look
            stream.chunk({"a": 1})
            stream.close("eof")
            gauge._courier.end(5.0)
        return all_in

    monkeypatch.setattr(gauge._outbox, "collect", collects)
    gauge._courier.wake()
    until(gauge._courier._ended.is_set)
    (close,) = [frame for frame in sink.frames if isinstance(frame, Close)]
    assert (close.how, close.chunks, close.dropped) == (How.EOF, 1, 0)


def test_the_end_has_a_deadline_and_counts_what_it_gives_up(gauges: Gauges, caplog: pytest.LogCaptureFixture) -> None:
    sink = Gate()
    gauge = gauges(sink)
    streams = [gauge.stream() for _ in range(3)]
    until(lambda: sink.waiting)
    for stream in streams:
        stream.chunk({"a": 1})
    began = time.monotonic()
    assert gauge.close(0.05) is False
    assert time.monotonic() - began < 1.5
    assert gauge.counters.frames_failed == 9, "Open, Data and Close of each"
    assert "lost 9 frames" in caplog.text
    sink.opened.set()


def test_the_end_without_a_sink_counts_what_it_gives_up(gauges: Gauges) -> None:
    gauge = gauges(Scripted(starts=[Unavailable("no broker")] * 100_000))
    with gauge.stream() as stream:
        stream.chunk({"a": 1})
    assert gauge.close(0.05) is False
    assert gauge.counters.frames_failed == 3


def test_streams_after_the_end_go_nowhere_and_are_counted(gauges: Gauges) -> None:
    sink = Scripted()
    gauge = gauges(sink)
    gauge.stream().close("eof")
    gauge.close()
    with gauge.stream() as stream:
        stream.chunk({"a": 1})
    gauge.note("call", model="m")
    assert gauge.flush()
    assert (len(sink.sent), gauge.counters.links_dropped, gauge.counters.notes_dropped) == (2, 1, 1)


def test_a_sink_with_a_mistake_in_it_is_tried_again_and_told_of(
    gauges: Gauges, caplog: pytest.LogCaptureFixture
) -> None:
    sink = Scripted(starts=[ZeroDivisionError("x" * 50)], sends=[KeyError("prompt text")])
    gauge = gauges(sink)
    gauge.stream().close("eof")
    assert gauge.flush()
    assert gauge.counters.internal_errors == 2
    gauge.close()
    assert "ZeroDivisionError in sink" in caplog.text
    assert "KeyError in sink" in caplog.text
    assert "prompt text" not in caplog.text, "an exception's text may hold anything"


def test_an_outage_is_told_once_not_every_time(gauges: Gauges, caplog: pytest.LogCaptureFixture) -> None:
    gauge = gauges(Scripted(starts=[Unavailable("no broker at kafka:9092")] * 20))
    gauge.stream().close("eof")
    assert gauge.flush()
    warnings = [record for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == 1
    assert "no broker at kafka:9092" in warnings[0].getMessage()


def test_the_thread_sleeps_when_there_is_nothing_to_do(gauges: Gauges, monkeypatch: pytest.MonkeyPatch) -> None:
    gauge = gauges(Scripted())
    gauge.stream().close("eof")
    assert gauge.flush()
    turns: list[float | None] = []
    turn = gauge._courier._turn

    def counted() -> float | None:
        turns.append(turn())
        return turns[-1]

    monkeypatch.setattr(gauge._courier, "_turn", counted)
    time.sleep(0.15)
    assert len(turns) <= 1, "the lane that got empty"
    with gauge.stream():
        time.sleep(0.15)
    assert 3 <= len(turns) <= 16, "about one every 20 ms while a stream is open"


@pytest.mark.parametrize("broken", ["start", "send"])
def test_the_thread_does_not_spin_while_the_sink_is_away(gauges: Gauges, broken: str) -> None:
    failures = [Unavailable("away")] * 100_000
    sink = Scripted(starts=failures) if broken == "start" else Scripted(sends=failures)
    gauge = gauges(sink, segment_ms=50)
    stream = gauge.stream()
    until(lambda: gauge.counters.connects_failed or gauge.counters.sends_retried)
    began = time.process_time()
    for _ in range(100):
        stream.chunk({"a": 1})
        time.sleep(0.003)
    assert time.process_time() - began < 0.15
    gauge.close(0.01)


def test_a_mistake_of_ours_stops_neither_the_thread_nor_the_others(
    gauges: Gauges, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = Scripted()
    gauge = gauges(sink)
    due = gauge._outbox.due
    monkeypatch.setattr(gauge._outbox, "due", lambda *args, **more: 1 / 0)
    gauge.stream().close("eof")
    until(lambda: gauge.counters.internal_errors)
    monkeypatch.setattr(gauge._outbox, "due", due)
    assert gauge.flush()
    assert kinds(sink.frames) == ["Open", "Close"]


def test_threads_streaming_at_once_lose_and_mix_nothing(gauges: Gauges) -> None:
    sink = Scripted(partitions=3)
    gauge = gauges(sink, segment_ms=5)

    def play(worker: int) -> None:
        for number in range(20):
            with gauge.stream(call=f"{worker}/{number}") as stream:
                for at in range(25):
                    stream.chunk({"from": [worker, number, at]})

    threads = [threading.Thread(target=play, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert gauge.flush(10.0)
    by_call: dict[bytes, list[Any]] = {}
    for frame in sink.frames:
        by_call.setdefault(frame.call, []).append(frame)  # type: ignore[arg-type]
    assert len(by_call) == 160
    for frames in by_call.values():
        assert [frame.n for frame in frames] == list(range(len(frames)))
        opened, *rest = frames
        chunks = [chunk for frame in rest if isinstance(frame, Data) for chunk in frame.chunks or ()]
        worker, number = opened.call_ref.split("/")
        assert chunks == [f'{{"from":[{worker},{number},{at}]}}'.encode() for at in range(25)]
        assert frames[-1].dropped == 0
    assert len({(sent.partition, sent.message.key) for sent in sink.sent}) == 160
    assert gauge._outbox.level == 0


def test_pulses_are_not_saved_up_while_the_sink_is_away(gauges: Gauges) -> None:
    sink = Gate()
    gauge = gauges(sink, pulse_s=0.1, segment_ms=10)
    stream = gauge.stream()
    until(lambda: sink.waiting)
    time.sleep(0.5)
    sink.opened.set()
    stream.close("eof")
    assert gauge.flush()
    assert sum(isinstance(frame, Pulse) for frame in sink.frames) <= 6
    assert codec.decode(sink.sent[0].message.value) is not None


def test_what_fails_beside_the_sinks_own_calls_is_counted_and_not_logged_by_asyncio(
    gauges: Gauges, caplog: pytest.LogCaptureFixture
) -> None:
    class Strays(Scripted):
        async def send(self, partition: int, messages: Sequence[Message]) -> None:
            asyncio.get_running_loop().call_soon(lambda: 1 / 0)
            await super().send(partition, messages)

    gauge = gauges(Strays())
    gauge.stream().close("eof")
    assert gauge.flush()
    assert gauge.close()
    assert gauge.counters.internal_errors >= 1
    assert not [record for record in caplog.records if record.name == "asyncio"]

"""The guest's rule, line by line: whatever of ours fails on the host's thread, the host sees the same."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

import pytest

import faults
from streamgauge.producers import Gauge, __path__
from streamgauge.producers.asked import Asked
from streamgauge.producers.context import _SCOPE
from streamgauge.producers.counters import Tally
from streamgauge.producers.guard import Guard, guarded
from streamgauge.producers.testing import MemorySink
from streamgauge.schemas.frames import Close, Data, Note, Open

PACKAGE = next(iter(__path__))


class HostError(Exception):
    """The application's own."""


def converses(gauge: Gauge, *, fails: bool = False) -> list[Any]:
    """A host that uses all there is of a manual stream, and returns what it got."""
    got: list[Any] = []
    with gauge.context(user_id="u", tags={"a": "b"}):
        try:
            with gauge.stream(model="m", call="c", request={"q": 1}, tags={"c": "d"}) as stream:
                got.append(stream.head(200, {"server": "x"}))
                for number in range(3):
                    stream.ask()
                    got.append(stream.chunk({"n": number}))
                got.append(stream.note(model="m2", error="e", tool_event={"kind": "tool"}, user_id="v"))
                if fails:
                    raise HostError("mine")  # noqa: TRY301 - it is to come from inside
        except HostError as error:
            got.append(str(error))
        tapped = gauge.open(Asked(method="POST", path="/v1/responses", body=b"{}"))
        tapped.chunk(b"x" * 600_000)
        got += [gauge.flush() in {True, False}, tapped.close("eof"), gauge.note("c", tags={"x": "y"})]
        left = gauge.stream()
        del left
    gc.collect(0)
    return [*got, _SCOPE.get()]


async def converses_in_a_task(gauge: Gauge) -> list[Any]:
    """The same, shorter, with `async with`."""
    got: list[Any] = []
    async with gauge.stream(model="m") as stream:
        got.append(stream.chunk({}))
        await asyncio.sleep(0)
        got.append(stream.chunk({}))
    try:
        async with gauge.stream() as stream:
            got.append(stream.chunk({}))
            await asyncio.wait_for(asyncio.sleep(60), 0)
    except TimeoutError as error:
        got.append(repr(error))
    return got


PLAYS: dict[str, Callable[[Gauge], list[Any]]] = {
    "manual": converses,
    "manual, and the host fails": lambda gauge: converses(gauge, fails=True),
    "task": lambda gauge: asyncio.run(converses_in_a_task(gauge)),
}


@pytest.mark.parametrize("name", PLAYS)
def test_a_failure_at_any_line_of_ours_changes_nothing_for_the_host(name: str) -> None:
    gauges: list[Gauge] = []
    sinks: list[MemorySink] = []

    def play() -> list[Any]:
        sinks.append(MemorySink())
        gauges.append(Gauge(tenant="acme", sink=sinks[-1]))
        with gauges[-1] as gauge:
            return PLAYS[name](gauge)

    differences = [
        difference
        for difference in faults.each_line(play, package=PACKAGE, at_least=60)
        if not _is_of_the_constructor(difference.line)
    ]
    assert not differences, "\n".join(map(str, differences))
    for gauge in gauges:
        gauge.close(1.0)
    assert sum(gauge.counters.internal_errors > 0 for gauge in gauges) > 60, "each one was counted"
    for sink in sinks:
        assert_sound(sink.frames)


def assert_sound(frames: Sequence[Any]) -> None:
    """Whatever failed, what was published is a log the reader can trust."""
    links: dict[bytes, list[Any]] = {}
    for frame in frames:
        links.setdefault(frame.link, []).append(frame)
    for of_link in links.values():
        assert [frame.n for frame in of_link] == list(range(len(of_link)))
        if isinstance(of_link[0], Note):
            continue
        assert isinstance(of_link[0], Open)
        close = of_link[-1]
        assert isinstance(close, Close)
        assert close.chunks is not None
        segments = [range(frame.seq, frame.seq + len(frame.got)) for frame in of_link if isinstance(frame, Data)]
        numbers = [number for segment in segments for number in segment]
        assert numbers == sorted(set(numbers))
        assert close.chunks - len(numbers) == close.dropped
        assert len(numbers) <= close.chunks


def _is_of_the_constructor(line: faults.Line) -> bool:
    """Whether it only runs while the gauge is made, when raising is right."""
    return line in _constructing()


def _constructing() -> set[faults.Line]:
    return set(faults.lines_of(lambda: Gauge(tenant="acme", sink=MemorySink()), package=PACKAGE))


@pytest.mark.parametrize("method", ["ask", "chunk", "head", "note", "close", "open", "stream", "context", "flush"])
def test_a_door_has_no_line_outside_its_try(method: str) -> None:
    """Not even that of the `try` itself, which `faults` takes for one that cannot fail."""
    gauge = Gauge(tenant="acme", sink=MemorySink())
    host: Any = gauge if hasattr(Gauge, method) else gauge.open(Asked())
    known: dict[str, list[Any]] = {"chunk": [b"x"], "head": [200], "close": ["eof"], "open": [Asked()]}
    arguments = known.get(method, [])

    def first_line(frame: FrameType, event: str, arg: object) -> Any:
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        if event == "line":
            raise faults.InjectedError
        return first_line

    door = getattr(host, method)
    sys.settrace(first_line)
    try:
        door(*arguments)
    finally:
        sys.settrace(None)
    assert gauge.counters.internal_errors == 1
    gauge.close(1.0)


def test_a_chunk_lost_to_an_error_of_ours_is_declared(monkeypatch: pytest.MonkeyPatch) -> None:
    sink = MemorySink()
    gauge = Gauge(tenant="acme", sink=sink)
    with gauge.stream() as stream:
        stream.chunk({"n": 0})
        with monkeypatch.context() as patch:
            patch.setattr(type(gauge._outbox), "admits", lambda *_: 1 / 0)
            stream.chunk({"n": 1})
        stream.chunk({"n": 2})
    assert gauge.close()
    assert [(frame.seq, frame.chunks) for frame in sink.frames if isinstance(frame, Data)] == [
        (0, [b'{"n":0}']),
        (2, [b'{"n":2}']),
    ]
    (close,) = [frame for frame in sink.frames if isinstance(frame, Close)]
    assert (close.chunks, close.dropped) == (3, 1)
    assert (gauge.counters.chunks_dropped, gauge.counters.internal_errors) == (1, 1)


def test_a_close_that_fails_closes_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    sink = MemorySink()
    gauge = Gauge(tenant="acme", sink=sink)
    stream = gauge.stream()
    with monkeypatch.context() as patch:
        patch.setattr(type(stream), "_end", lambda *_: 1 / 0)
        stream.close("eof")
    del stream
    assert gauge.close()
    assert [type(frame) for frame in sink.frames] == [Open, Close]
    assert sink.frames[-1].how == "unknown"  # type: ignore[union-attr]


def test_an_error_of_ours_is_logged_once_and_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    gauge = Gauge(tenant="acme", sink=MemorySink())
    for _ in range(5):
        gauge.stream(tags="the prompt").close("eof")  # type: ignore[arg-type]
        gauge.guard.caught(ValueError("the prompt"), "test")
    assert gauge.close()
    records = [record for record in caplog.records if record.name == "streamgauge.producers"]
    assert sorted(record.levelno for record in records) == [logging.WARNING, logging.ERROR]
    assert "left out what cannot be used, given as 'tags'" in caplog.text
    assert "ValueError in test" in caplog.text
    assert "the prompt" not in caplog.text
    assert (gauge.counters.internal_errors, gauge.counters.values_unusable) == (5, 5)


def test_our_own_tests_see_what_is_swallowed() -> None:
    gauge = Gauge(tenant="acme", sink=MemorySink(), raise_internal_errors=True)
    with pytest.raises(TypeError):
        gauge.stream().chunk()  # type: ignore[call-arg]
    assert gauge.counters.internal_errors == 1
    gauge.close(1.0)


@pytest.mark.parametrize("theirs", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_is_the_hosts_passes_the_door(theirs: type[BaseException]) -> None:
    class Door:
        @guarded
        def enter(self) -> None:
            raise theirs

        def _failed(self, error: Exception, where: str) -> None:
            raise AssertionError("it was swallowed")

    with pytest.raises(theirs):
        Door().enter()


def test_only_so_many_errors_wait_to_be_logged() -> None:
    guard = Guard(Tally())
    for number in range(1000):
        guard.caught(ValueError(), f"place {number}")
    assert len(list(guard.news())) == 100
    assert list(guard.news()) == []


def test_no_method_of_the_host_is_left_unguarded() -> None:
    from streamgauge.producers.context import Holding
    from streamgauge.producers.manual import ManualStream
    from streamgauge.producers.stream import Stream

    open_doors: dict[type, set[str]] = {
        Gauge: {"counters", "__init__"},
        Stream: {"call", "record_id", "serial", "__init__", "ask", "chunk"},  # the last two are doors of their own
        ManualStream: {"__init__"},
        Holding: {"__init__"},
    }
    for kind, unguarded in open_doors.items():
        named: dict[str, Callable[..., Any]] = {
            name: member
            for name, member in vars(kind).items()
            if (not name.startswith("_") or name in {"__enter__", "__exit__", "__aenter__", "__aexit__", "__init__"})
            and (callable(member) or isinstance(member, property))
        }
        assert {name for name, member in named.items() if not hasattr(member, "__wrapped__")} == unguarded

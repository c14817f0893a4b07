"""Streams the application feeds itself: it gets nothing back, whatever happens; what is sent is what happened."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
from collections.abc import AsyncIterator, Callable, Generator
from types import SimpleNamespace
from typing import Any

import pytest

from streamgauge.producers.asked import Asked
from streamgauge.schemas.frames import Close, Data, Head, Note, Open, Pulse
from streamgauge.schemas.words import Format, How

CHUNKS = [{"delta": "Hel"}, {"delta": "lo €"}, {"delta": None}]


class SdkChunk:
    """A chunk as SDKs hand it on: an object, not JSON."""

    def to_dict(self) -> dict[str, Any]:
        return {"choices": []}


class RefusedError(Exception):
    """As SDKs raise it for a status."""

    def __init__(self, status: int) -> None:
        super().__init__(f"Error code: {status} - key sk-1234567890abcdef")
        self.status_code = status
        self.response = SimpleNamespace(headers={"Retry-After": "7", "Set-Cookie": "secret"})


def documents(rig: Any) -> list[Any]:
    return [json.loads(chunk) for frame in rig.all_of(Data) for chunk in frame.chunks]


def test_what_is_handed_over_arrives_as_json(rig: Any) -> None:
    with rig.gauge.stream() as stream:
        for chunk in CHUNKS:
            assert stream.chunk(chunk) is None
        stream.chunk('{"text": true}')
        stream.chunk(b'{"bytes": true}')
        stream.chunk(SdkChunk())
    assert documents(rig) == [*CHUNKS, {"text": True}, {"bytes": True}, {"choices": []}]
    assert rig.only(Open).format is Format.OBJECTS
    assert rig.only(Close).how is How.EOF


def test_raw_bytes_of_a_body_are_kept_as_they_are_split(rig: Any) -> None:
    euro = "€".encode()
    with rig.gauge.stream(format="http") as stream:
        stream.head(200, {"Content-Type": "text/event-stream"})
        stream.chunk(b"data: " + euro[:1])
        stream.chunk(bytearray(euro[1:]))
        stream.chunk("é\n\n")
    assert rig.only(Data).chunks == [b"data: " + euro[:1], euro[1:], "é\n\n".encode()]
    assert rig.only(Head).headers == {"content-type": "text/event-stream"}
    assert rig.only(Open).format is Format.HTTP


def test_a_buffer_may_be_used_again(rig: Any) -> None:
    buffer = bytearray(b"one")
    with rig.gauge.stream(format="http") as stream:
        stream.chunk(memoryview(buffer))
        buffer[:] = b"two"
        stream.chunk(buffer)
        buffer[:] = b"xxx"
    assert rig.only(Data).chunks == [b"one", b"two"]


def test_a_tap_may_hand_over_a_buffer_that_is_used_again(rig: Any) -> None:
    buffer = bytearray(b"one")
    stream = rig.gauge.open(Asked())
    stream.chunk(buffer)
    buffer[:] = b"two"
    stream.chunk(memoryview(buffer))
    buffer[:] = b"xxx"
    stream.close("eof")
    assert rig.only(Data).chunks == [b"one", b"two"]


def test_chunks_are_timed_as_they_come(rig: Any) -> None:
    with rig.gauge.stream() as stream:
        for seconds in (0.5, 0.25):
            rig.clock.advance(seconds)
            stream.chunk({})
        rig.clock.advance(1)
    assert rig.only(Data).got == [500_000, 250_000]
    assert rig.only(Close).time_us == 1_750_000


def test_an_iterator_that_is_asked_can_say_so(rig: Any) -> None:
    with rig.gauge.stream() as stream:
        stream.ask()
        rig.clock.advance(2)
        stream.chunk({})
    assert (rig.only(Data).asked, rig.only(Data).got) == ([0], [2_000_000])


@pytest.mark.parametrize(
    ("error", "began", "how", "cause"),
    [
        (ConnectionError("reset"), True, How.READ_ERROR, "ConnectionError"),
        (ConnectionError("refused"), False, How.SEND_ERROR, "ConnectionError"),
        (GeneratorExit(), True, How.CLOSED_EARLY, "GeneratorExit"),
        (KeyboardInterrupt(), True, How.CLOSED_EARLY, "KeyboardInterrupt"),
        (asyncio.CancelledError(), False, How.CLOSED_EARLY, "CancelledError"),
        (SystemExit(3), True, How.CLOSED_EARLY, "SystemExit"),
    ],
)
def test_an_exception_ends_the_stream_and_passes_untouched(
    rig: Any, error: BaseException, began: bool, how: How, cause: str
) -> None:
    with pytest.raises(type(error)) as caught, rig.gauge.stream() as stream:  # noqa: PT012
        if began:
            stream.chunk({})
        raise error
    assert caught.value is error
    close = rig.only(Close)
    assert (close.how, close.cause) == (how, cause)


def test_a_refusal_has_the_providers_status_not_one_of_ours(rig: Any) -> None:
    with pytest.raises(RefusedError), rig.gauge.stream():
        raise RefusedError(429)
    head, close = rig.only(Head), rig.only(Close)
    assert (head.status, head.headers) == (429, {"retry-after": "7"})
    assert (close.how, close.message) == (How.READ_ERROR, "Error code: 429 - key [secret]")


def test_a_generator_that_is_left_early_says_so(rig: Any) -> None:
    def answer() -> Generator[object, None, None]:
        with rig.gauge.stream() as stream:
            for chunk in CHUNKS:
                stream.chunk(chunk)
                yield chunk

    generator = answer()
    next(generator)
    generator.close()
    assert (rig.only(Close).how, documents(rig)) == (How.CLOSED_EARLY, CHUNKS[:1])


async def test_tasks_stream_with_async_with(rig: Any) -> None:
    async def answer() -> AsyncIterator[object]:
        async with rig.gauge.stream() as stream:
            for chunk in CHUNKS:
                stream.chunk(chunk)
                yield chunk
                await asyncio.sleep(0)

    assert [chunk async for chunk in answer()] == CHUNKS
    assert rig.only(Close).how is How.EOF


async def test_a_cancelled_task_closes_its_stream(rig: Any) -> None:
    async def waits() -> None:
        async with rig.gauge.stream() as stream:
            stream.chunk({})
            await asyncio.sleep(3600)

    task = asyncio.create_task(waits())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert rig.only(Close).how is How.CLOSED_EARLY


def test_a_stream_that_is_dropped_is_collected(rig: Any) -> None:
    stream = rig.gauge.stream()
    stream.chunk({})
    del stream
    gc.collect(0)
    assert (rig.only(Close).how, rig.only(Close).reading) == (How.COLLECTED, False)


def test_a_stream_closed_twice_closes_once(rig: Any) -> None:
    with rig.gauge.stream() as stream:
        stream.close(How.CLOSED_EARLY)
        stream.chunk({"too": "late"})
    del stream
    gc.collect(0)
    assert (rig.only(Close).how, rig.all_of(Data)) == (How.CLOSED_EARLY, [])


def test_of_many_closers_one_closes(rig: Any) -> None:
    streams = [rig.gauge.stream() for _ in range(50)]

    def close_all() -> None:
        for stream in streams:
            stream.close("eof")

    threads = [threading.Thread(target=close_all) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(rig.all_of(Close)) == 50


def test_streams_side_by_side_stay_apart(rig: Any) -> None:
    with rig.gauge.stream(call="a") as one, rig.gauge.stream(call="b") as two:
        one.chunk({"from": "a"})
        two.chunk({"from": "b"})
    refs = {frame.call: frame.call_ref for frame in rig.all_of(Open)}
    assert {refs[frame.call]: frame.chunks for frame in rig.all_of(Data)} == {
        "a": [b'{"from":"a"}'],
        "b": [b'{"from":"b"}'],
    }


def test_a_stream_may_run_for_hours(rig: Any) -> None:
    with rig.gauge.stream() as stream:
        rig.frames()
        for _ in range(4):
            rig.clock.advance(3600)
            rig.frames()
        stream.chunk({})
    assert len(rig.all_of(Pulse)) == 4
    assert rig.only(Close).time_us == 4 * 3600 * 1_000_000


def test_a_stream_knows_its_call_at_once_and_its_record_soon(rig: Any) -> None:
    with rig.gauge.stream() as stream:
        assert stream.call == "00000000-0000-0000-0000-000000000001"
        rig.frames()
        assert stream.record_id == "acme/00000000-0000-0000-0000-000000000001.0"


def test_a_note_is_added_to_a_stream_that_runs_or_has_ended_here_or_elsewhere(rig: Any) -> None:
    with rig.gauge.stream(call="order 17") as stream:
        stream.note(tags={"a": "1"}, error="boom")
    stream.note(user_id="u", model="m2")
    rig.gauge.note("order 17", attempt=0, tool_event={"kind": "tool", "name": "search"})
    rig.gauge.note("order 18", attempt=70_000, tags={"b": "2"})
    notes, opened = rig.all_of(Note), rig.only(Open)
    assert [note.call == opened.call for note in notes] == [True, True, True, False]
    assert len({note.link for note in notes} | {opened.link}) == 5
    assert [note.attempt for note in notes] == [0, 0, 0, 70_000]
    assert (notes[1].context.user_id, notes[1].model, notes[2].tool_event.name) == ("u", "m2", "search")


@pytest.mark.parametrize(
    "misuse",
    [
        lambda gauge: gauge.stream(format="nonsense").chunk(object()),
        lambda gauge: gauge.stream().chunk(),
        lambda gauge: gauge.stream().head("200", 7),
        lambda gauge: gauge.stream().head(200, headers=[1, 2]),
        lambda gauge: gauge.stream(tags=7),
        lambda gauge: gauge.stream(call=[7]),
        lambda gauge: gauge.stream().note(tool_event=7),
        lambda gauge: gauge.stream().note(tags=7),
        lambda gauge: gauge.stream().close("eof", message=[7]),
        lambda gauge: gauge.note([7]),
        lambda gauge: gauge.stream(call="c", attempt="x").chunk({}),
        lambda gauge: gauge.stream(request=object()).chunk(object()),
    ],
)
def test_misuse_of_a_running_gauge_is_counted_and_raises_nothing(
    rigged: Callable[..., Any], misuse: Callable[[Any], object]
) -> None:
    rig = rigged(errors=None)
    misuse(rig.gauge)
    gc.collect(0)
    with rig.gauge.stream() as stream:
        stream.chunk({"still": "alive"})
    assert {"still": "alive"} in documents(rig)
    counters = rig.gauge.counters
    assert counters.internal_errors + counters.chunks_unusable + counters.values_unusable >= 1

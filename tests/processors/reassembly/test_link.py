"""One connection: what it knows when its frames are in."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import Any

import pytest

from frames_build import Connection, chat_events
from streamgauge.processors.measures.timing import Gaps
from streamgauge.processors.reassembly.deadlines import Deadlines, Lapse
from streamgauge.processors.reassembly.link import Link
from streamgauge.processors.reassembly.verdict import Blind
from streamgauge.schemas.frames import Frame
from streamgauge.schemas.words import Format, How, WaitingFor

DEADLINES = Deadlines.of_seconds()
SECOND = 1_000_000


def link_of(*frames: Frame, now_us: int = 0) -> Link:
    link = Link(frames[0].link or b"", Gaps(), now_us=now_us)
    for frame in frames:
        link.feed(frame, frame.n or 0, 7, now_us=now_us)
    return link


def closed(c: Connection, *chunks: bytes, head: dict[str, Any] | None = None, **close: Any) -> Link:
    frames: list[Frame] = [c.open(), c.head(**(head or {})), *map(c.data, chunks)]
    return link_of(*frames, c.close(**close))


def test_a_link_is_decided_by_its_bytes() -> None:
    assert closed(Connection(), *chat_events("a")).decided
    assert not closed(Connection(), *chat_events("a", done=False, finish=None)).decided


def test_a_proper_end_decides_where_no_marker_comes() -> None:
    events = chat_events("a", done=False)
    host = "api.writer.com"
    assert closed(Connection(host=host), *events).decided
    assert not closed(Connection(host=host), *events, how=How.READ_ERROR).decided


def test_objects_cannot_carry_a_marker_that_is_no_document() -> None:
    documents = [event.removeprefix(b"data: ") for event in chat_events("a", done=False)]
    unfinished = [event.removeprefix(b"data: ") for event in chat_events("a", done=False, finish=None)]
    assert closed(Connection(format=Format.OBJECTS), *documents).decided
    assert not closed(Connection(format=Format.OBJECTS), *documents, how=How.READ_ERROR).decided
    assert not closed(Connection(format=Format.OBJECTS), *unfinished).decided


@pytest.mark.parametrize(
    ("length", "short"), [("5", False), ("6", True), ("4", False), ("x", False), ("9" * 400, True)]
)
def test_a_body_below_its_length_is_short(length: str, short: bool) -> None:
    link = closed(Connection(), b"12345", head={"content_length": length})
    assert (link.short, link.ended_properly) == (short, not short)


def test_chunks_the_shim_dropped_are_no_shortness() -> None:
    link = closed(Connection(), b"123", head={"content_length": "5"}, byte_count=5, chunks=2, dropped=1)
    assert not link.short


def test_objects_have_no_length() -> None:
    assert not closed(Connection(format=Format.OBJECTS), b"{}", head={"content_length": "5"}).short


def test_what_the_shim_dropped_is_what_it_says_or_what_is_missing() -> None:
    assert closed(Connection(), b"a", dropped=3).dropped == 3
    c = Connection()
    frames: list[Frame] = [c.open(), c.head(), c.data(b"a")]
    c.drop(2)
    assert link_of(*frames, c.data(b"b")).dropped == 2
    c = Connection()
    assert link_of(c.open(), c.head(), c.pulse(dropped=4)).dropped == 4
    assert link_of(Connection().open()).dropped is None


def test_missing_chunks_are_all_that_were_neither_read_nor_dropped() -> None:
    c = Connection()
    frames: list[Frame] = [c.open(), c.head(), c.data(b"a")]
    c.data(b"b", b"c", b"d")
    c.drop(2)
    link = link_of(*frames, c.data(b"e"), c.close())
    assert link.missing_chunks == 0
    link.give_up_holes(2**60)
    assert (link.order.holes, link.missing_chunks) == (1, 3)


def test_what_is_missing_of_a_link_without_an_end_is_not_known() -> None:
    c = Connection()
    frames: list[Frame] = [c.open(), c.head()]
    c.lose()
    link = link_of(*frames, c.data(b"a"))
    link.give_up_holes(2**60)
    assert link.missing_chunks is None


def test_an_unknown_api_is_a_blindness_only_if_it_said_something() -> None:
    assert closed(Connection(path="/what"), b"data: 1\n\n").blind == Blind.UNKNOWN_API
    assert closed(Connection(path="/what")).blind is None


def test_a_damaged_coding_hides_what_decides() -> None:
    link = closed(Connection(), b"\x1f\x8b" + b"\xff" * 30, head={"content_encoding": "gzip"})
    assert link.blind == Blind.NOT_SEEN
    assert "content_coding_damaged" in link.oddities()


@pytest.mark.parametrize("kind", ["data", "pulse", "head"])
@pytest.mark.parametrize("early", [False, True])
def test_a_frame_behind_the_end_is_ignored_and_said(kind: str, early: bool) -> None:
    c = Connection()
    begun: list[Frame] = [c.open(), c.head()]
    ended: list[Frame] = [c.close()]
    kinds: dict[str, Callable[[], Frame]] = {"data": lambda: c.data(b"a"), "pulse": c.pulse, "head": c.head}
    ended.insert(0 if early else 1, kinds[kind]())
    link = link_of(*begun, *ended)
    assert link.flow.chunks == 0
    assert "frames_after_close" in link.oddities()


def test_a_second_open_or_head_changes_nothing() -> None:
    c = Connection()
    first = c.open()
    head = c.head(201)
    link = link_of(first, head, c.open(), c.head(500))
    assert (link.opening, link.flow.head) == (first, head)
    assert {"opened_twice", "headed_twice"} <= link.oddities()


def test_the_consumers_wait_is_the_last_that_was_said() -> None:
    c = Connection()
    frames: list[Frame] = [c.open(), c.pulse(consumer_wait_us=5), c.pulse(consumer_wait_us=9)]
    assert link_of(*frames).consumer_wait_us == 9
    assert link_of(*frames, c.close(consumer_wait_us=11)).consumer_wait_us == 11
    assert link_of(*frames, Connection().open()).consumer_wait_us == 9


def test_a_link_ended_when_its_close_says_or_was_last_heard_of() -> None:
    c = Connection()
    frames: list[Frame] = [c.open(), c.head(), c.data(b"a")]
    assert link_of(*frames).ended_us == 20_000
    assert link_of(*frames, c.close(time_us=77_000)).ended_us == 77_000
    assert link_of(Connection().open()).ended_us is None


def test_a_time_no_connection_lives_to_is_no_time() -> None:
    link = closed(Connection(), time_us=2**52)
    assert link.ended_us == 10_000
    assert "times_unknown" in link.oddities()


def test_two_rescuers_are_heard_in_no_order() -> None:
    c = Connection()
    one, other = c.rescued(time_us=5), c.rescued(time_us=6)
    heard = []
    for closes in ([one, other, one], [other, one, one]):
        link = link_of(c.open())
        c.n = 0
        for close in closes:
            link.feed_rescue(close, now_us=0)
        heard.append(link.rescue)
    assert heard[0] == heard[1]


def test_a_rescuer_is_believed_once_nothing_came_for_as_long_as_a_hole_may_last() -> None:
    c = Connection()
    link = link_of(c.open())
    link.feed_rescue(c.rescued(), now_us=50)
    link.give_up_holes(49)
    assert (link.close, link.hole_since_us) == (None, 50)
    link.give_up_holes(50)
    assert (link.rescued, link.hole_since_us) == (True, None)


def test_a_hole_is_as_old_as_the_first_thing_that_is_missing() -> None:
    c = Connection()
    link = link_of(c.open())
    link.feed_rescue(c.rescued(), now_us=50)
    c.lose()
    late = c.head()
    link.feed(late, late.n, 7, now_us=60)
    assert link.hole_since_us == 50


def test_a_body_that_ends_inside_its_coding_did_not_end_properly() -> None:
    sent = gzip.compress(b"".join(chat_events("a")))[:-9]
    link = closed(Connection(), sent, head={"content_encoding": "gzip"})
    assert (link.cut_in_coding, link.short, link.ended_properly) == (True, False, False)


def test_a_capped_body_hides_what_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamgauge.processors.reassembly.body.Body.capped", True)
    assert closed(Connection(), *chat_events("a", done=False)).blind == Blind.CAPPED


class TestSilence:
    def test_a_link_is_silent_from_its_last_frame(self) -> None:
        c = Connection()
        link = link_of(c.open(), now_us=5 * SECOND)
        assert link.silent_at(DEADLINES) == (65 * SECOND, Lapse.PRODUCER_SILENT)

    def test_the_provider_is_silent_from_its_last_sign_of_life(self) -> None:
        c = Connection()
        link = link_of(c.open(), c.head())
        for at_s in (15, 30, 870):
            pulse = c.pulse()
            link.feed(pulse, pulse.n, 7, now_us=at_s * SECOND)
        assert link.silent_at(DEADLINES) == (900 * SECOND, Lapse.PROVIDER_SILENT)

    @pytest.mark.parametrize("sign", ["data", "consumer"])
    def test_a_chunk_or_a_slow_consumer_ends_the_providers_silence(self, sign: str) -> None:
        c = Connection()
        link = link_of(c.open(), c.head(), c.pulse())
        frame: Frame = c.data(b"a") if sign == "data" else c.pulse(WaitingFor.CONSUMER)
        link.feed(frame, frame.n or 0, 7, now_us=850 * SECOND)
        assert link.silent_at(DEADLINES) == (910 * SECOND, Lapse.PRODUCER_SILENT)

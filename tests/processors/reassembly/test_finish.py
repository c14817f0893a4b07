"""What is handed on of a closed stream: links side by side, notes in order, sums."""

from __future__ import annotations

import gzip
import zlib
from typing import Any

import brotli  # type: ignore[import-untyped]
import pytest
import zstandard

from frames_build import SECOND, WALL_US, Connection, Log, chat_events, responses_events
from frames_facts import only, texts
from frames_feed import feed, partition
from streamgauge.processors.reassembly.finished import FinishedStream
from streamgauge.processors.reassembly.stream import LINKS_MAX
from streamgauge.schemas.frames import Frame
from streamgauge.schemas.words import ContentMode, How, Outcome, Resumable


def told(*frames: Frame | bytes) -> FinishedStream:
    log = Log()
    log.add(*frames)
    log.wait(200)
    return only(feed(log.arrivals, partition()))


def pair(wall_us: int, **close: Any) -> list[Frame]:
    """Two links of one answer; the second opened at this wall time."""
    events = responses_events("one", " two")
    first = Connection(b"link-0--", path="/v1/responses")
    second = Connection(
        b"link-1--", link_no=1, after=b"link-0--", path="/v1/responses/resp_1", method="GET", wall_us=wall_us
    )
    frames: list[Frame] = [first.open(), first.head(), *map(first.data, events[:5])]
    frames.append(first.close(How.READ_ERROR, resumable=Resumable.MAYBE, **close))
    return [*frames, second.open(), second.head(), *map(second.data, events[5:]), second.close(**close)]


def test_times_of_a_later_link_stand_behind_the_first_by_wall_clock() -> None:
    stream = told(*pair(WALL_US + 5 * SECOND))
    assert [(link.opened_us, link.ended_us) for link in stream.links] == [(0, 70_000), (5 * SECOND, 5_070_000)]
    assert stream.marks.headers_us == 10_000
    assert stream.marks.last_output_us == 5 * SECOND + 20_000
    assert stream.marks.ended_us == 5_070_000
    assert stream.resume_gap_us == 5 * SECOND + 20_000 - 60_000
    assert stream.warnings == []


def test_clocks_that_contradict_the_order_of_links_say_nothing() -> None:
    stream = told(*pair(WALL_US - 1))
    assert [(link.opened_us, link.ended_us) for link in stream.links] == [(0, 70_000), (None, None)]
    assert stream.marks.first_text_us == 60_000
    assert (stream.marks.last_output_us, stream.marks.ended_us, stream.resume_gap_us) == (None, None, None)
    assert stream.warnings == ["clocks_contradict"]
    assert texts(stream) == ["one two"]


def test_links_that_overlap_have_no_gap_between_them() -> None:
    assert told(*pair(WALL_US + 10_000)).resume_gap_us is None


def test_waits_and_drops_of_all_links_are_added_up() -> None:
    stream = told(*pair(WALL_US + SECOND, consumer_wait_us=7, dropped=2))
    assert (stream.consumer_wait_us, stream.shim_dropped_chunks) == (14, 4)
    assert told(*pair(WALL_US + SECOND, consumer_wait_us=None)).consumer_wait_us is None


def test_notes_apply_in_order_of_their_time_link_and_number() -> None:
    c = Connection()
    late = c.note(b"note-b--", 0, WALL_US + 2, tags={"n": "4"})
    notes = [
        c.note(b"note-b--", 1, WALL_US + 1, tags={"n": "3"}),
        late,
        c.note(b"note-a--", 1, WALL_US + 1, tags={"n": "2"}),
        c.note(b"note-a--", 0, WALL_US + 1, tags={"n": "1"}),
    ]
    stream = told(notes[0], c.open(), *notes[1:], late, c.head(), *map(c.data, chat_events("a")), c.close())
    assert [note.tags["n"] for note in stream.notes] == ["1", "2", "3", "4"]
    assert (stream.duplicates_dropped, stream.conflicts, stream.holes) == (1, 0, 0)


def test_a_note_that_differs_under_the_same_number_is_a_conflict() -> None:
    c = Connection()
    frames: list[Frame] = [c.open(), c.note(tags={"a": "1"}), c.note(tags={"a": "2"}), c.head()]
    stream = told(*frames, *map(c.data, chat_events("a")), c.close())
    assert ([note.tags for note in stream.notes], stream.conflicts) == ([{"a": "1"}], 1)


def test_a_link_whose_open_was_lost_is_read_and_not_listed() -> None:
    events = responses_events("one", " two")
    first = Connection(b"link-0--", path="/v1/responses")
    second = Connection(b"link-1--", link_no=1)
    frames: list[Frame] = [first.open(), first.head(), *map(first.data, events[:5])]
    frames.append(first.close(How.READ_ERROR, resumable=Resumable.MAYBE))
    second.open()
    stream = told(*frames, second.head(), *map(second.data, events[5:]), second.close())
    assert texts(stream) == ["one two"]
    assert [link.opening.link for link in stream.links] == [b"link-0--"]
    assert stream.chunks == len(events)
    assert stream.holes == 1
    assert "link_without_open" in stream.warnings


def test_an_answer_that_is_no_stream_is_a_stream_of_one_chunk() -> None:
    c = Connection()
    body = b'{"id":"x","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}]}'
    stream = told(c.open(), c.head(200, "application/json"), c.data(body), c.close())
    assert (stream.streamed, texts(stream), stream.chunks) == (False, ["hi"], 1)
    assert (stream.verdict.outcome, stream.verdict.evidence) == (Outcome.COMPLETED, "json body")
    assert stream.marks.first_output_us == stream.marks.first_event_us == 20_000


def test_a_compressed_answer_is_read() -> None:
    c = Connection()
    sent = gzip.compress(b"".join(chat_events("hi")))
    frames: list[Frame] = [c.open(), c.head(content_encoding="gzip"), c.data(sent[:50]), c.data(sent[50:]), c.close()]
    stream = told(*frames)
    assert (texts(stream), stream.body_bytes) == (["hi"], len(sent))
    assert stream.verdict.outcome is Outcome.COMPLETED


_CODINGS = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress,
}


@pytest.mark.parametrize("coding", _CODINGS)
def test_a_coding_without_its_end_is_no_complete_stream(coding: str) -> None:
    c = Connection()
    sent = _CODINGS[coding](b"".join(chat_events("hi")))
    stream = told(c.open(), c.head(content_encoding=coding), c.data(sent[:-1]), c.close())
    if coding == "br":  # it has no checksum behind its last block: without its last byte a block is not whole
        assert (stream.verdict.outcome, stream.verdict.evidence) == (Outcome.TRUNCATED, "content_coding")
    else:
        assert (stream.verdict.outcome, stream.verdict.evidence) == (Outcome.COMPLETED, "[DONE]")
    assert stream.verdict.stream_complete is False


def test_a_coding_cut_in_its_middle_says_that_it_was() -> None:
    c = Connection()
    sent = gzip.compress(b"".join(chat_events("hi")))
    stream = told(c.open(), c.head(content_encoding="gzip"), c.data(sent[: len(sent) // 2]), c.close())
    assert (stream.verdict.outcome, stream.verdict.evidence) == (Outcome.TRUNCATED, "content_coding")


def test_a_refusal_that_nobody_read_says_so() -> None:
    c = Connection()
    stream = told(c.open(), c.head(429, "application/json"), c.close(How.CLOSED_EARLY))
    assert (stream.verdict.outcome, stream.verdict.evidence) == (Outcome.REJECTED, "status 429")
    assert stream.warnings == ["body_unread"]
    assert stream.api is not None


def test_no_response_leaves_everything_about_it_null() -> None:
    c = Connection()
    stream = told(c.open(), c.close(How.SEND_ERROR, cause="ConnectError"))
    assert (stream.verdict.outcome, stream.streamed, stream.answers) == (Outcome.FAILED, None, [])
    assert stream.marks.first_byte_us is None
    assert stream.provider == "openai"


def test_sizes_alone_leave_the_outcome_open() -> None:
    c = Connection(content=ContentMode.SIZES_ONLY)
    stream = told(c.open(), c.head(), c.sizes(10, 20), c.close())
    assert (stream.verdict.outcome, stream.verdict.evidence) == (None, "not_seen")
    assert (stream.chunks, stream.body_bytes, stream.streamed) == (2, 30, True)


def test_dropped_chunks_hide_the_end_only_if_nothing_came_behind_them() -> None:
    events = chat_events("a", "b")
    c = Connection()
    frames: list[Frame] = [c.open(), c.head(), *map(c.data, events[:3])]
    c.drop(len(events) - 3)
    hidden = told(*frames, c.close())
    assert (hidden.verdict.outcome, hidden.verdict.evidence) == (None, "dropped")
    assert hidden.shim_dropped_chunks == len(events) - 3
    assert hidden.missing_chunks == 0

    c = Connection()
    begun: list[Frame] = [c.open(), c.head(), c.data(events[0])]
    c.drop()
    seen = told(*begun, *map(c.data, events[2:-1]), c.close())
    assert (seen.verdict.outcome, seen.verdict.evidence) == (Outcome.TRUNCATED, "eof")


def test_an_unknown_api_is_counted_and_not_judged() -> None:
    c = Connection(path="/v9/what", host="example.com")
    stream = told(c.open(), c.head(), c.data(b'data: {"x":1}\n\n'), c.close())
    assert (stream.api, stream.events, stream.unknown_events) == (None, 1, 1)
    assert (stream.verdict.outcome, stream.verdict.evidence) == (None, "unknown_api")


def test_an_open_that_lost_to_another_frame_of_its_number_still_opens_its_stream() -> None:
    c = Connection()
    opening = c.open()
    c.n = 0
    impostor = c.data(b"x")
    stream = told(impostor, opening, c.close())
    assert stream.opening == opening
    assert [link.opening for link in stream.links] == [opening]
    assert stream.conflicts == 1


def test_a_stream_takes_no_more_links_than_an_answer_can_need() -> None:
    log, core = Log(), partition()
    link = Connection()
    feed(log.add(link.open(), link.head()), core)
    for number in range(LINKS_MAX + 5):
        feed(log.add(Connection(number.to_bytes(8, "big"), link_no=number).open()), core)
    stream = only(feed(log.wait(60), core))
    assert len(stream.links) == LINKS_MAX
    assert "too_many_links" in stream.warnings

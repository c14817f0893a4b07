"""One body: decoded, recognised, cut; and what becomes of it where bytes are missing."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from itertools import pairwise

import brotli  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_stream_build import event, exception
from frames_build import Connection, chat_events
from streamgauge.processors.reassembly.body import Body, Room
from streamgauge.schemas.framing.events import Event, Piece
from streamgauge.schemas.framing.kinds import Framing
from streamgauge.schemas.words import Format

EVENTS = chat_events("a", "b", "c")
WHOLE = b"".join(EVENTS)


def body(content_type: str | None = "text/event-stream", *, encoding: str | None = None, **opening: object) -> Body:
    link = Connection(**opening)  # type: ignore[arg-type]
    headers = {} if encoding is None else {"content-encoding": encoding}
    return Body(link.open(), link.head(200, content_type, **headers))


def read(target: Body, *chunks: bytes) -> list[Event]:
    pieces = [piece for chunk in chunks for piece in target.feed(chunk)]
    return pieces + target.finish()


def split(data: bytes, at: list[int]) -> list[bytes]:
    borders = [0, *sorted(at), len(data)]
    return [data[begin:end] for begin, end in pairwise(borders)]


@given(st.lists(st.integers(0, len(WHOLE)), max_size=20), st.sampled_from([None, "gzip", "deflate"]))
def test_how_the_bytes_are_split_never_shows(at: list[int], encoding: str | None) -> None:
    encodes: dict[str | None, Callable[[bytes], bytes]] = {None: bytes, "gzip": gzip.compress, "deflate": zlib.compress}
    sent = encodes[encoding](WHOLE)
    pieces = read(body(encoding=encoding), *split(sent, [min(place, len(sent)) for place in at]))
    assert [piece.data for piece in pieces] == [event[6:-2] for event in EVENTS]
    assert pieces[-1].end == len(WHOLE)


@pytest.mark.parametrize(
    ("content_type", "start", "framing"),
    [
        ("text/event-stream", b"{", Framing.SSE),
        ("application/json", b"\n {", Framing.JSON),
        (None, b"data: x", Framing.SSE),
        (None, b'\xef\xbb\xbf{"a":1}', Framing.JSON),
        ("application/x-ndjson", b"{}\n", Framing.NDJSON),
        (None, b"\x00\x00\x00\x10", Framing.EVENT_STREAM),
        ("audio/mpeg", b"{\x00", Framing.BINARY),
        ("application/octet-stream", b"\x00\x00\x00\x10", Framing.EVENT_STREAM),
    ],
)
def test_what_a_body_is_shows_in_its_headers_and_first_byte(
    content_type: str | None, start: bytes, framing: Framing
) -> None:
    target = body(content_type)
    for at in range(len(start)):
        target.feed(start[at : at + 1])
    assert target.detected is not None
    assert target.detected.framing is framing
    assert target.streamed is (framing is not Framing.JSON)


def test_the_header_of_a_protocol_tells_more_than_the_path() -> None:
    link = Connection(method="POST", path="/api/chat")
    target = Body(link.open(), link.head(200, "text/event-stream", **{"x-vercel-ai-ui-message-stream": "v1"}))
    target.feed(b"data: {}")
    assert target.detected is not None
    assert target.detected.api is not None
    assert target.detected.api.name == "vercel.ui"


def test_blank_bytes_are_kept_until_it_is_clear_what_the_body_is() -> None:
    target = body(None)
    assert target.feed(b"\n \n") == []
    assert target.detected is None
    assert [piece.data for piece in read(target, b'{"a"', b":1}")] == [b'\n \n{"a":1}']


def test_an_empty_body_finds_its_api_all_the_same() -> None:
    target = body()
    assert read(target) == []
    assert target.detected is not None
    assert target.detected.api is not None
    assert target.detected.api.name == "openai.chat"


def test_objects_are_events_one_a_chunk_whatever_the_headers_say() -> None:
    target = body("text/event-stream", encoding="gzip", format=Format.OBJECTS)
    assert [piece.data for piece in read(target, b'{"a":1}', b"{}")] == [b'{"a":1}', b"{}"]


def test_nothing_is_joined_across_missing_bytes() -> None:
    target = body()
    torn = EVENTS[2]
    pieces = [*target.feed(EVENTS[1] + torn[:40]), *target.skip(), *target.feed(torn[60:] + EVENTS[3])]
    pieces += target.finish()
    assert [(piece.piece, piece.data) for piece in pieces] == [
        (Piece.EVENT, EVENTS[1][6:-2]),
        (Piece.TAIL, torn[:40]),
        (Piece.EVENT, EVENTS[3][6:-2]),
    ]
    assert pieces[-1].end == len(EVENTS[1]) + 40 + len(torn[60:]) + len(EVENTS[3])


def test_a_gap_between_two_events_tears_none() -> None:
    target = body()
    pieces = [*target.feed(EVENTS[1]), *target.skip(), *target.feed(EVENTS[3]), *target.finish()]
    assert [piece.data for piece in pieces] == [EVENTS[1][6:-2], EVENTS[3][6:-2]]


def test_a_body_whose_first_bytes_are_missing_is_read_from_the_next_event() -> None:
    target = body()
    assert target.skip() == []
    assert [piece.data for piece in read(target, EVENTS[1][30:] + EVENTS[2])] == [EVENTS[2][6:-2]]


def test_the_rest_of_a_torn_event_is_no_tail_either() -> None:
    target = body()
    target.feed(EVENTS[1])
    target.skip()
    assert read(target, b'"content":"x"}}]}') == []


def test_of_binary_messages_the_rest_of_a_torn_one_is_dropped_and_no_error_is() -> None:
    whole = event("one")
    target = body("application/vnd.amazon.eventstream")
    before = [*target.feed(whole + whole[:20]), *target.skip()]
    assert [piece.piece for piece in before] == [Piece.EVENT, Piece.TAIL]
    behind = read(target, whole[30:] + exception("broke"))
    assert [(piece.piece, piece.name) for piece in behind] == [(Piece.FAULT, "broke")]
    torn = body("application/vnd.amazon.eventstream")
    torn.skip()
    assert [piece.name for piece in read(torn, exception("broke"))] == ["broke"]


def test_a_torn_line_of_ndjson_is_dropped() -> None:
    target = body("application/x-ndjson")
    pieces = [*target.feed(b'{"a":1}\n{"b'), *target.skip(), *target.feed(b':2}\n{"c":3}\n'), *target.finish()]
    assert [piece.data for piece in pieces if piece.piece is Piece.EVENT] == [b'{"a":1}', b'{"c":3}']


@pytest.mark.parametrize(
    ("content_type", "encoding", "start"),
    [("application/json", None, b'{"a":'), ("text/event-stream", "gzip", gzip.compress(WHOLE)[:60])],
)
def test_a_document_or_a_coded_body_cannot_be_read_beyond_a_gap(
    content_type: str, encoding: str | None, start: bytes
) -> None:
    target = body(content_type, encoding=encoding)
    target.feed(start)
    assert target.skip() == []
    assert read(target, b"1}") == []
    assert target.unreadable


def test_a_document_whose_beginning_is_missing_is_unreadable() -> None:
    target = body("application/json")
    target.skip()
    assert read(target, b'{"a":1}') == []
    assert target.unreadable


def test_a_body_is_read_up_to_the_bound_to_the_byte() -> None:
    link = Connection()
    room = len(EVENTS[0]) + len(EVENTS[1])
    for step in (1, 7, len(WHOLE)):
        target = Body(link.open(), link.head(), Room(room))
        chunks = [WHOLE[at : at + step] for at in range(0, len(WHOLE), step)]
        assert [piece.data for piece in read(target, *chunks)] == [EVENTS[0][6:-2], EVENTS[1][6:-2]]
        assert target.capped


def test_all_bodies_of_an_attempt_share_one_bound() -> None:
    link, room = Connection(), Room(2 * len(WHOLE) + 5)
    first, second, third = (Body(link.open(), link.head(), room) for _ in range(3))
    assert len(read(first, WHOLE)) == len(read(second, WHOLE)) == len(EVENTS)
    assert (first.capped, second.capped) == (False, False)
    assert [piece.piece for piece in read(third, WHOLE, WHOLE)] == [Piece.TAIL]
    assert third.capped


def test_a_body_that_met_the_bound_is_not_read_on_when_another_gives_back_what_it_did_not_need() -> None:
    link, room = Connection(), Room(70_000)
    first, second = (Body(link.open(), link.head(), room) for _ in range(2))
    first.feed(WHOLE)
    second.feed(EVENTS[0] * 1000)
    assert second.capped
    first.finish()
    assert second.feed(b"\n\n" + WHOLE) == []


def test_a_bound_that_was_met_stays_known_behind_a_gap() -> None:
    link = Connection()
    target = Body(link.open(), link.head(), Room(10))
    target.feed(WHOLE)
    target.skip()
    assert target.capped


@pytest.mark.parametrize("line", [b"\n", b"\r", b":\n", b"a\n", b"data: x\n\n", b"{}\n"])
@pytest.mark.parametrize("content_type", ["text/event-stream", "application/x-ndjson"])
def test_a_bomb_of_short_lines_becomes_no_more_pieces_than_it_has_bytes(content_type: str, line: bytes) -> None:
    sent = gzip.compress(b"data: {}\n\n" + line * (4 * 2**20 // len(line)))
    target = body(content_type, encoding="gzip")
    pieces = target.feed(sent)
    assert target.capped
    assert len(pieces) <= 32 * 1024 + len(sent)
    assert target.feed(sent) == []


def test_a_long_answer_that_packs_well_is_read_whole() -> None:
    events = [EVENTS[1]] + [EVENTS[1].replace(b'"a"', b'" %d"' % (number * 7919 % 10007)) for number in range(9999)]
    target = body(encoding="br")
    assert len(read(target, brotli.compress(b"".join(events), quality=5))) == len(events)
    assert not target.capped


@pytest.mark.parametrize("step", [1000, 70_000, 200_000])
def test_blank_bytes_before_a_body_are_waited_out_for_a_while_only(step: int) -> None:
    for blanks, framing in ((60_000, Framing.JSON), (70_000, Framing.SSE)):
        target = body(None)
        data = b" " * blanks + b'{"a":1}'
        read(target, *[data[at : at + step] for at in range(0, len(data), step)])
        assert target.detected is not None
        assert target.detected.framing is framing


def test_a_broken_coding_is_damaged() -> None:
    target = body(encoding="gzip")
    read(target, b"\x1f\x8b" + b"\xff" * 40)
    assert target.damaged


def test_a_body_that_ends_inside_its_coding_is_cut() -> None:
    target = body(encoding="gzip")
    read(target, gzip.compress(WHOLE)[:-9])
    assert target.cut_in_coding


@given(st.lists(st.binary(max_size=40), max_size=8), st.sampled_from(["", "gzip", "br", "zstd", "x", "deflate, gzip"]))
def test_no_bytes_raise(chunks: list[bytes], encoding: str) -> None:
    target = body(None, encoding=encoding)
    for number, chunk in enumerate(chunks):
        target.feed(chunk)
        if number % 3 == 2:
            target.skip()
    target.finish()

"""Server-sent events: the grammar, what is outside of it, and that a split never shows."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streamgauge.schemas.framing.events import Event, Piece
from streamgauge.schemas.framing.sse import SseFramer

EVENT, COMMENT, OUTSIDE, TAIL, *_ = Piece


def cut(body: bytes, *, at: list[int] | None = None, event_bytes_max: int = 1 << 20) -> list[Event]:
    framer = SseFramer(event_bytes_max=event_bytes_max)
    pieces: list[Event] = []
    borders = sorted({0, len(body), *(at or [])})
    for start, end in itertools.pairwise(borders):
        pieces += framer.feed(body[start:end])
    return pieces + framer.finish()


def brief(pieces: list[Event]) -> list[tuple[Piece, str, bytes]]:
    return [(piece.piece, piece.name, piece.data) for piece in pieces]


FIELDS = (b"data", b"event", b"id", b"retry")


class Naive:
    """The same rules over a whole body, as plainly as they can be written."""

    def __init__(self, body: bytes) -> None:
        self.pieces: list[Event] = []
        self.block: list[bytes] = []
        self.run: list[bytes] = []
        self.run_end = 0
        self.id = ""
        start = 3 if body.startswith(b"\xef\xbb\xbf") else 0
        for match in re.finditer(rb"([^\r\n]*)(\r\n|\r|\n|\Z)", body[start:]):
            if match[2]:
                self.line(match[1], start + match.end())
            else:
                self.rest(match[1], len(body))
                break

    def line(self, line: bytes, end: int) -> None:
        field = line.split(b":")[0]
        if line and field and field not in FIELDS:
            self.run.append(line)
            self.run_end = end
            return
        self.end_run()
        if not line:
            self.end_block(end)
        elif not field:
            self.pieces.append(Event(COMMENT, "", line[1:].removeprefix(b" "), end, self.id))
        else:
            self.block.append(line)

    def end_run(self) -> None:
        if self.run:
            self.pieces.append(Event(OUTSIDE, "", b"\n".join(self.run), self.run_end, self.id))
            self.run = []

    def end_block(self, end: int) -> None:
        values: dict[bytes, list[bytes]] = {field: [] for field in FIELDS}
        for line in self.block:
            field, _, value = line.partition(b":")
            values[field].append(value.removeprefix(b" "))
        self.id = [self.id, *(value.decode("utf-8", "replace") for value in values[b"id"] if b"\0" not in value)][-1]
        name = [b"", *values[b"event"]][-1].decode("utf-8", "replace")
        if name or values[b"data"]:
            self.pieces.append(Event(EVENT, name, b"\n".join(values[b"data"]), end, self.id))
        elif self.block:
            self.pieces.append(Event(COMMENT, "", b"\n".join(self.block), end, self.id))
        self.block = []

    def rest(self, line: bytes, end: int) -> None:
        if self.run and line and line[:1] != b":" and line.split(b":")[0] not in FIELDS:
            self.line(line, end)
            line = b""
        self.end_run()
        tail = b"\n".join([*self.block, line])
        if tail:
            self.pieces.append(Event(TAIL, "", tail, end, self.id))


def naive(body: bytes) -> list[Event]:
    return Naive(body).pieces


LINES = st.sampled_from(
    [
        b"data: a", b"data:a", b"data:  a", b"data", b"data:", b"event: x", b"event:x", b"event", b"event:",
        b"id: 7", b"id", b"id: \0", b"retry: 10", b": ping", b":", b":  ", b"{", b'  "error": {', b"}",
        b"error: {}", b"event: \xe2\x82",
        b"dat", b"datax: y", b"data : y", b" data: y", b"", b"", b"", "data: €\u2028".encode(), b"data: \xff",
    ]
)  # fmt: skip
ENDS = st.sampled_from([b"\n", b"\n", b"\r\n", b"\r", b"\n\n", b"\r\n\r\n", b"\r\r"])
BODIES = st.one_of(
    st.lists(st.tuples(LINES, ENDS), max_size=20).map(lambda pairs: b"".join(a + b for a, b in pairs)),
    st.tuples(
        st.sampled_from([b"", b"\xef\xbb\xbf", b"\xef\xbb"]),
        st.lists(st.tuples(LINES, st.sampled_from([b"\n", b"\n\n"])), max_size=20).map(
            lambda pairs: b"".join(a + b for a, b in pairs)
        ),
        LINES,
    ).map(b"".join),
    st.binary(max_size=200),
    st.lists(st.sampled_from(list(b"da:\r\n t{")), max_size=60).map(bytes),
)


@given(BODIES, st.data())
@example(b"data: a\r\n\r\ndata: b\r\n\r\n", None)
@example(b"\xef\xbb\xbfdata: a\n\n", None)
def test_a_split_never_shows_and_the_naive_reading_agrees(body: bytes, data: st.DataObject | None) -> None:
    expected = naive(body)
    assert cut(body) == expected
    assert cut(body, at=list(range(len(body)))) == expected
    if data is not None:
        at = data.draw(st.lists(st.integers(0, len(body)), max_size=8))
        assert cut(body, at=at) == expected


@given(BODIES)
def test_nothing_is_lost(body: bytes) -> None:
    """Every byte that is no line end, field name, or space after a colon is found in a piece, in order of its kind."""
    pieces = cut(body)
    offset = 3 if body.startswith(b"\xef\xbb\xbf") else 0
    lines = [line for line in re.split(rb"[\r\n]", body[offset:]) if line]
    shown = b"\n".join(piece.name.encode() + b"\n" + piece.data for piece in pieces)
    for line in lines:
        field, _, value = line.partition(b":")
        if field in (b"id", b"retry", b"event"):
            continue  # an earlier one of a block is overridden by the grammar
        assert (value.removeprefix(b" ") if field in (b"data", b"") else line) in shown
    ends = [piece.end for piece in pieces]
    assert ends == sorted(ends)
    assert not ends or ends[-1] <= len(body)


@given(st.lists(st.tuples(LINES, st.just(b"\r")), max_size=15).map(lambda pairs: b"".join(a + b for a, b in pairs)))
def test_cr_alone_ends_lines_like_lf(body: bytes) -> None:
    assert brief(cut(body)) == brief(cut(body.replace(b"\r", b"\n")))


@settings(max_examples=50)
@given(BODIES, st.integers(1, 400), st.data())
def test_the_bound_cuts_at_the_same_byte_whatever_the_split(body: bytes, bound: int, data: st.DataObject) -> None:
    at = data.draw(st.lists(st.integers(0, len(body)), max_size=8))
    assert cut(body, at=at, event_bytes_max=bound) == cut(body, event_bytes_max=bound)


@pytest.mark.parametrize(
    ("body", "pieces"),
    [
        (b"data: a\n\n", [(EVENT, "", b"a")]),
        (b"data:a\n\n", [(EVENT, "", b"a")]),
        (b"data:  a\n\n", [(EVENT, "", b" a")]),
        (b"event: ping\ndata: {}\n\n", [(EVENT, "ping", b"{}")]),
        (b"data: {}\nevent: ping\n\n", [(EVENT, "ping", b"{}")]),
        (b"data: a\ndata: b\n\n", [(EVENT, "", b"a\nb")]),
        (b"data\n\n", [(EVENT, "", b"")]),
        (b"event: error\n\n", [(EVENT, "error", b"")]),
        (b": keep-alive\n\n", [(COMMENT, "", b"keep-alive")]),
        (b":\n\n", [(COMMENT, "", b"")]),
        (b"retry: 3000\n\n", [(COMMENT, "", b"retry: 3000")]),
        (b"\n\n\ndata: a\n\n\n\ndata: b\n\n", [(EVENT, "", b"a"), (EVENT, "", b"b")]),
        (b'error: {"code":500}\n\n', [(OUTSIDE, "", b'error: {"code":500}')]),
        (b'data: 1\n\n{\n  "error": {}\n}\n', [(EVENT, "", b"1"), (OUTSIDE, "", b'{\n  "error": {}\n}')]),
        (b'data: 1\n\n{\n  "error": {}\n}', [(EVENT, "", b"1"), (OUTSIDE, "", b'{\n  "error": {}\n}')]),
        (b"data: a\nfoo: b\n\n", [(OUTSIDE, "", b"foo: b"), (EVENT, "", b"a")]),
        (b'{"error":{}}', [(TAIL, "", b'{"error":{}}')]),
        (b"data: a\n\nevent: x\ndata: b", [(EVENT, "", b"a"), (TAIL, "", b"event: x\ndata: b")]),
        (b"data: a\n", [(TAIL, "", b"data: a\n")]),
        (b"", []),
    ],
)
def test_the_grammar_and_what_is_outside_of_it(body: bytes, pieces: list[tuple[Piece, str, bytes]]) -> None:
    assert brief(cut(body)) == pieces
    assert brief(cut(body, at=list(range(len(body))))) == pieces


def test_an_event_ends_behind_its_empty_line() -> None:
    assert [piece.end for piece in cut(b"\xef\xbb\xbfdata: a\r\n\r\ndata: b\n\ndata: c")] == [14, 23, 30]


def test_a_cr_at_the_end_of_a_read_waits_for_its_lf() -> None:
    framer = SseFramer()
    assert framer.feed(b"data: a\r\n\r") == []
    assert framer.feed(b"\n") == [Event(EVENT, "", b"a", 11)]
    assert framer.feed(b"data: b\r\r") == []
    assert framer.finish() == [Event(EVENT, "", b"b", 20)]


def test_a_line_end_that_begins_a_read_ends_the_line_not_the_event() -> None:
    assert brief(cut(b"data: a\ndata: b\n\n", at=[7])) == [(EVENT, "", b"a\nb")]


def test_the_last_id_stays_until_another_one_comes() -> None:
    ids = [piece.id for piece in cut(b"id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n")]
    assert ids == ["1", "1", ""]


def test_line_separators_inside_json_end_no_line() -> None:
    """U+2028 and U+0085 end lines of a str, never lines of an event stream."""
    payload = '{"t":"\u2028\u0085\x0b\x0c"}'.encode()
    assert brief(cut(b"data: " + payload + b"\n\n")) == [(EVENT, "", payload)]


def test_an_event_beyond_the_bound_is_cut_and_said_so() -> None:
    framer = SseFramer(event_bytes_max=1000)
    assert framer.feed(b"data: " + b"x" * 5000) == []
    [event] = framer.feed(b"y" * 10 + b"\n\n")
    assert event.data == b"x" * 994
    assert event.end == 5018
    assert framer.capped
    assert framer.feed(b"data: next\n\n")[0].data == b"next"


def test_an_event_beyond_the_bound_in_one_read_is_cut_too() -> None:
    framer = SseFramer(event_bytes_max=1000)
    assert [len(event.data) for event in framer.feed(b"data: " + b"x" * 5000 + b"\n\ndata: next\n\n")] == [994, 4]
    assert framer.capped


def test_lines_outside_free_what_they_took_of_the_bound_once() -> None:
    framer = SseFramer(event_bytes_max=1000)
    framer.feed((b"junk: " + b"x" * 94 + b"\ndata: " + b"x" * 294 + b"\n") * 3)
    [event] = framer.feed(b"\n")
    assert [len(line) for line in event.data.split(b"\n")] == [294, 294, 1000 - 2 * (300 + 64) - (100 + 64) - 6]


def test_a_body_that_never_ends_a_line_keeps_no_more_than_the_bound() -> None:
    framer = SseFramer(event_bytes_max=1000)
    for _ in range(100):
        assert framer.feed(b"x" * 1000) == []
    assert framer.capped
    assert len(framer.finish()[0].data) == 1000


def test_many_lines_of_nothing_are_bounded_too() -> None:
    framer = SseFramer(event_bytes_max=6400)
    framer.feed(b"x\n" * 100_000)
    assert framer.capped
    assert len(framer.finish()[0].data) < 300

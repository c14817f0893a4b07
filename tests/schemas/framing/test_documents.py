"""The framings without a grammar of their own: one document, one a line, one a chunk."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.schemas.framing.binary import BinaryBody
from streamgauge.schemas.framing.events import Event, Piece
from streamgauge.schemas.framing.json_body import JsonBody
from streamgauge.schemas.framing.kinds import Framing, framer
from streamgauge.schemas.framing.ndjson import NdjsonFramer
from streamgauge.schemas.framing.objects import ObjectsFramer


def test_a_json_body_is_one_event_when_it_ends() -> None:
    body = JsonBody()
    assert body.feed(b'{"a"') == []
    assert body.feed(b":1}\n") == []
    assert body.finish() == [Event(Piece.EVENT, "", b'{"a":1}\n', 8)]


@pytest.mark.parametrize("empty", [b"", b" \r\n"])
def test_an_empty_body_is_no_event(empty: bytes) -> None:
    body = JsonBody()
    body.feed(empty)
    assert body.finish() == []


def test_a_json_body_beyond_the_bound_is_cut_and_said_so() -> None:
    body = JsonBody(bytes_max=5)
    body.feed(b"1234")
    assert not body.capped
    body.feed(b"5678")
    assert body.finish() == [Event(Piece.EVENT, "", b"12345", 8)]
    assert body.capped


LINES = [b'{"a":1}', b"{", b"}", b" {}", b"<p>", b"", b" ", b"\r", b"\n", b"\n\n", "€".encode()]


@given(st.lists(st.sampled_from(LINES)), st.data())
def test_lines_are_the_same_however_they_are_split(parts: list[bytes], data: st.DataObject) -> None:
    body = b"".join(parts)
    whole = NdjsonFramer()
    expected = whole.feed(body) + whole.finish()
    lines = [line.strip() for line in body.split(b"\n")]
    found = [line.strip() for event in expected for line in event.data.split(b"\n")]
    assert found == [line for line in lines if line]
    at = sorted({0, len(body), *data.draw(st.lists(st.integers(0, len(body)), max_size=8))})
    pieces = NdjsonFramer()
    events = [event for a, b in itertools.pairwise(at) for event in pieces.feed(body[a:b])]
    assert events + pieces.finish() == expected


PRETTY = b'{\r\n  "error": {\r\n    "code": 503\r\n  },\r\n  {}\r\n}'


def test_lines_that_are_no_documents_stand_outside_together() -> None:
    """A gateway's error between the lines of a model."""
    lines = NdjsonFramer()
    body = b'{"a":1}\n' + PRETTY + b'\n\nstray\n{"b":2}\n'
    outside = PRETTY.replace(b"\r", b"")
    assert lines.feed(body) == [
        Event(Piece.EVENT, "", b'{"a":1}', 8),
        Event(Piece.OUTSIDE, "", outside, 8 + len(PRETTY) + 1),
        Event(Piece.OUTSIDE, "", b"stray", len(body) - 8),
        Event(Piece.EVENT, "", b'{"b":2}', len(body)),
    ]
    assert lines.finish() == []
    cut = NdjsonFramer()
    assert cut.feed(PRETTY) == []
    assert cut.finish() == [Event(Piece.OUTSIDE, "", outside, len(PRETTY))]


def test_an_open_run_and_a_document_without_its_end_are_two() -> None:
    lines = NdjsonFramer()
    assert lines.feed(b'<p>\n{"b"') == []
    assert lines.finish() == [Event(Piece.OUTSIDE, "", b"<p>", 4), Event(Piece.TAIL, "", b'{"b"', 8)]


def test_a_run_beyond_the_bound_is_cut_and_said_so() -> None:
    lines = NdjsonFramer(line_bytes_max=4)
    assert lines.feed(b"one\ntwo\n") == []
    assert lines.capped
    assert lines.finish() == [Event(Piece.OUTSIDE, "", b"one", 4)]


def test_a_last_line_without_its_end_is_the_tail() -> None:
    lines = NdjsonFramer()
    assert lines.feed(b'{"a":1}\r\n\n{"b"') == [Event(Piece.EVENT, "", b'{"a":1}', 9)]
    assert lines.finish() == [Event(Piece.TAIL, "", b'{"b"', 14)]


def test_a_line_beyond_the_bound_is_cut_and_said_so() -> None:
    lines = NdjsonFramer(line_bytes_max=4)
    lines.feed(b"123")
    [cut, event] = lines.feed(b"456\n{}\n")
    assert (cut.piece, cut.data, cut.end, lines.capped) == (Piece.OUTSIDE, b"1234", 7, True)
    assert (event.piece, event.data, event.end) == (Piece.EVENT, b"{}", 10)


def test_every_chunk_of_objects_is_an_event() -> None:
    objects = ObjectsFramer()
    assert objects.feed(b"{}") == [Event(Piece.EVENT, "", b"{}", 2)]
    assert objects.feed(b"") == []
    assert objects.feed(b"[1]") == [Event(Piece.EVENT, "", b"[1]", 5)]
    assert objects.finish() == []
    assert not objects.capped


@pytest.mark.parametrize("framing", list(Framing))
def test_every_framing_has_a_framer(framing: Framing) -> None:
    assert not framer(framing).capped


@given(st.lists(st.binary(max_size=5)))
def test_of_a_binary_body_only_its_begin_and_its_length_count(reads: list[bytes]) -> None:
    sound = BinaryBody()
    found = [event for read in reads for event in sound.feed(read)] + sound.finish()
    size = sum(map(len, reads))
    assert found == [Event(Piece.EVENT, "", b"", 1), Event(Piece.EVENT, "", b"", size)][: 2 if size else 0]
    assert not sound.capped

"""One JSON array, cut into its elements while it comes."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.schemas.framing.events import Event, Piece
from streamgauge.schemas.framing.json_array import JsonArrayFramer


def cut(*reads: bytes) -> list[tuple[Piece, bytes]]:
    framer = JsonArrayFramer()
    found = [event for read in reads for event in framer.feed(read)]
    return [(event.piece, event.data) for event in [*found, *framer.finish()]]


def test_an_element_is_an_event_as_soon_as_its_last_brace_has_come() -> None:
    framer = JsonArrayFramer()
    assert framer.feed(b'[{"a":[{}') == []
    assert framer.feed(b"]}") == [Event(Piece.EVENT, "", b'{"a":[{}]}', 11)]
    assert framer.feed(b'\r\n,\n{"b":1}\n') == [Event(Piece.EVENT, "", b'{"b":1}', 22)]
    assert framer.feed(b"]\n") == [Event(Piece.EVENT, "", b"]", 24)]
    assert framer.finish() == []


def test_braces_and_quotes_in_strings_are_text() -> None:
    element = json.dumps({"text": 'a } ] { [ " \\ \\" ,'}).encode()
    assert cut(b"[" + element + b"]") == [(Piece.EVENT, element), (Piece.EVENT, b"]")]


def test_an_array_of_nothing_ends_all_the_same() -> None:
    assert cut(b" [ ] ") == [(Piece.EVENT, b"]")]


def test_an_array_that_is_cut_has_no_end_and_its_open_element_is_the_tail() -> None:
    first, second = b'{"a":1}', b'{"b":"c"}'
    body = b"[" + first + b"," + second + b"]"
    for end in range(len(body)):
        whole = [(Piece.EVENT, element) for element in (first, second) if body.find(element) + len(element) <= end]
        tail = body[1 if not whole else 9 : end] if len(whole) < 2 else b""
        assert cut(body[:end]) == whole + ([(Piece.TAIL, tail)] if tail else []), end


@pytest.mark.parametrize("body", [b'[{"a":1}\n{"error":{}}\n', b'[{"a":1}]\n{"error":{}}', b'{"a":1}{"error":{}}'])
def test_an_object_is_an_event_where_no_element_belongs(body: bytes) -> None:
    assert [data for _, data in cut(body) if data != b"]"] == [b'{"a":1}', b'{"error":{}}']


def test_an_array_in_the_place_of_an_element_is_another_stream() -> None:
    pieces = cut(b'[{"a":1},\n[{"b":1}]')
    assert [data for piece, data in pieces if piece is Piece.EVENT] == [b'{"a":1}', b'{"b":1}', b"]"]
    assert [data for piece, data in pieces if piece is Piece.OUTSIDE] == [b"["]


def test_lines_that_are_no_elements_are_said() -> None:
    line, page = b'error: {"code":500, "message":"[broke"}', b"<html>\r\n<title>504</title>\r\n\r\n</html>"
    assert cut(b'[{"a":1}\n' + line + b'\n\n,{"b":1}\n' + page) == [
        (Piece.EVENT, b'{"a":1}'),
        (Piece.OUTSIDE, line),
        (Piece.EVENT, b'{"b":1}'),
        (Piece.OUTSIDE, page),
    ]


def test_the_offset_behind_a_line_is_its_own() -> None:
    framer = JsonArrayFramer()
    [line, bracket] = framer.feed(b"[tired\n\n]")
    assert (line.end, bracket.end) == (7, 9)


def test_an_element_beyond_the_bound_is_cut_and_said_so() -> None:
    framer = JsonArrayFramer(event_bytes_max=6)
    framer.feed(b'[{"a":')
    assert not framer.capped
    [first, second, _] = framer.feed(b'"123"},{}]')
    assert (first.data, second.data, framer.capped) == (b'{"a":"', b"{}", True)


VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=5) | st.sampled_from(['"', "\\", "[{", "}]", ","]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(st.lists(st.dictionaries(st.text(max_size=3), VALUES, max_size=3), max_size=5), st.sampled_from([None, 2]))
def test_the_elements_are_those_a_parser_finds(elements: list[Any], indent: int | None) -> None:
    pieces = cut(json.dumps(elements, indent=indent).encode())
    assert [json.loads(data) for _, data in pieces[:-1]] == elements
    assert pieces[-1] == (Piece.EVENT, b"]")


PARTS = [
    b"[",
    b"]",
    b",",
    b"\r\n",
    b'{"a":"',
    b"\\",
    b'"',
    b"}",
    b"{}",
    b"error: x",
    b"<p>",
    b" ",
    "€".encode(),
    b"\xef",
]


@given(st.lists(st.sampled_from(PARTS), max_size=12).map(b"".join) | st.binary(max_size=20), st.data())
def test_how_the_body_is_split_never_shows(body: bytes, data: st.DataObject) -> None:
    whole = JsonArrayFramer(event_bytes_max=12)
    expected = whole.feed(body) + whole.finish()
    at = sorted({0, len(body), *data.draw(st.lists(st.integers(0, len(body)), max_size=8))})
    pieces = JsonArrayFramer(event_bytes_max=12)
    found = [event for a, b in itertools.pairwise(at) for event in pieces.feed(body[a:b])]
    assert found + pieces.finish() == expected
    assert pieces.capped == whole.capped

"""Amazon's event stream: whole messages, cut ones, damaged ones, and how the framer finds its way back."""

from __future__ import annotations

import itertools
import time
from struct import pack
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_stream_build import event, exception, header, message
from streamgauge.schemas.framing.event_stream import EventStreamFramer
from streamgauge.schemas.framing.events import Event, Piece

ONE, TWO, THREE = event("one", {"a": 1}), event("two", {"b": 2}), event("three", {"c": 3})
TYPE = header(":message-type", "event") + header(":event-type", "e")


def cut(*reads: bytes) -> list[Event]:
    framer = EventStreamFramer()
    return [piece for read in reads for piece in framer.feed(read)] + framer.finish()


def told(body: bytes) -> list[tuple[str, str | bytes]]:
    """Events and faults by name, everything else by its bytes."""
    named = (Piece.EVENT, Piece.FAULT)
    return [(piece.piece.name, piece.name if piece.piece in named else piece.data) for piece in cut(body)]


def flipped(body: bytes, at: int) -> bytes:
    return body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]


def test_a_message_is_an_event_with_its_name_and_payload() -> None:
    assert cut(ONE + TWO) == [
        Event(Piece.EVENT, "one", b'{"a":1}', len(ONE)),
        Event(Piece.EVENT, "two", b'{"b":2}', len(ONE + TWO)),
    ]


def test_the_empty_message_is_read() -> None:
    """As AWS publishes it among its test vectors, so that builder and framer cannot agree on a mistake."""
    assert message(b"", b"") == bytes.fromhex("00000010 00000000 05c248eb 7d98c8ff")
    assert cut(message(b"", b"")) == [Event(Piece.EVENT, "", b"", 16)]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        *((0, b""), (1, b""), (2, b"\x07"), (3, b"ab"), (4, b"abcd"), (5, b"x" * 8), (6, b"bytes"), (7, b"text")),
        *((8, b"t" * 8), (9, b"u" * 16), (6, b""), (7, b"")),
    ],
)
def test_a_header_of_any_type_is_passed_over(kind: int, value: bytes) -> None:
    body = message(header("other", value, kind) + TYPE, b"p")
    assert cut(body) == [Event(Piece.EVENT, "e", b"p", len(body))]


@pytest.mark.parametrize(
    "headers",
    [
        header("x", b"", 10),
        header("x", b"", 255),
        b"\x05abc",
        b"\x01",
        b"\x01a\x07\x00",
        b"\x01a\x07\x00\x09b",
        b"\x01a\x05x",
    ],
)
def test_a_message_whose_headers_are_none_is_damage(headers: bytes) -> None:
    body = message(TYPE + headers, b"p")
    assert told(ONE + body + TWO) == [("EVENT", "one"), ("DAMAGED", body), ("EVENT", "two")]


def test_exceptions_and_errors_are_faults() -> None:
    error = header(":message-type", "error") + header(":error-code", "InternalError")
    body = (
        exception("throttlingException", {"message": "slow"})
        + message(error + header(":error-message", "broke"), b"")
        + message(error, b"{}")
        + message(header(":message-type", "exception"), b"")
    )
    assert [piece[:3] for piece in cut(body)] == [
        (Piece.FAULT, "throttlingException", b'{"message":"slow"}'),
        (Piece.FAULT, "InternalError", b"broke"),
        (Piece.FAULT, "InternalError", b"{}"),
        (Piece.FAULT, "", b""),
    ]


# ---------------------------------------------------------------------- cut


@pytest.mark.parametrize("size", range(1, len(TWO)))
def test_a_cut_message_is_the_tail_with_its_bytes(size: int) -> None:
    assert told(ONE + TWO[:size]) == [("EVENT", "one"), ("TAIL", TWO[:size])]
    assert cut(ONE + TWO[:size])[-1].end == len(ONE) + size


@pytest.mark.parametrize("size", range(1, len(TWO)))
def test_behind_a_message_that_was_cut_the_next_stream_is_found(size: int) -> None:
    """A proxy that asks again in the middle of a message: the length it began with reaches into what follows."""
    torn = TWO[:size]
    assert told(ONE + torn + THREE + ONE) == [("EVENT", "one"), ("DAMAGED", torn), ("EVENT", "three"), ("EVENT", "one")]
    large = event("large", b"x" * 1000)[: 100 + size]
    assert told(large + THREE) == [("DAMAGED", large), ("EVENT", "three")]
    assert told(large + THREE + torn) == [("DAMAGED", large), ("EVENT", "three"), ("TAIL", torn)]


def test_what_begins_in_the_cut_message_and_is_cut_too_is_one_tail() -> None:
    large = event("large", b"x" * 1000)[:200]
    assert told(large + TWO[:-1]) == [("TAIL", large + TWO[:-1])]


# ---------------------------------------------------------------------- damaged


@pytest.mark.parametrize("at", range(len(TWO)))
def test_a_wrong_bit_costs_the_message_it_stands_in_and_no_other(at: int) -> None:
    damaged = flipped(TWO, at)
    assert told(ONE + damaged + THREE) == [("EVENT", "one"), ("DAMAGED", damaged), ("EVENT", "three")]


@pytest.mark.parametrize("at", range(len(ONE)))
def test_a_wrong_bit_in_the_last_message_is_damage_or_a_tail(at: int) -> None:
    assert [name for name, _ in told(TWO + flipped(ONE, at))] in (["EVENT", "DAMAGED"], ["EVENT", "TAIL"])


@pytest.mark.parametrize("text", [b"no", b"<html><body>504</body></html>", b'{"error":{"message":"broke"}}', b"\n"])
def test_text_between_messages_comes_back_as_it_is(text: bytes) -> None:
    assert told(text) == [("DAMAGED", text)]
    assert told(ONE + text + TWO) == [("EVENT", "one"), ("DAMAGED", text), ("EVENT", "two")]
    assert told(ONE + text) == [("EVENT", "one"), ("DAMAGED", text)]


def test_a_length_beyond_the_bound_is_no_length() -> None:
    large = event("large", b"x" * 100)
    framer = EventStreamFramer(message_bytes_max=100)
    pieces = framer.feed(large + ONE)
    assert [piece.piece for piece in pieces] == [Piece.DAMAGED, Piece.EVENT]
    assert (pieces[0].data, pieces[0].end, framer.capped) == (large[:100], len(large), True)
    assert not EventStreamFramer().capped


def test_a_hostile_body_takes_no_more_than_its_length_is_worth() -> None:
    """Every 12 bytes a prelude of a message that reaches to the end: each would be summed whole."""
    size = 12 * 60_000
    lengths = (pack(">II", size - at, 0) for at in range(0, size, 12))
    preludes = b"".join(length + pack(">I", crc32(length)) for length in lengths)
    began = time.process_time()
    pieces = cut(preludes + ONE)
    assert time.process_time() - began < 1  # without the bound it takes 5 s
    assert pieces[-1].name == "one"


BODIES = st.lists(
    st.sampled_from([ONE, TWO, THREE, ONE[:7], TWO[:20], TWO[12:], flipped(TWO, 30), flipped(THREE, 2)])
    | st.sampled_from([b"\x00", b"\x00" * 13, b"text", b"{}", exception("e"), event("l", b"x" * 300)[:90], b""])
    | st.binary(max_size=20),
    max_size=8,
).map(b"".join)


@given(BODIES, st.data())
def test_the_pieces_are_the_same_however_the_body_is_split(body: bytes, data: st.DataObject) -> None:
    at = sorted({0, len(body), *data.draw(st.lists(st.integers(0, len(body)), max_size=8))})
    whole = cut(body)
    assert cut(*(body[start:end] for start, end in itertools.pairwise(at))) == whole
    assert cut(*(body[start : start + 1] for start in range(len(body)))) == whole


@given(BODIES)
def test_no_byte_is_lost_and_every_piece_says_where_it_ends(body: bytes) -> None:
    start = 0
    for piece in cut(body):
        came = body[start : piece.end]
        if piece.piece in (Piece.DAMAGED, Piece.TAIL):
            assert piece.data == came
        else:
            assert piece.data in came
        start = piece.end
    assert start == len(body)


@given(st.lists(st.sampled_from([ONE, TWO, THREE]), max_size=6), st.data())
def test_whole_messages_are_found_behind_any_damage(bodies: list[bytes], data: st.DataObject) -> None:
    noise = data.draw(st.binary(max_size=40))
    names = [piece.name for piece in cut(noise + b"".join(bodies)) if piece.piece is Piece.EVENT]
    assert names == [piece.name for piece in cut(b"".join(bodies))]

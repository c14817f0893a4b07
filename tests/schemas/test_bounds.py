from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract_samples import CALL, FRAMES, LINK
from contract_strategies import frames, json_values
from streamgauge.schemas.bounds import ATTEMPT_MAX, check, cut_text
from streamgauge.schemas.frames import Context, Data, Frame, Head, Note, Prefix, Tick, ToolEvent, UnknownFrame
from streamgauge.schemas.limits import (
    FRAME_BYTES_MAX,
    HEADERS_BYTES_MAX,
    NESTING_MAX,
    NUMBER_MAX,
    REQUEST_BYTES_MAX,
    TAGS_BYTES_MAX,
    TAGS_MAX,
    TEXT_BYTES_MAX,
)
from streamgauge.schemas.words import ToolEventKind


def with_(name: str, **changes: Any) -> Frame:
    """A sample with other values."""
    return msgspec.structs.replace(FRAMES[name], **changes)


def nested(depth: int) -> msgspec.Raw:
    return msgspec.Raw(b"\x91" * (depth - 1) + b"\xc0")


def tool(value: Any) -> Note:
    raw = value if isinstance(value, msgspec.Raw) else msgspec.Raw(msgspec.msgpack.encode(value))
    return Note(CALL, 0, LINK, 0, 1, tool_event=ToolEvent(ToolEventKind.TOOL, input=raw))


@pytest.mark.parametrize("name", FRAMES)
def test_what_a_shim_writes_is_within_bounds(name: str) -> None:
    assert check(FRAMES[name], frame_bytes=FRAME_BYTES_MAX) is None


@pytest.mark.parametrize(
    ("frame", "fault"),
    [
        (with_("head", call=b"short"), "call has not 16 bytes"),
        (with_("head", link=LINK + b"x"), "link has not 8 bytes"),
        (with_("head", attempt=-1), "attempt is not between"),
        (with_("head", attempt=ATTEMPT_MAX + 1), "attempt is not between"),
        (with_("head", n=-1), "n is not between"),
        (with_("head", n=NUMBER_MAX + 1), "n is not between"),
        (with_("head", time_us=-1), "time_us is not between"),
        (with_("head", status=NUMBER_MAX + 1), "status is not between"),
        (with_("head", headers={str(number): "" for number in range(129)}), "headers has 129 pairs"),
        (with_("head", headers={"via": "x" * HEADERS_BYTES_MAX}), "headers has more than"),
        (with_("open", tenant=""), "tenant is not"),
        (with_("open", tenant="a/b"), "tenant is not"),
        (with_("open", tenant="acme\n"), "tenant is not"),
        (with_("open", wall_us=-1), "wall_us is not between"),
        (with_("open", link_no=-1), "link_no is not between"),
        (with_("open", parent_attempt=-1), "parent_attempt is not between"),
        (with_("open", after=b""), "after has not 8 bytes"),
        (with_("open", path="/" + "x" * TEXT_BYTES_MAX), "path has more than"),
        (with_("open", call_ref="ü" * (TEXT_BYTES_MAX // 2 + 1)), "call_ref has more than"),
        (with_("open", request=b"x" * (REQUEST_BYTES_MAX + 1)), "request has more than"),
        (with_("open", request_bytes=-1), "request_bytes is not between"),
        (with_("open", request_sha256=b"x"), "request_sha256 has not 32 bytes"),
        (with_("open", tags={str(number): "" for number in range(TAGS_MAX + 1)}), "tags has 65 pairs"),
        (with_("open", tags={"k": "ü" * (TAGS_BYTES_MAX // 2)}), "tags has more than"),
        (with_("open", query={"alt": "x" * HEADERS_BYTES_MAX}), "query has more than"),
        (with_("open", context=Context(user_id="x" * (TEXT_BYTES_MAX + 1))), "user_id has more than"),
        (with_("data", seq=-1), "seq is not between"),
        (with_("data", got=[]), "got is empty"),
        (with_("data", got=[1, 2]), "chunks has 3 entries, got has 2"),
        (with_("data", got=[5, -6, 9]), "got holds a time"),
        (with_("data", got=[NUMBER_MAX, 1, 0]), "got holds a time"),
        (with_("data", asked=[1, 2]), "asked has 2 entries, got has 3"),
        (with_("data", asked=[-1, 1, 1]), "asked holds a time"),
        (with_("data", sizes=[1, 2, 3]), "one of them, not both"),
        (with_("data", chunks=None), "one of them, not both"),
        (with_("data", chunks=None, sizes=[1, 2]), "sizes has 2 entries"),
        (with_("data", chunks=None, sizes=[1, 2, -3]), "sizes holds a number"),
        (with_("data", directions=[0]), "directions has 1 entries"),
        (with_("data", directions=[0, 1, 2]), "directions holds a number"),
        (with_("pulse", dropped=-1), "dropped is not between"),
        (with_("note", error="x" * (TEXT_BYTES_MAX + 1)), "error has more than"),
        (with_("note", tags={"k": "x" * TAGS_BYTES_MAX}), "tags has more than"),
        (with_("note", context=Context(trace_id="x" * (TEXT_BYTES_MAX + 1))), "trace_id has more than"),
        (tool(nested(NESTING_MAX + 1)), "input is nested deeper"),
        (tool(nested(100_000)), "input cannot be decoded"),
        (tool({1: 2}), "input has a key that is no text"),
        (tool([b"bytes"]), "input holds something JSON cannot"),
        (tool(msgspec.msgpack.Ext(1, b"x")), "input holds something JSON cannot"),
        (tool(msgspec.Raw(b"\xa2\xff\xfe")), "input cannot be decoded"),
        (with_("close", n=3), "n and frames: both or neither"),
        (with_("close", frames=3), "n and frames: both or neither"),
        (with_("close_full", frames=5), "frames is not n + 1"),
        (with_("close_full", time_us=-1), "time_us is not between"),
        (with_("close_full", message="x" * (TEXT_BYTES_MAX + 1)), "message has more than"),
        (Tick(n=1), "a Tick has n 0"),
        (UnknownFrame(Prefix(8, None, 0, LINK, 0)), "call has not 16 bytes"),
        (UnknownFrame(Prefix(8, CALL, None, LINK, 0)), "attempt is not between"),
        (UnknownFrame(Prefix(8, CALL, 0, None, 0)), "link has not 8 bytes"),
        (UnknownFrame(Prefix(8, CALL, 0, LINK, None)), "n is null"),
    ],
)
def test_what_is_out_of_bounds_is_named(frame: Frame | UnknownFrame, fault: str) -> None:
    found = check(frame)
    assert found is not None
    assert fault in found


@pytest.mark.parametrize(
    "frame",
    [
        with_("head", headers={str(number): "" for number in range(128)}),
        with_("head", attempt=ATTEMPT_MAX, n=NUMBER_MAX),
        with_("open", tags={"k": "x" * (TAGS_BYTES_MAX - 1)}, path="x" * TEXT_BYTES_MAX),
        with_("open", request=b"x" * REQUEST_BYTES_MAX),
        with_("data", got=[NUMBER_MAX, 0, -NUMBER_MAX]),
        with_("data", chunks=[b"", b"", b"x" * 900_000]),
        tool(nested(NESTING_MAX)),
        UnknownFrame(Prefix(8, CALL, 0, LINK, 0)),
    ],
)
def test_the_bound_itself_is_allowed(frame: Frame | UnknownFrame) -> None:
    assert check(frame) is None


def test_a_clock_that_went_back_costs_no_bytes() -> None:
    assert check(with_("data", got=[100, -20, -30], asked=[90, -50, 1])) is None


def test_a_frame_too_long_is_refused_whatever_it_holds() -> None:
    found = check(FRAMES["tick"], frame_bytes=FRAME_BYTES_MAX + 1)
    assert found is not None
    assert str(FRAME_BYTES_MAX) in found


@given(frames())
def test_every_frame_is_judged_and_never_quoted(frame: Frame) -> None:
    found = check(frame)
    assert found is None or found.isascii()


@given(json_values)
def test_any_json_may_be_carried_by_a_tool_event(value: Any) -> None:
    assert check(tool(value)) is None


@pytest.mark.parametrize("secret", ["SECRET", "SÉCRET"])
def test_a_fault_quotes_no_value(secret: str) -> None:
    long = secret * TEXT_BYTES_MAX
    for frame in (
        with_("open", tenant=secret + "/"),
        with_("open", path=long),
        with_("open", tags={secret: long}),
        with_("head", headers={secret: long * 20}),
        tool({secret: {5: secret}}),
    ):
        found = check(frame)
        assert found is not None
        assert secret not in found


@given(st.text(), st.integers(0, 40))
def test_a_text_is_cut_between_characters(text: str, bytes_max: int) -> None:
    cut = cut_text(text, bytes_max)
    assert text.startswith(cut)
    assert len(cut.encode()) <= bytes_max
    assert cut == text or len(cut.encode()) > bytes_max - 4


def test_a_text_with_half_a_surrogate_pair_can_be_cut() -> None:
    assert cut_text("\ud83d" * 10, 5) == "?????"


def test_a_cut_text_is_within_bounds() -> None:
    long = "ü" * (3 * TEXT_BYTES_MAX)
    assert check(Head(CALL, 0, LINK, 0, 1, http_version=cut_text(long))) is None
    assert check(Data(CALL, 0, LINK, 0, 0, [1], chunks=[b"x"])) is None

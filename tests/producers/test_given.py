"""No value an application gives costs it a stream: what can be used is used, the rest is left out and counted."""

from __future__ import annotations

import datetime
import uuid
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamgauge.producers import Gauge
from streamgauge.producers.testing import MemorySink
from streamgauge.schemas import codec
from streamgauge.schemas.bounds import check
from streamgauge.schemas.frames import Close, Head, Note, Open


class Hostile:
    """Fails whatever is asked of it."""

    def __str__(self) -> str:
        raise RuntimeError("no")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no")

    def __hash__(self) -> int:
        raise RuntimeError("no")

    def __bool__(self) -> bool:
        raise RuntimeError("no")

    def keys(self) -> Any:
        raise RuntimeError("no")


class Whisper(str):
    """A text that says something else of itself."""

    __slots__ = ()

    def __str__(self) -> str:
        return "else"


@pytest.mark.parametrize("call", ["", b"", [], {}, object(), Hostile()])
def test_a_call_that_cannot_be_used_is_a_call_of_its_own(rig: Any, call: Any) -> None:
    with rig.gauge.stream(call=call, model="m") as stream:
        stream.chunk({"n": 1})
    opened = rig.only(Open)
    assert (opened.call_ref, opened.model, opened.attempt) == (None, "m", 0)
    assert rig.only(Close).chunks == 1
    assert rig.gauge.counters.values_unusable == 1


def test_a_call_that_cannot_be_used_leaves_the_outer_one(rig: Any) -> None:
    with rig.gauge.context(call="outer"), rig.gauge.context(call="", tags=7, user_id="u"), rig.gauge.stream(call=""):
        pass
    opened = rig.only(Open)
    assert (opened.call_ref, opened.context.user_id, opened.tags) == ("outer", "u", {})
    assert rig.gauge.counters.values_unusable == 3


@pytest.mark.parametrize(("call", "ref"), [(17, "17"), (b"order", "order"), (Whisper("order"), "order")])
def test_a_call_named_by_another_kind_of_value_is_named_by_its_text(rig: Any, call: Any, ref: str) -> None:
    for again in (call, ref):
        with rig.gauge.stream(call=again):
            pass
    opens = rig.all_of(Open)
    assert [(opened.call_ref, opened.attempt) for opened in opens] == [(ref, 0), (ref, 1)]
    assert opens[0].call == opens[1].call
    assert rig.gauge.counters.values_unusable == 0


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (7, "7"),
        (True, "True"),
        (Decimal("1.50"), "1.50"),
        (uuid.UUID(int=5), "00000000-0000-0000-0000-000000000005"),
        (datetime.date(2026, 1, 2), "2026-01-02"),
        (Whisper("u"), "u"),
        ("\ud800", "?"),
        ({"password": "x"}, None),
        (object(), None),
        (Hostile(), None),
    ],
)
def test_a_field_is_a_text_or_left_out(rig: Any, value: Any, text: str | None) -> None:
    fields = {"user_id": value, "session_id": value, "prompt_id": value, "agent_name": value, "tier": value}
    with rig.gauge.stream(**fields, provider=value, tags={"a": value, "b": "kept"}):
        pass
    opened = rig.only(Open)
    context = opened.context
    assert {context.user_id, context.session_id, context.prompt_id, context.agent_name, opened.provider} == {text}
    assert opened.tags == {"b": "kept", **({} if text is None else {"a": text, "tier": text})}
    assert rig.gauge.counters.values_unusable == (7 if text is None else 0)


@pytest.mark.parametrize("attempt", [-1, 2**31 + 1, 1.0e300, float("nan"), "3", True, None, Hostile()])
def test_an_attempt_that_cannot_be_used_is_numbered_by_us(rig: Any, attempt: Any) -> None:
    with rig.gauge.stream(call="c", attempt=attempt, attempt_kind="nonsense", resumable="nonsense", format="nonsense"):
        pass
    opened = rig.only(Open)
    assert (opened.attempt, opened.attempt_kind, opened.format) == (0, "first", "objects")
    assert rig.gauge.counters.values_unusable == (3 if attempt is None else 4)


def test_attempts_beyond_the_last_number_are_drawn_at_random(rig: Any) -> None:
    for attempt in (2**31, None, None):
        with rig.gauge.stream(call="c", attempt=attempt):
            pass
    assert [check(opened) for opened in rig.all_of(Open)] == [None, None, None]


def test_a_note_that_names_no_stream_is_dropped_and_counted(rig: Any) -> None:
    rig.gauge.note("", tags={"a": "b"})
    rig.gauge.note("c", attempt=-1, tags={"a": "b"})
    assert rig.all_of(Note) == []
    assert (rig.gauge.counters.notes_dropped, rig.gauge.counters.values_unusable) == (2, 2)


def test_what_is_said_of_an_answer_is_kept_as_far_as_it_can_be_used(rig: Any) -> None:
    with rig.gauge.stream() as stream:
        stream.head("429", headers=7)
        stream.head(200, headers=[("content-type", "a/b"), 7], at_ns="now")
        stream.note(
            tags=7, tool_event={"name": "search", "duration_us": "x", "kind": "nonsense", "ok": "yes"}, error=[1]
        )
        stream.close("nonsense", message=[1], cause=5, reading="no", at_ns=0.5)
    heads, close, note = rig.all_of(Head), rig.only(Close), rig.only(Note)
    assert [(head.status, head.headers) for head in heads] == [(200, {"content-type": "a/b"})]
    assert (close.how, close.message, close.cause, close.reading) == ("unknown", None, "5", None)
    assert (note.tool_event.name, note.tool_event.duration_us, note.tool_event.kind) == ("search", None, "unknown")


ODD: list[Any] = [
    *(None, "", "x", "x" * 20_000, "\ud800", "\u00e9" * 5_000, 0, -1, 2**80, 0.5, float("nan"), True, b"\xff"),
    *([], [1], {}, (), {"a": 1}, {1: {}}, {"k" * 9000: "v"}, object(), Hostile(), Whisper("w"), uuid.UUID(int=1)),
]


def some(*names: str) -> st.SearchStrategy[dict[str, int]]:
    """Some of these arguments, with values by their number: their `repr` is odd too."""
    return st.dictionaries(st.sampled_from(names), st.integers(0, len(ODD) - 1))


def odd(said: dict[str, int]) -> dict[str, Any]:
    return {name: ODD[number] for name, number in said.items()}


@settings(deadline=None)
@given(
    some("call", "tags", "user_id", "feature"),
    some("call", "tags", "model", "provider", "api", "request", "format", "attempt", "attempt_kind", "resumable")
    | some("call_from_elsewhere", "user_id", "session_id", "prompt_id", "agent_name", "other"),
    some("status", "headers", "http_version", "location", "at_ns"),
    some("tags", "model", "error", "tool_event", "user_id", "extra"),
    some("how", "reading", "cause", "message", "at_ns"),
)
def test_no_value_whatever_loses_a_stream_or_makes_a_frame_out_of_bounds(
    around: dict[str, int],
    said: dict[str, int],
    head: dict[str, int],
    note: dict[str, int],
    close: dict[str, int],
) -> None:
    sink = MemorySink()
    gauge = Gauge(tenant="acme", sink=sink, raise_internal_errors=True)
    with gauge, gauge.context(**odd(around)), gauge.stream(**odd(said)) as stream:
        stream.head(**{"status": 200, **odd(head)})
        stream.note(**odd(note))
        stream.chunk({"n": 1})
        stream.close(**{"how": "eof", **odd(close)})
    assert gauge.counters.internal_errors == 0, gauge.counters
    frames: list[Any] = [codec.decode(sent.message.value) for sent in sink.sent]
    assert [fault for frame in frames if (fault := check(frame))] == []
    assert sorted(type(frame).__name__ for frame in frames) == ["Close", "Data", "Head", "Note", "Open"], gauge.counters

"""Cohere's second chat: contents and calls that begin, grow and end, and one event that ends all of it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from sse_play import DONE, parts, play, play_body, said, sse, tools
from streamgauge.processors.providers.answer import Output, Usage
from streamgauge.processors.providers.cohere_usage import cohere_usage
from streamgauge.schemas.records import Citation, Reasoning, Text

API = "cohere.v2"
USAGE = {
    "billed_units": {"input_tokens": 7, "output_tokens": 3},
    "tokens": {"input_tokens": 70, "output_tokens": 4},
    "cached_tokens": 64,
}
CITATION = {"start": 0, "end": 5, "text": "Hello", "sources": []}


def event(
    kind: str, index: int | None = None, *, content: dict[str, Any] | None = None, **message: Any
) -> dict[str, Any]:
    if content is not None:
        message["content"] = content
    return {"type": kind, "delta": {"message": message}} | ({} if index is None else {"index": index})


def start(message_id: str = "m1") -> dict[str, Any]:
    return {"id": message_id} | event("message-start", role="assistant", content={}, tool_calls=[])


def call(kind: str, index: int = 0, call_id: str | None = None, **function: str) -> dict[str, Any]:
    named = {"id": call_id, "type": "function"} if call_id else {}
    return event(f"tool-call-{kind}", index, tool_calls=named | {"function": function})


def end(reason: str = "COMPLETE", **more: Any) -> dict[str, Any]:
    return {"type": "message-end", "delta": {"finish_reason": reason, "usage": USAGE, **more}}


HELLO = [
    event("content-start", 0, content={"type": "text", "text": ""}),
    event("content-delta", 0, content={"text": "Hel"}),
    event("content-delta", 0, content={"text": "lo"}),
    event("content-end", 0),
]


def stream(*events: dict[str, Any] | bytes) -> bytes:
    return sse(*events, named=True)


def test_a_message_is_contents_and_an_end() -> None:
    body = stream(start(), *HELLO, end())
    reading, outputs = play_body(body + DONE, api=API)
    answer = reading.answer
    assert (answer.response_id, said(answer), answer.finish_reasons()) == ("m1", "Hello", ["COMPLETE"])
    assert reading.ending is not None
    assert (reading.ending.evidence, reading.ending.offset) == ("message-end", len(body))
    assert outputs == [Output(value) for value in (0, 0, 1, 1, 0, 0, 0)]
    assert (reading.unknown_events, answer.warnings, answer.choice().role) == (0, [], "assistant")


def test_without_its_end_a_message_has_not_ended() -> None:
    reading = play(stream(start(), *HELLO), api=API)
    assert (reading.ending, reading.content_complete()) == (None, False)


def test_tokens_are_not_what_is_billed() -> None:
    answer = play(stream(start(), *HELLO, end()), api=API).answer
    assert cohere_usage(answer.usage_raw or {}) == Usage(input=70, output=4, cache_read=64)
    assert answer.units == {"billed_input_tokens": 7.0, "billed_output_tokens": 3.0}
    assert cohere_usage({"billed_units": {"input_tokens": 7}}) == Usage()


def test_thinking_and_the_plan_are_reasoning() -> None:
    events = [
        event("content-start", 0, content={"type": "thinking", "thinking": ""}),
        event("content-delta", 0, content={"thinking": "hm"}),
        event("content-end", 0),
        event("tool-plan-delta", tool_plan="I will "),
        event("tool-plan-delta", tool_plan="look."),
        event("content-start", 1, content={"type": "text", "text": "A"}),
    ]
    reading, outputs = play_body(stream(start(), *events), api=API)
    assert parts(reading.answer) == [Reasoning(text="hm"), Reasoning(text="I will look."), Text(text="A")]
    assert outputs[1:] == [Output(value) for value in (0, 2, 0, 2, 2, 1)]


def test_calls_grow_by_their_own_count() -> None:
    events = [
        call("start", 0, "c1", name="f", arguments=""),
        call("delta", 0, arguments='{"a":'),
        call("delta", 0, arguments="1}"),
        event("tool-call-end", 0),
        call("start", 1, "c2", name="g", arguments="{"),
    ]
    reading, outputs = play_body(stream(start(), *HELLO, *events), api=API)
    assert [(tool.id, tool.name, tool.arguments, tool.complete) for tool in tools(reading.answer)] == [
        ("c1", "f", '{"a":1}', True),
        ("c2", "g", "{", False),
    ]
    assert outputs[5:] == [Output(value) for value in (4, 4, 4, 0, 4)]


def test_a_call_cut_by_the_limit_is_not_complete() -> None:
    begun = call("start", 0, "c1", name="f", arguments='{"a')
    for ended in ([], [event("tool-call-end", 0)]):
        [tool] = tools(play(stream(start(), begun, *ended, end("MAX_TOKENS")), api=API).answer)
        assert (tool.complete, tool.json_valid) == (False, False)


def test_citations_stand_beside_their_text() -> None:
    cited = event("citation-start", 0, citations=CITATION)
    reading = play(stream(start(), *HELLO[:2], cited, event("citation-end", 0), *HELLO[2:]), api=API)
    assert said(reading.answer) == "Hello"
    [citation] = [part for part in parts(reading.answer) if isinstance(part, Citation)]
    assert msgspec.json.decode(citation.citation) == CITATION


def test_a_generation_that_failed_says_so_in_its_finish() -> None:
    reading = play(stream(start(), *HELLO[:2], end("ERROR", error="broke"), DONE), api=API)
    assert reading.ending is not None
    assert (reading.ending.kind, said(reading.answer)) == ("failed", "Hel")
    assert reading.answer.error is not None
    assert reading.answer.error.message == "broke"


@pytest.mark.parametrize("begin", [[start("m2")], []], ids=["with its start", "its start lost"])
def test_another_message_is_another_answer(begin: list[Any]) -> None:
    reading = play(stream(start(), *HELLO[:2], *begin, *HELLO, end()), api=API)
    assert [said(answer) for answer in reading.answers] == ["Hel", "Hello"]


def test_output_behind_the_end_is_another_answer() -> None:
    reading = play(stream(start(), *HELLO, end(), HELLO[1]), api=API)
    assert [said(answer) for answer in reading.answers] == ["Hello", "Hel"]


def test_a_start_that_comes_twice_is_one_message() -> None:
    assert len(play(stream(start(), start(), *HELLO), api=API).answers) == 1


def test_a_plain_body_is_one_event_that_holds_everything() -> None:
    message = {
        "role": "assistant",
        "tool_plan": "plan",
        "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "Hello"}],
        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        "citations": [CITATION],
    }
    body = msgspec.json.encode({"id": "m1", "finish_reason": "TOOL_CALL", "message": message, "usage": USAGE})
    reading, [output] = play_body(body, api=None, content_type="application/json")
    assert reading.api is not None
    assert (reading.api.name, output) == (API, Output.TEXT | Output.REASONING | Output.TOOL)
    assert (said(reading.answer), said(reading.answer, Reasoning)) == ("Hello", "planhm")
    assert [tool.complete for tool in tools(reading.answer)] == [True]
    assert reading.ending is not None
    assert (reading.ending.evidence, reading.ending.offset) == ("json body", len(body))


def test_what_nobody_knows_is_counted() -> None:
    reading = play(stream(start(), event("hologram"), {"type": "debug", "prompt": "p"}, b"data: words\n\n"), api=API)
    assert reading.unknown_events == 2

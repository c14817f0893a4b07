"""Vercel's protocol between server and page. Written from its SDK's documentation: no recording has any."""

from __future__ import annotations

from typing import Any

import pytest

from sse_play import DONE, carried, parts, play, play_body, said, sse, tools
from streamgauge.processors.providers.answer import Output, Usage
from streamgauge.processors.providers.reading import Reading
from streamgauge.processors.providers.vercel_ui import VERCEL_UI
from streamgauge.schemas.records import Reasoning, Text

START = {"type": "start", "messageId": "m1"}
HELLO = [
    {"type": "text-start", "id": "t1"},
    {"type": "text-delta", "id": "t1", "delta": "Hel"},
    {"type": "text-delta", "id": "t1", "delta": "lo"},
    {"type": "text-end", "id": "t1"},
]
FINISH = {"type": "finish", "finishReason": "stop"}


def read(*events: dict[str, Any] | bytes) -> Reading:
    return play(sse(*events), path="/api/chat", ui_stream="v1")


def test_the_header_tells_and_not_the_path() -> None:
    assert read(START).api is VERCEL_UI
    assert play(sse(START), api="openai.chat", ui_stream="v1").api is not VERCEL_UI


def test_a_message_is_parts_a_finish_and_a_marker() -> None:
    body = sse(START, {"type": "start-step"}, *HELLO, {"type": "finish-step"}, FINISH, DONE)
    reading, outputs = play_body(body, ui_stream="v1")
    answer = reading.answer
    assert (answer.response_id, said(answer), answer.finish_reasons()) == ("m1", "Hello", ["stop"])
    assert reading.ending is not None
    assert (reading.ending.evidence, reading.ending.offset) == ("[DONE]", len(body))
    assert outputs == [Output(value) for value in (0, 0, 0, 1, 1, 0, 0, 0, 0)]
    assert (reading.unknown_events, answer.warnings, VERCEL_UI.usage({})) == (0, [], Usage())


def test_a_finish_without_the_marker_is_content_without_an_ending() -> None:
    reading = read(START, *HELLO, {"type": "finish"})
    assert (reading.ending, reading.content_complete()) == (None, True)
    assert read(START, *HELLO).content_complete() is False


def test_texts_and_reasoning_are_told_apart_by_their_ids() -> None:
    thought = {"type": "reasoning-delta", "id": "r1", "delta": "hm"}
    other = {"type": "text-delta", "id": "t2", "delta": "Bye"}
    assert parts(read(START, thought, *HELLO, other).answer) == [
        Reasoning(text="hm"),
        Text(text="Hello"),
        Text(text="Bye"),
    ]


def test_calls_grow_and_come_whole() -> None:
    begun = {"type": "tool-input-start", "toolCallId": "c1", "toolName": "f"}
    grown = {"type": "tool-input-delta", "toolCallId": "c1", "inputTextDelta": '{"a":'}
    whole = {"type": "tool-input-available", "toolCallId": "c1", "toolName": "f", "input": {"a": 1}}
    result = {"type": "tool-output-available", "toolCallId": "c1", "output": {"b": 2}}
    [cut] = tools(read(START, begun, grown).answer)
    assert (cut.id, cut.name, cut.arguments, cut.complete) == ("c1", "f", '{"a":', False)
    reading, outputs = play_body(sse(START, begun, grown, whole, result), ui_stream="v1")
    [tool] = tools(reading.answer)
    assert (tool.arguments, tool.complete, tool.server_side) == ('{"a":1}', True, False)
    assert carried(reading.answer) == [("tool-output-available", result)]
    assert outputs[1:] == [Output.TOOL, Output.TOOL, Output.NOTHING, Output.OTHER]
    [told] = tools(read(START, whole | {"providerExecuted": True}).answer)
    assert (told.server_side, told.complete) == (True, True)


@pytest.mark.parametrize("kind", ["source-url", "file", "data-weather"])
def test_what_else_a_message_holds_is_carried(kind: str) -> None:
    assert carried(read(START, {"type": kind, "x": 1}).answer) == [(kind, {"type": kind, "x": 1})]


@pytest.mark.parametrize(
    ("event", "kind"), [({"type": "abort"}, "cancelled"), ({"type": "error", "errorText": "broke"}, "failed")]
)
def test_other_ends_decide_before_the_marker(event: dict[str, Any], kind: str) -> None:
    reading = read(START, *HELLO, event, DONE)
    assert reading.ending is not None
    assert (reading.ending.kind, said(reading.answer), reading.unknown_events) == (kind, "Hello", 0)
    assert (reading.answer.error.message if reading.answer.error else None) == event.get("errorText")


@pytest.mark.parametrize("begun", [HELLO, [*HELLO, FINISH, DONE]])
def test_another_start_is_another_message(begun: list[Any]) -> None:
    reading = read(START, *begun, START | {"messageId": "m2"}, *HELLO, DONE)
    assert [said(answer) for answer in reading.answers] == ["Hello", "Hello"]
    assert len(read(START, *HELLO, {"type": "start"}, *HELLO).answers) == 1
    assert len(read(START, *HELLO, DONE, {"type": "start"}, *HELLO).answers) == 2


def test_what_nobody_knows_is_counted() -> None:
    assert read(START, {"type": "hologram"}, b"data: words\n\n").unknown_events == 2

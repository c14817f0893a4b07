"""Assistants: a run told by events about its thread, and copies that settle what was streamed."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from sse_play import DONE, carried, parts, play, play_body, said, sse, tools
from streamgauge.processors.providers.answer import Output, Usage
from streamgauge.processors.providers.openai_assistants import OPENAI_ASSISTANTS
from streamgauge.processors.providers.reading import Reading
from streamgauge.schemas.records import Citation

USAGE = {
    "prompt_tokens": 381,
    "completion_tokens": 88,
    "total_tokens": 469,
    "prompt_token_details": {"cached_tokens": 5},
    "completion_tokens_details": {"reasoning_tokens": 0},
}
END = b"event: done\n" + DONE


def named(name: str, document: dict[str, Any]) -> bytes:
    return f"event: {name}\n".encode() + sse(document)


def run(status: str, run_id: str = "run_1", **more: Any) -> bytes:
    document = {"id": run_id, "object": "thread.run", "status": status, "model": "gpt-4o-mini", "usage": None}
    return named(f"thread.run.{status}", document | more)


def words(piece: str, index: int = 0, message_id: str = "msg_1", **more: Any) -> bytes:
    content = {"index": index, "type": "text", "text": {"value": piece, **more}}
    document = {"id": message_id, "object": "thread.message.delta", "delta": {"content": [content]}}
    return named("thread.message.delta", document)


def message(whole: str, message_id: str = "msg_1", **more: Any) -> bytes:
    content = [{"type": "text", "text": {"value": whole, "annotations": [], **more}}]
    document = {"id": message_id, "object": "thread.message", "role": "assistant", "content": content}
    return named("thread.message.completed", document)


def step(calls: list[dict[str, Any]], *, whole: bool = False) -> bytes:
    details = {"step_details": {"type": "tool_calls", "tool_calls": calls}}
    if whole:
        return named("thread.run.step.completed", {"id": "step_1", "object": "thread.run.step", **details})
    return named("thread.run.step.delta", {"id": "step_1", "object": "thread.run.step.delta", "delta": details})


def read(*events: bytes) -> Reading:
    return play(b"".join(events), path="/v1/threads/thread_1/runs")


BEGUN = [run("created") + run("queued") + named("thread.created", {"id": "thread_1", "object": "thread"})]


def test_a_run_is_messages_a_status_and_a_marker() -> None:
    body = b"".join([*BEGUN, words("Hel"), words("lo"), message("Hello"), run("completed", usage=USAGE), END])
    reading, outputs = play_body(body)
    answer = reading.answer
    assert (reading.api, answer.response_id, answer.model) == (OPENAI_ASSISTANTS, "run_1", "gpt-4o-mini")
    assert (said(answer), answer.finish_reasons(), answer.choice().role) == ("Hello", ["completed"], "assistant")
    assert reading.ending is not None
    assert (reading.ending.evidence, reading.ending.offset) == ("[DONE]", len(body))
    assert (reading.unknown_events, answer.warnings) == (0, [])
    assert outputs[3:] == [Output.TEXT, Output.TEXT, Output.NOTHING, Output.NOTHING, Output.NOTHING]
    usage = OPENAI_ASSISTANTS.usage(answer.usage_raw or {})
    assert usage == Usage(input=381, output=88, total=469, cache_read=5, reasoning=0)


def test_a_status_without_the_marker_is_content_without_an_ending() -> None:
    reading = read(*BEGUN, words("Hello"), run("completed"))
    assert (reading.ending, reading.content_complete()) == (None, True)


def test_messages_are_told_apart_and_their_copies_win() -> None:
    reading = read(*BEGUN, words("A"), words("B", message_id="msg_2"), message("Z"), message("B", "msg_2"))
    assert (said(reading.answer), reading.answer.warnings) == ("ZB", ["snapshot_differs"])


def test_annotations_are_kept_once() -> None:
    note = {"index": 0, "type": "file_citation", "text": "[1]"}
    reading = read(*BEGUN, words("a", annotations=[note]), message("a", annotations=[note]))
    [citation] = [part for part in parts(reading.answer) if isinstance(part, Citation)]
    assert msgspec.json.decode(citation.citation) == note


def test_the_application_is_asked_to_call() -> None:
    begun = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": ""}}
    grown = {"index": 0, "type": "function", "function": {"arguments": '{"a":'}}
    whole = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
    cut = read(*BEGUN, step([begun]), step([grown]))
    assert [(tool.id, tool.arguments, tool.complete) for tool in tools(cut.answer)] == [("call_1", '{"a":', False)]
    action = {"submit_tool_outputs": {"tool_calls": [whole]}}
    reading = read(*BEGUN, step([begun]), step([grown]), run("requires_action", required_action=action), END)
    [tool] = tools(reading.answer)
    assert (tool.name, tool.arguments, tool.complete) == ("f", '{"a":1}', True)
    assert reading.answer.finish_reasons() == ["requires_action"]
    [told] = tools(read(*BEGUN, run("requires_action", required_action=action)).answer)
    assert (told.id, told.complete) == ("call_1", True)
    broken = {"submit_tool_outputs": {"tool_calls": [whole | {"function": {"name": "f", "arguments": "{"}}]}}
    [asked] = tools(read(*BEGUN, run("requires_action", required_action=broken)).answer)
    assert (asked.complete, asked.json_valid) == (True, False)


def test_tools_of_openais_own_are_carried() -> None:
    begun = {"index": 0, "id": "call_1", "type": "code_interpreter", "code_interpreter": {"input": "", "outputs": []}}
    grown: list[Any] = [
        {"index": 0, "type": "code_interpreter", "code_interpreter": {"input": piece}} for piece in ("1+", "1")
    ]
    cut = read(*BEGUN, step([begun]), *(step([one]) for one in grown))
    assert carried(cut.answer) == [("code_interpreter", begun | {"code_interpreter.input": "1+1"})]
    whole = {"id": "call_1", "type": "code_interpreter", "code_interpreter": {"input": "1+1", "outputs": [1]}}
    settled = read(*BEGUN, step([begun]), step([whole], whole=True))
    assert carried(settled.answer) == [("code_interpreter", whole)]
    assert tools(settled.answer) == []


def test_an_image_in_a_message_is_carried() -> None:
    image = {"index": 1, "type": "image_file", "image_file": {"file_id": "f1"}}
    delta = {"id": "msg_1", "object": "thread.message.delta", "delta": {"content": [image]}}
    assert carried(read(*BEGUN, named("thread.message.delta", delta)).answer) == [("image_file", image)]


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (run("failed", last_error={"code": "server_error", "message": "broke"}), "failed"),
        (run("expired"), "failed"),
        (run("cancelled"), "cancelled"),
        (named("error", {"error": {"message": "broke"}}), "failed"),
        (named("error", {"message": "broke"}), "failed"),
    ],
)
def test_other_ends_decide_before_the_marker(event: bytes, kind: str) -> None:
    reading = read(*BEGUN, words("Hel"), event, END)
    assert reading.ending is not None
    assert (reading.ending.kind, said(reading.answer), reading.unknown_events) == (kind, "Hel", 0)


def test_an_incomplete_run_says_why() -> None:
    reading = read(*BEGUN, run("incomplete", incomplete_details={"reason": "max_completion_tokens"}), END)
    assert reading.answer.finish_reasons() == ["max_completion_tokens"]
    assert reading.ending is not None
    assert reading.ending.kind == "completed"


def test_another_run_is_another_answer() -> None:
    reading = read(*BEGUN, words("Hel"), run("created", "run_2"), words("Bye"), END)
    assert [said(answer) for answer in reading.answers] == ["Hel", "Bye"]


def test_a_plain_body_is_a_run_that_was_only_begun() -> None:
    document = {"id": "run_1", "object": "thread.run", "status": "queued", "model": "m"}
    reading = play(msgspec.json.encode(document), content_type="application/json")
    assert reading.ending is not None
    assert (reading.ending.evidence, reading.content_complete()) == ("json body", False)
    assert reading.answer.status == "queued"


def test_what_nobody_knows_is_counted() -> None:
    assert read(*BEGUN, named("thread.hologram", {"object": "thread.hologram"}), b"data: words\n\n").unknown_events == 2

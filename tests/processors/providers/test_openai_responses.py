"""Responses: items told by deltas, by copies, and once more as a whole."""

from __future__ import annotations

import base64
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from sse_play import DONE, carried, parts, play, play_body, said, sse, tools
from streamgauge.processors.providers.answer import Output, Usage
from streamgauge.processors.providers.openai_responses import OPENAI_RESPONSES
from streamgauge.schemas.records import Audio, Citation, Image, Reasoning, Refusal

API = "openai.responses"
USAGE = {
    "input_tokens": 9,
    "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
    "output_tokens": 5,
    "output_tokens_details": {"reasoning_tokens": 2},
    "total_tokens": 14,
}


def response(status: str = "in_progress", **more: Any) -> dict[str, Any]:
    return {"id": "resp_1", "object": "response", "model": "gpt-x", "status": status, "output": [], **more}


def told(kind: str, **more: Any) -> dict[str, Any]:
    return {"type": f"response.{kind}", "output_index": 0, "content_index": 0, **more}


def message(text: str, **more: Any) -> dict[str, Any]:
    content = [{"type": "output_text", "text": text, "annotations": []}]
    return {"type": "message", "id": "msg_1", "role": "assistant", "content": content, **more}


def numbered(*events: dict[str, Any], first: int = 0) -> list[dict[str, Any]]:
    return [event | {"sequence_number": number} for number, event in enumerate(events, first)]


CREATED = {"type": "response.created", "response": response(service_tier="auto")}
ADDED = told("output_item.added", item={"type": "message", "id": "msg_1", "role": "assistant", "content": []})
DELTAS = [told("output_text.delta", delta="Hel"), told("output_text.delta", delta="lo")]
COMPLETED = {
    "type": "response.completed",
    "response": response("completed", output=[message("Hello")], usage=USAGE, service_tier="default"),
}


def test_a_stream_is_items_and_a_terminal_event() -> None:
    body = sse(*numbered(CREATED, ADDED, *DELTAS, COMPLETED), named=True)
    reading, outputs = play_body(body, api=API)
    answer = reading.answer
    assert (answer.response_id, answer.model, answer.service_tier, answer.status) == (
        "resp_1",
        "gpt-x",
        "default",
        "completed",
    )
    assert (said(answer), answer.finish_reasons(), answer.warnings) == ("Hello", ["completed"], [])
    assert outputs == [Output.NOTHING, Output.NOTHING, Output.TEXT, Output.TEXT, Output.NOTHING]
    assert reading.ending is not None
    assert (reading.ending.evidence, reading.ending.offset) == ("response.completed", len(body))
    assert OPENAI_RESPONSES.usage(answer.usage_raw or {}) == Usage(
        input=9, output=5, total=14, cache_read=4, cache_write=0, reasoning=2
    )
    assert reading.content_complete()


def test_a_cut_stream_keeps_its_text_and_has_no_ending() -> None:
    reading = play(sse(CREATED, ADDED, *DELTAS), api=API)
    assert (said(reading.answer), reading.ending, reading.content_complete()) == ("Hello", None, False)
    assert reading.answer.status == "in_progress"


@pytest.mark.parametrize(
    ("status", "more", "kind", "finish"),
    [
        ("completed", {}, "completed", ["completed"]),
        (
            "incomplete",
            {"incomplete_details": {"reason": "max_output_tokens"}},
            "completed",
            ["incomplete:max_output_tokens"],
        ),
        ("incomplete", {}, "completed", ["incomplete"]),
        ("failed", {"error": {"code": "server_error", "message": "broke"}}, "failed", []),
        ("failed", {}, "failed", []),
        ("cancelled", {}, "cancelled", []),
    ],
)
@pytest.mark.parametrize("plain", [False, True])
def test_the_final_status_decides(status: str, more: dict[str, Any], kind: str, finish: list[str], plain: bool) -> None:
    final = response(status, output=[message("Hello")], **more)
    if plain:
        reading = play(msgspec.json.encode(final), api=API, content_type="application/json")
    else:
        reading = play(sse(CREATED, *DELTAS, {"type": f"response.{status}", "response": final}), api=API)
    assert reading.ending is not None
    assert reading.ending.kind == kind
    assert (reading.answer.finish_reasons(), said(reading.answer)) == (finish, "Hello")
    assert (reading.answer.error is not None) == (kind == "failed")
    assert reading.answer.status == status


def test_a_terminal_event_without_a_response_still_ends_it() -> None:
    reading = play(sse(CREATED, *DELTAS, {"type": "response.completed"}), api=API)
    assert reading.ending is not None
    assert reading.ending.kind == "completed"


def test_a_plain_body_of_a_response_that_still_runs_is_whole() -> None:
    reading = play(msgspec.json.encode(response("queued")), api=API, content_type="application/json")
    assert reading.ending is not None
    assert (reading.ending.evidence, reading.answer.finish_reasons()) == ("json body", [])


@pytest.mark.parametrize(
    "error",
    [
        {"type": "error", "error": {"type": "server_error", "code": "broken", "message": "broke"}},
        {"type": "error", "code": "broken", "message": "broke", "param": None},
    ],
)
@pytest.mark.parametrize("number", [0, 3, 9999])
def test_an_error_is_read_whatever_its_shape_and_number(error: dict[str, Any], number: int) -> None:
    failed = {"type": "response.failed", "response": response("failed", error={"code": "broken", "message": "again"})}
    events: list[Any] = [*numbered(CREATED, ADDED, *DELTAS), error | {"sequence_number": number}, failed, DONE]
    reading = play(sse(*events), api=API)
    assert reading.ending is not None
    assert (reading.ending.kind, reading.ending.evidence) == ("failed", "error event")
    assert reading.answer.error is not None
    assert (reading.answer.error.code, reading.answer.error.message) == ("broken", "broke")
    assert said(reading.answer) == "Hello"
    assert reading.unknown_events == 0


# ---------------------------------------------------------------------- deltas and copies


def test_a_copy_overrides_its_deltas_and_the_difference_is_said() -> None:
    reading = play(sse(CREATED, *DELTAS, told("output_text.done", text="Hallo")), api=API)
    assert (said(reading.answer), reading.answer.warnings) == ("Hallo", ["snapshot_differs"])


def test_an_empty_copy_proves_nothing() -> None:
    reading = play(sse(CREATED, *DELTAS, told("output_text.done", text="")), api=API)
    assert (said(reading.answer), reading.answer.warnings) == ("Hello", [])


@pytest.mark.parametrize(
    "copy",
    [
        told("output_text.done", text="Hello"),
        told("content_part.done", part={"type": "output_text", "text": "Hello"}),
        told("output_item.done", item=message("Hello")),
        COMPLETED,
    ],
)
def test_text_that_comes_only_as_a_copy_is_output_all_the_same(copy: dict[str, Any]) -> None:
    reading, outputs = play_body(sse(CREATED, copy), api=API)
    assert said(reading.answer) == "Hello"
    assert outputs == [Output.NOTHING, Output.TEXT]


def test_items_are_found_by_output_index_not_by_an_id_that_rotates() -> None:
    """GitHub Copilot's gateway."""
    rotating = [event | {"item_id": f"item_{n}"} for n, event in enumerate(DELTAS)]
    assert said(play(sse(CREATED, *rotating, COMPLETED), api=API).answer) == "Hello"


def test_the_parts_of_a_whole_item_are_found_whatever_index_their_events_had() -> None:
    """gpt-oss behind vLLM numbers a message's first part 1."""
    deltas = [event | {"content_index": 1} for event in DELTAS]
    reading = play(sse(CREATED, *deltas, told("output_item.done", item=message("Hello")), COMPLETED), api=API)
    assert (said(reading.answer), len(parts(reading.answer))) == ("Hello", 1)


def test_a_final_list_without_what_streamed_before_it_finds_items_by_id() -> None:
    first = {"type": "reasoning", "id": "rs_1", "summary": []}
    events = [
        told("output_item.added", item=first),
        told("output_item.added", item={"type": "message", "id": "msg_1", "content": []}, output_index=1),
        *(event | {"output_index": 1} for event in DELTAS),
        COMPLETED,
    ]
    assert said(play(sse(CREATED, *events), api=API).answer) == "Hello"


def test_a_function_call_is_begun_grown_and_complete() -> None:
    item = {
        "type": "function_call",
        "id": "fc_1",
        "call_id": "call_1",
        "name": "f",
        "arguments": "",
        "status": "in_progress",
    }
    events = [
        told("output_item.added", item=item),
        told("function_call_arguments.delta", delta='{"a"'),
        told("function_call_arguments.delta", delta=":1}"),
    ]
    reading, outputs = play_body(sse(CREATED, *events), api=API)
    [tool] = tools(reading.answer)
    assert (tool.id, tool.name, tool.arguments, tool.json_valid) == ("call_1", "f", '{"a":1}', True)
    assert tool.complete is False
    assert outputs[1:] == [Output.TOOL] * 3
    done = told("output_item.done", item=item | {"arguments": '{"a":1}', "status": "completed"})
    assert tools(play(sse(CREATED, *events, done), api=API).answer)[0].complete is True
    cut = told("output_item.done", item=item | {"arguments": '{"a', "status": "incomplete"})
    assert tools(play(sse(CREATED, events[0], cut), api=API).answer)[0].complete is False


def test_arguments_may_come_without_a_delta() -> None:
    """LM Studio."""
    item = {"type": "function_call", "call_id": "call_1", "name": "f"}
    done = told("function_call_arguments.done", arguments='{"a":1}')
    reading, outputs = play_body(sse(CREATED, told("output_item.added", item=item), done), api=API)
    assert tools(reading.answer)[0].arguments == '{"a":1}'
    assert outputs[1:] == [Output.TOOL, Output.TOOL]


def test_a_custom_tool_takes_text_not_json() -> None:
    item = {"type": "custom_tool_call", "call_id": "call_1", "name": "sh", "input": ""}
    events = [
        told("output_item.added", item=item),
        told("custom_tool_call_input.delta", delta="ls "),
        told("custom_tool_call_input.delta", delta="-l"),
        told("custom_tool_call_input.done", input="ls -l"),
    ]
    [tool] = tools(play(sse(CREATED, *events), api=API).answer)
    assert (tool.name, tool.arguments, tool.json_valid, tool.complete) == ("sh", "ls -l", False, True)


def test_reasoning_is_told_as_summary_as_text_or_sealed() -> None:
    summary = [told("reasoning_summary_text.delta", summary_index=n, delta=f"s{n}") for n in (0, 1)]
    whole = {
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": "s0"}, {"type": "summary_text", "text": "s1"}],
        "encrypted_content": "gAAA",
    }
    reading, outputs = play_body(sse(CREATED, *summary, told("output_item.done", item=whole)), api=API)
    assert parts(reading.answer) == [
        Reasoning(text="s0", summary=True, signature="gAAA"),
        Reasoning(text="s1", summary=True),
    ]
    assert outputs[1:] == [Output.REASONING, Output.REASONING, Output.NOTHING]
    thought = play(
        sse(CREATED, told("reasoning_text.delta", delta="hm"), told("reasoning_text.done", text="hm")), api=API
    )
    assert parts(thought.answer) == [Reasoning(text="hm")]
    sealed = {"type": "reasoning", "summary": [], "encrypted_content": "gAAA"}
    only = play(sse(CREATED, told("output_item.added", item=sealed), told("output_item.done", item=sealed)), api=API)
    assert parts(only.answer) == [Reasoning(text="", signature="gAAA", encrypted=True)]
    both = play(
        sse(CREATED, told("output_item.added", item=sealed), *summary, told("output_item.done", item=whole)), api=API
    )
    assert parts(both.answer) == parts(reading.answer)


def test_a_refusal_is_no_text() -> None:
    events = [told("refusal.delta", delta="No"), told("refusal.delta", delta="."), told("refusal.done", refusal="No.")]
    reading, outputs = play_body(sse(CREATED, *events), api=API)
    assert parts(reading.answer) == [Refusal(text="No.")]
    assert outputs[1:3] == [Output.OTHER, Output.OTHER]


def test_annotations_are_citations_once() -> None:
    note = {"type": "url_citation", "url": "https://x"}
    content = [{"type": "output_text", "text": "Hello", "annotations": [note]}]
    events = [*DELTAS, told("output_text.annotation.added", annotation=note, annotation_index=0)]
    reading = play(sse(CREATED, *events, told("output_item.done", item=message("") | {"content": content})), api=API)
    found = [msgspec.json.decode(part.citation) for part in parts(reading.answer) if isinstance(part, Citation)]
    assert found == [note]


def test_provider_side_tools_are_carried_with_what_streams_for_them() -> None:
    item = {"type": "code_interpreter_call", "id": "ci_1", "status": "in_progress", "code": ""}
    events = [
        told("output_item.added", item=item),
        told("code_interpreter_call.in_progress"),
        told("code_interpreter_call_code.delta", delta="1 +"),
        told("code_interpreter_call_code.delta", delta=" 1"),
        told("code_interpreter_call.interpreting"),
    ]
    reading, outputs = play_body(sse(CREATED, *events), api=API)
    assert carried(reading.answer) == [("code_interpreter_call", item | {"code": "1 + 1"})]
    assert outputs[1:] == [Output.OTHER, Output.NOTHING, Output.OTHER, Output.OTHER, Output.NOTHING]
    assert reading.unknown_events == 0
    whole = item | {"code": "1 + 1", "status": "completed"}
    done = play(sse(CREATED, *events, told("output_item.done", item=whole)), api=API)
    assert carried(done.answer) == [("code_interpreter_call", whole)]


def test_a_shell_streams_several_outputs_at_once() -> None:
    item = {"type": "shell_call_output", "id": "sh_1"}
    delta = told("shell_call_output_content.delta", delta={"stdout": "a", "stderr": None})
    reading = play(sse(CREATED, told("output_item.added", item=item), delta), api=API)
    assert carried(reading.answer) == [("shell_call_output", item | {"shell_call_output_content.stdout": "a"})]


def test_a_generated_image_is_a_reference_and_counted() -> None:
    picture = base64.b64encode(b"png").decode()
    item = {"type": "image_generation_call", "id": "ig_1", "result": picture, "output_format": "webp"}
    final = response("completed", output=[item], tool_usage={"web_search": {"num_requests": 2}})
    events = [told("output_item.done", item=item), {"type": "response.completed", "response": final}]
    reading = play(sse(CREATED, *events), api=API)
    [image] = parts(reading.answer)
    assert isinstance(image, Image)
    assert (image.media_type, image.bytes) == ("image/webp", 3)
    assert reading.answer.units == {"images": 1.0, "search_queries": 2.0}


def test_spoken_output_is_a_transcript_and_a_hash() -> None:
    sound = base64.b64encode(b"pcm").decode()
    events = [
        {"type": "response.audio.delta", "delta": sound},
        {"type": "response.audio.transcript.delta", "delta": "Hi"},
    ]
    [audio] = parts(play(sse(CREATED, *events), api=API).answer)
    assert isinstance(audio, Audio)
    assert (audio.bytes, audio.transcript) == (3, "Hi")


def test_the_cost_a_provider_states_is_kept() -> None:
    final = response("completed", usage={**USAGE, "cost_in_usd_ticks": 10**9, "num_sources_used": 1})
    answer = play(sse(CREATED, {"type": "response.completed", "response": final}), api=API).answer
    assert (answer.cost_provider_usd, answer.units) == (Decimal("0.1"), {"sources": 1.0})


# ---------------------------------------------------------------------- numbers


def test_equal_copies_are_dropped_unequal_ones_are_conflicts() -> None:
    events = numbered(CREATED, ADDED, *DELTAS, COMPLETED)
    reading = play(
        sse(*events[:3], events[2], events[3] | {"delta": "lo"}, events[3] | {"delta": "??"}, events[4]), api=API
    )
    assert (said(reading.answer), reading.duplicates, reading.conflicts) == ("Hello", 1, 1)
    assert reading.answer.warnings == []


def test_a_replay_from_the_beginning_adds_nothing() -> None:
    events = sse(*numbered(CREATED, ADDED, *DELTAS, COMPLETED))
    reading = play(events + events, api=API)
    assert (said(reading.answer), reading.duplicates, len(reading.answers)) == ("Hello", 5, 1)


def test_a_suffix_without_its_beginning_is_read() -> None:
    reading = play(sse(*numbered(*DELTAS, COMPLETED, first=7)), path="/v1/responses/resp_1")
    assert reading.api is OPENAI_RESPONSES
    assert (said(reading.answer), reading.answer.response_id) == ("Hello", "resp_1")


def test_a_number_that_was_skipped_and_came_late_is_known_again() -> None:
    texts = [told("output_text.delta", delta=text) for text in "abc"]
    events = [event | {"sequence_number": number} for event, number in zip(texts, [5, 7, 6], strict=True)]
    reading = play(sse(*events, events[1]), api=API)
    assert (said(reading.answer), reading.duplicates) == ("abc", 1)


def test_numbers_far_apart_and_far_back_are_told_apart() -> None:
    events = [
        event | {"sequence_number": number} for event, number in zip([CREATED, *DELTAS], [5, 2**50, 1], strict=True)
    ]
    reading = play(sse(*events, *events), api=API)
    assert (said(reading.answer), reading.duplicates, reading.conflicts) == ("Hello", 3, 0)


def test_another_response_is_another_answer_with_numbers_of_its_own() -> None:
    other = {"type": "response.created", "response": response() | {"id": "resp_2"}}
    second = numbered(other, told("output_text.delta", delta="Bye"))
    reading = play(sse(*numbered(CREATED, ADDED, *DELTAS), *second), api=API)
    assert [said(answer) for answer in reading.answers] == ["Hello", "Bye"]
    assert (reading.duplicates, reading.conflicts) == (0, 0)


def test_a_response_that_begins_behind_one_without_its_beginning_is_another_answer() -> None:
    reading = play(sse(*DELTAS, CREATED, told("output_text.delta", delta="Bye")), api=API)
    assert [said(answer) for answer in reading.answers] == ["Hello", "Bye"]


def test_what_nobody_knows_is_counted() -> None:
    reading = play(sse(CREATED, told("steer.accepted"), {"type": "keepalive"}, {"type": 1}, {"a": 1}), api=API)
    assert reading.unknown_events == 3

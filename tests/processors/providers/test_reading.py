"""Reading: what holds for every API, wherever it stands in the body."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_stream_build import event, exception
from sse_play import DONE, choices, play, play_body, said, sse
from streamgauge.processors.providers.answer import Output
from streamgauge.processors.providers.reading import Reading
from streamgauge.processors.providers.registry import APIS, by_name
from streamgauge.schemas.framing.events import Event, Piece
from streamgauge.schemas.framing.kinds import Framing, framer

CHAT = {"id": "c1", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": "Hello"}}]}
MESSAGE = {"id": "msg_1", "type": "message", "role": "assistant", "content": []}
COMPLETION = {"id": "cmpl-1", "object": "text_completion", "choices": [{"index": 0, "text": "A"}]}
OLLAMA = {"model": "m", "created_at": "2026-01-01T00:00:00Z", "done": False}
RESULT = {"generated_text": "A", "stop_reason": "not_finished", "generated_token_count": 1, "input_token_count": 2}
NAMELESS = ("ollama.chat", "ollama.generate", "tgi.generate", "watsonx.generate")  # no id stands in their events
RUN = {"id": "run_1", "object": "thread.run", "status": "queued", "model": "m"}
STARTS: dict[str, dict[str, Any]] = {
    "openai.chat": CHAT,
    "openai.responses": {"type": "response.created", "response": {"id": "resp_1", "object": "response"}},
    "anthropic.messages": {"type": "message_start", "message": MESSAGE},
    "openai.completions": COMPLETION,
    "anthropic.complete": {"type": "completion", "id": "compl_1", "completion": "A", "stop_reason": None},
    "ollama.chat": OLLAMA | {"message": {"role": "assistant", "content": "A"}},
    "ollama.generate": OLLAMA | {"response": "A"},
    "tgi.generate": {"token": {"id": 1, "text": "A"}, "generated_text": None},
    "watsonx.generate": {"results": [RESULT]},
    "openai.assistants": RUN,
    "cohere.v1": {"event_type": "stream-start", "generation_id": "g1", "is_finished": False},
    "cohere.v2": {"type": "message-start", "id": "m1", "delta": {"message": {"role": "assistant"}}},
    "google.generateContent": {"candidates": [{"content": {"parts": [{"text": "A"}]}}], "responseId": "r1"},
    "google.interactions": {"event_type": "interaction.created", "interaction": {"id": "v1_a"}},
}
BODIES: dict[str, dict[str, Any]] = {
    "openai.chat": {"id": "c1", "object": "chat.completion", "choices": [{"message": {"content": "A"}}]},
    "openai.responses": {"id": "resp_1", "object": "response", "status": "completed", "output": []},
    "anthropic.messages": MESSAGE,
    "openai.completions": COMPLETION,
    "anthropic.complete": {"type": "completion", "id": "compl_1", "completion": "A", "stop_reason": "stop_sequence"},
    "ollama.chat": OLLAMA | {"message": {"role": "assistant", "content": "A"}, "done": True},
    "ollama.generate": OLLAMA | {"response": "A", "done": True},
    "tgi.generate": {"generated_text": "A"},
    "watsonx.generate": {"results": [RESULT]},
    "openai.assistants": RUN,
    "cohere.v1": {"generation_id": "g1", "text": "A", "finish_reason": "COMPLETE"},
    "cohere.v2": {"id": "m1", "finish_reason": "COMPLETE", "message": {"role": "assistant", "content": []}},
    "google.generateContent": {"candidates": [{"finishReason": "STOP"}], "responseId": "r1"},
    "google.interactions": {"object": "interaction", "id": "v1_a", "status": "completed"},
}

INVISIBLE = [
    (b'{\n  "error": {\n    "code": 503,\n    "message": "broke"\n  }\n}\n', "json error"),
    (b'[{\r\n  "error": {\r\n    "code": 503,\r\n    "message": "broke"\r\n  }\r\n}\r\n]\r\n', "json error"),
    (b'error: {"code":503,"message":"broke"}\n\n', "error line"),
    (b"error: broke\n\n", "error line"),
    (b"<html><head><title>broke</title></head></html>\n", "html page"),
    (b"<!DOCTYPE html>\n<title>broke</title>\n\n<p>\n", "html page"),
]


@pytest.mark.parametrize("name", sorted(STARTS))
def test_an_unknown_stream_is_recognised_by_its_events(name: str) -> None:
    for body, content_type in ((sse(STARTS[name]), "text/event-stream"), (msgspec.json.encode(BODIES[name]), None)):
        reading = play(body, content_type=content_type)
        assert reading.api is by_name(name)
        assert (reading.answer.response_id is None) == (name in NAMELESS)


def test_what_comes_before_an_api_is_recognised_is_counted() -> None:
    reading = play(sse({"hello": 1}, CHAT))
    assert (reading.api, reading.events, reading.unknown_events) == (by_name("openai.chat"), 2, 1)


def test_a_stream_of_no_known_api_is_counted_and_its_errors_are_noticed() -> None:
    reading = play(sse({"a": 1}, b"data: words\n\n", b": ping\n\n", {"b": 2}))
    assert (reading.api, reading.events, reading.unknown_events, reading.comments) == (None, 3, 3, 1)
    assert (reading.ending, reading.content_complete(), reading.ends_well()) == (None, None, False)
    failed = play(sse({"a": 1}, {"error": "broke"}))
    assert failed.ending is not None
    assert failed.ending.kind == "failed"


# ---------------------------------------------------------------------- the end of the body


def test_an_event_that_lacks_only_its_line_end_is_read() -> None:
    reading = play(sse(CHAT, CHAT)[:-2], api="openai.chat")
    assert (said(reading.answer), reading.answer.warnings) == ("HelloHello", ["tail_unterminated"])
    assert reading.end == len(sse(CHAT, CHAT)) - 2


@pytest.mark.parametrize("cut", [3, 10, 30])
def test_half_an_event_is_not_read(cut: int) -> None:
    reading = play(sse(CHAT, CHAT)[:-cut], api="openai.chat")
    assert (said(reading.answer), reading.events) == ("Hello", 1)


def test_a_line_that_holds_the_half_of_another_too_is_read() -> None:
    line = msgspec.json.encode(CHAT)
    for cut in range(1, len(line)):
        body = line + b"\n" + line[:cut] + line + b"\n"
        reading = play(body, api="openai.chat", content_type="application/x-ndjson")
        assert (said(reading.answer), reading.answer.warnings) == ("HelloHello", ["torn_event"]), cut
    noise = b'{"a"' * 100 + b"}\n"
    assert play(noise, api="openai.chat", content_type="application/x-ndjson").unknown_events == 1


@pytest.mark.parametrize(("error", "evidence"), INVISIBLE)
def test_errors_between_documents_are_errors(error: bytes, evidence: str) -> None:
    line = msgspec.json.encode(CHAT) + b"\n"
    for body in (line + error, line + error.rstrip(), line + error + line):
        reading = play(body, api="openai.chat", content_type="application/x-ndjson")
        assert reading.ending is not None
        assert (reading.ending.kind, reading.ending.evidence) == ("failed", evidence)
        assert said(reading.answers[0]).startswith("Hello")


def test_a_last_line_of_documents_is_read() -> None:
    lines = msgspec.json.encode(CHAT) + b"\n" + msgspec.json.encode(CHAT)
    assert said(play(lines, content_type="application/x-ndjson").answer) == "HelloHello"


def test_finishing_twice_changes_nothing() -> None:
    reading = play(sse(CHAT, b"stray line\n"), api="openai.chat")
    reading.finish(proper_eof=True)
    assert (reading.ending, reading.answer.warnings) == (None, ["outside_grammar"])


def test_an_event_without_a_terminator_may_be_glued_to_the_next_stream() -> None:
    """A proxy that retries in the middle of an event: half of one, and then all of another stream."""
    other = CHAT | {"id": "c2", "model": "m"}
    other["choices"] = [{"index": 0, "delta": {"role": "assistant", "content": "Bye"}}]
    body = sse(CHAT, CHAT)
    for cut in range(1, len(sse(CHAT))):
        reading = play(body[:-cut] + sse(other, DONE), api="openai.chat")
        first = said(play(body[:-cut], api="openai.chat").answer)
        assert [said(answer) for answer in reading.answers] == [first, "Bye"], cut
        assert reading.ending is not None


# ---------------------------------------------------------------------- errors in every place


@pytest.mark.parametrize(("error", "evidence"), INVISIBLE)
@pytest.mark.parametrize("ended", [True, False])
def test_errors_outside_the_grammar_are_errors(error: bytes, evidence: str, ended: bool) -> None:
    body = sse(CHAT) + (error if ended else error.rstrip())
    reading = play(body, api="openai.chat")
    assert reading.ending is not None
    assert (reading.ending.kind, reading.ending.evidence) == ("failed", evidence)
    assert reading.answer.error is not None
    assert (reading.answer.error.message, reading.answer.error.out_of_grammar) == ("broke", True)
    assert said(reading.answer) == "Hello"
    assert reading.ending.offset <= len(body)


def test_an_error_that_is_cut_is_an_error_without_a_message() -> None:
    reading = play(sse(CHAT) + b'{\n  "error": {\n    "code": 50', api="openai.chat")
    assert reading.ending is not None
    assert reading.ending.kind == "failed"
    assert reading.answer.error is not None
    assert reading.answer.error.message is None


@pytest.mark.parametrize("content_type", ["application/json", "text/event-stream"])
def test_a_body_that_is_an_error_cut_short_has_failed(content_type: str) -> None:
    reading = play(b'{"error": {"message": "bro', api="openai.chat", content_type=content_type)
    assert reading.ending is not None
    assert (reading.ending.kind, reading.ending.evidence) == ("failed", "json error")


def test_stray_lines_are_said_and_are_no_error() -> None:
    reading = play(sse(CHAT) + b"upstream is tired\n\n" + sse(CHAT, DONE), api="openai.chat")
    assert reading.ending is not None
    assert reading.ending.kind == "completed"
    assert "outside_grammar" in reading.answer.warnings


@pytest.mark.parametrize("name", [*STARTS, None])
@pytest.mark.parametrize(
    ("body", "content_type", "message"),
    [
        (b'{"error":{"message":"broke","type":"t"}}', "application/json", "broke"),
        (b'{"error":{"message":"broke","type":"t"}}', "text/event-stream", "broke"),
        (b'{"detail":"broke"}', "application/json", "broke"),
        (b'{\n"message": "broke"\n}\n', "text/event-stream", "broke"),
        (b'[{"error":{"message":"broke"}}]', "application/json", "broke"),
        (b"<html><title>broke</title></html>", "text/html", "broke"),
        (b"broke", "text/plain", "broke"),
        (b"broke\n", None, "broke"),
        (b'data: {"error":{"message":"broke"}}\n\n', "text/event-stream", "broke"),
        (b'data: {"message":"broke"}\n\n', "text/event-stream", "broke"),
        (b'{"message":"broke"}', "application/vnd.amazon.eventstream", "broke"),
        (exception("e", {"Message": "broke"}), "application/vnd.amazon.eventstream", "broke"),
    ],
)
def test_a_refusal_says_why_whatever_its_body(name: str | None, body: bytes, content_type: str, message: str) -> None:
    reading = play(body, api=name, status=429, content_type=content_type)
    assert reading.answer.error is not None
    assert reading.answer.error.message == message
    assert reading.ending is not None
    assert (reading.ending.kind, choices(reading.answer)) == ("failed", [])


def test_a_page_where_json_was_promised_has_failed() -> None:
    reading = play(b"<html><title>504</title></html>", api="openai.chat", content_type="application/json")
    assert reading.ending is not None
    assert (reading.ending.kind, reading.ending.evidence) == ("failed", "html page")


def test_a_stream_under_the_content_type_of_json_is_read() -> None:
    reading = play(sse(CHAT, DONE), api="openai.chat", content_type="application/json")
    assert said(reading.answer) == "Hello"
    behind = play(b'{"error": {"message": "broke"}}\n\n' + DONE, api="openai.chat", content_type="application/json")
    assert behind.ending is not None
    assert behind.ending.kind == "failed"


# ---------------------------------------------------------------------- binary messages


BINARY = "application/vnd.amazon.eventstream"


def test_an_exception_of_the_framing_is_an_error() -> None:
    told = {"message": "slow down", "originalStatusCode": 429}
    body = event("a", {"type": "ping"}) + exception("throttlingException", told)
    reading = play(body, content_type=BINARY, api="anthropic.messages")
    assert reading.ending is not None
    assert (reading.ending.kind, reading.ending.evidence, reading.ending.offset) == ("failed", "exception", len(body))
    error = reading.answer.error
    assert error is not None
    assert (error.type, error.message, error.status, error.out_of_grammar) == (
        "throttlingException",
        "slow down",
        429,
        False,
    )
    assert (reading.events, reading.answer.events, reading.damaged) == (2, 2, False)


def test_an_exception_without_words_is_an_error_too() -> None:
    reading = play(exception("", b""), content_type=BINARY)
    assert reading.answer.error is not None
    assert (reading.answer.error.type, reading.answer.error.message) == ("text body", None)


@pytest.mark.parametrize("first", [True, False])
def test_a_message_whose_checksum_is_wrong_is_damage_and_no_error(first: bool) -> None:
    ping, damaged = event("a", {"type": "ping"}), event("b", {"error": "x"})[:-1] + b"?"
    body = damaged + ping if first else ping + damaged + ping
    reading = play(body, content_type=BINARY, api="anthropic.messages")
    assert (reading.damaged, reading.answer.warnings, reading.ending) == (True, ["damaged"], None)
    assert reading.unknown_events == 0


def test_a_cut_message_is_a_tail_of_which_nothing_is_read() -> None:
    reading = play(event("a", {"type": "ping"}) + event("b", CHAT)[:-1], content_type=BINARY)
    assert (reading.events, reading.damaged, reading.answer.warnings) == (1, False, ["tail_unterminated"])


@pytest.mark.parametrize(("error", "evidence"), INVISIBLE)
def test_errors_in_plain_text_between_messages_are_errors(error: bytes, evidence: str) -> None:
    ping = event("a", {"type": "ping"})
    for body in (ping + error, ping + error + ping):
        reading = play(body, content_type=BINARY, api="anthropic.messages")
        assert reading.ending is not None
        assert (reading.ending.kind, reading.ending.evidence) == ("failed", evidence)
        assert (reading.answer.warnings, reading.damaged) == ([], False)
    stray = play(ping + b"stray\n" + ping, content_type=BINARY, api="anthropic.messages")
    assert (stray.answer.warnings, stray.damaged, stray.ending) == (["outside_grammar"], False, None)


# ---------------------------------------------------------------------- objects


def test_objects_are_read_like_events() -> None:
    cutter, reading = framer(Framing.OBJECTS), Reading(by_name("openai.chat"))
    for document in (CHAT, CHAT):
        for piece in cutter.feed(msgspec.json.encode(document)):
            assert reading.read(piece) == Output.TEXT
    assert said(reading.answer) == "HelloHello"


# ---------------------------------------------------------------------- read at sight


REFRAINS: dict[str, tuple[bytes, bytes]] = {  # a document before and behind its text
    "openai.completions": (b'{"id":"c1","model":"m","choices":[{"index":0,"text":"', b'","finish_reason":null}]}'),
    "cohere.v1": (b'{"is_finished":false,"event_type":"text-generation","text":"', b'"}'),
    "cohere.v2": (b'{"type":"content-delta","index":0,"delta":{"message":{"content":{"text":"', b'"}}}}'),
}
WORDS = [b" river", b"", b"\\n", b'\\"', b'"', b'","x":"', b"\xff", "数据".encode(), b"\\ud83d", b"\\ude00"]


@pytest.mark.parametrize("name", sorted(REFRAINS))
@given(words=st.lists(st.sampled_from(WORDS), max_size=8))
def test_what_is_read_at_sight_says_the_same(name: str, words: list[bytes]) -> None:
    before, behind = REFRAINS[name]
    sight, long = Reading(by_name(name)), Reading(by_name(name))
    for number, word in enumerate([b"a", b"b", *words, b"c"]):
        event = Event(Piece.EVENT, "", before + word + behind, number)
        outputs = [sight.read(event), long.read(event)]
        assert sight.refrain is not None or number != 1
        long.refrain = None
        assert outputs[0] == outputs[1]
    assert choices(sight.answer) == choices(long.answer)
    assert (sight.events, sight.end, sight.answer.events) == (long.events, long.end, long.answer.events)


# ---------------------------------------------------------------------- nothing raises


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=6),
    st.sampled_from(["response.completed", "message_start", "error", "function_call", "text_delta", "\ud800", "stop"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
CALL = {"index": 0, "id": "t", "function": {"name": "f", "arguments": "{}"}, "custom": {"name": "f", "input": "x"}}
DELTA = {
    "role": "assistant",
    "content": [{"type": "text", "text": "a"}, {"type": "thinking", "thinking": [{"type": "text", "text": "b"}]}],
    "reasoning": "c",
    "reasoning_details": [{"type": "reasoning.text", "text": "d", "signature": "e", "data": "f"}],
    "tool_calls": [CALL],
    "function_call": {"name": "f", "arguments": "{}"},
    "refusal": "g",
    "audio": {"data": "AAA=", "transcript": "h"},
    "annotations": [{"type": "url_citation"}],
    "images": [{"image_url": {"url": "data:image/png;base64,AAA="}}],
    "executed_tools": [{"index": 0, "type": "search"}],
}
REPORT = {
    "prompt_tokens": 1,
    "completion_tokens": 2,
    "total_tokens": 3,
    "prompt_tokens_details": {"cached_tokens": 1},
    "completion_tokens_details": {"reasoning_tokens": 1},
    "cost": {"total_cost": 0.1},
    "cost_in_usd_ticks": 5,
    "num_search_queries": 1,
    "input_tokens": 1,
    "output_tokens": 1,
    "cache_creation": {"ephemeral_1h_input_tokens": 1},
    "server_tool_use": {"web_search_requests": 1},
}
CHOICE = {"index": 0, "delta": DELTA, "finish_reason": "stop", "usage": REPORT, "error": None}
CHUNK = {"id": "c", "object": "chat.completion.chunk", "model": "m", "created": 1, "choices": [CHOICE], "usage": REPORT}
ITEMS = [
    {
        "type": "message",
        "id": "m",
        "role": "assistant",
        "content": [{"type": "output_text", "text": "a", "annotations": [{}]}],
    },
    {"type": "function_call", "id": "f", "call_id": "c", "name": "f", "arguments": "{}", "status": "completed"},
    {"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "s"}], "encrypted_content": "e"},
    {"type": "image_generation_call", "id": "i", "result": "AAA=", "output_format": "png"},
    {"type": "web_search_call", "id": "w", "action": {"query": "q"}},
]
RESPONSE = {"id": "r", "object": "response", "model": "m", "status": "completed", "output": ITEMS, "usage": REPORT}
AT = {"output_index": 0, "content_index": 0, "summary_index": 0, "annotation_index": 0, "sequence_number": 4}
TEXT_CONTENT = {"index": 0, "type": "text", "text": {"value": "a", "annotations": [{"index": 0}]}}
THREAD = [TEXT_CONTENT, {"type": "image_file"}]
CODE = {"index": 1, "id": "c", "type": "code_interpreter", "code_interpreter": {"input": "1"}}
RUN_STEP = {"tool_calls": [CALL | {"type": "function"}, CODE]}
UI_CALL = {"toolCallId": "c", "toolName": "f", "inputTextDelta": "{", "input": {"a": 1}}
UI_EVENTS = ["start", "text-delta", "reasoning-delta", "tool-input-delta", "tool-input-available", "file", "finish"]
UI_EVENTS += ["abort", "error"]
COHERE_REPORT = {
    "billed_units": {"input_tokens": 1, "search_units": 1},
    "tokens": {"input_tokens": 1, "output_tokens": 1},
    "cached_tokens": 1,
}
COHERE_MESSAGE = {
    "role": "assistant",
    "tool_plan": "p",
    "content": {"type": "text", "text": "a"},
    "tool_calls": {"id": "t", "function": {"name": "f", "arguments": "{}"}},
    "citations": {"start": 0},
}
COHERE_RESPONSE = {
    "generation_id": "g",
    "text": "a",
    "finish_reason": "ERROR",
    "tool_calls": [{"name": "f", "parameters": {"a": 1}}],
    "tool_call_delta": {"index": 0, "name": "f", "parameters": "{"},
    "citations": [{"start": 0}],
    "meta": COHERE_REPORT,
}
COHERE_V1 = [
    "stream-start",
    "text-generation",
    "tool-calls-chunk",
    "tool-calls-generation",
    "citation-generation",
    "search-results",
    "stream-end",
]
COHERE_EVENTS = [
    "message-start",
    "content-start",
    "content-delta",
    "tool-plan-delta",
    "tool-call-start",
    "tool-call-end",
    "citation-start",
]
BEDROCK_REPORT = {
    "inputTokens": 1,
    "outputTokens": 1,
    "cacheReadInputTokenCount": 1,
    "cacheWriteInputTokens": 1,
    "cacheDetails": [{"ttl": "1h", "inputTokens": 1}],
}
PARTIAL_ARG = {"jsonPath": "$.a[0]['b']", "stringValue": "s", "numberValue": 1, "boolValue": True, "willContinue": True}
GOOGLE_PARTS: list[Any] = [
    [{"text": "a", "thought": True, "thoughtSignature": "s"}, {"executableCode": {"code": "c"}}],
    [{"functionCall": {"name": "f", "id": "i", "args": {"a": 1}}}],
    [{"functionCall": {"name": "f", "partialArgs": [PARTIAL_ARG, PARTIAL_ARG], "willContinue": True}}],
    [{"inlineData": {"mimeType": kind, "data": "AAA="}} for kind in ("image/png", "audio/wav", "text/csv")],
]
STEPS: list[Any] = [
    {"type": "thought", "summary": [{"type": "text", "text": "a"}], "signature": "s"},
    {"type": "model_output", "content": [{"type": "text", "text": "a", "annotations": [{}]}]},
    {"type": "function_call", "id": "i", "name": "f", "arguments": {"a": 1}},
    {"type": "google_search_call", "arguments": {}},
]
STEP_DELTAS: list[Any] = [
    {"type": "thought_summary", "content": {"text": "a"}},
    {"type": "thought_signature", "signature": "s"},
    {"type": "arguments_delta", "arguments": "{}"},
    {"type": "arguments_delta", "arguments": "{}"},
    {"type": "image", "data": "AAA=", "mime_type": "image/png"},
    {"type": "audio", "data": "AAA=", "mime_type": "audio/wav"},
    {"type": "text_annotation", "annotations": [{}]},
]
STEP_REPORT = {
    "total_input_tokens": 1,
    "total_output_tokens": 2,
    "total_thought_tokens": 3,
    "input_tokens_by_modality": [{"modality": "audio", "tokens": 1}],
}
GOOGLE_REPORT = {
    "promptTokenCount": 1,
    "candidatesTokenCount": 2,
    "thoughtsTokenCount": 3,
    "totalTokenCount": 6,
    "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 1}],
}
TEMPLATES: list[Any] = [
    CHUNK,
    CHUNK | {"id": "d", "x_groq": {"usage": REPORT, "usage_breakdown": {"models": [{"model": "m"}]}, "error": "x"}},
    CHUNK | {"object": "chat.completion", "choices": [{"index": 0, "message": DELTA, "finish_reason": "stop"}]},
    CHUNK
    | {
        "citations": ["a"],
        "search_results": [{}],
        "provider": "p",
        "prompt_filter_results": [],
        "error": {"message": "m"},
    },
    {"error": {"message": "m", "type": "t", "code": 400}, "type": "error", "object": "error"},
    {"type": "response.created", "response": RESPONSE, "sequence_number": 0},
    {"type": "response.completed", "response": RESPONSE, "sequence_number": 9},
    {"type": "response.failed", "response": RESPONSE | {"status": "failed", "error": {"message": "m"}}},
    RESPONSE,
    *({"type": "response.output_item.added", "item": item} | AT for item in ITEMS),
    *({"type": "response.output_item.done", "item": item, "output_index": 1} for item in ITEMS),
    *(
        {"type": f"response.{what}.delta", "delta": "d"} | AT
        for what in ("output_text", "refusal", "audio", "some_call")
    ),
    *(
        {"type": f"response.{what}.done", "text": "d", "refusal": "d", "arguments": "d"} | AT
        for what in ("output_text", "refusal")
    ),
    {"type": "response.function_call_arguments.delta", "delta": "d", "output_index": 1},
    {"type": "response.function_call_arguments.done", "arguments": "d", "output_index": 1},
    {"type": "response.reasoning_summary_text.delta", "delta": "d"} | AT,
    {"type": "response.content_part.done", "part": {"type": "output_text", "text": "a"}} | AT,
    {"type": "response.output_text.annotation.added", "annotation": {"url": "u"}} | AT,
    {"type": "response.shell_call_output_content.delta", "delta": {"stdout": "a"}, "output_index": 7},
    {"type": "message_start", "message": {"id": "m", "model": "c", "role": "assistant", "usage": REPORT}},
    *(
        {"type": "content_block_start", "index": index, "content_block": block}
        for index, block in enumerate(
            [
                {"type": "text", "text": "a"},
                {"type": "thinking", "thinking": "a", "signature": "b"},
                {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}},
                {"type": "compaction", "content": "c"},
            ]
        )
    ),
    *(
        {
            "type": "content_block_delta",
            "index": index,
            "delta": {"type": kind, "text": "a", "thinking": "b", "partial_json": "c"},
        }
        for index, kind in enumerate(["text_delta", "thinking_delta", "input_json_delta", "citations_delta"])
    ),
    {"type": "content_block_stop", "index": 2},
    {"type": "message_delta", "delta": {"stop_reason": "max_tokens"}, "usage": REPORT},
    {
        "type": "message",
        "id": "m",
        "content": [{"type": "text", "text": "a", "citations": [{}]}],
        "stop_reason": "end_turn",
        "usage": REPORT,
    },
    *BODIES.values(),
    *STARTS.values(),
    COMPLETION | {"choices": [{"index": 1, "text": "a", "finish_reason": "stop"}], "usage": REPORT},
    {"value": "a"},
    OLLAMA | {"message": {"thinking": "a", "tool_calls": [CALL]}, "done": True, "done_reason": "stop", "eval_count": 1},
    {"index": 1, "token": {"text": "a"}, "generated_text": "a", "details": {"finish_reason": "x", "input_length": 1}},
    {"model_id": "m", "results": [RESULT, RESULT | {"stop_reason": "error"}], "errors": [{"code": "c"}]},
    {"completion": "a", "log_id": "l", "stop_reason": "max_tokens"},
    *(
        RUN | {"status": status, "last_error": {"message": "m"}, "incomplete_details": {"reason": "r"}, "usage": REPORT}
        for status in ("incomplete", "failed", "cancelled")
    ),
    RUN | {"status": "requires_action", "required_action": {"submit_tool_outputs": {"tool_calls": [CALL]}}},
    *(
        {"id": "i", "object": f"thread.message{kind}", "role": "r", "content": THREAD, "delta": {"content": THREAD}}
        for kind in ("", ".delta")
    ),
    *(
        {"id": "i", "object": f"thread.run.step{kind}", "step_details": RUN_STEP, "delta": {"step_details": RUN_STEP}}
        for kind in ("", ".delta")
    ),
    {"status": "failed", "output": ["a", "b"], "urls": {}, "metrics": {"predict_time": 1.5, "input_token_count": 1}},
    {"status": "succeeded", "output": ["https://x/y"], "urls": {}, "reason": "canceled"},
    {"type": "speech.audio.delta", "audio": "AAA="},
    {"type": "speech.audio.done", "usage": REPORT},
    {"type": "transcript.text.delta", "delta": "a"},
    {"type": "transcript.text.done", "text": "a", "usage": REPORT | {"seconds": 1}},
    {"text": "a", "segments": [{"id": 0}], "duration": 1.5, "usage": REPORT},
    {"type": "image_generation.completed", "b64_json": "AAA=", "output_format": "png", "usage": REPORT},
    {"data": [{"b64_json": "AAA=", "revised_prompt": "p"}, {"url": "https://x/y"}], "usage": REPORT},
    {"data": [{"embedding": [0.1]}], "embeddings": {"float": [[0.1]]}, "results": [{}], "meta": COHERE_REPORT},
    {"embedding": [0.1], "prompt_eval_count": 1, "model": "m"},
    *(
        {"type": kind, "messageId": "m", "id": "i", "delta": "d", "finishReason": "stop", "errorText": "e"} | UI_CALL
        for kind in UI_EVENTS
    ),
    COHERE_RESPONSE,
    *({"event_type": kind, "is_finished": False, "response": COHERE_RESPONSE} | COHERE_RESPONSE for kind in COHERE_V1),
    *({"type": kind, "id": "m", "index": 0, "delta": {"message": COHERE_MESSAGE}} for kind in COHERE_EVENTS),
    {"type": "message-end", "delta": {"finish_reason": "ERROR", "usage": COHERE_REPORT, "error": "e"}},
    {"id": "m", "finish_reason": "COMPLETE", "message": COHERE_MESSAGE, "usage": COHERE_REPORT},
    *(
        {"contentBlockIndex": index, "start": start}
        for index, start in enumerate(
            [{"toolUse": {"toolUseId": "t", "name": "f"}}, {"toolResult": {"toolUseId": "t"}}, {"image": {}}]
        )
    ),
    *(
        {"contentBlockDelta": {"contentBlockIndex": index, "delta": delta}}
        for index, delta in enumerate(
            [
                {"toolUse": {"input": "{}"}},
                {"toolResult": [{"text": "a"}]},
                {"image": {"source": {"bytes": "AAAA"}}},
                {"reasoningContent": {"text": "a", "signature": "b", "redactedContent": "c"}},
                {"text": "a", "citation": {"title": "b"}},
            ]
        )
    ),
    {"contentBlockIndex": 1, "p": "a"},
    {"messageStop": {"stopReason": "max_tokens", "additionalModelResponseFields": {"a": 1}}},
    {"metadata": {"usage": BEDROCK_REPORT, "trace": {"promptRouter": {"invokedModelId": "m"}}, "serviceTier": {}}},
    {"throttlingException": {"message": "m"}},
    {
        "output": {
            "message": {
                "role": "assistant",
                "content": [
                    {"text": "a"},
                    {"toolUse": {"toolUseId": "t", "name": "f", "input": {}}},
                    {"reasoningContent": {"reasoningText": {"text": "a", "signature": "b"}}},
                    {"citationsContent": {"content": [{"text": "a"}], "citations": [{}]}},
                ],
            }
        },
        "stopReason": "tool_use",
        "usage": BEDROCK_REPORT,
    },
    *(
        {
            "candidates": [
                {
                    "index": index,
                    "content": {"role": "model", "parts": [*parts, {"text": "a"}]},
                    "finishReason": "STOP",
                    "citationMetadata": {"citations": [{"uri": "u"}]},
                    "groundingMetadata": {"webSearchQueries": ["q"]},
                }
            ],
            "promptFeedback": {"blockReason": "SAFETY"},
            "usageMetadata": GOOGLE_REPORT,
            "modelVersion": "gemini-3",
            "responseId": "r",
        }
        for index, parts in enumerate(GOOGLE_PARTS)
    ),
    *(
        {"bytes": base64.b64encode(msgspec.json.encode(inner)).decode(), "p": "a"}
        for inner in (
            {"generation": "a", "prompt_token_count": 1, "generation_token_count": 1, "stop_reason": "stop"},
            {"outputs": [{"text": "a", "stop_reason": "length"}], "amazon-bedrock-invocationMetrics": BEDROCK_REPORT},
            {"choices": [{"index": 0, "message": {"content": "a"}, "stop_reason": "stop"}]},
            {"messageStop": {"stopReason": "end_turn"}, "amazon-bedrock-trace": {"a": 1}},
        )
    ),
    {"chunk": {"bytes": "e30="}},
    {"completions": [{"data": {"text": "a"}, "finishReason": {"reason": "length"}}], "id": 5},
    {"index": 1, "is_finished": True, "finish_reason": "COMPLETE", "text": "a"},
    {"choices": [{"index": 0, "message": {"content": "a"}, "stop_reason": "stop", "text": "b"}]},
    {"images": ["AAAA"], "embedding": [1.0], "inputTextTokenCount": 3},
    {
        "sessionId": "s",
        "callerChain": [{}],
        "trace": {
            "orchestrationTrace": {
                "modelInvocationInput": {"foundationModel": "m", "traceId": "t"},
                "modelInvocationOutput": {"metadata": {"usage": BEDROCK_REPORT}, "traceId": "t"},
                "observation": {"finalResponse": {"text": "a"}},
            }
        },
    },
    {"returnControl": {"invocationId": "i", "invocationInputs": [{"functionInvocationInput": {"function": "f"}}]}},
    {"files": {"files": [{"name": "n", "type": "image/png", "bytes": "AAAA"}, {"type": "text/csv"}]}},
    {"chunk": {"bytes": "w6Q=", "attribution": {"citations": [{}]}}},
    {"output": {"text": "a"}, "sessionId": "s", "citations": [{}]},
    {"citation": {"citation": {"a": 1}}},
    {"guardrail": {"action": "INTERVENED"}},
    *(
        {"type": kind, "response_id": "r", "output_index": 0, "content_index": 0, "delta": "d", "transcript": "t"}
        for kind in ("response.output_audio_transcript.delta", "response.audio_transcript.done", "response.text.delta")
    ),
    *(
        {
            "type": "response.done",
            "response": RESPONSE
            | {"id": status, "status": status, "status_details": {"reason": "r", "error": {"code": 1}}},
        }
        for status in ("completed", "incomplete", "failed", "cancelled")
    ),
    {"type": "session.created", "session": {"model": "m"}},
    {"setup": {"model": "m"}, "error": {"message": "m"}},
    {
        "serverContent": {
            "modelTurn": {"parts": GOOGLE_PARTS[3]},
            "outputTranscription": {"text": "t"},
            "interrupted": True,
            "turnComplete": True,
            "turnCompleteReason": "r",
        },
        "usageMetadata": GOOGLE_REPORT,
    },
    {"toolCall": {"functionCalls": [{"id": "i", "name": "f", "args": {}}]}},
    *({"event_type": "step.start", "index": index, "step": step} for index, step in enumerate(STEPS)),
    *({"event_type": "step.delta", "index": index, "delta": delta} for index, delta in enumerate(STEP_DELTAS)),
    {"event_type": "step.stop", "index": 2, "usage": STEP_REPORT},
    *(
        {"event_type": f"interaction.{status}", "interaction": {"id": "v1", "status": status, "usage": STEP_REPORT}}
        for status in ("created", "completed", "failed", "incomplete", "cancelled")
    ),
    {"object": "interaction", "id": "v1", "status": "completed", "steps": STEPS, "outputs": STEPS},
]


def places(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of everything in a document."""
    inner = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    return [path, *(found for key, value in inner for found in places(value, (*path, key)))]


def replaced(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    """The document with another value at this place."""
    if not path:
        return value
    key, *rest = path
    copy = document.copy()
    copy[key] = replaced(document[key], tuple(rest), value)
    return copy


@st.composite
def spoilt(draw: st.DrawFn) -> Any:
    """A document an API knows, with anything at one place in it."""
    document = draw(st.sampled_from(TEMPLATES))
    if draw(st.booleans()):
        return document
    path = draw(st.sampled_from(places(document)))
    other = draw(st.sampled_from(TEMPLATES))
    return replaced(document, path, draw(VALUES | st.just(other)))


def encoded(document: Any) -> bytes:
    try:
        return msgspec.json.encode(document)
    except UnicodeEncodeError:  # a lone surrogate: providers send those as escapes
        return json.dumps(document).encode()


@given(
    st.sampled_from([None, *(api.name for api in APIS)]),
    st.lists(spoilt(), max_size=10),
    st.sampled_from([200, 500, None]),
)
def test_no_documents_whatever_make_it_raise(name: str | None, documents: list[Any], status: int | None) -> None:
    reading = Reading(by_name(name), status=status)
    for number, document in enumerate(documents):
        reading.read(Event(Piece.EVENT, "", encoded(document), number))
    reading.finish(proper_eof=True)
    for answer in reading.answers:
        msgspec.json.encode(
            [choices(answer), answer.error, answer.ending, answer.units, answer.model, answer.response_id]
        )
        assert reading.api is None or reading.api.usage(answer.usage_raw or {}) is not None
        if reading.api is not None and answer.usage_raw is not None:
            usage = reading.api.usage(answer.usage_raw)
            assert all(value is None or value >= 0 for value in msgspec.structs.astuple(usage))


@given(
    st.sampled_from([None, *(api.name for api in APIS)]),
    st.lists(
        st.sampled_from(
            [
                sse(CHAT),
                DONE,
                b"data: ",
                b"event: error\n",
                b"{",
                b"\n",
                b"\r",
                b"error: {",
                b"<html>",
                b'"',
                b"\xff",
                b"[1]",
                b"data: {}data: {}\n\n",
                b'{"error":',
                event("e", CHAT),
                event("e", CHAT)[:-9],
                exception("x", {"message": "broke"}),
            ]
        ),
        max_size=12,
    ).map(b"".join)
    | st.binary(max_size=80),
    st.sampled_from([200, 500]),
    st.sampled_from(list(Framing)),
)
def test_no_bytes_whatever_make_it_raise(name: str | None, body: bytes, status: int, framing: Framing) -> None:
    whole = outcome(name, [body], status, framing)
    if framing is not Framing.OBJECTS:
        assert outcome(name, [body[at : at + 1] for at in range(len(body))], status, framing) == whole


def outcome(name: str | None, reads: list[bytes], status: int, framing: Framing) -> Any:
    cutter, reading = framer(framing), Reading(by_name(name), status=status)
    pieces = [piece for read in reads for piece in cutter.feed(read)]
    for piece in [*pieces, *cutter.finish()]:
        reading.read(piece)
    reading.finish(proper_eof=True)
    return [(choices(answer), answer.ending, answer.error, answer.warnings) for answer in reading.answers]


def test_a_tail_brings_its_output_when_the_body_ends() -> None:
    _, outputs = play_body(sse(CHAT)[:-1], api="openai.chat")
    assert outputs == [Output.TEXT]

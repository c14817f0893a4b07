"""InvokeModel: what a model says in its own words, wrapped; every format told by its documents alone."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest

from event_stream_build import event, exception
from sse_play import carried, choices, parts, play, play_body, said, tools
from streamgauge.processors.providers.answer import Output, Usage
from streamgauge.processors.providers.bedrock_invoke import BEDROCK_INVOKE
from streamgauge.processors.providers.reading import Reading
from streamgauge.processors.providers.registry import by_name
from streamgauge.schemas.records import Image, ToolCall

API = "bedrock.invoke"
BINARY = "application/vnd.amazon.eventstream"
METRICS = {"inputTokenCount": 7, "outputTokenCount": 3, "invocationLatency": 9, "firstByteLatency": 4}


def chunk(document: Any) -> bytes:
    packed = base64.b64encode(msgspec.json.encode(document)).decode()
    return event("chunk", {"bytes": packed, "p": "abcd"})


def chunks(*documents: dict[str, Any]) -> bytes:
    *before, last = documents
    return b"".join(map(chunk, before)) + chunk(last | {"amazon-bedrock-invocationMetrics": METRICS})


def read(body: bytes, *, proper_eof: bool = True) -> Reading:
    return play(body, api=API, content_type=BINARY, proper_eof=proper_eof)


CLAUDE = chunks(
    {
        "type": "message_start",
        "message": {
            "id": "msg_bdrk_1",
            "type": "message",
            "role": "assistant",
            "model": "claude-x",
            "content": [],
            "usage": {"input_tokens": 10, "output_tokens": 1},
        },
    },
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hel"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "lo"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}},
    {"type": "message_stop"},
)
NOVA = chunks(
    {"messageStart": {"role": "assistant"}},
    {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"text": "Hel"}}},
    {"contentBlockStop": {"contentBlockIndex": 0}},
    {"contentBlockDelta": {"contentBlockIndex": 1, "delta": {"text": "lo"}}},
    {"contentBlockStop": {"contentBlockIndex": 1}},
    {"messageStop": {"stopReason": "end_turn"}},
    {"metadata": {"usage": {"inputTokens": 10, "outputTokens": 5}, "trace": {}}},
)
COMMAND_R = chunks(
    {"event_type": "stream-start", "is_finished": False, "generation_id": "g"},
    {"event_type": "text-generation", "is_finished": False, "text": "Hel"},
    {"event_type": "text-generation", "is_finished": False, "text": "lo"},
    {
        "event_type": "stream-end",
        "is_finished": True,
        "finish_reason": "COMPLETE",
        "response": {"generation_id": "g", "text": "Hello"},
    },
)
TITAN = chunks(
    {"outputText": "Hel", "index": 0, "completionReason": None, "inputTextTokenCount": 7},
    {"outputText": "lo", "index": 0, "completionReason": "FINISH", "totalOutputTextTokenCount": 3},
)
LLAMA = chunks(
    {"generation": "Hel", "prompt_token_count": 7, "generation_token_count": 1, "stop_reason": None},
    {"generation": "lo", "prompt_token_count": None, "generation_token_count": 2, "stop_reason": None},
    {"generation": "", "prompt_token_count": None, "generation_token_count": 3, "stop_reason": "stop"},
)
MISTRAL = chunks(
    {"outputs": [{"text": "Hel", "stop_reason": None}]},
    {"outputs": [{"text": "lo", "stop_reason": "stop"}]},
)
COMMAND = chunks(
    {"index": 0, "is_finished": False, "text": "Hel"},
    {"index": 0, "is_finished": False, "text": "lo"},
    {"finish_reason": "COMPLETE", "is_finished": True},
)
CLAUDE_2 = chunks(
    {"completion": "Hel", "stop_reason": None, "stop": None},
    {"completion": "lo", "stop_reason": "stop_sequence", "stop": "\n\nHuman:"},
)
GPT_OSS = chunks(
    {
        "id": "c1",
        "object": "chat.completion.chunk",
        "choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hel"}}],
    },
    {"id": "c1", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": "lo"}}]},
    {"id": "c1", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
)
JAMBA = chunks(
    {"id": "j1", "choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hel"}, "finish_reason": None}]},
    {"id": "j1", "choices": [{"index": 0, "delta": {"content": "lo"}, "finish_reason": "stop"}]},
)
MISTRAL_CHAT = chunks(
    {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hel"}, "stop_reason": None}]},
    {"choices": [{"index": 0, "message": {"role": "assistant", "content": "lo"}, "stop_reason": "stop"}]},
)
DEEPSEEK = chunks(
    {"choices": [{"index": 0, "text": "Hel", "stop_reason": None}]},
    {"choices": [{"index": 0, "text": "lo", "stop_reason": "stop"}]},
)
MARKED = {"claude": (CLAUDE, "message_stop"), "nova": (NOVA, "metadata"), "command r": (COMMAND_R, "stream-end")}
UNMARKED = {
    "titan": TITAN,
    "llama": LLAMA,
    "mistral": MISTRAL,
    "command": COMMAND,
    "claude 2": CLAUDE_2,
    "gpt-oss": GPT_OSS,
    "jamba": JAMBA,
    "mistral chat": MISTRAL_CHAT,
    "deepseek": DEEPSEEK,
}
STREAMS = {name: body for name, (body, _) in MARKED.items()} | UNMARKED


@pytest.mark.parametrize("name", STREAMS)
def test_every_format_is_read_and_told_by_its_documents(name: str) -> None:
    reading, outputs = play_body(STREAMS[name], content_type=BINARY)
    assert reading.api is BEDROCK_INVOKE
    assert (said(reading.answer), reading.provider) == ("Hello", "bedrock")
    assert len(reading.answer.finish_reasons()) == 1
    assert sum(output == Output.TEXT for output in outputs) == 2
    assert (reading.unknown_events, reading.answer.warnings, len(reading.answers)) == (0, [], 1)
    assert reading.ending is not None
    assert reading.ending.offset == len(STREAMS[name])


@pytest.mark.parametrize("name", MARKED)
def test_a_format_with_an_event_that_ends_it_is_held_to_it(name: str) -> None:
    body, marker = MARKED[name]
    reading = read(body, proper_eof=False)
    assert reading.ending is not None
    assert (reading.ending.kind, reading.ending.evidence) == ("completed", marker)
    for cut in range(len(body)):
        assert read(body[:cut]).ending is None, cut


@pytest.mark.parametrize("name", UNMARKED)
def test_without_one_the_stop_and_the_end_of_the_body_decide(name: str) -> None:
    body = UNMARKED[name]
    assert read(body, proper_eof=False).ending is None
    assert read(body, proper_eof=False).content_complete()
    reading = read(body)
    assert reading.ending is not None
    assert (reading.ending.kind, reading.ending.evidence) == ("completed", "eof")
    for cut in range(len(body)):
        assert read(body[:cut]).ending is None, cut


def test_a_body_that_ends_inside_a_message_has_not_ended() -> None:
    reading = read(LLAMA + exception("modelStreamErrorException", {"message": "broke"})[:-1])
    assert (reading.ending, reading.content_complete()) == (None, True)


# ---------------------------------------------------------------------- usage


@pytest.mark.parametrize("name", ["titan", "llama", "mistral", "command", "claude 2", "gpt-oss", "jamba", "command r"])
def test_the_metrics_are_the_usage_where_the_model_states_none(name: str) -> None:
    answer = read(STREAMS[name]).answer
    assert (answer.usage_raw, answer.preliminary) == (METRICS, frozenset())
    assert BEDROCK_INVOKE.usage(METRICS) == Usage(input=7, output=3)


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("claude", {"input_tokens": 10, "output_tokens": 5}),
        ("nova", {"inputTokens": 10, "outputTokens": 5}),
    ],
)
def test_what_the_model_states_itself_comes_before_the_metrics(name: str, raw: dict[str, int]) -> None:
    """Recorded: a message of 133 tokens whose metrics count 97."""
    answer = read(STREAMS[name]).answer
    assert answer.usage_raw == raw
    assert BEDROCK_INVOKE.usage(raw) == Usage(input=10, output=5)


def test_what_llama_counts_on_the_way_is_no_last_word() -> None:
    answer = read(LLAMA[:-1]).answer
    assert answer.usage_raw == {"prompt_token_count": 7, "generation_token_count": 2}
    assert answer.preliminary == {"output", "total"}
    assert BEDROCK_INVOKE.usage(answer.usage_raw or {}) == Usage(input=7, output=2)


@pytest.mark.parametrize(
    ("raw", "usage"),
    [
        ({"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}, Usage(input=1, output=2, total=3)),
        ({"inputTextTokenCount": 1, "totalOutputTextTokenCount": 2}, Usage(input=1, output=2)),
        ({"tokens": {"input_tokens": 1, "output_tokens": 2}}, Usage(input=1, output=2)),
        ({}, Usage()),
    ],
)
def test_every_spelling_of_a_count_is_read(raw: dict[str, Any], usage: Usage) -> None:
    assert BEDROCK_INVOKE.usage(raw) == usage


# ---------------------------------------------------------------------- several generations


def test_generations_of_command_are_choices_and_end_together() -> None:
    body = chunks(
        {"index": 0, "is_finished": False, "text": "one"},
        {"index": 1, "is_finished": False, "text": "two"},
        {"finish_reason": "MAX_TOKENS", "is_finished": True},
    )
    found = choices(read(body).answer)
    assert [(choice.index, choice.finish_reason) for choice in found] == [(0, "MAX_TOKENS"), (1, "MAX_TOKENS")]


@pytest.mark.parametrize("first", STREAMS)
@pytest.mark.parametrize("second", STREAMS)
def test_two_streams_in_one_body_are_two_answers(first: str, second: str) -> None:
    whole, other = STREAMS[first], STREAMS[second]
    reading = read(whole + other)
    assert [said(answer) for answer in reading.answers] == ["Hello", "Hello"]
    assert reading.ending is not None
    assert reading.ending.kind == "completed"


@pytest.mark.parametrize("first", ["claude 2", "command", "mistral", "titan"])
@pytest.mark.parametrize("second", ["claude", "nova", "llama", "gpt-oss"])
def test_another_format_in_the_middle_is_another_answer(first: str, second: str) -> None:
    torn = STREAMS[first][: len(STREAMS[first]) // 2 + 20]
    reading = read(torn + STREAMS[second])
    assert [said(answer) for answer in reading.answers] == [said(read(torn).answer), "Hello"]
    assert not read(torn).content_complete()


def test_llama_counts_from_the_beginning_when_it_begins_anew() -> None:
    for cut in range(len(chunk({"generation": "Hel", "prompt_token_count": 7})), len(LLAMA)):
        if said(read(LLAMA[:cut]).answer):
            assert len(read(LLAMA[:cut] + LLAMA).answers) == 2, cut
    counted_in_every_event = chunks(
        {"generation": "a", "prompt_token_count": 7, "generation_token_count": 1},
        {"generation": "b", "prompt_token_count": 7, "generation_token_count": 2},
    )
    assert len(read(counted_in_every_event).answers) == 1


# ---------------------------------------------------------------------- failures, oddities


def test_exceptions_and_errors_in_the_model_s_words_fail_the_stream() -> None:
    inner = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    for broken in (exception("modelTimeoutException", {"message": "slow"}), chunk(inner)):
        for before in (
            b"",
            chunk({"generation": "Hel"}),
            CLAUDE[: CLAUDE.index(chunk({"type": "content_block_stop", "index": 0}))],
        ):
            reading = read(before + broken)
            assert reading.ending is not None
            assert reading.ending.kind == "failed"
            assert reading.answer.error is not None
            assert reading.answer.error.message in ("slow", "Overloaded")
            assert (reading.unknown_events, len(reading.answers)) == (0, 1)


def test_what_cannot_be_unwrapped_is_counted() -> None:
    body = event("chunk", {"bytes": "!"}) + event("chunk", {"bytes": 5}) + event("chunk", b"x") + chunk([1])
    assert read(body).unknown_events == 4
    assert read(chunk({"new": 1})).unknown_events == 1


def test_an_event_nobody_knows_stays_with_its_format() -> None:
    reading = read(CLAUDE[: CLAUDE.index(chunk({"type": "content_block_stop", "index": 0}))] + chunk({"type": "new"}))
    assert (len(reading.answers), reading.unknown_events, said(reading.answer)) == (1, 1, "Hello")


def test_a_guardrail_s_trace_is_carried() -> None:
    body = chunks({"outputs": [{"text": "x", "stop_reason": "stop"}], "amazon-bedrock-trace": {"guardrail": {"a": 1}}})
    assert carried(read(body).answer) == [("trace", {"guardrail": {"a": 1}})]


# ---------------------------------------------------------------------- bodies and objects


BODIES: dict[str, dict[str, Any]] = {
    "claude": {
        "id": "msg_bdrk_1",
        "type": "message",
        "role": "assistant",
        "content": [{"type": "text", "text": "Hello"}],
        "stop_reason": "end_turn",
    },
    "nova": {"output": {"message": {"role": "assistant", "content": [{"text": "Hello"}]}}, "stopReason": "end_turn"},
    "titan": {
        "inputTextTokenCount": 7,
        "results": [{"tokenCount": 3, "outputText": "Hello", "completionReason": "FINISH"}],
    },
    "llama": {"generation": "Hello", "prompt_token_count": 7, "generation_token_count": 3, "stop_reason": "stop"},
    "mistral": {"outputs": [{"text": "Hello", "stop_reason": "stop"}]},
    "command": {"id": "g", "generations": [{"id": "a", "text": "Hello", "finish_reason": "COMPLETE"}]},
    "command r": {"generation_id": "g", "text": "Hello", "finish_reason": "COMPLETE"},
    "claude 2": {"completion": "Hello", "stop_reason": "stop_sequence"},
    "jurassic": {"id": 1, "completions": [{"data": {"text": "Hello"}, "finishReason": {"reason": "endoftext"}}]},
    "gpt-oss": {
        "object": "chat.completion",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
    },
    "mistral chat": {"choices": [{"index": 0, "message": {"content": "Hello"}, "stop_reason": "stop"}]},
    "deepseek": {"choices": [{"text": "Hello", "stop_reason": "stop"}]},
}


@pytest.mark.parametrize("name", BODIES)
def test_a_plain_body_of_every_format_is_read_whole(name: str) -> None:
    reading = play(msgspec.json.encode(BODIES[name]), api=API, content_type="application/json")
    assert (said(reading.answer), len(reading.answer.finish_reasons())) == ("Hello", 1)
    assert reading.ending is not None
    assert (reading.ending.kind, reading.ending.evidence) == ("completed", "json body")
    assert (reading.answer.preliminary, reading.answer.warnings) == (frozenset(), [])


def test_embeddings_are_counted_and_images_measured() -> None:
    counted = play(b'{"embedding":[0.1],"inputTextTokenCount":5}', api=API, content_type="application/json").answer
    assert (choices(counted), counted.usage_raw) == ([], {"inputTextTokenCount": 5})
    drawn = play(b'{"images":["AAAA",5],"error":null}', api=API, content_type="application/json").answer
    [image] = parts(drawn)
    assert isinstance(image, Image)
    assert image.bytes == 3


def test_calls_of_a_tool_come_through_the_wrapping() -> None:
    body = chunks(
        {
            "type": "content_block_start",
            "index": 0,
            "content_block": {"type": "tool_use", "id": "t", "name": "f", "input": {}},
        },
        {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": '{"a":1}'}},
        {"type": "content_block_stop", "index": 0},
    )
    assert tools(read(body).answer) == [ToolCall(id="t", name="f", arguments='{"a":1}', complete=True, json_valid=True)]


def test_objects_may_be_wrapped_or_not() -> None:
    inner = {"generation": "Hello", "stop_reason": None}
    packed = base64.b64encode(msgspec.json.encode(inner)).decode()
    for document in (inner, {"bytes": packed}, {"chunk": {"bytes": packed}}):
        line = msgspec.json.encode(document) + b"\n"
        reading = play(line, api=API, content_type="application/x-ndjson")
        assert (said(reading.answer), reading.ending, reading.unknown_events) == ("Hello", None, 0)
    failed = play(b'{"throttlingException":{"message":"slow"}}\n', api=API, content_type="application/x-ndjson")
    assert failed.answer.error is not None
    assert failed.answer.error.message == "slow"


def test_text_that_is_no_document_is_not_taken_for_a_model_s() -> None:
    """An agent's chunks look the same from outside."""
    for packed in (base64.b64encode(b"Hello").decode(), base64.b64encode(b"{}").decode(), "", None, 5):
        assert not BEDROCK_INVOKE.recognises({"bytes": packed})
    assert by_name(API) is BEDROCK_INVOKE

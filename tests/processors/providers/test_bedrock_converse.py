"""Converse: blocks that may lack a start, an end that comes behind the content, exceptions of the framing."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from event_stream_build import event, exception
from sse_play import carried, choices, parts, play, play_body, said, tools
from streamgauge.processors.providers.answer import Output, Usage
from streamgauge.processors.providers.bedrock_converse import BEDROCK_CONVERSE
from streamgauge.processors.providers.reading import Reading
from streamgauge.schemas.records import Citation, Image, Opaque, Reasoning, Refusal, Text, ToolCall

API = "bedrock.converse"
BINARY = "application/vnd.amazon.eventstream"
USAGE = {"inputTokens": 11, "outputTokens": 5, "totalTokens": 16}


def start(index: int, **what: Any) -> bytes:
    return event("contentBlockStart", {"contentBlockIndex": index, "start": what, "p": "abc"})


def delta(index: int, **what: Any) -> bytes:
    return event("contentBlockDelta", {"contentBlockIndex": index, "delta": what, "p": "abcdef"})


def stop(index: int) -> bytes:
    return event("contentBlockStop", {"contentBlockIndex": index, "p": ""})


def stopped(reason: str = "end_turn", **more: Any) -> bytes:
    return event("messageStop", {"stopReason": reason, "p": "a", **more})


def metadata(**more: Any) -> bytes:
    return event("metadata", {"usage": USAGE, "metrics": {"latencyMs": 9}, "p": "ab", **more})


BEGUN = event("messageStart", {"role": "assistant", "p": "abcd"})
TEXT = delta(0, text="Hel") + delta(0, text="lo") + stop(0)
CALL = (
    start(1, toolUse={"toolUseId": "t1", "name": "f"})
    + delta(1, toolUse={"input": ""})
    + delta(1, toolUse={"input": '{"a":'})
    + delta(1, toolUse={"input": "1}"})
    + stop(1)
)
WHOLE = BEGUN + TEXT + CALL + stopped("tool_use") + metadata()


def read(body: bytes) -> Reading:
    return play(body, api=API, content_type=BINARY)


def test_a_message_is_blocks_a_stop_reason_and_metadata() -> None:
    reading, outputs = play_body(WHOLE, api=API, content_type=BINARY)
    answer = reading.answer
    assert choices(answer)[0].role == "assistant"
    assert parts(answer) == [
        Text(text="Hello"),
        ToolCall(id="t1", name="f", arguments='{"a":1}', complete=True, json_valid=True),
    ]
    assert (answer.finish_reasons(), answer.usage_raw) == (["tool_use"], USAGE)
    assert reading.ending is not None
    assert (reading.ending.kind, reading.ending.evidence, reading.ending.offset) == (
        "completed",
        "metadata",
        len(WHOLE),
    )
    assert outputs == [Output(value) for value in (0, 1, 1, 0, 4, 0, 4, 4, 0, 0, 0)]
    assert (reading.unknown_events, answer.warnings, reading.provider) == (0, [], "bedrock")


def test_the_message_stop_makes_the_content_whole_and_not_the_stream() -> None:
    reading = read(BEGUN + TEXT + stopped())
    assert (reading.ending, reading.content_complete()) == (None, True)
    cut = read(BEGUN + TEXT + CALL)
    assert (cut.ending, cut.content_complete()) == (None, False)


def test_a_call_that_was_cut_is_not_complete() -> None:
    [call] = tools(read(WHOLE[: WHOLE.index(b"1}")]).answer)
    assert (call.arguments, call.complete, call.json_valid) == ('{"a":', False, False)
    [called] = tools(read(BEGUN + start(0, toolUse={"toolUseId": "t", "name": "f"}) + stop(0)).answer)
    assert (called.arguments, called.complete) == ("{}", True)


@pytest.mark.parametrize("reason", ["max_tokens", "model_context_window_exceeded", "malformed_tool_use"])
def test_a_call_in_a_message_that_was_cut_short_is_complete_only_if_it_is_json(reason: str) -> None:
    half = start(0, toolUse={"toolUseId": "t", "name": "f"}) + delta(0, toolUse={"input": '{"a"'}) + stop(0)
    assert [call.complete for call in tools(read(BEGUN + half + CALL + stopped(reason)).answer)] == [False, True]


def test_reasoning_has_its_signature_and_may_be_redacted() -> None:
    body = (
        delta(0, reasoningContent={"text": "Let me"})
        + delta(0, reasoningContent={"text": " see"})
        + delta(0, reasoningContent={"signature": "proof"})
        + delta(0, reasoningContent={"text": "."})
        + stop(0)
        + delta(1, reasoningContent={"redactedContent": "c2VjcmV0"})
        + stop(1)
    )
    reading, outputs = play_body(BEGUN + body, api=API, content_type=BINARY)
    assert parts(reading.answer) == [
        Reasoning(text="Let me see.", signature="proof"),
        Reasoning(text="", signature="c2VjcmV0", encrypted=True),
    ]
    assert outputs == [Output(value) for value in (0, 2, 2, 0, 2, 0, 2, 0)]


def test_tools_the_provider_runs_are_told_from_those_it_asks_for() -> None:
    """Nova's grounding: the call, what it found, and citations of it."""
    citation = {"location": {"web": {"url": "https://example.com"}}}
    body = (
        start(0, toolUse={"toolUseId": "t", "name": "nova_grounding", "type": "server_tool_use"})
        + delta(0, toolUse={"input": "{}"})
        + stop(0)
        + start(1, toolResult={"toolUseId": "t", "status": "success", "type": "nova_grounding_result"})
        + delta(1, toolResult=[{"text": "found"}])
        + delta(1, toolResult=[{"json": {"a": 1}}])
        + stop(1)
        + delta(2, text="So")
        + delta(2, citation=citation)
        + delta(3, toolResult=[{"text": "more"}])
    )
    answer = read(BEGUN + body).answer
    assert [(call.name, call.server_side) for call in tools(answer)] == [("nova_grounding", True)]
    result = {"toolUseId": "t", "status": "success", "type": "nova_grounding_result"}
    assert carried(answer) == [
        ("tool_result", result | {"content": [{"text": "found"}, {"json": {"a": 1}}]}),
        ("tool_result", {"content": [{"text": "more"}]}),
    ]
    assert parts(answer)[-2] == Citation(citation=msgspec.Raw(msgspec.json.encode(citation)))


def test_images_are_named_by_length_and_hash() -> None:
    body = start(0, image={"format": "png"}) + delta(0, image={"source": {"bytes": "AAAA"}})
    body += delta(1, image={"error": {"message": "no"}})
    begun, image, failed = parts(read(BEGUN + body).answer)
    assert isinstance(image, Image)
    assert (image.bytes, len(image.sha256 or "")) == (3, 64)
    assert isinstance(begun, Opaque)
    assert isinstance(failed, Opaque)
    assert (begun.kind, failed.kind) == ("image", "image")


def test_what_metadata_says_beside_usage_is_kept() -> None:
    trace = {"guardrail": {"modelOutput": ["x"]}, "promptRouter": {"invokedModelId": "arn:m"}}
    more = {"additionalModelResponseFields": {"stop_sequence": "#"}}
    answer = read(
        BEGUN + TEXT + stopped("guardrail_intervened", **more) + metadata(trace=trace, serviceTier={"type": "flex"})
    ).answer
    assert (answer.model, answer.service_tier) == ("arn:m", "flex")
    assert carried(answer) == [("additional_model_response_fields", {"stop_sequence": "#"}), ("trace", trace)]


def test_an_unknown_event_or_delta_is_counted() -> None:
    reading = read(
        BEGUN + event("somethingNew", {"a": 1}) + delta(0, somethingNew={"b": 1}) + event("messageStop", b"x")
    )
    assert reading.unknown_events == 3


# ---------------------------------------------------------------------- failures


@pytest.mark.parametrize(
    "name",
    [
        "internalServerException",
        "modelStreamErrorException",
        "serviceUnavailableException",
        "throttlingException",
        "validationException",
    ],
)
def test_an_exception_at_any_border_is_the_end(name: str) -> None:
    for before in (b"", BEGUN, BEGUN + TEXT, BEGUN + TEXT + stopped()):
        reading = read(before + exception(name, {"message": "broke", "originalStatusCode": 424}))
        assert reading.ending is not None
        assert (reading.ending.kind, reading.ending.evidence) == ("failed", "exception")
        assert reading.answer.error is not None
        assert (reading.answer.error.type, reading.answer.error.message) == (name, "broke")
        assert reading.answer.error.status == 424
        assert said(reading.answer) == ("Hello" if TEXT in before else "")


def test_an_exception_may_come_as_an_event() -> None:
    for document in ({"message": "broke"}, {"throttlingException": {"message": "broke"}}):
        error = read(BEGUN + event("throttlingException", document)).answer.error
        assert error is not None
        assert (error.type, error.message) == ("throttlingException", "broke")


def test_an_exception_behind_metadata_spoils_nothing() -> None:
    reading = read(WHOLE + exception("throttlingException", {"message": "late"}))
    assert reading.ending is not None
    assert reading.ending.kind == "completed"


# ---------------------------------------------------------------------- cut, spliced


def test_a_cut_message_never_completes_and_says_its_beginning() -> None:
    for cut in range(len(WHOLE)):
        reading = read(WHOLE[:cut])
        assert reading.ending is None, cut
        assert len(reading.answers) == 1, cut
        assert "Hello".startswith(said(reading.answer)), cut


def test_two_messages_in_one_body_are_two_answers() -> None:
    other = BEGUN + delta(0, text="Bye") + stop(0) + stopped() + metadata()
    for cut in range(len(BEGUN), len(WHOLE) + 1):
        reading = read(WHOLE[:cut] + other)
        assert [said(answer) for answer in reading.answers] == [said(read(WHOLE[:cut]).answer), "Bye"], cut
        assert reading.ending is not None


@pytest.mark.parametrize(
    "second",
    [delta(0, text="Bye"), start(1, toolUse={"toolUseId": "t9", "name": "g"})],
    ids=["a block that had ended", "a block at an index that is taken"],
)
def test_a_second_message_whose_start_was_lost_is_another_answer(second: bytes) -> None:
    assert len(read(BEGUN + TEXT + CALL + second).answers) == 2


def test_a_block_that_begins_twice_is_of_another_answer() -> None:
    begun = start(0, toolUse={"toolUseId": "t1", "name": "f"}) + delta(0, toolUse={"input": "{"})
    again = start(0, toolUse={"toolUseId": "t2", "name": "g"})
    assert [tools(answer)[0].id for answer in read(BEGUN + begun + again).answers] == ["t1", "t2"]


def test_content_behind_the_end_is_another_answer() -> None:
    for before in (BEGUN + delta(0, text="Hi") + stopped(), BEGUN + delta(0, text="Hi") + metadata()):
        assert [said(answer) for answer in read(before + delta(1, text="Bye")).answers] == ["Hi", "Bye"]


def test_blocks_that_take_turns_are_one_answer() -> None:
    reading = read(BEGUN + delta(0, text="a") + delta(1, text="b") + delta(0, text="c") + stop(0) + stop(1) + stopped())
    assert [part.text for part in parts(reading.answer) if isinstance(part, Text)] == ["ac", "b"]


# ---------------------------------------------------------------------- bodies and objects


BODY: dict[str, Any] = {
    "output": {
        "message": {
            "role": "assistant",
            "content": [
                {"reasoningContent": {"reasoningText": {"text": "Well", "signature": "s"}}},
                {"reasoningContent": {"redactedContent": "AAAA"}},
                {"text": "Hello"},
                {"toolUse": {"toolUseId": "t", "name": "f", "input": {"a": 1}}},
                {"toolUse": {"toolUseId": "u", "name": "g", "input": {}}},
                {"citationsContent": {"content": [{"text": "cited"}], "citations": [{"title": "x"}]}},
                {"image": {"format": "png", "source": {"bytes": "AAAA"}}},
                {"toolResult": {"toolUseId": "t"}},
            ],
        }
    },
    "stopReason": "tool_use",
    "usage": USAGE,
    "metrics": {"latencyMs": 1},
    "serviceTier": {"type": "priority"},
}


def test_a_plain_body_is_read_whole() -> None:
    reading, outputs = play_body(msgspec.json.encode(BODY), content_type="application/json")
    assert (reading.api, reading.provider) == (BEDROCK_CONVERSE, "bedrock")
    found = parts(reading.answer)
    assert found[:6] == [
        Reasoning(text="Well", signature="s"),
        Reasoning(text="", signature="AAAA", encrypted=True),
        Text(text="Hello"),
        ToolCall(id="t", name="f", arguments='{"a":1}', complete=True, json_valid=True),
        ToolCall(id="u", name="g", arguments="{}", complete=True, json_valid=True),
        Text(text="cited"),
    ]
    assert isinstance(found[6], Citation)
    assert isinstance(found[7], Image)
    assert found[7].media_type == "image/png"
    assert carried(reading.answer) == [("tool_result", {"toolResult": {"toolUseId": "t"}})]
    assert (reading.answer.finish_reasons(), reading.answer.usage_raw) == (["tool_use"], USAGE)
    assert reading.answer.service_tier == "priority"
    assert reading.ending is not None
    assert reading.ending.evidence == "json body"
    assert outputs == [Output.TEXT | Output.REASONING | Output.TOOL | Output.OTHER]
    assert said(reading.answer, Refusal) == ""


def test_objects_name_their_kind_by_their_only_key() -> None:
    documents = [
        {"messageStart": {"role": "assistant"}},
        {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"text": "Hello"}}},
        {"contentBlockStop": {"contentBlockIndex": 0}},
        {"messageStop": {"stopReason": "end_turn"}},
        {"metadata": {"usage": USAGE}},
    ]
    lines = b"\n".join(msgspec.json.encode(document) for document in documents) + b"\n"
    reading = play(lines, content_type="application/x-ndjson")
    assert (reading.api, said(reading.answer), reading.unknown_events) == (BEDROCK_CONVERSE, "Hello", 0)
    assert reading.ending is not None
    assert reading.ending.evidence == "metadata"
    failed = play(b'{"modelStreamErrorException":{"message":"broke"}}\n', api=API, content_type="application/x-ndjson")
    assert failed.answer.error is not None
    assert failed.answer.error.message == "broke"


@pytest.mark.parametrize("first", [BEGUN, delta(0, text="a"), start(0, toolUse={})])
def test_a_stream_of_no_known_route_is_recognised(first: bytes) -> None:
    assert play(first, content_type=BINARY).api is BEDROCK_CONVERSE


@pytest.mark.parametrize(
    "document", [{"delta": {"text": "x"}}, {"role": "assistant", "content": "x"}, {"usage": {}}, {"stopReason": "x"}]
)
def test_what_others_send_is_not_taken_for_converse(document: dict[str, Any]) -> None:
    assert not BEDROCK_CONVERSE.recognises(document)


# ---------------------------------------------------------------------- usage


@pytest.mark.parametrize(
    ("report", "usage"),
    [
        (USAGE, Usage(input=11, output=5, total=16)),
        (
            {"inputTokens": 11, "outputTokens": 236, "totalTokens": 1275, "cacheReadInputTokens": 1028},
            Usage(input=1039, output=236, total=1275, cache_read=1028),
        ),
        (
            {"inputTokens": 1, "outputTokens": 2, "cacheReadInputTokenCount": 3, "cacheWriteInputTokenCount": 4},
            Usage(input=8, output=2, cache_read=3, cache_write=4),
        ),
        (
            {"inputTokens": 1, "cacheReadInputTokens": 0, "cacheReadInputTokenCount": 3},
            Usage(input=4, cache_read=3),
        ),
        (
            {
                "inputTokens": 0,
                "cacheWriteInputTokens": 7,
                "cacheDetails": [{"ttl": "1h", "inputTokens": 4}, {"ttl": "5m", "inputTokens": 3}],
            },
            Usage(input=7, cache_write=7, cache_write_1h=4),
        ),
        ({"inputTokens": 0, "cacheDetails": [{"ttl": "1h", "inputTokens": 4}]}, Usage(input=0)),
        ({"cacheReadInputTokens": 3}, Usage(cache_read=3)),
        ({}, Usage()),
    ],
)
def test_input_includes_what_came_from_the_cache_and_what_was_written_to_it(
    report: dict[str, Any], usage: Usage
) -> None:
    assert BEDROCK_CONVERSE.usage(report) == usage

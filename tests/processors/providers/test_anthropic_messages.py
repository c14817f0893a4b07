"""Messages: blocks that begin, grow and end; usage that is said twice and never summed."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from sse_play import carried, parts, play, play_body, said, sse, tools
from streamgauge.processors.providers.answer import Output, Usage
from streamgauge.processors.providers.anthropic_messages import ANTHROPIC_MESSAGES
from streamgauge.schemas.records import Citation, Reasoning, Text

API = "anthropic.messages"


def started(message_id: str = "msg_1", **usage: Any) -> dict[str, Any]:
    message = {"id": message_id, "type": "message", "role": "assistant", "model": "claude-x", "content": []}
    return {"type": "message_start", "message": message | {"usage": {"input_tokens": 10, "output_tokens": 1, **usage}}}


def block(content: dict[str, Any], index: int = 0) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": content}


def delta(kind: str, index: int = 0, **more: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **more}}


def stop(index: int = 0) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def stopped(reason: str | None = "end_turn", **usage: Any) -> dict[str, Any]:
    return {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": usage}


PING = {"type": "ping"}
MESSAGE_STOP = {"type": "message_stop"}
TEXT = [block({"type": "text", "text": ""}), delta("text_delta", text="Hel"), delta("text_delta", text="lo"), stop()]


def stream(*events: dict[str, Any]) -> bytes:
    return sse(*events, named=True)


def test_a_message_is_blocks_a_stop_reason_and_a_stop() -> None:
    body = stream(started(), PING, *TEXT, stopped(output_tokens=5), MESSAGE_STOP)
    reading, outputs = play_body(body, api=API)
    answer = reading.answer
    assert (answer.response_id, answer.model, said(answer)) == ("msg_1", "claude-x", "Hello")
    assert answer.finish_reasons() == ["end_turn"]
    assert reading.ending is not None
    assert (reading.ending.evidence, reading.ending.offset) == ("message_stop", len(body))
    assert outputs == [Output(value) for value in (0, 0, 0, 1, 1, 0, 0, 0)]
    assert (reading.unknown_events, answer.warnings) == (0, [])


def test_a_stop_reason_without_the_stop_is_content_without_an_ending() -> None:
    reading = play(stream(started(), *TEXT, stopped(output_tokens=5)), api=API)
    assert (reading.ending, reading.content_complete()) == (None, True)


def test_the_count_of_the_start_is_preliminary_until_a_delta_counts() -> None:
    """Recorded placeholders run from 1 to 88; the real count was above them every time."""
    cut = play(stream(started(), *TEXT[:2]), api=API).answer
    assert cut.preliminary == {"output", "total", "reasoning"}
    assert ANTHROPIC_MESSAGES.usage(cut.usage_raw or {}).input == 10
    assert play(stream(started(), *TEXT, stopped(output_tokens=5)), api=API).answer.preliminary == frozenset()


def test_usage_is_the_last_value_of_each_field_never_a_sum() -> None:
    start = started(
        cache_read_input_tokens=3,
        cache_creation_input_tokens=2,
        service_tier="standard",
        cache_creation={"ephemeral_5m_input_tokens": 1, "ephemeral_1h_input_tokens": 1},
    )
    middle = stopped(None, output_tokens=4, input_tokens=20)
    last = stopped(
        output_tokens=9,
        cache_read_input_tokens=None,
        output_tokens_details={"thinking_tokens": 6},
        server_tool_use={"web_search_requests": 2, "web_fetch_requests": 0},
    )
    answer = play(stream(start, *TEXT, middle, last, MESSAGE_STOP), api=API).answer
    assert ANTHROPIC_MESSAGES.usage(answer.usage_raw or {}) == Usage(
        input=25, output=9, cache_read=3, cache_write=2, cache_write_1h=1, reasoning=6
    )
    assert (answer.usage_reports, answer.service_tier) == (3, "standard")
    assert answer.units == {"search_queries": 2.0, "fetches": 0.0}


@pytest.mark.parametrize(
    ("raw", "usage"),
    [
        ({}, Usage()),
        ({"input_tokens": 5}, Usage(input=5)),
        ({"cache_read_input_tokens": 5}, Usage(cache_read=5)),
        (
            {"input_tokens": 1, "cache_creation": {"ephemeral_5m_input_tokens": 2, "ephemeral_1h_input_tokens": 3}},
            Usage(input=6, cache_write=5, cache_write_1h=3),
        ),
        (
            {"input_tokens": 1, "cache_creation_input_tokens": 1, "cache_creation": {"ephemeral_1h_input_tokens": 3}},
            Usage(input=2, cache_write=1),
        ),
    ],
)
def test_input_counts_the_cache_and_absent_is_null(raw: dict[str, Any], usage: Usage) -> None:
    assert ANTHROPIC_MESSAGES.usage(raw) == usage


def test_a_tool_call_grows_by_pieces_of_json() -> None:
    events = [
        block({"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}),
        delta("input_json_delta", partial_json=""),
        delta("input_json_delta", partial_json='{"a"'),
        delta("input_json_delta", partial_json=":1}"),
    ]
    reading, outputs = play_body(stream(started(), *events), api=API)
    [tool] = tools(reading.answer)
    assert (tool.id, tool.name, tool.arguments, tool.complete) == ("toolu_1", "f", '{"a":1}', False)
    assert outputs[1:] == [Output.TOOL, Output.NOTHING, Output.TOOL, Output.TOOL]
    [tool] = tools(play(stream(started(), *events, stop()), api=API).answer)
    assert tool.complete is True


@pytest.mark.parametrize(("given", "arguments"), [({}, "{}"), ({"a": 1}, '{"a":1}'), (None, "{}")])
def test_a_tool_call_without_deltas_has_the_input_of_its_start(given: Any, arguments: str) -> None:
    start = block({"type": "tool_use", "id": "toolu_1", "name": "f", "input": given})
    [tool] = tools(play(stream(started(), start, stop()), api=API).answer)
    assert (tool.arguments, tool.json_valid, tool.complete) == (arguments, True, True)


def test_a_call_cut_by_the_limit_is_not_complete() -> None:
    events = [
        block({"type": "tool_use", "id": "t", "name": "f", "input": {}}),
        delta("input_json_delta", partial_json='{"a'),
        stop(),
    ]
    [tool] = tools(play(stream(started(), *events, stopped("max_tokens"), MESSAGE_STOP), api=API).answer)
    assert (tool.arguments, tool.complete, tool.json_valid) == ('{"a', False, False)


def test_thinking_has_a_signature_that_is_sent_whole() -> None:
    events = [
        block({"type": "thinking", "thinking": "", "signature": ""}),
        delta("thinking_delta", thinking="hm"),
        delta("signature_delta", signature="first"),
        delta("signature_delta", signature="second"),
        stop(),
        block({"type": "redacted_thinking", "data": "gAAA"}, 1),
        stop(1),
    ]
    reading, outputs = play_body(stream(started(), *events), api=API)
    assert parts(reading.answer) == [
        Reasoning(text="hm", signature="second"),
        Reasoning(text="", signature="gAAA", encrypted=True),
    ]
    assert outputs == [Output(value) for value in (0, 0, 2, 0, 0, 0, 2, 0)]


def test_citations_stand_beside_their_text() -> None:
    note = {"type": "char_location", "cited_text": "x"}
    reading = play(stream(started(), *TEXT[:2], delta("citations_delta", citation=note), TEXT[2], stop()), api=API)
    assert said(reading.answer) == "Hello"
    [citation] = [part for part in parts(reading.answer) if isinstance(part, Citation)]
    assert msgspec.json.decode(citation.citation) == note


def test_tools_of_the_provider_are_calls_of_its_own_and_results_are_carried() -> None:
    result = {"type": "web_search_tool_result", "tool_use_id": "s1", "content": [{"url": "https://x"}]}
    events = [
        block({"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {}}),
        delta("input_json_delta", partial_json='{"query":"x"}'),
        stop(),
        block(result, 1),
        stop(1),
        block({"type": "mcp_tool_use", "id": "m1", "name": "f", "server_name": "s", "input": {"a": 1}}, 2),
        stop(2),
    ]
    reading, outputs = play_body(stream(started(), *events), api=API)
    calls = [(tool.name, tool.arguments, tool.server_side) for tool in tools(reading.answer)]
    assert calls == [("web_search", '{"query":"x"}', True), ("f", '{"a":1}', True)]
    assert carried(reading.answer) == [("web_search_tool_result", result)]
    assert Output.TOOL not in outputs
    assert outputs.count(Output.OTHER) == 4


def test_a_compaction_and_kinds_nobody_knows_are_carried_with_their_deltas() -> None:
    events = [
        block({"type": "compaction", "content": None}),
        delta("compaction_delta", content="sum"),
        delta("compaction_delta", content="mary"),
        stop(),
        block({"type": "fallback", "model": "claude-y"}, 1),
        stop(1),
        block({"type": "hologram"}, 2),
    ]
    reading = play(stream(started(), *events), api=API)
    assert carried(reading.answer) == [
        ("compaction", {"type": "compaction", "content": "summary"}),
        ("fallback", {"type": "fallback", "model": "claude-y"}),
        ("hologram", {"type": "hologram"}),
    ]
    assert reading.unknown_events == 0


@pytest.mark.parametrize("reason", ["refusal", "pause_turn", "max_tokens", "model_context_window_exceeded", "new_one"])
def test_every_stop_reason_is_kept_as_it_is(reason: str) -> None:
    reading = play(stream(started(), *TEXT, stopped(reason), MESSAGE_STOP), api=API)
    assert reading.answer.finish_reasons() == [reason]
    assert reading.ending is not None
    assert reading.ending.kind == "completed"


def test_an_error_after_the_start_fails_and_keeps_the_text() -> None:
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}, "request_id": "req_1"}
    reading = play(stream(started(), *TEXT[:2], error), api=API)
    assert reading.ending is not None
    assert (reading.ending.kind, reading.ending.evidence) == ("failed", "error event")
    assert reading.answer.error is not None
    assert (reading.answer.error.type, reading.answer.error.message) == ("overloaded_error", "Overloaded")
    assert said(reading.answer) == "Hel"
    assert reading.unknown_events == 0


def test_another_start_is_another_message() -> None:
    reading = play(stream(started(), *TEXT[:2], started("msg_2"), *TEXT, stopped(), MESSAGE_STOP), api=API)
    assert [said(answer) for answer in reading.answers] == ["Hel", "Hello"]
    assert [answer.ending is None for answer in reading.answers] == [True, False]


def test_a_start_that_comes_twice_is_one_message() -> None:
    """And its placeholder does not come back over a later count."""
    reading = play(stream(started(), started(), *TEXT, stopped(output_tokens=5), started(), MESSAGE_STOP), api=API)
    assert len(reading.answers) == 1
    assert ANTHROPIC_MESSAGES.usage(reading.answer.usage_raw or {}).output == 5


def test_a_block_at_an_index_that_is_taken_is_another_message() -> None:
    reading = play(stream(started(), *TEXT[:2], *TEXT), api=API)
    assert [said(answer) for answer in reading.answers] == ["Hel", "Hello"]


@pytest.mark.parametrize(
    ("message_id", "provider"), [("msg_bdrk_1", "bedrock"), ("msg_vrtx_1", "vertexai"), ("msg_1", None)]
)
def test_the_id_betrays_who_serves_it(message_id: str, provider: str | None) -> None:
    assert play(stream(started(message_id)), api=API).provider == provider


def test_a_plain_body_is_one_event_that_holds_everything() -> None:
    note = {"type": "char_location", "cited_text": "x"}
    document = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-x",
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": "s"},
            {"type": "text", "text": "Hello", "citations": [note]},
            {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}},
        ],
        "stop_reason": "tool_use",
        "usage": {"input_tokens": 3, "output_tokens": 4},
    }
    body = msgspec.json.encode(document)
    reading, [output] = play_body(body, api=API, content_type="application/json")
    assert output == Output.TEXT | Output.REASONING | Output.TOOL
    assert parts(reading.answer)[:2] == [Reasoning(text="hm", signature="s"), Text(text="Hello")]
    [tool] = tools(reading.answer)
    assert (tool.arguments, tool.complete) == ('{"a":1}', True)
    assert (reading.answer.finish_reasons(), reading.answer.preliminary) == (["tool_use"], frozenset())
    assert reading.ending is not None
    assert (reading.ending.evidence, reading.ending.offset) == ("json body", len(body))


def test_what_nobody_knows_is_counted() -> None:
    events = [started(), *TEXT[:1], {"type": "message_pause"}, delta("hologram_delta"), {"a": 1}, {"type": "ping"}]
    reading = play(sse(*events, b"data: words\n\n"), api=API)
    assert reading.unknown_events == 4

"""Realtime: a session whose responses are answers of their own, side by side if they like."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest

from session_play import play_session
from sse_play import parts, said, tools
from streamgauge.processors.providers.answer import Answer, Output, Usage
from streamgauge.processors.providers.openai_realtime import OPENAI_REALTIME
from streamgauge.schemas.records import Audio, Text

SESSION = {"type": "session.created", "session": {"id": "sess_1", "model": "gpt-realtime"}}
COUNTS = {
    "total_tokens": 30,
    "input_tokens": 20,
    "output_tokens": 10,
    "input_token_details": {"cached_tokens": 8, "audio_tokens": 6, "image_tokens": 1},
    "output_token_details": {"audio_tokens": 7},
}


def created(response: str = "resp_1") -> dict[str, Any]:
    return {"type": "response.created", "response": {"id": response, "object": "realtime.response", "output": []}}


def delta(kind: str, piece: str, response: str = "resp_1", **more: Any) -> dict[str, Any]:
    return {"type": kind, "response_id": response, "output_index": 0, "content_index": 0, "delta": piece, **more}


def done(response: str = "resp_1", status: str = "completed", **more: Any) -> dict[str, Any]:
    whole = {"id": response, "object": "realtime.response", "status": status, "usage": COUNTS, **more}
    return {"type": "response.done", "response": whole}


def text(piece: str, response: str = "resp_1") -> dict[str, Any]:
    return delta("response.output_text.delta", piece, response)


def how(answer: Answer) -> tuple[str, str] | None:
    return (answer.ending.kind, answer.ending.evidence) if answer.ending is not None else None


def test_a_session_is_its_responses_and_ends_with_its_connection() -> None:
    documents = [SESSION, created(), text("Hel"), text("lo"), done(), created("resp_2"), text("Bye", "resp_2")]
    reading, outputs = play_session(OPENAI_REALTIME, *documents, done("resp_2"))
    assert [(answer.response_id, answer.model, said(answer)) for answer in reading.answers] == [
        ("resp_1", "gpt-realtime", "Hello"),
        ("resp_2", "gpt-realtime", "Bye"),
    ]
    assert [how(answer) for answer in reading.answers] == [("completed", "response.done")] * 2
    assert reading.ending is not None
    assert (reading.ending.kind, reading.ending.evidence) == ("completed", "eof")
    assert outputs.count(Output.TEXT) == 3
    assert (reading.unknown_events, reading.content_complete(), reading.answer.finish_reasons()) == (
        0,
        True,
        ["completed"],
    )


def test_a_response_that_is_cut_leaves_the_session_without_an_ending() -> None:
    documents = [SESSION, created(), text("Hello"), done(), created("resp_2"), text("Bye", "resp_2")]
    reading, _ = play_session(OPENAI_REALTIME, *documents)
    assert (reading.ending, reading.content_complete()) == (None, False)
    assert [how(answer) for answer in reading.answers] == [("completed", "response.done"), None]
    broken, _ = play_session(OPENAI_REALTIME, SESSION, created(), text("Hello"), done(), proper_eof=False)
    assert (broken.ending, broken.content_complete()) == (None, True)


def test_a_session_without_a_response_ends_well() -> None:
    reading, _ = play_session(OPENAI_REALTIME, SESSION, {"type": "input_audio_buffer.speech_started"})
    assert reading.ending is not None
    assert (reading.answers[0].choices, reading.unknown_events) == ({}, 0)


def test_responses_that_grow_side_by_side_are_not_mixed() -> None:
    a, b = "resp_1", "resp_2"
    documents = [
        SESSION,
        created(a),
        text("a", a),
        created(b),
        text("b", b),
        text("A", a),
        done(b),
        text("!", a),
        done(a),
    ]
    reading, _ = play_session(OPENAI_REALTIME, *documents, {"type": "rate_limits.updated", "rate_limits": []})
    assert [said(answer) for answer in reading.answers] == ["aA!", "b"]
    assert reading.ending is not None


def test_a_response_whose_beginning_was_lost_is_an_answer_all_the_same() -> None:
    reading, _ = play_session(OPENAI_REALTIME, SESSION, created(), text("a"), text("b", "resp_2"))
    assert [said(answer) for answer in reading.answers] == ["a", "b"]


@pytest.mark.parametrize(
    ("status", "details", "kind", "finish"),
    [
        (
            "incomplete",
            {"type": "incomplete", "reason": "max_output_tokens"},
            "completed",
            ["incomplete:max_output_tokens"],
        ),
        ("incomplete", None, "completed", ["incomplete"]),
        ("cancelled", {"type": "cancelled", "reason": "turn_detected"}, "cancelled", []),
        ("failed", {"type": "failed", "error": {"type": "server_error", "message": "broke"}}, "failed", []),
        ("novel", None, "completed", []),
    ],
)
def test_the_status_of_a_response_is_its_end(status: str, details: Any, kind: str, finish: list[str]) -> None:
    documents = [SESSION, created(), text("Hel"), done(status=status, status_details=details)]
    reading, _ = play_session(OPENAI_REALTIME, *documents)
    answer = reading.answer
    assert (how(answer), answer.finish_reasons(), said(answer)) == ((kind, "response.done"), finish, "Hel")
    assert (answer.error is not None) == (kind == "failed")
    assert reading.ending is not None, "the session goes on, whatever became of a response"


def test_an_error_is_news_of_the_session_which_goes_on() -> None:
    error = {"type": "error", "error": {"type": "invalid_request_error", "code": "x", "message": "no such item"}}
    reading, _ = play_session(OPENAI_REALTIME, SESSION, created(), text("Hel"), error, text("lo"), done())
    answer = reading.answer
    assert (said(answer), how(answer), answer.warnings) == ("Hello", ("completed", "response.done"), ["session_error"])
    assert answer.error is not None
    assert answer.error.message == "no such item"


@pytest.mark.parametrize("prefix", ["response.audio", "response.output_audio"])
def test_sound_is_a_size_and_a_hash_beside_what_was_said(prefix: str) -> None:
    halves = [base64.b64encode(half).decode() for half in (b"so", b"und")]
    spoken = {"type": f"{prefix}_transcript.done", "response_id": "resp_1", "output_index": 0, "content_index": 0}
    documents = [
        *(delta(f"{prefix}.delta", half) for half in halves),
        delta(f"{prefix}_transcript.delta", "Hel"),
        delta(f"{prefix}_transcript.delta", "lo"),
        {"type": f"{prefix}.done", "response_id": "resp_1", "output_index": 0, "content_index": 0},
        spoken | {"transcript": "Hello"},
    ]
    reading, outputs = play_session(OPENAI_REALTIME, SESSION, created(), *documents, done())
    digest = hashlib.sha256(b"sound").hexdigest()
    assert parts(reading.answer) == [Audio(bytes=5, sha256=digest, transcript="Hello")]
    assert (reading.unknown_events, reading.answer.warnings) == (0, [])
    assert outputs.count(Output.OTHER) == 4
    other, _ = play_session(OPENAI_REALTIME, SESSION, created(), *documents[:-1], spoken | {"transcript": "Hullo"})
    assert other.answer.warnings == ["snapshot_differs"]


def test_older_names_and_items_that_repeat_what_streamed_add_nothing() -> None:
    item = {"id": "item_1", "type": "message", "role": "assistant", "content": [{"type": "text", "text": "Hello"}]}
    call = {"id": "item_2", "type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"a":1}'}
    documents = [
        {
            "type": "response.output_item.added",
            "response_id": "resp_1",
            "output_index": 0,
            "item": item | {"content": []},
        },
        delta("response.text.delta", "Hello"),
        {"type": "response.text.done", "response_id": "resp_1", "output_index": 0, "content_index": 0, "text": "Hello"},
        {
            "type": "response.output_item.added",
            "response_id": "resp_1",
            "output_index": 1,
            "item": call | {"arguments": ""},
        },
        {
            "type": "response.function_call_arguments.delta",
            "response_id": "resp_1",
            "output_index": 1,
            "delta": '{"a":',
        },
        {"type": "response.function_call_arguments.delta", "response_id": "resp_1", "output_index": 1, "delta": "1}"},
        {"type": "response.output_item.done", "response_id": "resp_1", "output_index": 1, "item": call},
    ]
    reading, _ = play_session(OPENAI_REALTIME, SESSION, created(), *documents, done(output=[item, call]))
    answer = reading.answer
    assert (parts(answer)[0], answer.warnings) == (Text(text="Hello"), [])
    assert [(tool.id, tool.name, tool.arguments, tool.complete) for tool in tools(answer)] == [
        ("c1", "f", '{"a":1}', True)
    ]


def test_a_call_that_is_cut_is_not_complete_though_a_later_response_is() -> None:
    call = {"id": "i", "type": "function_call", "call_id": "c1", "name": "f", "arguments": ""}
    documents = [
        {"type": "response.output_item.added", "response_id": "resp_1", "output_index": 0, "item": call},
        delta("response.function_call_arguments.delta", '{"a'),
    ]
    other = [created("resp_2"), done("resp_2")]
    for session in ([created(), *documents, *other], [created(), *other, *documents]):
        reading, _ = play_session(OPENAI_REALTIME, SESSION, *session)
        [tool] = tools(reading.answers[0])
        assert (tool.arguments, tool.complete) == ('{"a', False)


def test_usage_is_the_responses_own() -> None:
    assert OPENAI_REALTIME.usage(COUNTS) == Usage(
        input=20, output=10, total=30, cache_read=8, audio_in=6, audio_out=7, image_in=1
    )


def test_a_session_is_told_by_its_events_and_not_taken_for_responses() -> None:
    for first in (SESSION, created(), {"type": "input_audio_buffer.append", "audio": "AAA="}):
        reading, _ = play_session(None, first)
        assert reading.api is OPENAI_REALTIME
    other, _ = play_session(None, {"type": "response.created", "response": {"id": "r", "object": "response"}})
    assert other.api is not OPENAI_REALTIME


def test_what_nobody_knows_is_counted() -> None:
    known: list[dict[str, Any]] = [
        {"type": "session.update", "session": {}},
        {"type": "conversation.item.create", "item": {"type": "message", "role": "user"}},
        {"type": "response.create"},
        {"type": "mcp_list_tools.completed"},
        {"type": "response.mcp_call.in_progress", "response_id": "resp_1"},
        {"type": "response.content_part.done", "response_id": "resp_1", "part": {"type": "audio", "transcript": "a"}},
    ]
    reading, _ = play_session(OPENAI_REALTIME, SESSION, created(), *known)
    assert reading.unknown_events == 0
    odd, _ = play_session(OPENAI_REALTIME, SESSION, {"type": "novelty"}, {"a": 1}, b"[1]", {"type": "response.novelty"})
    assert odd.unknown_events == 4

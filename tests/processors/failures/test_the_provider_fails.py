"""The provider says that it failed, or sends something that is no answer: every shape is told for what it is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from frames_build import Connection, anthropic_events, chat_events, responses_events, sse
from frames_record import record_of, said, shows, told
from streamgauge.schemas.records import Contents, Record
from streamgauge.schemas.words import Billing, EndedBy, Outcome, UsageSource

OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}, "request_id": "req_1"}
GEMINI = {"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}


def answered(
    *chunks: bytes,
    status: int = 200,
    content_type: str | None = "text/event-stream",
    path: str = "/v1/chat/completions",
    **headers: str,
) -> tuple[Record, Contents]:
    """A body that was read to its end."""
    link = Connection(path=path)
    return told(link.open(), link.head(status, content_type, **headers), *map(link.data, chunks), link.close())


def chunk(**fields: Any) -> bytes:
    return sse({"id": "gen-1", "object": "chat.completion.chunk", "model": "m", **fields})


def finish(reason: str | None, **delta: str) -> bytes:
    return chunk(choices=[{"index": 0, "delta": delta, "finish_reason": reason}])


# ---------------------------------------------------------------------- before the first event


def test_an_error_before_the_first_event_rejects_and_its_retry_headers_are_kept() -> None:
    body = json.dumps({"error": {"message": "Slow down.", "type": "rate_limit_error", "code": None}}).encode()
    record, contents = answered(
        body, status=429, content_type="application/json", retry_after="20", x_ratelimit_limit_requests="60"
    )
    shows(
        record,
        outcome=Outcome.REJECTED,
        ended_by=EndedBy.PROVIDER,
        evidence="status 429",
        evidence_offset=None,
        status=429,
        error_kind="rate_limited",
        error_type="rate_limit_error",
        error_message="Slow down.",
        retry_after_us=20_000_000,
        usage_source=UsageSource.NONE,
        billing=Billing.NOT_BILLED,
        cost_null_reason="not_billed",
        content_complete=None,
    )
    assert contents.headers["retry-after"] == "20"
    assert contents.headers["x-ratelimit-limit-requests"] == "60"


# ---------------------------------------------------------------------- after status 200


def test_an_error_event_after_200_has_failed_even_where_the_text_looks_finished() -> None:
    events = anthropic_events("All is said.", done=False)
    error = sse(OVERLOADED, name="error")
    record, contents = answered(*events, error, path="/v1/messages")
    shows(
        record,
        outcome=Outcome.FAILED,
        ended_by=EndedBy.PROVIDER,
        evidence="error event",
        evidence_offset=sum(map(len, events)) + len(error),
        status=200,
        finish_reasons=[],
        content_complete=False,
        stream_complete=False,
        error_kind="overloaded",
        error_type="overloaded_error",
        error_message="Overloaded",
        usage_source=UsageSource.PARTIAL,
        billing=Billing.UNKNOWN,
    )
    assert said(contents) == ["All is said."]
    assert json.loads(bytes(contents.error_raw)) == OVERLOADED


def test_an_error_between_finish_and_done_has_failed_and_both_are_kept() -> None:
    """As recorded from OpenRouter: finish `length`, then an error with a finish of null, then the marker."""
    text, cut = finish(None, role="assistant", content="Half"), finish("length")
    error = chunk(
        choices=[{"index": 0, "delta": {"content": ""}, "finish_reason": None}],
        error={"code": 400, "message": "Upstream refused"},
        usage={"prompt_tokens": 4, "completion_tokens": 1, "total_tokens": 5},
    )
    record, contents = answered(text, cut, error, sse("[DONE]"))
    shows(
        record,
        outcome=Outcome.FAILED,
        evidence="error event",
        evidence_offset=len(text + cut + error),
        finish_reasons=["length"],
        error_kind="invalid_request",
        error_code="400",
        error_message="Upstream refused",
        content_complete=False,
        stream_complete=False,
        usage_output=1,
        usage_source=UsageSource.PROVIDER,
        warnings=[],
    )
    assert said(contents) == ["Half"]


def test_an_error_outside_the_grammar_has_failed_and_says_where_it_stood() -> None:
    events = chat_events("Half", finish=None, done=False)
    error = b'error: {"code":500,"message":"slot unavailable","type":"server_error"}\n\n'
    record, contents = answered(*events, error)
    shows(
        record,
        outcome=Outcome.FAILED,
        ended_by=EndedBy.PROVIDER,
        evidence="error line",
        error_message="slot unavailable",
        warnings=["out_of_grammar"],
    )
    assert record.evidence_offset == sum(map(len, events)) + len(error) - 1  # the line, without the empty one behind it
    assert said(contents) == ["Half"]


# ---------------------------------------------------------------------- terminal events


def terminal(kind: str, **response: Any) -> bytes:
    usage = {"input_tokens": 9, "output_tokens": 1, "total_tokens": 10}
    whole = {"id": "resp_1", "object": "response", "model": "gpt-5", "output": [], "usage": usage, **response}
    return sse({"type": kind, "sequence_number": 5, "response": whole}, name=kind)


def test_a_response_that_failed_has_failed() -> None:
    error = {"code": "server_error", "message": "The model broke."}
    events = responses_events("Half", done=False)
    record, contents = answered(
        *events, terminal("response.failed", status="failed", error=error), path="/v1/responses"
    )
    shows(
        record,
        outcome=Outcome.FAILED,
        ended_by=EndedBy.PROVIDER,
        evidence="response.failed",
        evidence_offset=record.bytes,
        error_kind="server_error",
        error_code="server_error",
        content_complete=False,
        usage_source=UsageSource.PROVIDER,
    )
    assert said(contents) == ["Half"]


def test_a_response_that_is_incomplete_has_completed_and_its_finish_says_why() -> None:
    incomplete = terminal(
        "response.incomplete", status="incomplete", incomplete_details={"reason": "max_output_tokens"}
    )
    record, _ = answered(*responses_events("Half", done=False), incomplete, path="/v1/responses")
    shows(
        record,
        outcome=Outcome.COMPLETED,
        evidence="response.incomplete",
        finish_reasons=["incomplete:max_output_tokens"],
        content_complete=True,
        stream_complete=True,
        error_kind=None,
        usage_output=1,
        usage_source=UsageSource.PROVIDER,
    )


@pytest.mark.parametrize("reason", ["refusal", "max_tokens", "model_context_window_exceeded"])
def test_a_message_that_was_limited_or_refused_has_completed_and_its_finish_says_why(reason: str) -> None:
    events = [event.replace(b"end_turn", reason.encode()) for event in anthropic_events("Half")]
    record, _ = answered(*events, path="/v1/messages")
    shows(record, outcome=Outcome.COMPLETED, evidence="message_stop", finish_reasons=[reason], stream_complete=True)


def test_a_moderated_answer_has_completed_and_its_raw_finish_says_so() -> None:
    record, contents = answered(*chat_events("I should not", finish="content_filter"))
    shows(
        record,
        outcome=Outcome.COMPLETED,
        evidence="[DONE]",
        finish_reasons=["content_filter"],
        content_complete=True,
        error_kind=None,
        usage_source=UsageSource.PROVIDER,
    )
    assert said(contents) == ["I should not"]


def test_a_prompt_that_was_blocked_has_completed_without_a_word() -> None:
    blocked = sse({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 7}})
    record, contents = answered(blocked, path="/v1beta/models/gemini-2.5-flash:streamGenerateContent")
    shows(record, outcome=Outcome.COMPLETED, evidence="eof", finish_reasons=["BLOCKED:SAFETY"], usage_input=7)
    assert said(contents) == [""]


# ---------------------------------------------------------------------- 200 with something else


def test_a_page_under_200_has_failed_and_its_head_is_kept() -> None:
    page = b"<!DOCTYPE html>\n<html><head><title>Sign in to continue</title></head><body></body></html>"
    record, contents = answered(page, content_type="text/html")
    shows(
        record,
        outcome=Outcome.FAILED,
        ended_by=EndedBy.PROVIDER,
        evidence="html page",
        status=200,
        error_type="html page",
        error_message="Sign in to continue",
        content_complete=False,
        choices=0,
    )
    assert json.loads(bytes(contents.error_raw)) == page.decode()


@pytest.mark.parametrize("content_type", ["text/event-stream", "application/json"])
def test_an_error_object_under_200_in_place_of_a_stream_has_failed(content_type: str) -> None:
    body = json.dumps(GEMINI, indent=2).encode()
    path = "/v1beta/models/gemini-2.5-flash:streamGenerateContent"
    record, _ = answered(body, content_type=content_type, path=path)
    shows(
        record,
        outcome=Outcome.FAILED,
        error_kind="overloaded",
        error_type="UNAVAILABLE",
        error_code="503",
        error_message="The model is overloaded.",
        usage_source=UsageSource.NONE,
    )


def test_a_plain_answer_where_a_stream_was_asked_for_has_completed_and_is_none() -> None:
    whole = {"id": "c1", "object": "chat.completion", "model": "m"}
    choices = [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}]
    link = Connection()
    body = json.dumps(whole | {"choices": choices}).encode()
    record = record_of(link.open(), link.head(200, "application/json"), link.data(body), link.close())
    shows(record, outcome=Outcome.COMPLETED, evidence="json body", streamed=False, finish_reasons=["stop"])

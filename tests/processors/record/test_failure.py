"""One word for what went wrong, beside the provider's own."""

from __future__ import annotations

from typing import Any

import pytest

from finished_streams import answer, close, note
from streamgauge.processors.providers.answer import Answer, ErrorSeen
from streamgauge.processors.record.failure import Failure, failure_of, without_queries
from streamgauge.schemas.frames import Close, Note
from streamgauge.schemas.words import How


def failing(**error: Any) -> Answer:
    made = answer()
    made.error = ErrorSeen(**error)
    return made


def failure(
    *answers: Answer, status: int | None = 200, ended: Close | None = None, notes: list[Note] | None = None
) -> Failure:
    return failure_of(answers, status=status, close=ended or close(), notes=notes or [])


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        ({"type": "rate_limit_error"}, 429, "rate_limited"),  # Anthropic
        ({"type": "tokens", "code": "rate_limit_exceeded"}, 429, "rate_limited"),  # OpenAI
        ({"type": "insufficient_quota", "code": "insufficient_quota"}, 429, "quota_exceeded"),
        ({"type": "overloaded_error"}, 200, "overloaded"),
        ({"type": "UNAVAILABLE", "code": "503"}, 503, "overloaded"),  # Gemini
        ({"type": "RESOURCE_EXHAUSTED"}, 429, "rate_limited"),
        ({"type": "invalid_request_error", "code": "context_length_exceeded"}, 400, "too_large"),
        ({"type": "invalid_request_error", "code": "invalid_api_key"}, 401, "authentication"),
        ({"type": "authentication_error"}, 401, "authentication"),
        ({"type": "permission_error"}, 403, "permission"),
        ({"type": "not_found_error"}, 404, "not_found"),
        ({"type": "invalid_request_error", "code": "model_not_found"}, 404, "not_found"),
        ({"code": "content_filter"}, 400, "content_filtered"),
        ({"type": "invalid_request_error"}, 400, "invalid_request"),
        ({"type": "invalid_request_error", "code": "tool_use_failed"}, 200, "invalid_request"),
        ({"type": "server_error"}, 200, "server_error"),
        ({"type": "api_error", "status": 529}, 200, "overloaded"),
        ({"type": "throttlingException"}, 200, "rate_limited"),  # Bedrock, in a stream
        ({"type": "modelStreamErrorException", "status": 424}, 200, "server_error"),
        ({"type": "modelStreamErrorException"}, 200, "server_error"),
        ({"type": "modelTimeoutException"}, 200, "timeout"),
        ({"type": "modelNotReadyException"}, 429, "overloaded"),
        ({"type": "serviceUnavailableException"}, 200, "overloaded"),
        ({"type": "validationException"}, 200, "invalid_request"),
        ({"type": "internalServerException"}, 200, "server_error"),
        ({"type": "badGatewayException"}, 200, "server_error"),
        ({"type": "dependencyFailedException"}, 200, "server_error"),
        ({"type": "serviceQuotaExceededException"}, 200, "quota_exceeded"),
        ({"type": "accessDeniedException"}, 200, "permission"),
        ({"type": "resourceNotFoundException"}, 200, "not_found"),
        ({"type": "html page"}, 502, "server_error"),
        ({"type": "html page"}, 504, "timeout"),
        ({}, 418, "invalid_request"),
        ({}, 200, "unknown"),
    ],
)
def test_errors_of_all_providers_fall_under_one_vocabulary(error: dict[str, Any], status: int, kind: str) -> None:
    found = failure(failing(**error), status=status)
    assert (found.kind, found.type, found.code) == (kind, error.get("type"), error.get("code"))


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, "invalid_request"), (401, "authentication"), (429, "rate_limited"), (500, "server_error")],
)
def test_a_refusal_without_a_word_is_known_by_its_status(status: int, kind: str) -> None:
    assert failure(answer(), status=status) == Failure(kind)


def test_a_stream_without_error_has_none() -> None:
    assert failure(answer()) == Failure()


@pytest.mark.parametrize("how", [How.CLOSED_EARLY, How.EOF, How.COLLECTED, How.CRASHED])
def test_an_end_without_an_error_is_no_error(how: How) -> None:
    assert failure(answer(), ended=close(how, cause="CancelledError")) == Failure()


def test_a_broken_connection_is_the_network_s_and_names_the_exception() -> None:
    broken = close(How.READ_ERROR, cause="RemoteProtocolError", message="peer closed connection")
    assert failure(answer(), ended=broken) == Failure("network", "RemoteProtocolError", None, "peer closed connection")


def test_a_read_timeout_is_a_timeout() -> None:
    assert failure(answer(), ended=close(How.READ_ERROR, cause="ReadTimeout")).kind == "timeout"


def test_what_the_provider_says_counts_before_what_the_client_saw() -> None:
    found = failure(failing(type="overloaded_error"), ended=close(How.READ_ERROR, cause="ReadError"))
    assert found.kind == "overloaded"


def test_the_application_s_own_error_stands_where_there_is_no_other() -> None:
    notes = [note(1, error="first"), note(2, error="parsing failed"), note(3)]
    assert failure(answer(), notes=notes) == Failure("application", None, None, "parsing failed")
    assert failure(failing(type="server_error"), notes=notes).kind == "server_error"


def test_the_last_generation_s_error_is_the_stream_s() -> None:
    assert failure(failing(type="server_error"), failing(type="overloaded_error")).kind == "overloaded"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("GET https://x.test/v1/models?key=SECRET failed", "GET https://x.test/v1/models failed"),
        ('see "https://x.test/a?key=SECRET", or not?', 'see "https://x.test/a", or not?'),
        ("what is wrong? nothing", "what is wrong? nothing"),
        ("https://x.test/a", "https://x.test/a"),
    ],
)
def test_an_address_in_a_message_ends_at_its_question_mark(text: str, shown: str) -> None:
    assert without_queries(text) == shown
    assert failure(failing(message=text)).message == shown
    assert failure(answer(), ended=close(How.READ_ERROR, message=text)).message == shown
    assert failure(answer(), notes=[note(error=text)]).message == shown

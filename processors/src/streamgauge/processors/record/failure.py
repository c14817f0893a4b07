"""What went wrong, in one vocabulary beside the provider's own words.

`error_type`, `error_code` and `error_message` are as they were told; `error_kind` is one word of ours, so that errors
of all providers can be counted together:

    rate_limited  quota_exceeded  overloaded  authentication  permission  not_found  too_large  content_filtered
    invalid_request  timeout  server_error         the provider refused or failed
    network                                        the connection broke, or never came to be
    application                                    the application noted an error of its own
    unknown                                        an error of none of these kinds

The provider's type and code tell before the status, since 400 and 429 mean many things. What the provider says counts
before what the client saw, and that before what the application noted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from streamgauge.processors.providers.answer import Answer, ErrorSeen
from streamgauge.schemas.frames import Close, Note
from streamgauge.schemas.words import How

__all__ = ["Failure", "failure_of", "without_queries"]

_TOLD: Final = tuple(
    (kind, re.compile(words))
    for kind, words in (
        ("quota_exceeded", r"insufficient_quota|quota|billing|payment|credit|insufficient_balance"),
        ("rate_limited", r"rate_?limit|too_many_requests|throttl|resource_exhausted|requests_per|tokens_per"),
        ("overloaded", r"overload|unavailable|capacity|busy|notready"),
        ("too_large", r"context_length|context_window|too_large|too_long|max_tokens"),
        ("content_filtered", r"content_?(policy|filter)|safety|moderation|responsibleai|guardrail"),
        ("authentication", r"api_?key|auth|credential|unauthenticated|token_expired"),
        ("permission", r"permission|forbidden|access_denied|accessdenied"),
        ("not_found", r"not_?found|no_such|does_not_exist"),
        ("timeout", r"time_?d?_?out|deadline"),
        ("invalid_request", r"invalid|validation|bad_request|unsupported|failed_precondition|tool_use_failed"),
        ("server_error", r"server|internal|api_error|engine|upstream|bad_?gateway|dependency|model(stream)?error"),
    )
)
_STATUSES: Final = {
    400: "invalid_request",
    401: "authentication",
    402: "quota_exceeded",
    403: "permission",
    404: "not_found",
    408: "timeout",
    413: "too_large",
    422: "invalid_request",
    424: "server_error",  # Bedrock: the model failed
    429: "rate_limited",
    503: "overloaded",
    504: "timeout",
    524: "timeout",  # Cloudflare: the origin took too long
    529: "overloaded",  # Anthropic
}
_BROKEN: Final = (How.READ_ERROR, How.SEND_ERROR)
_QUERY: Final = re.compile(r"""(\w+://[^\s?"'<>]*)\?[^\s"'<>]*""")


class Failure(NamedTuple):
    """The error fields of a record."""

    kind: str | None = None
    type: str | None = None
    code: str | None = None
    message: str | None = None


def failure_of(answers: Sequence[Answer], *, status: int | None, close: Close | None, notes: Sequence[Note]) -> Failure:
    """The error of a stream, if there was one."""
    error = next((answer.error for answer in reversed(answers) if answer.error is not None), None)
    if error is not None or (status is not None and status >= 400):
        return _told(error or ErrorSeen(), status)
    if close is not None and close.how in _BROKEN:
        timed_out = "timeout" in (close.cause or "").lower()
        return Failure("timeout" if timed_out else "network", close.cause, None, _shown(close.message))
    noted = next((note.error for note in reversed(notes) if note.error is not None), None)
    return Failure("application", None, None, _shown(noted)) if noted is not None else Failure()


def without_queries(text: str) -> str:
    """The text without what follows `?` in an address: keys stand there."""
    return _QUERY.sub(r"\1", text)


def _told(error: ErrorSeen, status: int | None) -> Failure:
    return Failure(_kind(error, status), error.type, error.code, _shown(error.message))


def _kind(error: ErrorSeen, status: int | None) -> str:
    told = f"{error.type or ''} {error.code or ''}".lower().replace("-", "_").replace(" ", "_")
    by_status = _by_status(error.status) or _by_status(status)
    found = next((kind for kind, words in _TOLD if words.search(told)), None)
    if found in (None, "invalid_request", "server_error"):  # families: the status may know better
        return by_status or found or "unknown"
    return found or "unknown"


def _by_status(status: int | None) -> str | None:
    if status is None or status < 400:
        return None
    return _STATUSES.get(status) or ("server_error" if status >= 500 else "invalid_request")


def _shown(message: str | None) -> str | None:
    return without_queries(message) if message else None

"""What response headers tell: who answered, where, and when to ask again."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Final

from streamgauge.schemas.limits import NUMBER_MAX
from streamgauge.schemas.routes import header_travels

__all__ = ["recorded", "region", "request_id", "retry_after_us"]

# The provider's own ids first; what a proxy in front of it adds is better than none.
_REQUEST_IDS: Final = (
    "x-request-id",
    "request-id",
    "apim-request-id",
    "x-amzn-requestid",
    "mistral-correlation-id",
    "x-generation-id",
    "x-goog-request-id",
    "x-ms-request-id",
    "x-ds-trace-id",
    "x-debug-trace-id",
    "x-global-transaction-id",
    "x-trace-id",
    "x-correlation-id",
    "x-litellm-call-id",
    "x-kong-request-id",
    "cf-ray",
)
_REGIONS: Final = ("x-ms-region", "x-groq-region", "x-ppl-region", "x-litellm-model-region")


def recorded(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers the contract lists, by lower-case name. A foreign producer may send any, credentials among them."""
    lowered = {name.lower(): value for name, value in sorted(headers.items())}
    return {name: value for name, value in sorted(lowered.items()) if header_travels(name)}


def request_id(headers: Mapping[str, str]) -> str | None:
    """The provider's id of the request."""
    return next((headers[name] for name in _REQUEST_IDS if headers.get(name)), None)


def region(headers: Mapping[str, str]) -> str | None:
    """Where the provider says it answered."""
    return next((headers[name] for name in _REGIONS if headers.get(name)), None)


def retry_after_us(headers: Mapping[str, str], *, answered_us: int) -> int | None:
    """How long the provider asks to wait. A date counts from when the answer came (µs, epoch), by the shim's clock."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return _micros(milliseconds / 1000)
    stated = headers.get("retry-after")
    seconds = _number(stated)
    if seconds is None and stated is not None:
        seconds = _until(stated, answered_us)
    return None if seconds is None else _micros(seconds)


def _number(stated: str | None) -> float | None:
    try:
        return float(stated) if stated is not None else None
    except ValueError:
        return None


def _until(stated: str, answered_us: int) -> float | None:
    try:
        return parsedate_to_datetime(stated).timestamp() - answered_us / 1_000_000
    except (ValueError, TypeError, OverflowError):
        return None


def _micros(seconds: float) -> int | None:
    return round(seconds * 1_000_000) if 0 <= seconds <= NUMBER_MAX / 1_000_000 else None

"""Where a call belongs, as the application says: fields and tags that every stream opened below inherits.

Kept in context variables, so that they follow threads' and tasks' own contexts and never leak between requests. The
trace is read from OpenTelemetry if the application has loaded it, else from the `traceparent` header of the request.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final, NamedTuple

import msgspec

from streamgauge.schemas.frames import Context

__all__ = ["FIELDS", "LATEST", "Scope", "current", "scope", "trace_from_header", "trace_of_otel"]

FIELDS: Final = frozenset(field.name for field in msgspec.structs.fields(Context))


class Scope(NamedTuple):
    """What holds here."""

    fields: Mapping[str, str | None] = {}
    tags: Mapping[str, str] = {}
    call: str | None = None


_NOWHERE: Final = Scope()
_SCOPE: ContextVar[Scope] = ContextVar("streamgauge_scope", default=_NOWHERE)

# The link opened last in this context. An SDK retries in the context of its first try, so the try before is found
# here; sibling tasks each see their own.
LATEST: ContextVar[int | None] = ContextVar("streamgauge_latest", default=None)


def current() -> Scope:
    """What holds in the running context."""
    return _SCOPE.get()


@contextmanager
def scope(*, call: str | None = None, tags: Mapping[str, str] | None = None, **fields: str | None) -> Iterator[None]:
    """Let fields, tags and a call id hold for the streams opened inside; inner ones add to outer ones."""
    outer = _SCOPE.get()
    inner = Scope({**outer.fields, **fields}, {**outer.tags, **(tags or {})}, call or outer.call)
    token = _SCOPE.set(inner)
    try:
        yield
    finally:
        _SCOPE.reset(token)


def trace_of_otel() -> tuple[str, str] | None:
    """Trace and span id of the active OpenTelemetry span, if the application uses OpenTelemetry."""
    trace: Any = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return None
    span = trace.get_current_span().get_span_context()
    return (f"{span.trace_id:032x}", f"{span.span_id:016x}") if span.is_valid else None


def trace_from_header(traceparent: str | None) -> tuple[str, str] | None:
    """Trace and parent id of a W3C `traceparent`: `00-<32 hex>-<16 hex>-<2 hex>`."""
    match (traceparent or "").split("-"):
        case [version, trace_id, span_id, *_] if len(version) == 2 and len(trace_id) == 32 and len(span_id) == 16:
            return trace_id, span_id
        case _:
            return None

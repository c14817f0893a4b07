"""Where a call belongs, as the application says: fields and tags that every stream opened below inherits.

Kept in context variables, so that they follow threads' and tasks' own contexts and never leak between requests. The
trace is read from OpenTelemetry if the application has loaded it, else from the `traceparent` header of the request.
"""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Mapping
from contextvars import ContextVar, Token
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec

from streamgauge.producers.guard import Guard, guarded
from streamgauge.schemas.frames import Context

__all__ = ["FIELDS", "LATEST", "Holding", "Scope", "current", "trace_from_header", "trace_of_otel"]

FIELDS: Final = frozenset(field.name for field in msgspec.structs.fields(Context))


class Scope(NamedTuple):
    """What holds here."""

    fields: Mapping[str, str | None] = {}
    tags: Mapping[str, str] = {}
    call: str | UUID | None = None


_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}")

_NOWHERE: Final = Scope()
_SCOPE: ContextVar[Scope] = ContextVar("streamgauge_scope", default=_NOWHERE)

# The link opened last in this context. An SDK retries in the context of its first try, so the try before is found
# here; sibling tasks each see their own.
LATEST: ContextVar[int | None] = ContextVar("streamgauge_latest", default=None)


def current() -> Scope:
    """What holds in the running context."""
    return _SCOPE.get()


class Holding:
    """Lets fields, tags and a call hold for the streams opened inside; inner ones add to outer ones."""

    def __init__(self, guard: Guard, scope: Scope) -> None:
        self._guard = guard
        self._scope = scope
        self._token: Token[Scope] | None = None

    @guarded
    def __enter__(self) -> None:
        outer, inner = _SCOPE.get(), self._scope
        merged = Scope({**outer.fields, **inner.fields}, {**outer.tags, **inner.tags}, inner.call or outer.call)
        self._token = _SCOPE.set(merged)

    @guarded
    def __exit__(self, *exit_of_the_block: object) -> None:
        self._leave()

    def _leave(self) -> None:
        if self._token is not None:
            _SCOPE.reset(self._token)

    def _failed(self, error: Exception, where: str) -> None:
        if where == "__exit__":  # else it would hold for streams of somebody else
            with contextlib.suppress(RuntimeError, ValueError):  # it was reset before; another task's context
                self._leave()
        self._guard.caught(error, f"context.{where}")


def trace_of_otel() -> tuple[str, str] | None:
    """Trace and span id of the active OpenTelemetry span, if the application uses OpenTelemetry."""
    trace: Any = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return None
    span = trace.get_current_span().get_span_context()
    return (f"{span.trace_id:032x}", f"{span.span_id:016x}") if span.is_valid else None


def trace_from_header(traceparent: str | None) -> tuple[str, str] | None:
    """Trace and parent id of a W3C `traceparent`: `00-<32 hex>-<16 hex>-<2 hex>`, all zeros being none."""
    found = _TRACEPARENT.match(traceparent or "")
    return (found[1], found[2]) if found is not None else None

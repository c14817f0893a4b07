"""What passes from the host's threads to the gauge's own: plain values, appended to one deque.

A chunk is the bare tuple `(link, seq, got_ns, asked_ns, data)`: it is the one thing that happens often. Everything
else is `(link, event, cost)`, where `cost` is what it was charged to the buffer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from streamgauge.producers.asked import Asked
from streamgauge.schemas.words import AttemptKind, Format, How, Resumable

__all__ = ["Closed", "Event", "HeadCame", "Noted", "Opened", "Said"]


class Said(NamedTuple):
    """What the user said about a stream, in so many words."""

    provider: str | None = None
    api: str | None = None
    model: str | None = None
    format: Format = Format.HTTP
    request: object = None  # of a manual stream: bytes, text or anything JSON can hold
    call: bytes | None = None  # the user's own call id
    call_ref: str | None = None
    attempt: int | None = None
    attempt_kind: AttemptKind | None = None
    foreign: bool = False  # another process made the call's id
    resumable: Resumable | None = None


class Opened(NamedTuple):
    """A request is about to leave."""

    wall_us: int
    asked: Asked
    said: Said
    context: Mapping[str, str | None]
    tags: Mapping[str, str]
    trace: tuple[str, str] | None  # of the active OpenTelemetry span
    body_bytes: int | None  # the size of a body there was no room for
    before: int | None  # the link opened before it in the same context: a retry follows that one


class HeadCame(NamedTuple):
    """The response headers came."""

    time_ns: int
    status: int | None
    http_version: str | None
    headers: Iterable[tuple[str | bytes, str | bytes]]
    location: str | None


class Noted(NamedTuple):
    """The user adds something."""

    wall_us: int
    tags: Mapping[str, str]
    context: Mapping[str, str | None]
    model: str | None
    error: str | None
    tool_event: Mapping[str, Any] | None  # null or empty: none
    call: bytes | None = None  # of a stream this process does not hold
    attempt: int = 0


class Closed(NamedTuple):
    """The connection is over."""

    time_ns: int
    how: How
    chunks: int  # all that came, the dropped ones included
    asked_ns: int | None  # since when a read was outstanding
    reading: bool | None
    cause: str | None
    message: str | None


Event = Opened | HeadCame | Noted | Closed

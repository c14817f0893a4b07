"""What reassembly hands on: a closed stream with all that was seen of it, and letters nobody could read.

These are plain values. `record.py` turns a `FinishedStream` into the record and the contents; the engine delivers them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import msgspec

from streamgauge.processors.measures.timing import Gaps
from streamgauge.processors.providers.answer import Answer
from streamgauge.processors.providers.api import Api
from streamgauge.schemas.frames import Close, Head, Note, Open
from streamgauge.schemas.words import EndedBy, How, Outcome, RecordKind

__all__ = [
    "Arrival",
    "Dead",
    "Emission",
    "Finished",
    "FinishedLink",
    "FinishedResponse",
    "FinishedStream",
    "Logged",
    "Marks",
    "StreamId",
    "Verdict",
]


class StreamId(NamedTuple):
    """One stream: (tenant, call, attempt). Orders deadlines that fall on the same time."""

    tenant: str
    call: bytes
    attempt: int


class Arrival(NamedTuple):
    """One message of the chunk topic, as the log gave it."""

    offset: int
    append_us: int  # epoch, the broker's append time
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


class Logged(Protocol):
    """A message of the chunk topic whose time is known otherwise; an `Arrival` is one."""

    @property
    def offset(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...


class Marks(msgspec.Struct, kw_only=True):
    """When things were first and last seen, in µs since the stream's first Open. Null: not seen, or not comparable."""

    headers_us: int | None = None
    first_byte_us: int | None = None
    first_event_us: int | None = None
    first_output_us: int | None = None
    first_text_us: int | None = None
    first_reasoning_us: int | None = None
    first_tool_us: int | None = None
    last_output_us: int | None = None
    ended_us: int | None = None


class FinishedLink(msgspec.Struct, kw_only=True):
    """One connection of a finished stream."""

    opening: Open
    head: Head | None = None
    close: Close | None = None
    how: How | None = None  # `crashed` where it was inferred
    opened_us: int | None = None  # since the stream's first Open, by wall clock; null where the clocks contradict
    ended_us: int | None = None
    chunks: int = 0
    body_bytes: int = 0  # before content decoding
    replayed_events: int = 0


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """How the stream ended, and what says so (contract, "Outcomes")."""

    outcome: Outcome | None
    ended_by: EndedBy | None
    evidence: str | None
    evidence_offset: int | None = None
    content_complete: bool | None = None
    stream_complete: bool | None = None


class FinishedResponse(msgspec.Struct, kw_only=True):
    """One response of a session."""

    answer: Answer
    verdict: Verdict
    marks: Marks  # since its first event
    began_us: int | None  # that event, since the stream's first Open; null where the clocks contradict
    body_bytes: int


class FinishedStream(msgspec.Struct, kw_only=True):
    """Everything that was seen of one stream, once it has closed."""

    id: StreamId
    opening: Open  # of the first link in order of (link_no, link)
    links: list[FinishedLink]  # in order of (link_no, link)
    notes: list[Note]  # in order of (wall_us, link, n)
    api: Api | None
    provider: str | None
    streamed: bool | None  # null where no response was seen
    answers: list[Answer]  # one a generation
    responses: list[FinishedResponse] | None = None  # of a session, each to be recorded by itself
    response: int | None = None  # which one of a session this is
    began_us: int | None = 0  # when it was asked for, since the first Open
    kind: RecordKind = RecordKind.GENERATION
    verdict: Verdict
    marks: Marks
    gaps: Gaps
    resume_gap_us: int | None = None
    consumer_wait_us: int | None = None
    holes: int = 0
    missing_chunks: int | None = None
    chunks: int = 0
    body_bytes: int = 0
    events: int = 0
    duplicates_dropped: int = 0
    reordered: int = 0
    conflicts: int = 0
    unknown_events: int = 0
    unknown_frames: int = 0
    shim_dropped_chunks: int | None = None
    capped: bool = False
    warnings: list[str] = []
    first_append_us: int
    first_offset: int
    last_offset: int  # of the last frame that belongs to it
    closing_offset: int  # the offset that caused the close; beyond `last_offset` where a deadline did
    closed_at_us: int  # epoch, append time at the closing offset


class Finished(NamedTuple):
    """A stream closed at this arrival."""

    stream: FinishedStream
    closed_partition_us: int  # partition time of the close
    revisable: bool  # not sealed: late data could still revise it


class Dead(NamedTuple):
    """A message that could not be used, whole, with the reason as one word and a detail without content."""

    arrival: Arrival
    reason: str  # undecodable, headless, late, tenant_mismatch, no_tenant, out_of_bounds, ...
    detail: str


Emission = Finished | Dead

"""The records: what workers emit, one of each per finished stream.

`Record` holds the facts, flat, without content: for bills, objectives and dashboards. `Contents` holds request and
response under the same id and revision. Both are JSON objects with every field present; null means unknown, a
provider's explicit zero is a value. Times are integers in microseconds, counted from the stream's first Open unless the
name says epoch; money is a decimal string.

The fields stand in groups. `GROUPS` names them: the groups from identity to cost depend only on the *set* of frames,
order and duplicates show in `integrity`, and where the record was made shows in `source`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec

from streamgauge.schemas.words import (
    AttemptKind,
    Billing,
    EndedBy,
    How,
    Operation,
    Outcome,
    RecordKind,
    ToolEventKind,
    UsageSource,
)

__all__ = [
    "GROUPS",
    "NULL",
    "SCHEMA",
    "Audio",
    "Choice",
    "Citation",
    "Contents",
    "Image",
    "Link",
    "Omitted",
    "Opaque",
    "Part",
    "Reasoning",
    "Record",
    "Refusal",
    "Text",
    "ToolCall",
    "ToolEventContent",
]

SCHEMA: Final = 1
NULL: Final = msgspec.Raw(b"null")  # a raw field holds the JSON of any value; this is its null


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """One connection of the stream, as the record lists it."""

    link_no: int
    opened_us: int | None = None
    ended_us: int | None = None
    how: How | None = None
    chunks: int = 0
    resumed_from: str | None = None  # the cursor this connection asked to start after
    replayed_events: int = 0  # events it repeated, all dropped


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """The facts of one finished stream."""

    # identity
    id: str  # <tenant>/<call>.<attempt>
    schema: int = SCHEMA
    revision: int = 0
    kind: RecordKind = RecordKind.GENERATION
    tenant: str
    call_id: str
    call_ref: str | None = None
    attempt: int
    attempt_kind: AttemptKind | None = None
    parent_attempt: int | None = None
    operation: Operation | None = None
    streamed: bool | None = None
    provider: str | None = None
    api: str | None = None
    model_requested: str | None = None
    model: str | None = None
    service_tier: str | None = None
    server_address: str | None = None
    region: str | None = None
    response_id: str | None = None
    provider_request_id: str | None = None
    sdk: str | None = None
    # context, as given by the shim
    service_name: str | None = None
    service_version: str | None = None
    environment: str | None = None
    trace_id: str | None = None
    span_id: str | None = None
    session_id: str | None = None
    session_path: str | None = None
    conversation_id: str | None = None
    user_id: str | None = None
    agent_name: str | None = None
    workflow_name: str | None = None
    prompt_id: str | None = None
    prompt_version: str | None = None
    tags: dict[str, str] = {}
    # outcome
    outcome: Outcome | None = None  # null: the deciding bytes were not seen, `evidence` says why
    ended_by: EndedBy | None = None
    evidence: str | None = None  # what decided: an event's name, `eof`, `not_seen`, ...
    evidence_offset: int | None = None  # byte offset of the deciding event in the decoded body of its link
    content_complete: bool | None = None
    stream_complete: bool | None = None
    status: int | None = None
    finish_reasons: list[str] = []
    error_kind: str | None = None
    error_type: str | None = None
    error_code: str | None = None
    error_message: str | None = None
    retry_after_us: int | None = None
    suspicions: list[str] = []
    warnings: list[str] = []
    # links
    links: list[Link] = []
    resume_gap_us: int | None = None
    holes: int = 0
    missing_chunks: int | None = None
    generations: int = 0  # more than one where streams were spliced
    # timing
    requested_at_us: int | None = None  # epoch, the shim's wall clock
    first_append_us: int | None = None  # epoch, the broker's clock
    headers_us: int | None = None
    first_byte_us: int | None = None
    first_event_us: int | None = None
    ttft_us: int | None = None  # first generated output of any kind
    first_text_us: int | None = None
    first_reasoning_us: int | None = None
    first_tool_us: int | None = None
    last_token_us: int | None = None
    ended_us: int | None = None
    gap_p50_us: int | None = None
    gap_p95_us: int | None = None
    gap_p99_us: int | None = None
    gap_max_us: int | None = None
    masked_gaps: int | None = None
    stalls: int | None = None
    consumer_wait_us: int | None = None
    tokens_per_s: float | None = None
    tokens_per_s_after_first: float | None = None
    # usage
    usage_input: int | None = None  # includes cache
    usage_output: int | None = None  # includes reasoning
    usage_total: int | None = None
    usage_cache_read: int | None = None
    usage_cache_write: int | None = None
    usage_cache_write_1h: int | None = None
    usage_reasoning: int | None = None
    usage_audio_in: int | None = None
    usage_audio_out: int | None = None
    usage_image_in: int | None = None
    usage_source: UsageSource = UsageSource.NONE
    usage_estimated: list[str] = []  # names of the fields that are estimates
    usage_method: str | None = None
    output_seen: int | None = None  # lower bound of the output tokens, from what was streamed
    units: dict[str, float] = {}  # images, audio_seconds, characters, search_queries, ...
    # cost
    cost_usd: Decimal | None = None
    cost_breakdown: dict[str, Decimal] = {}
    cost_provider_usd: Decimal | None = None
    price_source: str | None = None
    price_version: str | None = None
    cost_null_reason: str | None = None
    billing: Billing = Billing.UNKNOWN
    billing_basis: str | None = None
    # integrity
    choices: int | None = None
    tool_calls: int | None = None
    chunks: int = 0
    events: int = 0
    bytes: int = 0
    duplicates_dropped: int = 0
    reordered: int = 0
    conflicts: int = 0
    unknown_events: int = 0
    unknown_frames: int = 0
    shim_dropped_chunks: int | None = None
    capped: bool = False
    # source
    topic: str | None = None
    partition: int | None = None
    first_offset: int | None = None
    last_offset: int | None = None
    closed_at_us: int | None = None  # epoch, append time at the closing offset
    rules: str | None = None  # hash of the deadline settings
    parser_version: str | None = None


def _groups() -> dict[str, tuple[str, ...]]:
    """Split the field names of `Record` at the first field of each group."""
    first_of = {
        "id": "identity",
        "service_name": "context",
        "outcome": "outcome",
        "links": "links",
        "requested_at_us": "timing",
        "usage_input": "usage",
        "cost_usd": "cost",
        "choices": "integrity",
        "topic": "source",
    }
    groups: dict[str, tuple[str, ...]] = {}
    group = ""
    for name in Record.__struct_fields__:
        group = first_of.get(name, group)
        groups[group] = (*groups.get(group, ()), name)
    return groups


GROUPS: Final = _groups()


class Omitted(msgspec.Struct, frozen=True, kw_only=True):
    """Stands where a value was too large for the contents message; in a raw field, as its JSON."""

    omitted: bool = True
    bytes: int
    sha256: str


class Text(msgspec.Struct, frozen=True, kw_only=True, tag="text"):
    text: str | Omitted


class Reasoning(msgspec.Struct, frozen=True, kw_only=True, tag="reasoning"):
    """What the model thought aloud: the whole (`summary` false) or the provider's summary of it."""

    text: str | Omitted
    summary: bool = False
    signature: str | None = None
    encrypted: bool = False


class Refusal(msgspec.Struct, frozen=True, kw_only=True, tag="refusal"):
    text: str | Omitted


class ToolCall(msgspec.Struct, frozen=True, kw_only=True, tag="tool_call"):
    """A call the model asks for. `arguments` are as streamed, never repaired."""

    id: str | None = None
    name: str | None = None
    arguments: str | Omitted = ""
    complete: bool | None = None  # the provider said the call is whole
    json_valid: bool = False
    server_side: bool = False  # run by the provider itself


class Citation(msgspec.Struct, frozen=True, kw_only=True, tag="citation"):
    citation: msgspec.Raw  # the provider's object


class Image(msgspec.Struct, frozen=True, kw_only=True, tag="image"):
    media_type: str | None = None
    bytes: int | None = None
    sha256: str | None = None
    url: str | None = None


class Audio(msgspec.Struct, frozen=True, kw_only=True, tag="audio"):
    media_type: str | None = None
    bytes: int | None = None
    sha256: str | None = None
    transcript: str | None = None


class Opaque(msgspec.Struct, frozen=True, kw_only=True, tag="opaque"):
    """A part of a kind we only carry: a provider-side tool's result, a compaction, ..."""

    kind: str
    value: msgspec.Raw


Part = Text | Reasoning | Refusal | ToolCall | Citation | Image | Audio | Opaque


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """One answer; `parts` in the order they began."""

    index: int
    role: str | None = None
    parts: list[Part] = []
    finish_reason: str | None = None
    generation: int = 0  # which generation of a spliced stream


class ToolEventContent(msgspec.Struct, frozen=True, kw_only=True):
    """A tool event from a Note."""

    kind: ToolEventKind
    at_us: int  # epoch
    name: str | None = None
    input: msgspec.Raw = NULL
    output: msgspec.Raw = NULL
    duration_us: int | None = None
    ok: bool | None = None


class Contents(msgspec.Struct, frozen=True, kw_only=True):
    """Request and response of one finished stream."""

    id: str
    schema: int = SCHEMA
    revision: int = 0
    tenant: str
    request: msgspec.Raw = NULL
    choices: list[Choice] = []
    usage_raw: msgspec.Raw = NULL
    error_raw: msgspec.Raw = NULL
    headers: dict[str, str] = {}
    tool_events: list[ToolEventContent] = []

"""The records: what workers emit, one of each per finished stream.

`Record` holds the facts, flat, without content: for bills, objectives and dashboards. `Contents` holds request and
response under the same id and revision. Both are JSON objects with every field present; null means unknown, a
provider's explicit zero is a value. Times are integers in microseconds, counted from the stream's first Open (of
one response of a session, from its first event) unless the name says epoch; money is a decimal string.

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
    "Hole",
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

    link_no: int  # in the order the connections were opened
    opened_us: int | None = None  # by wall clock; null where the clocks contradict
    ended_us: int | None = None  # likewise; null where nobody saw the end
    how: How | None = None  # how the connection ended, as the shim observed it
    chunks: int = 0  # chunks that came
    resumed_from: str | None = None  # the cursor this connection asked to start after
    replayed_events: int = 0  # events it repeated, all dropped


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """The facts of one finished stream."""

    # identity
    id: str  # <tenant>/<call>.<attempt>; of one response of a session .<response> follows
    schema: int = SCHEMA  # 1: fields may be added to it, none is changed
    revision: int = 0  # one more each time late frames or notes changed the record
    kind: RecordKind = RecordKind.GENERATION
    tenant: str  # whose stream it is
    call_id: str  # UUID of what the application asked for once; survives retries
    call_ref: str | None = None  # the application's own id, where it was not a UUID
    attempt: int  # one generation by a provider
    attempt_kind: AttemptKind | None = None  # why this generation was asked for
    parent_attempt: int | None = None  # the attempt this one follows
    operation: Operation | None = None  # null where neither route nor API tells
    streamed: bool | None = None  # false: a plain response, a stream of one chunk
    provider: str | None = None  # who served it, by the user's word or by host or body
    api: str | None = None  # wire API: openai.chat, anthropic.messages, ...
    model_requested: str | None = None  # as in the request
    model: str | None = None  # as in the response
    service_tier: str | None = None  # as the provider says
    server_address: str | None = None  # host the request went to
    region: str | None = None  # as a response header says
    response_id: str | None = None  # the provider's id in the body
    provider_request_id: str | None = None  # the provider's id in the headers
    sdk: str | None = None  # name and version: openai-python/3.57.0
    # context, as given by the shim
    service_name: str | None = None
    service_version: str | None = None
    environment: str | None = None
    trace_id: str | None = None  # W3C, of the span that was active
    span_id: str | None = None
    session_id: str | None = None
    session_path: str | None = None
    conversation_id: str | None = None
    user_id: str | None = None
    agent_name: str | None = None
    workflow_name: str | None = None
    prompt_id: str | None = None
    prompt_version: str | None = None
    tags: dict[str, str] = {}  # the application's own pairs
    # outcome
    outcome: Outcome | None = None  # null: the deciding bytes were not seen, `evidence` says why
    ended_by: EndedBy | None = None  # who ended the stream
    evidence: str | None = None  # what decided: an event's name, `eof`, `not_seen`, ...
    evidence_offset: int | None = None  # byte offset of the deciding event in the decoded body of its link
    content_complete: bool | None = None  # the generated content is whole, whatever became of the rest
    stream_complete: bool | None = None  # the provider's end marker was seen, or a proper end where it sends none
    status: int | None = None  # HTTP status
    finish_reasons: list[str] = []  # as the provider says, by choice
    error_kind: str | None = None  # one word of ours: what kind of error it was
    error_type: str | None = None  # as the provider says
    error_code: str | None = None  # as the provider says
    error_message: str | None = None  # as the provider says; never an address beyond `?`
    retry_after_us: int | None = None  # how long the provider asked to wait
    suspicions: list[str] = []  # what the figures hint at and nothing proves: a proxy's timeout, ...
    warnings: list[str] = []  # what was odd, one word each
    # links
    links: list[Link] = []  # in order of link_no
    resume_gap_us: int | None = None  # between the end of one connection and the first byte of the next
    holes: int = 0  # places where frames are missing for good
    missing_chunks: int | None = None  # null where their number is unknown
    generations: int = 0  # more than one where streams were spliced
    # timing
    requested_at_us: int | None = None  # epoch, the shim's wall clock
    first_append_us: int | None = None  # epoch, the broker's clock
    headers_us: int | None = None  # response headers
    first_byte_us: int | None = None  # of the body
    first_event_us: int | None = None  # of any kind, a ping too
    ttft_us: int | None = None  # first generated output of any kind
    first_text_us: int | None = None
    first_reasoning_us: int | None = None
    first_tool_us: int | None = None
    last_token_us: int | None = None  # last generated output of any kind
    ended_us: int | None = None  # the connection's end, as the shim saw it
    gap_p50_us: int | None = None  # time between chunks while the provider was waited for
    gap_p95_us: int | None = None
    gap_p99_us: int | None = None
    gap_max_us: int | None = None  # the longest such gap
    masked_gaps: int | None = None  # gaps that tell nothing of the provider, since the consumer had kept it waiting
    stalls: int | None = None  # gaps of 3 s and more
    consumer_wait_us: int | None = None  # time the consumer had a chunk and did not ask for the next
    tokens_per_s: float | None = None  # output tokens from request to last token
    tokens_per_s_after_first: float | None = None  # output tokens after the first, from first to last token
    # usage
    usage_input: int | None = None  # includes cache
    usage_output: int | None = None  # includes reasoning
    usage_total: int | None = None  # as the provider states it, never computed
    usage_cache_read: int | None = None  # part of usage_input
    usage_cache_write: int | None = None  # part of usage_input
    usage_cache_write_1h: int | None = None  # part of usage_cache_write
    usage_reasoning: int | None = None  # part of usage_output
    usage_audio_in: int | None = None  # part of usage_input
    usage_audio_out: int | None = None  # part of usage_output
    usage_image_in: int | None = None  # part of usage_input
    usage_source: UsageSource = UsageSource.NONE
    usage_estimated: list[str] = []  # names of the fields that are estimates
    usage_method: str | None = None  # how the estimates were made
    output_seen: int | None = None  # lower bound of the output tokens, from what was streamed
    units: dict[str, float] = {}  # images, audio_seconds, characters, search_queries, ...
    # cost
    cost_usd: Decimal | None = None  # by list price
    cost_breakdown: dict[str, Decimal] = {}  # by kind of token or unit
    cost_provider_usd: Decimal | None = None  # as the provider states it
    price_source: str | None = None  # where the prices come from
    price_version: str | None = None  # which edition of them
    cost_null_reason: str | None = None  # why cost_usd is null
    billing: Billing = Billing.UNKNOWN  # whether the provider will bill it
    billing_basis: str | None = None  # what says so
    # integrity
    choices: int | None = None  # answers in the response
    tool_calls: int | None = None  # calls the model asked for
    chunks: int = 0  # reads that brought bytes
    events: int = 0  # provider events
    bytes: int = 0  # of the body as it came, before content decoding
    duplicates_dropped: int = 0  # copies of frames and of events
    reordered: int = 0  # frames that came late but in time
    conflicts: int = 0  # copies that were not equal; the first counts
    unknown_events: int = 0  # events of a kind the API's module does not know
    unknown_frames: int = 0  # frames of a kind this worker does not know
    shim_dropped_chunks: int | None = None  # chunks the shim counted and could not send
    capped: bool = False  # a bound was reached: figures went on, content stopped
    # source
    topic: str | None = None  # of the frames
    partition: int | None = None  # of the frames, and of this record
    first_offset: int | None = None  # of the stream's first frame
    last_offset: int | None = None  # of the stream's last frame
    closed_at_us: int | None = None  # epoch, append time at the closing offset
    rules: str | None = None  # hash of the deadline settings
    parser_version: str | None = None  # of the worker's reading of APIs


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
    bytes: int  # size of what is left out
    sha256: str  # of what is left out, hexadecimal


class Text(msgspec.Struct, frozen=True, kw_only=True, tag="text"):
    """A piece of the answer."""

    text: str | Omitted


class Reasoning(msgspec.Struct, frozen=True, kw_only=True, tag="reasoning"):
    """What the model thought aloud: the whole (`summary` false) or the provider's summary of it."""

    text: str | Omitted
    summary: bool = False
    signature: str | None = None  # the provider's, to be sent back
    encrypted: bool = False  # the provider keeps the text to itself


class Refusal(msgspec.Struct, frozen=True, kw_only=True, tag="refusal"):
    """The model declines, in its own words."""

    text: str | Omitted


class ToolCall(msgspec.Struct, frozen=True, kw_only=True, tag="tool_call"):
    """A call the model asks for. `arguments` are as streamed, never repaired."""

    id: str | None = None
    name: str | None = None
    arguments: str | Omitted = ""
    complete: bool | None = None  # the provider said the call is whole
    json_valid: bool = False  # the arguments parse
    server_side: bool = False  # run by the provider itself


class Citation(msgspec.Struct, frozen=True, kw_only=True, tag="citation"):
    """Where the answer says it comes from."""

    citation: msgspec.Raw  # the provider's object


class Image(msgspec.Struct, frozen=True, kw_only=True, tag="image"):
    """An image the model made: never its bytes."""

    media_type: str | None = None
    bytes: int | None = None  # size of the image
    sha256: str | None = None  # of the image, hexadecimal
    url: str | None = None


class Audio(msgspec.Struct, frozen=True, kw_only=True, tag="audio"):
    """Sound the model made: never its bytes."""

    media_type: str | None = None
    bytes: int | None = None  # size of the sound
    sha256: str | None = None  # of the sound, hexadecimal
    transcript: str | None = None


class Opaque(msgspec.Struct, frozen=True, kw_only=True, tag="opaque"):
    """A part of a kind we only carry: a provider-side tool's result, a compaction, ..."""

    kind: str  # its type, in the provider's word
    value: msgspec.Raw  # as it came


class Hole(msgspec.Struct, frozen=True, kw_only=True, tag="hole"):
    """Bytes of the stream are missing here; how much of the answer was in them is not known. It divides a text that
    they were lost in, and follows any other part that was open."""


Part = Text | Reasoning | Refusal | ToolCall | Citation | Image | Audio | Opaque | Hole


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """One answer; `parts` in the order they began."""

    index: int
    role: str | None = None  # as the provider says
    parts: list[Part] = []
    finish_reason: str | None = None  # as the provider says; never invented
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

    id: str  # the record's
    schema: int = SCHEMA
    revision: int = 0  # the record's
    tenant: str
    request: msgspec.Raw = NULL  # as sent, credentials left out
    choices: list[Choice] = []  # by generation and index
    usage_raw: msgspec.Raw = NULL  # the provider's own report
    error_raw: msgspec.Raw = NULL  # the provider's own error
    headers: dict[str, str] = {}  # of the response, allow-listed
    tool_events: list[ToolEventContent] = []  # from the application's notes, in order of time

"""The closed vocabularies of the contract: what a field may say.

On the wire every word is a plain string. A reader that meets a word it does not know reads it as `UNKNOWN`, so a newer
writer never breaks an older reader (contract, "Evolution"). Which word means what stands beside it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self

__all__ = [
    "AttemptKind",
    "Billing",
    "ContentMode",
    "EndedBy",
    "Format",
    "How",
    "Operation",
    "Outcome",
    "RecordKind",
    "Resumable",
    "ToolEventKind",
    "UsageSource",
    "WaitingFor",
    "Word",
]


class Word(StrEnum):
    """A vocabulary. `Outcome("nonsense")` is `Outcome.UNKNOWN`, never an error."""

    @classmethod
    def _missing_(cls, value: object) -> Self:  # noqa: ARG003 - the signature is enum's
        return cls("unknown")


class AttemptKind(Word):
    """Why this generation was asked for."""

    FIRST = "first"
    SDK_RETRY = "sdk_retry"
    APP_RETRY = "app_retry"
    FALLBACK = "fallback"  # another model or provider
    CONTINUATION = "continuation"  # a new request that carries the partial answer
    RESUME = "resume"  # the same generation on a new connection: a link, not an attempt
    REDIRECT = "redirect"
    AUTH = "auth"  # asked again by an authentication flow
    UNKNOWN = "unknown"


class Format(Word):
    """What a chunk is."""

    HTTP = "http"  # bytes after transfer decoding, before content decoding
    OBJECTS = "objects"  # one JSON document
    UNKNOWN = "unknown"


class ContentMode(Word):
    """How much content a tenant lets travel."""

    KEEP = "keep"
    STRUCTURE = "structure"  # every content string becomes {"sg": [characters, utf8_bytes]}
    MEASURE_ONLY = "measure_only"  # the worker measures, contents are never emitted
    SIZES_ONLY = "sizes_only"  # chunk sizes and times alone
    UNKNOWN = "unknown"


class WaitingFor(Word):
    """Whom an open link waits for."""

    PROVIDER = "provider"
    CONSUMER = "consumer"
    UNKNOWN = "unknown"


class How(Word):
    """How a connection ended, as the shim observed it."""

    EOF = "eof"
    CLOSED_EARLY = "closed_early"
    READ_ERROR = "read_error"
    SEND_ERROR = "send_error"
    COLLECTED = "collected"  # garbage collected without being closed
    SHUTDOWN = "shutdown"
    CRASHED = "crashed"
    UNKNOWN = "unknown"


class Resumable(Word):
    """Whether another connection may carry the same generation on."""

    NO = "no"
    MAYBE = "maybe"
    UNKNOWN = "unknown"


class RecordKind(Word):
    """What a record is about; sums over records leave `session` out."""

    GENERATION = "generation"
    TOOL_EVENT = "tool_event"
    SESSION = "session"
    UNKNOWN = "unknown"


class ToolEventKind(Word):
    """What the application did beside the generation."""

    TOOL = "tool"
    VECTOR_DB = "vector_db"
    DATA = "data"
    UNKNOWN = "unknown"


class Operation(Word):
    """What the provider was asked to do."""

    CHAT = "chat"
    COMPLETION = "completion"
    EMBEDDINGS = "embeddings"
    IMAGE = "image"
    SPEECH = "speech"
    TRANSCRIPTION = "transcription"
    RERANK = "rerank"
    MODERATION = "moderation"
    UNKNOWN = "unknown"


class Outcome(Word):
    """How the stream ended. Null in a record, not UNKNOWN, where the deciding bytes were not seen."""

    COMPLETED = "completed"  # terminal evidence in the bytes
    REJECTED = "rejected"  # status >= 400 before any event
    FAILED = "failed"  # an error event after the start, or no response at all
    TRUNCATED = "truncated"  # the source ended without evidence
    CANCELLED = "cancelled"  # the caller closed early
    ABANDONED = "abandoned"  # the stream object was collected without being closed
    TIMED_OUT = "timed_out"  # the client's read timeout, or the provider silent to the deadline
    LOST = "lost"  # the producer is gone
    UNKNOWN = "unknown"


class EndedBy(Word):
    """Who ended the stream."""

    PROVIDER = "provider"
    CLIENT = "client"
    NETWORK = "network"
    SHIM = "shim"
    DEADLINE = "deadline"
    UNKNOWN = "unknown"


class UsageSource(Word):
    """Where the usage figures come from."""

    PROVIDER = "provider"
    PARTIAL = "partial"  # stated by the provider, but not its last word
    ESTIMATED = "estimated"
    NONE = "none"
    UNKNOWN = "unknown"


class Billing(Word):
    """Whether the provider will bill the stream."""

    BILLED = "billed"
    LIKELY = "likely"
    NOT_BILLED = "not_billed"
    UNKNOWN = "unknown"

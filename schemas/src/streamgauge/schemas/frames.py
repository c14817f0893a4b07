"""The frames: what shims publish on the chunk topic.

One Kafka message is one frame is one msgpack array::

    [tag, call, attempt, link, n, ...]

The first five never change; everything after them may grow at the end, with defaults. A frame names its stream by
(tenant, call, attempt), its connection by `link`, and its place on that connection by `n`, so that each can be
deduplicated, put in order and proven lost. The tenant travels in the header `sg-tenant` of every frame but `Tick`.

Times: `wall_us` are microseconds since the epoch; all others are microseconds on the shim's monotonic clock since the
link's Open.
"""

from __future__ import annotations

from typing import Final

import msgspec

from streamgauge.schemas.words import (
    AttemptKind,
    ContentMode,
    Format,
    How,
    Resumable,
    ToolEventKind,
    WaitingFor,
)

__all__ = [
    "NIL",
    "Close",
    "Context",
    "Data",
    "Frame",
    "Head",
    "Note",
    "Open",
    "Prefix",
    "Pulse",
    "Tick",
    "ToolEvent",
    "UnknownFrame",
]


NIL: Final = msgspec.Raw(b"\xc0")  # a raw field holds the msgpack of any value; this is its null


class Prefix(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The five fields every frame begins with, whatever its tag."""

    tag: int  # which kind of frame
    call: bytes | None  # UUID of what the application asked for; null in a Tick alone
    attempt: int | None  # which generation of the call
    link: bytes | None  # which connection: 8 random bytes
    n: int | None  # place on the connection, from 0; null in a rescuer's Close alone


class Context(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Where the call belongs, as the application says. Every field may be null."""

    service_name: str | None = None
    service_version: str | None = None
    environment: str | None = None
    trace_id: str | None = None  # W3C, of the span that was active
    span_id: str | None = None  # likewise
    session_id: str | None = None
    session_path: str | None = None
    conversation_id: str | None = None
    user_id: str | None = None
    agent_name: str | None = None
    workflow_name: str | None = None
    prompt_id: str | None = None
    prompt_version: str | None = None


class ToolEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something the application did beside the generation: a tool run, a vector query, any data step."""

    kind: ToolEventKind  # what it was
    name: str | None = None  # of the tool or the store
    input: msgspec.Raw = NIL  # msgpack of the value the user gave
    output: msgspec.Raw = NIL  # likewise
    duration_us: int | None = None  # how long it took
    ok: bool | None = None  # whether it went well


class Open(msgspec.Struct, array_like=True, frozen=True, tag=1):
    """Before the request leaves; sent at once. A shim never publishes a stream whose Open it dropped."""

    call: bytes
    attempt: int
    link: bytes
    n: int
    tenant: str  # whose stream it is; the same as in the header
    wall_us: int  # when, since the epoch
    link_no: int = 0  # in the order the connections were opened
    after: bytes | None = None  # the link this one follows
    attempt_kind: AttemptKind = AttemptKind.FIRST  # why this generation was asked for
    parent_attempt: int | None = None  # the attempt this one follows
    cursor: str | None = None  # resumption: `starting_after`, `Last-Event-ID`
    method: str | None = None  # of the HTTP request
    host: str | None = None  # with its port, if it has one
    path: str | None = None  # without the query
    query: dict[str, str] = {}  # allow-listed names only
    provider: str | None = None  # only if the user said so
    api: str | None = None  # only if the user said so
    format: Format = Format.HTTP  # what a chunk is
    content: ContentMode = ContentMode.KEEP  # how much content travels
    request: bytes | None = None  # the body, credentials left out; null if not kept
    request_bytes: int | None = None  # its size as sent
    request_sha256: bytes | None = None  # its hash as sent
    client_timeout_us: int | None = None  # the read timeout the client set
    shim: str | None = None  # "streamgauge-producers/0.1.0"
    sdk: str | None = None  # "openai-python/3.57.0"
    context: Context = Context()  # where the call belongs
    tags: dict[str, str] = {}  # the application's own pairs
    call_ref: str | None = None  # the user's own id, where it was not a UUID
    model: str | None = None  # only if the user said so
    enc: str | None = None  # reserved: content encryption


class Head(msgspec.Struct, array_like=True, frozen=True, tag=2):
    """The response headers came."""

    call: bytes
    attempt: int
    link: bytes
    n: int
    time_us: int  # when the headers came
    status: int | None = None  # HTTP status
    http_version: str | None = None  # HTTP/1.1, HTTP/2, ...
    headers: dict[str, str] = {}  # lower-case names, allow-listed


class Data(msgspec.Struct, array_like=True, frozen=True, tag=3, gc=False):
    """A segment: consecutive chunks of one link.

    `asked` and `got` say when the consumer asked for each chunk and when it came. Both are delta-coded: the first
    value is a time, every other the distance to the value before it.
    """

    call: bytes
    attempt: int
    link: bytes
    n: int
    seq: int  # of the first chunk
    got: list[int]  # when each chunk came
    asked: list[int] | None = None  # null: chunks were pushed, nobody asked
    chunks: list[bytes] | None = None  # bytes as they came: after transfer decoding, before content decoding
    sizes: list[int] | None = None  # instead of `chunks` under `sizes_only`
    directions: list[int] | None = None  # reserved for sessions: 0 in, 1 out


class Pulse(msgspec.Struct, array_like=True, frozen=True, tag=4):
    """Nothing was sent for `pulse_s`; the link is alive. All counts are cumulative."""

    call: bytes
    attempt: int
    link: bytes
    n: int
    time_us: int  # when
    waiting_for: WaitingFor = WaitingFor.PROVIDER  # whom the connection waits for
    chunks: int = 0  # chunks so far
    byte_count: int = 0  # their bytes
    dropped: int = 0  # chunks the shim could not keep
    consumer_wait_us: int = 0  # time the consumer had a chunk and did not ask for the next


class Note(msgspec.Struct, array_like=True, frozen=True, tag=5):
    """The user adds to a running or ended stream.

    Travels on a link of its own (random id, n from 0, no Open, no Close) which nothing waits for and no record lists.
    """

    call: bytes
    attempt: int
    link: bytes
    n: int
    wall_us: int  # when, since the epoch: notes apply in order of (wall_us, link, n)
    tags: dict[str, str] = {}  # added to the stream's
    context: Context = Context()  # fields that are not null replace the stream's
    model: str | None = None  # replaces the model
    error: str | None = None  # an error only the application knows of
    tool_event: ToolEvent | None = None  # something done beside the generation


class Close(msgspec.Struct, array_like=True, frozen=True, tag=6):
    """The connection is over, as observed. Totals are null where unknown; `frames` null proves no completeness."""

    call: bytes
    attempt: int
    link: bytes
    n: int | None
    time_us: int | None = None  # when
    frames: int | None = None  # how many frames the link has, this one included
    chunks: int | None = None  # chunks that came
    byte_count: int | None = None  # their bytes
    dropped: int | None = None  # chunks the shim could not keep
    consumer_wait_us: int | None = None  # time the consumer had a chunk and did not ask for the next
    how: How = How.UNKNOWN  # how the connection ended
    reading: bool | None = None  # a read was outstanding
    cause: str | None = None  # exception class, only where a wrapper knows it
    message: str | None = None  # no URL beyond `?`
    resumable: Resumable = Resumable.UNKNOWN  # whether another connection may carry the same generation on


class Tick(msgspec.Struct, array_like=True, frozen=True, tag=7, gc=False):
    """Carries the broker's clock into a silent log. No tenant header, null key: the only exception."""

    call: None = None
    attempt: None = None
    link: None = None
    n: int = 0


class UnknownFrame(msgspec.Struct, frozen=True, gc=False):
    """A frame of a tag this reader does not know: its fixed prefix is all that was read."""

    prefix: Prefix


Frame = Open | Head | Data | Pulse | Note | Close | Tick

"""The contract of Streamgauge: what shims publish, what workers emit, and how both are read.

    record = decode_record(message.value)
    if record.outcome is Outcome.TRUNCATED:
        ...

frames      what shims publish on the chunk topic, one msgpack array a message
records     what workers emit, one JSON object a message: `Record` the facts, `Contents` request and response
codec       bytes to frames and records, and back
words       the vocabularies: strings on the wire, unknown words are `UNKNOWN`
bounds      whether a frame's values are within the contract
identity    tenants, calls, record ids
routes      which requests are captured

Beside them `topics` and `limits` name constants, and `framing` cuts response bodies into events. Nothing here performs
I/O, and msgspec is all it depends on.
"""

from streamgauge.schemas.bounds import check
from streamgauge.schemas.codec import (
    decode,
    decode_contents,
    decode_prefix,
    decode_record,
    encode,
    encode_contents,
    encode_record,
    tenant_headers,
    tenant_of,
)
from streamgauge.schemas.errors import UndecodableError, UndecodableFrame, UndecodableRecord
from streamgauge.schemas.frames import (
    NIL,
    Close,
    Context,
    Data,
    Frame,
    Head,
    Note,
    Open,
    Prefix,
    Pulse,
    Tick,
    ToolEvent,
    UnknownFrame,
)
from streamgauge.schemas.identity import call_bytes, call_text, is_tenant, record_id
from streamgauge.schemas.records import (
    GROUPS,
    NULL,
    SCHEMA,
    Audio,
    Choice,
    Citation,
    Contents,
    Hole,
    Image,
    Link,
    Omitted,
    Opaque,
    Part,
    Reasoning,
    Record,
    Refusal,
    Text,
    ToolCall,
    ToolEventContent,
)
from streamgauge.schemas.routes import Route, route
from streamgauge.schemas.words import (
    AttemptKind,
    Billing,
    ContentMode,
    EndedBy,
    Format,
    How,
    Operation,
    Outcome,
    RecordKind,
    Resumable,
    ToolEventKind,
    UsageSource,
    WaitingFor,
    Word,
)

__all__ = [
    "GROUPS",
    "NIL",
    "NULL",
    "SCHEMA",
    "AttemptKind",
    "Audio",
    "Billing",
    "Choice",
    "Citation",
    "Close",
    "ContentMode",
    "Contents",
    "Context",
    "Data",
    "EndedBy",
    "Format",
    "Frame",
    "Head",
    "Hole",
    "How",
    "Image",
    "Link",
    "Note",
    "Omitted",
    "Opaque",
    "Open",
    "Operation",
    "Outcome",
    "Part",
    "Prefix",
    "Pulse",
    "Reasoning",
    "Record",
    "RecordKind",
    "Refusal",
    "Resumable",
    "Route",
    "Text",
    "Tick",
    "ToolCall",
    "ToolEvent",
    "ToolEventContent",
    "ToolEventKind",
    "UndecodableError",
    "UndecodableFrame",
    "UndecodableRecord",
    "UnknownFrame",
    "UsageSource",
    "WaitingFor",
    "Word",
    "call_bytes",
    "call_text",
    "check",
    "decode",
    "decode_contents",
    "decode_prefix",
    "decode_record",
    "encode",
    "encode_contents",
    "encode_record",
    "is_tenant",
    "record_id",
    "route",
    "tenant_headers",
    "tenant_of",
]

"""Frames to bytes and back, records to bytes and back: the only place that does either.

Coders are made once and used again, as msgspec advises. They hold the evolution rules of the contract:

* a longer array is a newer writer's: what is beyond is skipped; a shorter one an older writer's: defaults stand in;
* a tag from the future is an `UnknownFrame`, a word from the future is `UNKNOWN`, a part from the future is `Opaque`;
* whatever else is wrong is one error, `UndecodableFrame` or `UndecodableRecord`, whose message holds no content.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Final, get_args

import msgspec

from streamgauge.schemas.errors import UndecodableFrame, UndecodableRecord
from streamgauge.schemas.frames import Frame, Prefix, UnknownFrame
from streamgauge.schemas.identity import is_tenant
from streamgauge.schemas.records import Contents, Opaque, Part, Record
from streamgauge.schemas.topics import HEADER_TENANT

__all__ = [
    "UndecodableFrame",
    "UndecodableRecord",
    "decode",
    "decode_contents",
    "decode_prefix",
    "decode_record",
    "encode",
    "encode_contents",
    "encode_record",
    "tenant_headers",
    "tenant_of",
]

KNOWN_TAGS: Final = range(1, 8)

# All that msgspec's decoders raise on bytes, whatever the bytes. Recursion: values nested deeper than the stack allows.
_FAULTS: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_frame_encoder: Final = msgspec.msgpack.Encoder()
_frame_decoder: Final[msgspec.msgpack.Decoder[Frame]] = msgspec.msgpack.Decoder(Frame)
_prefix_decoder: Final = msgspec.msgpack.Decoder(Prefix)
_json_encoder: Final = msgspec.json.Encoder()
_record_decoder: Final = msgspec.json.Decoder(Record)
_contents_decoder: Final = msgspec.json.Decoder(Contents)


class _Typed(msgspec.Struct):
    """Any part, as far as its type."""

    type: str


_PART_TYPES: Final = frozenset(part.__struct_config__.tag for part in get_args(Part))
_decode_fields: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_objects: Final = msgspec.json.Decoder(list[dict[str, msgspec.Raw]]).decode
_decode_list: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_type: Final = msgspec.json.Decoder(_Typed).decode


def encode(frame: Frame) -> bytes:
    """The frame as one msgpack array."""
    return _frame_encoder.encode(frame)


def decode(value: bytes | memoryview | None) -> Frame | UnknownFrame:
    """The frame in a message's value; of a tag from the future, its prefix. Raises `UndecodableFrame`."""
    if value is None:
        raise UndecodableFrame("the message has no value")
    try:
        return _frame_decoder.decode(value)
    except _FAULTS as error:
        fault = _fault(error)
    prefix = decode_prefix(value)
    if prefix.tag in KNOWN_TAGS:
        raise UndecodableFrame(f"frame of tag {prefix.tag}: {fault}")
    return UnknownFrame(prefix)


def decode_prefix(value: bytes | memoryview | None) -> Prefix:
    """The five fields every frame begins with. Raises `UndecodableFrame`."""
    if value is None:
        raise UndecodableFrame("the message has no value")
    try:
        return _prefix_decoder.decode(value)
    except _FAULTS as error:
        fault = _fault(error)
    raise UndecodableFrame(f"no frame: {fault}")


def encode_record(record: Record) -> bytes:
    """The facts as one JSON object, every field present."""
    return _json_encoder.encode(_with_plain_money(record))


def decode_record(value: bytes | str) -> Record:
    """The facts in this JSON object. Raises `UndecodableRecord`."""
    try:
        return _record_decoder.decode(value)
    except _FAULTS as error:
        fault = _fault(error)
    raise UndecodableRecord(f"no record: {fault}")


def encode_contents(contents: Contents) -> bytes:
    """The contents as one JSON object, every field present."""
    return _json_encoder.encode(contents)


def decode_contents(value: bytes | str) -> Contents:
    """The contents in this JSON object. Raises `UndecodableRecord`."""
    try:
        return _contents_decoder.decode(value)
    except _FAULTS as error:
        fault = _fault(error)
    try:  # a part from the future, perhaps
        return _contents_decoder.decode(_with_known_parts(value))
    except _FAULTS:
        pass
    raise UndecodableRecord(f"no contents: {fault}")


def tenant_headers(tenant: str) -> list[tuple[str, bytes]]:
    """The Kafka headers every frame and every record of this tenant carries."""
    return [(HEADER_TENANT, tenant.encode())]


def tenant_of(headers: Iterable[tuple[str, bytes | None]]) -> str | None:
    """The tenant a message's headers name; null where they name none, no possible one, or two."""
    named = {value for name, value in headers if name == HEADER_TENANT}
    if len(named) != 1:
        return None
    tenant = (named.pop() or b"").decode("utf-8", "replace")
    return tenant if is_tenant(tenant) else None


def _with_plain_money(record: Record) -> Record:
    """Amounts as decimal strings without exponent: `Decimal` writes 0.0000001 as 1E-7."""
    amounts = (record.cost_usd, record.cost_provider_usd, *record.cost_breakdown.values())
    if not any("E" in str(amount) for amount in amounts):
        return record
    return msgspec.structs.replace(
        record,
        cost_usd=_plain(record.cost_usd),
        cost_provider_usd=_plain(record.cost_provider_usd),
        cost_breakdown={name: _plain(amount) for name, amount in record.cost_breakdown.items()},
    )


def _plain(amount: Decimal | None) -> msgspec.Raw | None:
    return None if amount is None else msgspec.Raw(f'"{amount:f}"')


def _with_known_parts(contents: bytes | str) -> bytes:
    """The same contents, each part of a type this reader does not know carried whole in an `Opaque`."""
    fields = _decode_fields(contents)
    choices = _decode_objects(fields["choices"]) if "choices" in fields else []
    for choice in choices:
        if "parts" in choice:
            parts = [_known_part(part) for part in _decode_list(choice["parts"])]
            choice["parts"] = msgspec.Raw(_json_encoder.encode(parts))
    return _json_encoder.encode({**fields, "choices": choices})


def _known_part(part: msgspec.Raw) -> msgspec.Raw | Opaque:
    type_ = _decode_type(part).type
    return part if type_ in _PART_TYPES else Opaque(kind=type_, value=part)


def _fault(error: Exception) -> str:
    """What msgspec says of types and places; of anything else the class alone, since it may quote a value."""
    return str(error) if type(error) is msgspec.ValidationError else type(error).__name__

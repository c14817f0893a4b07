"""Frames to bytes and back, records to bytes and back: the only place that does either.

Encoders and decoders are made once and used again, as msgspec advises. Decoding never fails in more than one way:
whatever is wrong with a frame is an `UndecodableFrame`, whose message tells the shape of the fault and never a value,
since a value may be content.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from streamgauge.schemas.frames import Frame, Prefix, UnknownFrame
from streamgauge.schemas.records import Contents, Record
from streamgauge.schemas.topics import HEADER_TENANT

__all__ = [
    "UndecodableFrame",
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

_frame_encoder = msgspec.msgpack.Encoder()
_frame_decoder = msgspec.msgpack.Decoder(Frame)
_prefix_decoder = msgspec.msgpack.Decoder(Prefix)
_json_encoder = msgspec.json.Encoder()
_record_decoder = msgspec.json.Decoder(Record)
_contents_decoder = msgspec.json.Decoder(Contents)


class UndecodableFrame(ValueError):  # noqa: N818 - the contract's word for it
    """Bytes that are no frame. The message names what was expected where, never what stood there."""


def encode(frame: Frame) -> bytes:
    """The frame as one msgpack array."""
    return _frame_encoder.encode(frame)


def decode(value: bytes | memoryview) -> Frame | UnknownFrame:
    """The frame in these bytes; of a tag from the future, its prefix. Raises `UndecodableFrame`."""
    try:
        return _frame_decoder.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        prefix = decode_prefix(value)
        if prefix.tag not in KNOWN_TAGS:
            return UnknownFrame(prefix)
        raise UndecodableFrame(_fault(error)) from None


def decode_prefix(value: bytes | memoryview) -> Prefix:
    """The five fields every frame begins with. Raises `UndecodableFrame`."""
    try:
        return _prefix_decoder.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UndecodableFrame(_fault(error)) from None


def encode_record(record: Record) -> bytes:
    """The facts as one JSON object."""
    return _json_encoder.encode(record)


def decode_record(value: bytes | str) -> Record:
    """The facts in this JSON object. Raises `msgspec.DecodeError`."""
    return _record_decoder.decode(value)


def encode_contents(contents: Contents) -> bytes:
    """The contents as one JSON object."""
    return _json_encoder.encode(contents)


def decode_contents(value: bytes | str) -> Contents:
    """The contents in this JSON object. Raises `msgspec.DecodeError`."""
    return _contents_decoder.decode(value)


def tenant_headers(tenant: str) -> list[tuple[str, bytes]]:
    """The Kafka headers every frame and every record of this tenant carries."""
    return [(HEADER_TENANT, tenant.encode())]


def tenant_of(headers: Iterable[tuple[str, bytes]]) -> str | None:
    """The tenant these Kafka headers name, unchecked; null where none does."""
    for name, value in headers:
        if name == HEADER_TENANT:
            return value.decode("utf-8", "replace")
    return None


def _fault(error: Exception) -> str:
    """What msgspec says of types and places; anything else by its class alone."""
    return str(error) if isinstance(error, msgspec.ValidationError) else type(error).__name__

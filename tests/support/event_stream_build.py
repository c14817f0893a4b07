"""Messages of Amazon's event stream, as a server writes them."""

from __future__ import annotations

from collections.abc import Mapping
from struct import pack
from typing import Any
from zlib import crc32

import msgspec

__all__ = ["event", "exception", "header", "message"]


def message(headers: bytes, payload: bytes) -> bytes:
    """One message of these encoded headers."""
    prelude = pack(">II", 16 + len(headers) + len(payload), len(headers))
    head = prelude + pack(">I", crc32(prelude)) + headers + payload
    return head + pack(">I", crc32(head))


def header(name: str, value: str | bytes, kind: int = 7) -> bytes:
    """One header: a string (7), bytes (6), or a value of fixed size as it is encoded."""
    encoded = value.encode() if isinstance(value, str) else value
    size = pack(">H", len(encoded)) if kind in (6, 7) else b""
    return bytes([len(name)]) + name.encode() + bytes([kind]) + size + encoded


def event(name: str, payload: Mapping[str, Any] | bytes = b"{}") -> bytes:
    """An event with a JSON payload."""
    return _typed("event", ":event-type", name, payload)


def exception(name: str, payload: Mapping[str, Any] | bytes = b"{}") -> bytes:
    """An exception with a JSON payload."""
    return _typed("exception", ":exception-type", name, payload)


def _typed(kind: str, field: str, name: str, payload: Mapping[str, Any] | bytes) -> bytes:
    headers = header(field, name) + header(":content-type", "application/json") + header(":message-type", kind)
    return message(headers, payload if isinstance(payload, bytes) else msgspec.json.encode(payload))

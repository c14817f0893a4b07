"""Who a stream is: tenant, call, attempt, and the record id made of them.

A call is 16 bytes. One that the user names is the UUID he gave, or a UUIDv5 (RFC 9562) of tenant and name, so that the
same name given twice is the same call, and the same name of two tenants is two calls.

The pure core imports this module, and draws no ids: hence no `uuid` here, which can.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final, Protocol

from streamgauge.schemas.limits import TENANT_PATTERN

__all__ = ["TENANT", "call_bytes", "call_text", "is_tenant", "record_id"]

TENANT: Final = re.compile(TENANT_PATTERN)

_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(-?)[0-9a-fA-F]{4}(?:\1[0-9a-fA-F]{4}){2}\1[0-9a-fA-F]{12}")
# The namespace of calls that users name: the UUIDv5 of `streamgauge:call` in RFC 9562's namespace of URLs.
_NAMED_CALLS: Final = bytes.fromhex("af7b2d0304f2514a8eb570e3c26512d9")


class _Uuid(Protocol):
    """A `uuid.UUID`."""

    @property
    def bytes(self) -> bytes: ...


def is_tenant(text: str) -> bool:
    """Whether this is a tenant's name."""
    return TENANT.fullmatch(text) is not None


def call_bytes(call: str | _Uuid, *, tenant: str) -> tuple[bytes, str | None]:
    """The 16 bytes of a call the user named, and the name where it is no UUID itself. Raises `ValueError` if empty."""
    if not isinstance(call, str):
        return call.bytes, None
    if not call:
        raise ValueError("the call id is empty: give a UUID or any other text, or none for a new one")
    if _UUID.fullmatch(call):
        return bytes.fromhex(call.replace("-", "")), None
    return _uuid5(_NAMED_CALLS, f"{tenant}\n{call}"), call


def call_text(call: bytes) -> str:
    """The call as a UUID's text."""
    text = call.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def record_id(tenant: str, call: bytes, attempt: int, response: int | None = None) -> str:
    """`<tenant>/<call>.<attempt>`; of one response of a session, `<tenant>/<call>.<attempt>.<response>`."""
    stream = f"{tenant}/{call_text(call)}.{attempt}"
    return stream if response is None else f"{stream}.{response}"


def _uuid5(namespace: bytes, name: str) -> bytes:
    digest = bytearray(
        hashlib.sha1(namespace + name.encode("utf-8", "surrogatepass"), usedforsecurity=False).digest()[:16]
    )
    digest[6] = 0x50 | (digest[6] & 0x0F)
    digest[8] = 0x80 | (digest[8] & 0x3F)
    return bytes(digest)

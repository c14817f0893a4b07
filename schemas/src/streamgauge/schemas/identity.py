"""Who a stream is: tenant, call, attempt, and the record id made of them."""

from __future__ import annotations

import re
import uuid
from typing import Final

from streamgauge.schemas.limits import TENANT_PATTERN

__all__ = ["call_bytes", "is_tenant", "record_id"]

_TENANT: Final = re.compile(TENANT_PATTERN)
# A call the user named is hashed with its tenant under this namespace (RFC 9562, version 5): the same name of two
# tenants is two calls.
_NAMED_CALLS: Final = uuid.uuid5(uuid.NAMESPACE_URL, "streamgauge:call")


def is_tenant(text: str) -> bool:
    """Whether this is a tenant's name."""
    return _TENANT.fullmatch(text) is not None


def call_bytes(call: str | uuid.UUID, *, tenant: str) -> tuple[bytes, str | None]:
    """The 16 bytes of a call the user named, and the name where it is no UUID itself."""
    if isinstance(call, uuid.UUID):
        return call.bytes, None
    try:
        return uuid.UUID(call).bytes, None
    except ValueError:
        return uuid.uuid5(_NAMED_CALLS, f"{tenant}\n{call}").bytes, call


def record_id(tenant: str, call: bytes, attempt: int) -> str:
    """`<tenant>/<call>.<attempt>`, the call as a UUID's text."""
    return f"{tenant}/{uuid.UUID(bytes=call)}.{attempt}"

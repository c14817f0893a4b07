"""Identities: calls, connections, and the attempts of a call somebody else made.

A call is a UUIDv7 (RFC 9562): its first 48 bits are milliseconds since the epoch, so keys sort by age. A connection
is 8 random bytes. Randomness comes from the operating system, so a forked child never repeats its parent.
"""

from __future__ import annotations

import os
import time
from typing import Final, Protocol

__all__ = ["Ids", "RandomIds"]

FOREIGN_ATTEMPT_MIN: Final = 1 << 16
FOREIGN_ATTEMPT_MAX: Final = 1 << 31


class Ids(Protocol):
    """Where new identities come from; tests bring their own."""

    def call(self) -> bytes:
        """Name a new call: 16 bytes."""
        ...

    def link(self) -> bytes:
        """Name a new connection: 8 bytes."""
        ...

    def attempt(self) -> int:
        """Number an attempt of a call that another process made: at random in [2^16, 2^31)."""
        ...


class RandomIds:
    """The real ones."""

    def call(self) -> bytes:
        """Name a new call: a UUIDv7."""
        random = os.urandom(10)
        return b"".join(
            (
                (time.time_ns() // 1_000_000).to_bytes(6, "big"),
                bytes((0x70 | (random[0] & 0x0F), random[1], 0x80 | (random[2] & 0x3F))),
                random[3:],
            )
        )

    def link(self) -> bytes:
        """Name a new connection."""
        return os.urandom(8)

    def attempt(self) -> int:
        """Number an attempt of a call that another process made."""
        span = FOREIGN_ATTEMPT_MAX - FOREIGN_ATTEMPT_MIN
        return FOREIGN_ATTEMPT_MIN + int.from_bytes(os.urandom(8), "big") % span

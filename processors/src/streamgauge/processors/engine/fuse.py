"""The fuse: a worker that cannot read most of what it gets is on a wrong topic, and must not divert all of it.

Bad data is normal in small amounts: it becomes dead letters and nothing stops. When more than half of a thousand
consecutive records of a partition cannot be read at all, that is no bad data any more. The worker then stops, with the
topic named; what it had worked is flushed, so nothing is lost or diverted twice.
"""

from __future__ import annotations

from typing import Final

__all__ = ["FUSE_RECORDS", "FUSE_UNREADABLE_MAX", "UNREADABLE", "Fuse"]

FUSE_RECORDS: Final = 1000
FUSE_UNREADABLE_MAX: Final = 500
UNREADABLE: Final = frozenset(
    {"undecodable", "no_tenant", "internal"}
)  # reasons that say: this may be no frame of ours


class Fuse:
    """Counts block by block; blown for good once a block was bad."""

    __slots__ = ("_records", "_unreadable", "blown")

    def __init__(self) -> None:
        self._records = 0
        self._unreadable = 0
        self.blown = False

    def worked(self) -> None:
        """One more record was worked."""
        self._records += 1
        if self._records == FUSE_RECORDS:
            self._records = self._unreadable = 0

    def unreadable(self) -> None:
        """One of them could not be read."""
        self._unreadable += 1
        self.blown = self.blown or self._unreadable > FUSE_UNREADABLE_MAX

"""The fuse: a worker that cannot read most of what it gets is on a wrong topic, and must not divert all of it.

Bad data is normal in small amounts: it becomes dead letters and nothing stops. When of a thousand consecutive offsets
of a partition more than half cannot be read at all, that is no bad data any more. The worker then stops, with the topic
named; what it had worked is flushed, so nothing is lost or diverted twice.
"""

from __future__ import annotations

from collections import deque
from typing import Final

__all__ = ["FUSE_RECORDS", "FUSE_UNREADABLE_MAX", "UNREADABLE", "Fuse"]

FUSE_RECORDS: Final = 1000
FUSE_UNREADABLE_MAX: Final = 500
UNREADABLE: Final = frozenset({"undecodable", "no_tenant", "internal"})  # the reasons that say: no frame of ours


class Fuse:
    """Remembers the unreadable among the last thousand; blown for good once they were too many."""

    __slots__ = ("_offsets", "blown")

    def __init__(self) -> None:
        self._offsets: deque[int] = deque()
        self.blown = False

    def unreadable(self, offset: int) -> None:
        """What stands at this offset cannot be read. What can be read need not be told."""
        self._offsets.append(offset)
        while self._offsets[0] <= offset - FUSE_RECORDS:
            self._offsets.popleft()
        self.blown = self.blown or len(self._offsets) > FUSE_UNREADABLE_MAX

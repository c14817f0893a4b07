"""The order of one link's frames: which come next, which are early, which are copies, which are missing.

Frames are numbered from 0 without gaps, so their order needs no time and no trust in the transport::

    read            hole        early
    0 1 2 3 4 5 6 | 7 8       | 9 10      12
                    ^ next_n

* The next frame is read at once. A frame beyond a hole waits here until the hole is filled or passed.
* A frame that was read or waits already is a copy: dropped and counted. Of the last 4,096 a checksum is kept, so that
  an unequal copy is told apart: the first wins, the other is a conflict. Older copies count as equal, unverified.
* A hole has an age: it began when the first frame beyond it came. Whoever judges it too old passes it; what comes for
  it later is too late, since everything behind it was read.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import deque
from heapq import heappop, heappush
from typing import Final, Generic, NamedTuple, TypeVar

from streamgauge.schemas.limits import LINK_SEGMENTS_REMEMBERED

__all__ = ["Order"]

_CHECKSUMS_MAX: Final = 2 * LINK_SEGMENTS_REMEMBERED  # then the older half is let go

T = TypeVar("T")


class _Early(NamedTuple, Generic[T]):
    checksum: int
    frame: T
    came_us: int


def _start(lost: range) -> int:
    return lost.start


class Order(Generic[T]):
    """The frames of one link. `take` what is next, `set_aside` anything else, then read what is `ready`."""

    __slots__ = (
        "_base",
        "_came",
        "_checksums",
        "_early",
        "_early_max",
        "_lost",
        "_waiting",
        "conflicts",
        "duplicates",
        "hole_since_us",
        "holes",
        "late",
        "next_n",
        "reordered",
    )

    def __init__(self) -> None:
        self.next_n = 0
        self.hole_since_us: int | None = None  # partition time the present hole began; null: there is none
        self.duplicates = 0
        self.conflicts = 0
        self.reordered = 0  # frames that came after a frame with a higher number
        self.holes = 0  # passed: counted as lost
        self.late = 0  # frames that came for a hole already passed
        self._checksums = array("I")  # of the frames _base, _base + 1, ... up to next_n
        self._base = 0
        self._early: dict[int, _Early[T]] = {}
        self._early_max = -1
        self._waiting: list[int] = []  # a heap of their numbers, and when each came: so that many holes cost no more
        self._came: deque[tuple[int, int]] = deque()
        self._lost: list[range] = []

    def take(self, n: int, checksum: int) -> bool:
        """Whether this is the frame to read next; it then counts as read."""
        if n != self.next_n:
            return False
        if self.hole_since_us is not None:
            self.reordered += 1
        self.next_n = n + 1  # `_read`, without the call: this is the way of nearly every frame
        self._checksums.append(checksum)
        if len(self._checksums) >= _CHECKSUMS_MAX:
            self._trim()
        return True

    def set_aside(self, n: int, checksum: int, frame: T, *, now_us: int) -> None:
        """Keep an early frame; count a copy and drop it. `now_us` never goes back."""
        if n < self.next_n:
            self._judge_copy(n, checksum)
        elif (waiting := self._early.get(n)) is not None:
            self._count_copy(equal=waiting.checksum == checksum)
        else:
            self._keep(n, _Early(checksum, frame, now_us))

    def ready(self) -> list[T]:
        """The early frames whose turn has come, in order. Call it once `take` or `pass_hole` moved on."""
        frames: list[T] = []
        while (early := self._early.pop(self.next_n, None)) is not None:
            self._read(early.checksum)
            frames.append(early.frame)
        came = self._came
        while came and came[0][1] < self.next_n:
            came.popleft()
        self.hole_since_us = came[0][0] if came else None
        return frames

    def pass_hole(self) -> None:
        """Give the present hole up: the first frame beyond it is next."""
        while self._waiting[0] < self.next_n:
            heappop(self._waiting)
        beyond = self._waiting[0]
        self._lost.append(range(self.next_n, beyond))
        self.holes += 1
        self.next_n = self._base = beyond
        del self._checksums[:]

    @property
    def seen_through(self) -> int:
        """Every frame below this number was read."""
        return self._lost[0].start if self._lost else self.next_n

    def _read(self, checksum: int) -> None:
        self.next_n += 1
        self._checksums.append(checksum)
        if len(self._checksums) >= _CHECKSUMS_MAX:
            self._trim()

    def _keep(self, n: int, early: _Early[T]) -> None:
        self._early[n] = early
        heappush(self._waiting, n)
        self._came.append((early.came_us, n))
        if n < self._early_max:
            self.reordered += 1
        self._early_max = max(self._early_max, n)
        if self.hole_since_us is None:
            self.hole_since_us = early.came_us

    def _judge_copy(self, n: int, checksum: int) -> None:
        at = bisect_right(self._lost, n, key=_start)
        if at and n in self._lost[at - 1]:
            self.late += 1
            self.reordered += 1
        else:
            self._count_copy(equal=n < self._base or self._checksums[n - self._base] == checksum)

    def _count_copy(self, *, equal: bool) -> None:
        if equal:
            self.duplicates += 1
        else:
            self.conflicts += 1

    def _trim(self) -> None:
        surplus = len(self._checksums) - LINK_SEGMENTS_REMEMBERED
        del self._checksums[:surplus]
        self._base += surplus

"""Where in the log a restart may begin, and what the partition's clock said there.

Partition time is a sum over all records, so a restart at the low water must be told the sum before it. The timeline
keeps a `Mark` for each offset at which the append time changed (all records of a batch share one), from the low water
on. The low water of the core may lie between two marks; the mark before it is a low water just as good, since reading a
few closed frames more changes nothing.

An hour-old open stream may hold the low water back for millions of records. Beyond `MARKS_MAX` marks every second one
is let go, which only makes the next low water a little lower, never wrong.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import Final

from streamgauge.processors.engine.ledger import Mark

__all__ = ["MARKS_MAX", "Timeline"]

MARKS_MAX: Final = 16_384


class Timeline:
    """The marks from the low water on, in offset order."""

    __slots__ = ("_marks", "_offsets")

    def __init__(self, start: Mark) -> None:
        self._marks = [start]
        self._offsets = [start.offset]

    def __iter__(self) -> Iterator[Mark]:
        return iter(self._marks)

    def add(self, mark: Mark) -> None:
        """The append time changes at this offset; marks come in offset order."""
        if mark.offset <= self._offsets[-1]:
            return
        self._marks.append(mark)
        self._offsets.append(mark.offset)
        if len(self._marks) > MARKS_MAX:
            self._thin()

    def let_go(self, low_water: int) -> Mark:
        """The last mark at or before this low water; those before it are not needed again."""
        index = max(bisect_right(self._offsets, low_water) - 1, 0)
        del self._marks[:index]
        del self._offsets[:index]
        return self._marks[0]

    def _thin(self) -> None:
        self._marks = self._marks[::2]  # keeps the first: a low water never goes back
        self._offsets = self._offsets[::2]

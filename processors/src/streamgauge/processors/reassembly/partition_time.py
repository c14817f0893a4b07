"""Partition time: the log's own clock, on which every deadline is judged.

It is the sum of the steps of broker append time from record to record. A negative step counts as 0 (leaders' clocks
differ), a step beyond twice the tick interval as twice the tick interval: while the log is silent `Tick`s carry the
clock on, so a longer step means that nobody watched, and an outage or a backlog must not close anything. The first
record's step is 0.

The time at an offset is therefore a function of the records before it and of nothing else. No wall clock decides.
"""

from __future__ import annotations

import msgspec

__all__ = ["START", "PartitionTime", "step_us"]


class PartitionTime(msgspec.Struct, frozen=True, gc=False):
    """Where the clock stands behind a record: the time, and the append time the next step is measured from."""

    now_us: int = 0
    append_us: int | None = None  # of the record before; null before the first

    def after(self, append_us: int, *, step_max_us: int) -> PartitionTime:
        """The time behind a record appended at `append_us`."""
        return PartitionTime(self.now_us + step_us(self.append_us, append_us, step_max_us), append_us)


START = PartitionTime()


def step_us(before_us: int | None, append_us: int, step_max_us: int) -> int:
    """How far a record moves the clock."""
    if before_us is None or append_us <= before_us:
        return 0
    step = append_us - before_us
    return min(step_max_us, step)

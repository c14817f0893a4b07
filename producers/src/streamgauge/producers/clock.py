"""Two clocks: one that never goes back, for durations, and the wall's, which only says when a stream began."""

from __future__ import annotations

import time
from typing import Protocol

__all__ = ["Clock", "SystemClock"]


class Clock(Protocol):
    """Time as the shim reads it; tests bring their own."""

    def now_ns(self) -> int:
        """Read the monotonic clock."""
        ...

    def wall_us(self) -> int:
        """Read the wall clock: microseconds since the epoch."""
        ...


class SystemClock:
    """The machine's clocks."""

    # `perf_counter` is the monotonic clock of finest resolution: on Windows `monotonic` ticks every 15 ms. As an
    # attribute it is called without a Python frame: the host reads it once per chunk.
    now_ns = staticmethod(time.perf_counter_ns)

    def wall_us(self) -> int:
        """Read the wall clock: microseconds since the epoch."""
        return time.time_ns() // 1000

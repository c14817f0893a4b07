"""The partitions this worker works, from one rebalance to the next.

    take ──▶ work, work, … (flush every commit interval, tick while a log is silent) ──▶ release

Rules:

* `take` forgets everything and rebuilds all partitions from the ledger; nothing is carried over a rebalance.
* A slice is worked only in the generation it was delivered in, by the state that was built for that generation.
* A rebalance while `take` is still reading makes what it read stale: it is dropped, the next `take` follows.
* `release` stops the flow, flushes once, drops the state. It never waits longer than `RELEASE_WITHIN_S`: what could not
  be flushed is worked again by the next owner.
* The first fault of anything here is reported to `fail`, which ends the process; nothing is retried on broken state.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from streamgauge.processors.engine import logbook
from streamgauge.processors.engine.ports import Log, Message, Outlet, Slice
from streamgauge.processors.engine.worked_partition import WorkedPartition
from streamgauge.schemas import codec
from streamgauge.schemas.frames import Tick

__all__ = ["RELEASE_WITHIN_S", "Assignment", "Build"]

RELEASE_WITHIN_S: Final = 10.0
_TICK: Final = codec.encode(Tick())

Build = Callable[[int, int], Awaitable[WorkedPartition]]
"""Restore one partition for one generation."""


class Assignment:
    """The assigned partitions by number."""

    def __init__(
        self,
        *,
        log: Log,
        outlet: Outlet,
        build: Build,
        fail: Callable[[BaseException], None],
        chunks: str,
        tick_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.partitions: dict[int, WorkedPartition] = {}
        self._log, self._outlet, self._build, self._fail = log, outlet, build, fail
        self._chunks, self._tick_s, self._clock = chunks, tick_s, clock
        self._takes = 0
        self._quiet_since: dict[int, float] = {}

    async def take(self, partitions: Iterable[int], generation: int) -> None:
        """These partitions are ours in this generation."""
        self._takes += 1
        take = self._takes
        self._drop()
        built = await asyncio.gather(*(self._build(partition, generation) for partition in sorted(partitions)))
        if take != self._takes:
            logbook.info("assignment_stale", generation=generation)
            return
        now = self._clock()
        for worked in built:
            await self._log.seek(worked.partition, worked.position)
            self._quiet_since[worked.partition] = now
            self.partitions[worked.partition] = worked
        logbook.info("assigned", generation=generation, partitions=",".join(map(str, self.partitions)))

    async def work(self, slice_: Slice) -> None:
        """Work a slice, if it is ours."""
        worked = self.partitions.get(slice_.partition)
        if worked is None or worked.generation != slice_.generation:
            return
        self._quiet_since[slice_.partition] = self._clock()
        try:
            await worked.work(slice_)
        except Exception as fault:  # noqa: BLE001 - whatever it is, it ends the process, never the agent alone
            worked.stop()
            self._fail(fault)

    async def flush(self) -> None:
        """Flush all partitions, side by side."""
        partitions = list(self.partitions.values())
        results = await asyncio.gather(*(worked.flush() for worked in partitions), return_exceptions=True)
        for fault in results:
            if isinstance(fault, Exception):
                self._fail(fault)

    async def release(self) -> None:
        """Stop working, bring everything home, forget it."""
        self._takes += 1
        for worked in self.partitions.values():
            worked.stop()
        try:
            async with asyncio.timeout(RELEASE_WITHIN_S):
                await self.flush()
        except TimeoutError:
            logbook.warning("release_unfinished", partitions=",".join(map(str, self.partitions)))
        self._drop()

    def _drop(self) -> None:
        for worked in self.partitions.values():
            worked.stop()
        self.partitions.clear()
        self._quiet_since.clear()

    async def tick(self) -> None:
        """Carry the broker's clock into every log that is silent and whose streams wait."""
        now = self._clock()
        for partition, worked in list(self.partitions.items()):
            quiet_s = now - self._quiet_since.get(partition, now)
            if quiet_s < self._tick_s or not worked.waits or self._log.end(partition) != worked.position:
                continue
            self._quiet_since[partition] = now
            await (await self._outlet.send(Message(self._chunks, partition, None, _TICK, [])))

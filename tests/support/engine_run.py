"""The engine on an in-memory Kafka, step by step: what Faust does in a worker, done by hand.

run = EngineRun(kafka, core=FakeCore)      a worker that joins the group
await run.take(0)                          partitions are assigned
await run.drain()                          fetch and work until the logs are read to their ends
await run.assignment.flush()
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from fake_core import FakeCore, write
from memory_kafka import DELAY_TURNS, MemoryKafka
from streamgauge.processors.engine.assignment import Assignment
from streamgauge.processors.engine.build import builder
from streamgauge.processors.engine.core import NewCore, Write
from streamgauge.processors.engine.worked_partition import WorkedPartition
from streamgauge.processors.settings import Settings, load

__all__ = ["CHUNKS", "CONTENTS", "DEAD", "LEDGER", "RECORDS", "EngineRun"]

CHUNKS, RECORDS, CONTENTS = "streamgauge.chunks", "streamgauge.records", "streamgauge.contents"
DEAD, LEDGER = "streamgauge.dead", "streamgauge.ledger"


class EngineRun:
    """One worker process, from joining the group to its end."""

    def __init__(
        self,
        kafka: MemoryKafka,
        *,
        settings: Settings | None = None,
        core: NewCore = FakeCore,
        write: Write = write,
        fault: Callable[[str], None] = lambda _: None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        settings = settings or load(worker="w", group="g")
        self.kafka = kafka
        self.worker = kafka.worker(CHUNKS, group=settings.group, fault=fault)
        self.faults: list[BaseException] = []
        self.assignment = Assignment(
            log=self.worker,
            outlet=self.worker,
            build=builder(settings, log=self.worker, outlet=self.worker, write=write, core=core),
            fail=self.faults.append,
            chunks=CHUNKS,
            tick_s=settings.tick_s,
            clock=clock or (lambda: kafka.now_ms / 1000),
        )

    async def take(self, *partitions: int) -> None:
        await self.assignment.take(partitions, self.worker.generation)

    def partition(self, number: int = 0) -> WorkedPartition:
        return self.assignment.partitions[number]

    async def drain(self, *, records_max: int = 100) -> None:
        """Fetch and work until nothing more comes."""
        for number in list(self.assignment.partitions):
            while (slice_ := self.worker.fetch_slice(number, records_max)).records:
                await self.assignment.work(slice_)
        await self.settle()

    async def settle(self) -> None:
        """Let what was sent leave."""
        for _ in range(DELAY_TURNS):
            await asyncio.sleep(0)

    async def work_and_flush(self, *partitions: int) -> None:
        """A whole life of a worker: take, read to the end, release."""
        await self.take(*partitions)
        await self.drain()
        await self.assignment.release()

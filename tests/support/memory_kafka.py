"""An in-memory Kafka under the engine's two Protocols, with a clock of its own and faults to order.

    kafka = MemoryKafka()
    kafka.append("chunks", 0, value=b"...")            a producer's frame
    worker = kafka.worker("chunks", group="g")         one process: its Log, its Outlet, its consumer position

What it keeps true: offsets grow by one a record and by one a marker; append times never fall and are the broker's; a
commit of a former generation is refused; what is acknowledged stands in the log for good, and what is not may have left
or not. What it does on order: it breaks the n-th operation of a worker (`Crash`), drops slices, lets retention cut the
log, puts markers into it.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import NamedTuple

from streamgauge.processors.engine.ports import Bounds, Committed, LogRecord, Message, Slice

__all__ = ["DELAY_TURNS", "Crash", "MemoryKafka", "MemoryRecord", "MemoryWorker"]

DELAY_TURNS = 7  # turns of the loop until a message has left; how many, its topic's name decides
START_MS = 1_760_000_000_000


class Crash(BaseException):
    """The worker's process ends here, whatever it was doing."""


class MemoryRecord(NamedTuple):
    offset: int
    timestamp: int | None
    timestamp_type: int | None
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


class MemoryPartition:
    """One partition's log."""

    def __init__(self) -> None:
        self.records: list[MemoryRecord] = []
        self.start = 0
        self.end = 0

    def append(self, record: MemoryRecord) -> int:
        self.records.append(record)
        self.end = record.offset + 1
        return record.offset

    def between(self, start: int, stop: int) -> list[MemoryRecord]:
        return [record for record in self.records if max(start, self.start) <= record.offset < stop]


class MemoryKafka:
    """The broker: topics, the clock, the group's offsets and its generation."""

    def __init__(self, *, timestamp_type: int = 1) -> None:
        self.now_ms = START_MS
        self.partitions: defaultdict[tuple[str, int], MemoryPartition] = defaultdict(MemoryPartition)
        self.offsets: dict[tuple[str, str, int], int] = {}
        self.generation = 0
        self.timestamp_type = timestamp_type

    def append(
        self,
        topic: str,
        partition: int,
        *,
        key: bytes | None = None,
        value: bytes | None = None,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> int:
        log = self.partitions[topic, partition]
        return log.append(MemoryRecord(log.end, self.now_ms, self.timestamp_type, key, value, headers))

    def mark(self, topic: str, partition: int) -> None:
        """An offset without a record, as transactions leave them."""
        self.partitions[topic, partition].end += 1

    def cut(self, topic: str, partition: int, start: int) -> None:
        """Retention: everything before this offset is gone."""
        log = self.partitions[topic, partition]
        log.start = max(log.start, start)

    def records(self, topic: str, partition: int) -> list[MemoryRecord]:
        log = self.partitions[topic, partition]
        return log.between(log.start, log.end)

    def worker(self, chunks: str, *, group: str = "g", fault: Callable[[str], None] = lambda _: None) -> MemoryWorker:
        """A worker that joins the group: the generation moves on, and who was in it is a stale one now."""
        self.generation += 1
        return MemoryWorker(self, chunks=chunks, group=group, generation=self.generation, fault=fault)


class MemoryReceipt(NamedTuple):
    offset: int


class MemoryWorker:
    """One process's hold on Kafka: satisfies `Log` and `Outlet`. `fault` is told each operation, and may raise."""

    def __init__(
        self, kafka: MemoryKafka, *, chunks: str, group: str, generation: int, fault: Callable[[str], None]
    ) -> None:
        self.kafka = kafka
        self.generation = generation
        self.position: dict[int, int] = {}
        self.seeks: list[tuple[int, int]] = []
        self.dead = False
        self._chunks = chunks
        self._group = group
        self._fault = fault

    def fetch_slice(self, partition: int, records_max: int) -> Slice:
        """What the consumer would fetch next; its position moves whether or not the slice is delivered."""
        log = self.kafka.partitions[self._chunks, partition]
        position = max(self.position.get(partition, log.start), log.start)
        records = log.between(position, log.end)[:records_max]
        self.position[partition] = records[-1].offset + 1 if records else log.end
        return Slice(partition, self.generation, records)

    # Log

    async def bounds(self, topic: str, partition: int) -> Bounds:
        log = self.kafka.partitions[topic, partition]
        return Bounds(log.start, log.end)

    async def fetch(self, topic: str, partition: int, start: int, stop: int) -> Sequence[LogRecord]:
        return self.kafka.partitions[topic, partition].between(start, stop)

    async def committed(self, partition: int) -> int | None:
        return self.kafka.offsets.get((self._group, self._chunks, partition))

    async def seek(self, partition: int, offset: int) -> None:
        self.seeks.append((partition, offset))
        self.position[partition] = offset

    def end(self, partition: int) -> int | None:
        return self.kafka.partitions[self._chunks, partition].end

    # Outlet

    async def send(self, message: Message) -> asyncio.Future[MemoryReceipt]:
        await asyncio.sleep(0)
        self._fault(f"send {message.topic}")
        return asyncio.ensure_future(self._deliver(message))

    async def _deliver(self, message: Message) -> MemoryReceipt:
        """A batch leaves some time later, each topic's on its own; what has not left dies with the process."""
        for _ in range(len(message.topic) % DELAY_TURNS):
            await asyncio.sleep(0)
        if self.dead:
            raise asyncio.CancelledError
        offset = self.kafka.append(
            message.topic, message.partition, key=message.key, value=message.value, headers=message.headers
        )
        return MemoryReceipt(offset)

    async def commit(self, partition: int, offset: int, *, generation: int) -> Committed:
        await asyncio.sleep(0)
        self._fault("commit")
        if generation != self.kafka.generation:
            return Committed.REFUSED
        self.kafka.offsets[self._group, self._chunks, partition] = offset
        self._fault("committed")
        return Committed.DONE

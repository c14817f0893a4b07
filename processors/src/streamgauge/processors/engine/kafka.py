"""Kafka under the engine's two Protocols.

    KafkaLog      slices come through Faust; everything asked apart from their flow goes through a consumer of its own,
                  outside the group, which reads a range of one partition at a time
    KafkaOutlet   one producer for all partitions: acks=all, idempotent where the broker can

Rules: an outage is waited for. What aiokafka calls retriable is asked again for `PATIENCE_S`, where it would give up
after its request timeout; what an idempotent producer has accepted it keeps until it is acknowledged. An
acknowledgement that fails is marked as seen, because its flush reports it once. A producer without idempotence (the
embedded broker has none) may double a message when it tries again; readers drop equal copies anyway.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from typing import Any, Final, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import IncompatibleBrokerVersion, KafkaError, UnknownError, UnsupportedVersionError
from aiokafka.structs import RecordMetadata
from faust.types import TP

from streamgauge.processors.engine import logbook
from streamgauge.processors.engine.ports import Bounds, Committed, LogRecord, Message
from streamgauge.processors.engine.slices import SliceConsumer
from streamgauge.schemas.limits import KIB, MIB

__all__ = ["KafkaLog", "KafkaOutlet", "Readback", "patiently"]

Result = TypeVar("Result")

PATIENCE_S: Final = 120.0
_AGAIN_S: Final = 0.5
_BATCH_BYTES: Final = 512 * KIB
_REQUEST_BYTES: Final = 4 * MIB  # several partitions in one request; one message stays below 1 MiB
_LINGER_MS: Final = 5
_READ_MS: Final = 500
_GLANCE_MS: Final = 100  # for records that are there; a marker at the end would be waited for


async def patiently(ask: Callable[[], Awaitable[Result]], what: str) -> Result:
    """Ask again while the fault is one that passes."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return await ask()
        except KafkaError as error:
            if not error.retriable or time.monotonic() > deadline:
                raise
            logbook.warning("waiting_for_broker", what=what, error=type(error).__name__)
            await asyncio.sleep(_AGAIN_S)


class Readback:
    """Reads ranges of any topic, outside every group."""

    def __init__(self, client: dict[str, Any]) -> None:
        self._consumer = AIOKafkaConsumer(
            **client,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            fetch_max_wait_ms=_READ_MS,
        )
        self._lock = asyncio.Lock()  # one assignment at a time

    async def start(self) -> None:
        await self._consumer.start()
        await asyncio.sleep(0)  # stopped in the turn it was started in, aiokafka's consumer raises CancelledError

    async def stop(self) -> None:
        await self._consumer.stop()

    async def bounds(self, topic: str, partition: int) -> Bounds:
        """The offsets the partition holds, up to the last stable one."""
        tp = TopicPartition(topic, partition)
        starts, ends = await asyncio.gather(self._consumer.beginning_offsets([tp]), self._consumer.end_offsets([tp]))
        start, end = starts[tp], ends[tp]
        return Bounds(start, max(end, await self._fetched_end(tp, end - 1)) if end > start else end)

    async def _fetched_end(self, tp: TopicPartition, last: int) -> int:
        """The end as a fetch knows it: asked for it, the embedded broker counts its last batch as one record."""
        async with self._lock:
            self._consumer.assign([tp])
            self._consumer.seek(tp, last)
            await self._consumer.getmany(tp, timeout_ms=_GLANCE_MS)
            end = self._consumer.last_stable_offset(tp)
            self._consumer.unsubscribe()
        return end if end is not None else last + 1

    async def fetch(self, topic: str, partition: int, start: int, stop: int) -> Sequence[LogRecord]:
        """All records in [start, stop). Reads until the position, which passes markers too, has reached `stop`."""
        tp = TopicPartition(topic, partition)
        records: list[LogRecord] = []
        async with self._lock:
            self._consumer.assign([tp])
            self._consumer.seek(tp, start)
            while await self._consumer.position(tp) < stop:
                fetched = await self._consumer.getmany(tp, timeout_ms=_READ_MS)
                records += [record for record in fetched.get(tp, []) if record.offset < stop]
            self._consumer.unsubscribe()
        return records


class KafkaLog:
    """The way in: `ports.Log`."""

    def __init__(self, *, chunks: str, readback: Readback, group: Callable[[], SliceConsumer]) -> None:
        self._chunks = chunks
        self._readback = readback
        self._group = group  # Faust makes its consumer when the app starts

    async def bounds(self, topic: str, partition: int) -> Bounds:
        return await patiently(lambda: self._readback.bounds(topic, partition), "bounds")

    async def fetch(self, topic: str, partition: int, start: int, stop: int) -> Sequence[LogRecord]:
        return await patiently(lambda: self._readback.fetch(topic, partition, start, stop), "fetch")

    async def committed(self, partition: int) -> int | None:
        return await patiently(lambda: self._group().group_offset(TP(self._chunks, partition)), "committed")

    async def seek(self, partition: int, offset: int) -> None:
        await self._group().seek_to(TP(self._chunks, partition), offset)

    def end(self, partition: int) -> int | None:
        return self._group().log_end(TP(self._chunks, partition))


class KafkaOutlet:
    """The way out: `ports.Outlet`."""

    def __init__(self, client: dict[str, Any], *, chunks: str, group: Callable[[], SliceConsumer]) -> None:
        self._client = client
        self._chunks = chunks
        self._group = group
        self._producer: AIOKafkaProducer | None = None

    async def start(self) -> None:
        self._producer = await self._started(idempotent=True)

    async def _started(self, *, idempotent: bool) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(
            **self._client,
            acks="all",
            enable_idempotence=idempotent,
            compression_type="zstd",
            max_batch_size=_BATCH_BYTES,
            max_request_size=_REQUEST_BYTES,
            linger_ms=_LINGER_MS,
        )
        try:
            with logbook.hushed("aiokafka") if idempotent else nullcontext():
                await producer.start()
        except (UnknownError, UnsupportedVersionError, IncompatibleBrokerVersion) as error:
            await producer.stop()
            if not idempotent:
                raise
            logbook.info("not_idempotent", broker_says=type(error).__name__)
            return await self._started(idempotent=False)
        except BaseException:  # no broker, or we were told to stop: nobody else knows of it
            await producer.stop()
            raise
        return producer

    async def stop(self) -> None:
        if self._producer is not None:
            await self._producer.stop()

    async def send(self, message: Message) -> Awaitable[RecordMetadata]:
        future = await patiently(lambda: self._accepted(message), "send")
        future.add_done_callback(_seen)
        return future

    async def _accepted(self, message: Message) -> asyncio.Future[RecordMetadata]:
        if self._producer is None:
            raise RuntimeError("the outlet is not started")
        future: asyncio.Future[RecordMetadata] = await self._producer.send(
            message.topic, message.value, key=message.key, partition=message.partition, headers=message.headers
        )
        return future

    async def commit(self, partition: int, offset: int, *, generation: int) -> Committed:
        return await self._group().commit_offset(TP(self._chunks, partition), offset, generation=generation)


def _seen(future: asyncio.Future[RecordMetadata]) -> None:
    if not future.cancelled():
        future.exception()

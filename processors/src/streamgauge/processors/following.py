"""Follow the sink topics: records as they are emitted, with their contents if asked for.

A record and its contents are two messages of one emission, on two topics. Here they meet again by id and revision, in
whichever order they come; a record whose contents stay away (the topic may be switched off, kept shorter, or not
ours to read) is handed on without them after `JOIN_WITHIN_S`. Only committed emissions are read.

Nothing is created or committed: the topics must exist, and no group knows that somebody reads.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaConnectionError

from streamgauge.processors.engine import logbook
from streamgauge.processors.engine.admin import partitions_of
from streamgauge.processors.engine.reach import unreachable
from streamgauge.processors.settings import Settings
from streamgauge.schemas import codec
from streamgauge.schemas.records import Contents, Record

__all__ = ["Emitted", "Unreadable", "follow"]

JOIN_WITHIN_S: Final = 5.0
POLL_MS: Final = 200

_Key = tuple[str, int]


class Emitted(msgspec.Struct, frozen=True):
    """One record, and its contents if they were asked for and came. The raw values are as they were emitted."""

    record: Record
    raw: bytes
    contents: Contents | None = None
    contents_raw: bytes | None = None


class Unreadable(msgspec.Struct, frozen=True):
    """A message that is no record: somebody else's."""

    topic: str
    partition: int
    offset: int
    reason: str

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}] at offset {self.offset}: {self.reason}"


async def follow(
    settings: Settings, *, contents: bool = False, from_beginning: bool = False, to_the_end: bool = False
) -> AsyncGenerator[Emitted | Unreadable]:
    """Hand on what is emitted from now on, or everything there is; `to_the_end`: and stop at what is the end now."""
    topics = [settings.topic_records, *([settings.topic_contents] if contents else [])]
    # One look decides which topics and partitions there are: the consumer's own may be older, or another broker's.
    counts = await partitions_of(settings, *topics)
    partitions = [TopicPartition(topic, number) for topic, count in counts.items() for number in range(count)]
    async with _consumer(settings, partitions, from_beginning=from_beginning) as consumer:
        ends = await consumer.end_offsets(partitions) if to_the_end else {}
        join = _Join(contents=contents, topic_contents=settings.topic_contents)
        while True:
            batches = await consumer.getmany(timeout_ms=POLL_MS)
            for messages in batches.values():
                for message in messages:
                    for emitted in join.take(message):
                        yield emitted
            for emitted in join.give_up(time.monotonic()):
                yield emitted
            if to_the_end and not batches and await _all_read(consumer, ends):
                break
        for emitted in join.give_up(float("inf")):
            yield emitted


@asynccontextmanager
async def _consumer(
    settings: Settings, partitions: list[TopicPartition], *, from_beginning: bool
) -> AsyncGenerator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        **settings.client(),
        group_id=None,
        isolation_level="read_committed",
        auto_offset_reset="earliest" if from_beginning else "latest",
        enable_auto_commit=False,
    )
    with logbook.hushed("aiokafka"):  # what it would say, the errors below say once
        try:
            await consumer.start()
            consumer.assign(partitions)
            if not from_beginning:  # at once: what is emitted while we start is not passed over
                await consumer.seek_to_end(*partitions)
            yield consumer
        except KafkaConnectionError as error:
            raise unreachable(settings) from error
        finally:
            await consumer.stop()


async def _all_read(consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int]) -> bool:
    positions = await asyncio.gather(*(consumer.position(partition) for partition in ends))
    return all(position >= end for position, end in zip(positions, ends.values(), strict=True))


class _Join:
    """Records and contents that wait for each other."""

    def __init__(self, *, contents: bool, topic_contents: str) -> None:
        self._wanted = contents
        self._topic_contents = topic_contents
        self._records: dict[_Key, tuple[float, Emitted]] = {}
        self._contents: dict[_Key, tuple[float, Contents, bytes]] = {}

    def take(self, message: Any) -> Iterator[Emitted | Unreadable]:
        """What this message makes whole."""
        try:
            if message.topic == self._topic_contents:
                yield from self._take_contents(codec.decode_contents(message.value), message.value)
            else:
                yield from self._take_record(codec.decode_record(message.value), message.value)
        except codec.UndecodableRecord as error:
            yield Unreadable(message.topic, message.partition, message.offset, str(error))

    def give_up(self, now: float) -> Iterator[Emitted]:
        """Records whose contents did not come in time; contents whose record did not are let go."""
        for key, (since, emitted) in list(self._records.items()):
            if now - since > JOIN_WITHIN_S:
                del self._records[key]
                yield emitted
        for key, (since, *_) in list(self._contents.items()):
            if now - since > JOIN_WITHIN_S:
                del self._contents[key]

    def _take_record(self, record: Record, raw: bytes) -> Iterator[Emitted]:
        if not self._wanted:
            yield Emitted(record, raw)
            return
        key = (record.id, record.revision)
        found = self._contents.pop(key, None)
        if found is None:
            self._records[key] = (time.monotonic(), Emitted(record, raw))
        else:
            yield Emitted(record, raw, *found[1:])

    def _take_contents(self, contents: Contents, raw: bytes) -> Iterator[Emitted]:
        key = (contents.id, contents.revision)
        found = self._records.pop(key, None)
        if found is None:
            self._contents[key] = (time.monotonic(), contents, raw)
        else:
            yield Emitted(found[1].record, found[1].raw, contents, raw)

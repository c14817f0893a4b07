"""Moving a stopped group and its ledgers to another place together: `streamgauge topics reset`.

    group    the ledgers begin anew at the group's offsets, wherever an operator has moved those
    ledger   the group's offsets go back to the ledgers' low waters
    start    both begin at the beginning of the log
    end      both begin at its end

A ledger that begins anew remembers nothing of before: streams that closed in what is read again are emitted again, and
streams that began before are headless. Nobody may work meanwhile, so a group with members is refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final, Literal, NamedTuple

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from streamgauge.processors.engine.admin import connected, partitions_of
from streamgauge.processors.engine.build import deadlines_of
from streamgauge.processors.engine.errors import RefusalError
from streamgauge.processors.engine.kafka import Readback
from streamgauge.processors.engine.ledger import Draft, Mark
from streamgauge.processors.engine.restore import recall
from streamgauge.processors.settings import Settings

__all__ = ["Place", "reset"]

Place = Literal["group", "ledger", "start", "end"]

_IDLE: Final = ("Empty", "Dead")


class _Clients(NamedTuple):
    readback: Readback
    group: AIOKafkaConsumer
    producer: AIOKafkaProducer


async def reset(settings: Settings, to: Place) -> list[str]:
    """Move every partition there, and say where each stands now, one line each."""
    await _refuse_members(settings)
    chunks = settings.topic_chunks
    partitions = range((await partitions_of(settings, chunks))[chunks])
    lines: list[str] = []
    async with _clients(settings) as clients:
        clients.group.assign([TopicPartition(chunks, partition) for partition in partitions])
        for partition in partitions:
            offset = await _place(clients, settings, partition, to)
            if offset is None:
                lines.append(f"partition {partition}: nothing to go by, left as it is")
                continue
            if to != "ledger":
                await _begin(clients, settings, partition, offset)
            await clients.group.commit({TopicPartition(chunks, partition): offset})
            lines.append(f"partition {partition}: offset {offset}")
    return lines


async def _place(clients: _Clients, settings: Settings, partition: int, to: Place) -> int | None:
    """The offset to begin at; null where the place does not exist."""
    match to:
        case "group":
            committed: int | None = await clients.group.committed(TopicPartition(settings.topic_chunks, partition))
            return committed
        case "ledger":
            memory, _ = await recall(clients.readback, settings.topic_ledger, partition)
            return memory.low_water.offset if memory is not None else None
        case "start":
            return (await clients.readback.bounds(settings.topic_chunks, partition)).start
        case "end":
            return (await clients.readback.bounds(settings.topic_chunks, partition)).end


async def _begin(clients: _Clients, settings: Settings, partition: int, offset: int) -> None:
    """A ledger entry that points back to nothing: what stood before it is not read any more."""
    mark = Mark(offset, 0, None)
    deadlines = msgspec.structs.asdict(deadlines_of(settings))
    entry = Draft([], position=mark, low_water=mark, deadlines=deadlines, back=None, committed=offset).last([])
    await clients.producer.send_and_wait(settings.topic_ledger, entry, partition=partition)


async def _refuse_members(settings: Settings) -> None:
    async with connected(settings) as admin:
        responses = await admin.describe_consumer_groups([settings.group])
        for group in (group for response in responses for group in response.to_object()["groups"]):
            if group["state"] not in _IDLE and group["members"]:
                raise RefusalError(
                    f"group {settings.group!r} has {len(group['members'])} members at work: stop all workers first"
                )


@asynccontextmanager
async def _clients(settings: Settings) -> AsyncGenerator[_Clients]:
    client = settings.client()
    readback = Readback(client)
    group = AIOKafkaConsumer(**client, group_id=settings.group, enable_auto_commit=False)
    producer = AIOKafkaProducer(**client, acks="all")
    started: list[Readback | AIOKafkaConsumer | AIOKafkaProducer] = []
    try:
        for one in (readback, group, producer):
            await one.start()
            await asyncio.sleep(0)  # as in `Readback`
            started.append(one)
        yield _Clients(readback, group, producer)
    finally:
        for one in started:
            await one.stop()

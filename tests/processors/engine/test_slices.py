"""The transport: what is delivered, what is dropped, what is sought. Faust's part is put by hand; brokers come in
`integration/test_worker.py`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import IllegalStateError
from faust.types import TP

from streamgauge.processors.engine.slices import AsFetched, SliceConsumer

A, B = TP("chunks", 0), TP("chunks", 1)


class Record(SimpleNamespace):
    """What aiokafka gives, as far as Faust looks at it."""

    def __init__(self, tp: TP, offset: int) -> None:
        super().__init__(
            topic=tp.topic, partition=tp.partition, offset=offset, timestamp=5, timestamp_type=1, headers=(), key=b"k",
            value=b"v", checksum=None, serialized_key_size=1, serialized_value_size=1,
        )  # fmt: skip


class Consumer(SliceConsumer):
    """A consumer of which only the delivery is real."""

    should_stop = False  # a property of Faust's services

    def __init__(self, *fetches: dict[TP, list[Record]]) -> None:
        self.app: Any = SimpleNamespace(consumer_generation_id=3, should_stop=False, positions=lambda: {A: 7, B: 0})
        self.flow_active = True
        self.suspend_flow: Any = asyncio.Event()
        self.fetches = list(fetches)
        self.active: set[TP] = {A, B}
        self.delivered: list[Any] = []
        self.sought: list[tuple[TP, int]] = []
        self.during_fetch: Callable[[], None] = lambda: None
        self.during_delivery: Callable[[], None] = lambda: None

    async def _wait_next_records(self, timeout: float) -> Any:  # noqa: ASYNC109 - Faust's signature
        self.during_fetch()
        return self.fetches.pop(0), self.active

    async def wait_first(self, *coros: Any, timeout: Any = None) -> Any:  # noqa: ASYNC109
        await coros[0]
        coros[1].close()

    async def callback(self, message: Any) -> None:
        self.delivered.append(message)
        self.during_delivery()

    async def seek_to(self, tp: TP, offset: int) -> None:
        self.sought.append((tp, offset))


def slices(consumer: Consumer) -> list[tuple[int, list[int], int]]:
    return [(it.partition, [record.offset for record in it.value], it.generation_id) for it in consumer.delivered]


async def test_one_message_carries_what_a_fetch_brought_of_one_partition() -> None:
    consumer = Consumer({A: [Record(A, 7), Record(A, 8)], B: [Record(B, 0)]})
    await consumer._deliver_next()
    assert slices(consumer) == [(0, [7, 8], 3), (1, [0], 3)]
    assert consumer.sought == []


async def test_what_was_fetched_across_a_rebalance_is_dropped_and_sought_again() -> None:
    consumer = Consumer({A: [Record(A, 9)]})

    def rebalance() -> None:
        consumer.app.consumer_generation_id += 1

    consumer.during_fetch = rebalance
    await consumer._deliver_next()
    assert (slices(consumer), consumer.sought) == ([], [(A, 7), (B, 0)])


async def test_what_was_fetched_while_the_flow_stood_still_is_dropped_and_sought_again() -> None:
    consumer = Consumer({A: [Record(A, 9)]})
    consumer.flow_active = False
    await consumer._deliver_next()
    assert (slices(consumer), consumer.sought) == ([], [(A, 7), (B, 0)])


@pytest.mark.parametrize("what", ["flow", "generation"])
async def test_a_rebalance_between_two_slices_keeps_the_second_back(what: str) -> None:
    consumer = Consumer({A: [Record(A, 7)], B: [Record(B, 0)]})

    def rebalance() -> None:
        if what == "flow":
            consumer.flow_active = False
        else:
            consumer.app.consumer_generation_id += 1

    consumer.during_delivery = rebalance
    await consumer._deliver_next()
    assert slices(consumer) == [(0, [7], 3)]


async def test_a_partition_that_was_paused_meanwhile_is_left_out() -> None:
    consumer = Consumer({A: [Record(A, 7)], B: [Record(B, 0)]})
    consumer.active = {B}
    await consumer._deliver_next()
    assert slices(consumer) == [(1, [0], 3)]


async def test_offset_zero_is_sought_like_any_other() -> None:
    """Stock Faust and aiokafka skip a committed offset of 0 or None, and with it whatever was fetched and dropped."""
    consumer = Consumer()
    await consumer.perform_seek()
    assert consumer.sought == [(A, 7), (B, 0)]


async def test_a_seek_reaches_the_client_and_a_partition_that_is_gone_needs_none() -> None:
    sought: list[tuple[TopicPartition, int]] = []

    def seek(partition: TopicPartition, offset: int) -> None:
        if partition.partition == B.partition:
            raise IllegalStateError("not assigned")
        sought.append((partition, offset))

    consumer: Any = Consumer()
    consumer._in_thread = lambda ask: ask(SimpleNamespace(seek=seek))
    await SliceConsumer.seek_to(consumer, A, 0)
    await SliceConsumer.seek_to(consumer, B, 3)
    assert sought == [(TopicPartition("chunks", 0), 0)]


async def test_the_schema_decodes_nothing() -> None:
    message: Any = SimpleNamespace(key=b"k", value=[1, 2, 3])
    app: Any = None
    assert AsFetched().loads_key(app, message, loads=None, serializer="json") == b"k"
    assert AsFetched().loads_value(app, message, loads=None, serializer="json") is message.value


async def test_a_stop_ends_the_drain_without_an_error_and_anything_else_is_raised() -> None:
    consumer = Consumer()

    async def cancelled() -> Awaitable[None]:
        raise asyncio.CancelledError

    consumer._deliver_next = cancelled  # type: ignore[method-assign, assignment]
    fetcher: Any = SimpleNamespace(should_stop=False)
    consumer.app.should_stop = True
    await consumer._drain_messages(fetcher)
    consumer.app.should_stop = False
    with pytest.raises(asyncio.CancelledError):
        await consumer._drain_messages(fetcher)

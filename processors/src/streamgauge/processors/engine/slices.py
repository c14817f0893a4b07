"""Faust's transport, but for slices: one event a fetch instead of one a message.

A stock Faust agent pays some 66 µs per event, nearly all of it for passing it on. `SliceConsumer` passes on what one
fetch brought of one partition, as the list of raw records it came as; the rest is Faust: group, assignment, rebalances,
flow control, agents. The buffer of an agent then counts slices, so it must be small.

This module and `app` are all that knows Faust. It overrides and calls more than Faust's public face; a contract test
holds the sources of all of that against those this was written for. Rules:

* The position is ours. `perform_seek` seeks to what the assignment says, since Faust and aiokafka cannot rewind a
  partition whose committed offset is 0 or None: what a fetch had brought meanwhile would be skipped for ever.
* What was fetched in one generation of the group or while the flow stood still is dropped, and sought again.
* Back-pressure is the full queue alone. Faust's own (`on_buffer_full`) stops fetching for a whole second.
* Records pass as aiokafka's decoder made them. Its `ConsumerRecord` would cost 0.9 µs each, six times the decoding, to
  say the same.
* Faust commits nothing here: the topic has `acks=False`, and the engine commits the low water itself.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar, cast

import faust
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.consumer.fetcher import FetchResult
from aiokafka.errors import CommitFailedError, ConsumerStoppedError, IllegalStateError, KafkaError
from aiokafka.structs import OffsetAndMetadata
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from faust.types.tuples import ConsumerMessage
from mode.types import ServiceT

from streamgauge.processors.engine import logbook
from streamgauge.processors.engine.ports import Committed, LogRecord

if TYPE_CHECKING:
    from faust.types import AppT
    from faust.types.tuples import Message

__all__ = ["AsFetched", "PositionedApp", "SliceConsumer", "SliceTransport"]

_FETCH_TIMEOUT_S: Final = 1.0

Result = TypeVar("Result")


class PositionedApp(Protocol):
    """An app that knows where its partitions stand."""

    def positions(self) -> Mapping[TP, int]:
        """The first offset not yet worked, of every partition at work."""
        ...


class AsFetched(faust.Schema[Any, Any]):
    """Decodes nothing: keys, values and slices pass as they are."""

    def loads_key(self, app: AppT, message: Message, **_: Any) -> Any:  # noqa: ARG002 - the signature is Faust's
        return message.key

    def loads_value(self, app: AppT, message: Message, **_: Any) -> Any:  # noqa: ARG002
        return message.value


class _Fetched(OrderedDict[TopicPartition, Any]):
    """What aiokafka's fetcher keeps until it is asked for."""

    def __setitem__(self, tp: TopicPartition, result: Any) -> None:
        if isinstance(result, FetchResult):
            cast("Any", result)._partition_records._consumer_record = _as_decoded  # noqa: SLF001 - see the rules
        super().__setitem__(tp, result)


def _as_decoded(_: TopicPartition, record: LogRecord) -> LogRecord:
    return record


class SliceThread(driver.AIOKafkaConsumerThread):
    """Faust's thread around aiokafka's consumer."""

    async def on_start(self) -> None:
        await super().on_start()
        cast("Any", self._ensure_consumer())._fetcher._records = _Fetched()  # noqa: SLF001


class SliceConsumer(driver.Consumer):
    """Faust's consumer, delivering slices; and the few things the engine asks of the group."""

    def _new_consumer_thread(self) -> driver.AIOKafkaConsumerThread:
        return SliceThread(self, loop=self.loop, beacon=self.beacon)

    async def _drain_messages(self, fetcher: ServiceT) -> None:
        try:
            while not (self.should_stop or fetcher.should_stop):
                await self._deliver_next()
        except (ConsumerStoppedError, asyncio.CancelledError):
            if not self.app.should_stop:
                raise

    async def _deliver_next(self) -> None:
        generation = self.app.consumer_generation_id
        records, active = await self._wait_next_records(timeout=_FETCH_TIMEOUT_S)
        await asyncio.sleep(0)  # fetches that are ready at once must not keep the loop from others
        if records is None or self.should_stop:
            return
        if not self.flow_active or generation != self.app.consumer_generation_id:
            await self.perform_seek()
            return
        for tp, slice_ in records.items():
            if not self.flow_active or generation != self.app.consumer_generation_id:
                return  # the rebalance that is under way ends with `perform_seek`
            if active is None or tp in active:
                message = _message(tp, slice_, generation)
                await self.wait_first(self.callback(message), self.suspend_flow.wait())

    async def perform_seek(self) -> None:
        """Seek every partition at work to its own position."""
        for tp, offset in cast("PositionedApp", self.app).positions().items():
            await self.seek_to(tp, offset)

    def on_buffer_full(self, tp: TP) -> None:
        """Nothing: the delivery of the next slice waits until there is room."""

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Nothing: it would miss Faust's own commits. The engine's liveness is progress, see `health`."""

    async def seek_to(self, tp: TP, offset: int) -> None:
        """The next slice of this partition begins here; no effect where it is not assigned any more."""

        async def seek(consumer: AIOKafkaConsumer) -> None:
            try:
                consumer.seek(TopicPartition(*tp), offset)
            except IllegalStateError:
                return

        await self._in_thread(seek)

    async def group_offset(self, tp: TP) -> int | None:
        """The group's committed offset."""

        async def committed(consumer: AIOKafkaConsumer) -> int | None:
            offset: int | None = await consumer.committed(TopicPartition(*tp))
            return offset

        return await self._in_thread(committed)

    async def commit_offset(self, tp: TP, offset: int, *, generation: int) -> Committed:
        """Commit the group's offset, if the partition is still ours."""
        if generation != self.app.consumer_generation_id:
            return Committed.REFUSED
        try:
            await self._in_thread(
                lambda consumer: consumer.commit({TopicPartition(*tp): OffsetAndMetadata(offset, "")})
            )
        except (CommitFailedError, IllegalStateError):
            return Committed.REFUSED
        except KafkaError as error:
            logbook.warning("commit_failed", partition=tp.partition, error=type(error).__name__)
            return Committed.UNKNOWN
        return Committed.DONE

    def log_end(self, tp: TP) -> int | None:
        """The end of the log, as the last fetch knew it."""
        try:
            return cast("int | None", self._thread.highwater(cast("TP", TopicPartition(*tp))))
        except (AssertionError, IllegalStateError):  # not assigned any more
            return None

    async def _in_thread(self, ask: Callable[[AIOKafkaConsumer], Awaitable[Result]]) -> Result:
        """Ask aiokafka's consumer in the thread whose loop it lives in. Faust's own way there has two workers, and a
        fetch keeps one of them busy for as long as the log is silent."""
        thread = self._thread

        async def answer() -> Result:
            # Faust gives no other way to it.
            return await ask(thread._ensure_consumer())  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]

        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(answer(), thread.thread_loop))


def _message(tp: TP, slice_: Sequence[LogRecord], generation: int) -> ConsumerMessage:
    """A slice, as Faust passes messages on: under the offset of its last record."""
    last = slice_[-1]
    return ConsumerMessage(
        tp.topic,
        tp.partition,
        last.offset,
        (last.timestamp or 0) / 1000,
        last.timestamp_type or 0,
        headers=None,
        key=None,
        value=cast("Any", slice_),
        checksum=None,
        tp=tp,
        generation_id=generation,
    )


class SliceTransport(driver.Transport):
    """Faust's aiokafka transport with that consumer."""

    Consumer = SliceConsumer

"""One partition at work: raw records in, emissions out, and the memory that makes a restart change nothing.

    slice ─▶ hole? ─▶ each record: proof of its clock ─▶ core ─▶ record and contents, or dead letter ─▶ delivery
                                                          └─▶ closings ─▶ ledger, with the next flush

`position` is the first offset not yet worked; the engine owns it, whatever the consumer believes. After a restart the
records from the low water to the ledger's position, P, are read again to rebuild the open streams. Rules:

* Every emission belongs to the offset that caused it. What belongs to an offset below P stands in Kafka already: dead
  letters are not sent again, and the core is told which streams are closed. A stream that closes below P although the
  ledger does not list it (the code or a rule has changed) is emitted at P and counted as `rules_changed`: never lost.
* Below P the deadlines hold that the ledger stored with it. From P on the new ones count.
* Never feed over a hole between the position and the first record of a slice: seek again, three times. Then ask apart
  from the flow of slices: records that exist are worked, offsets that are absent (markers) are passed over and counted.
  Where the log begins beyond the position, retention was faster than we: reported and counted as `lost_by_retention`.
* Frame borders: a frame, its emissions, its closings and its place in the log change hands in one step, without an
  await. Flush and revoke see frame borders only; the loop gets one every few milliseconds.
* After a flush that failed, nothing is written any more: what the ledger would say is no longer known to be true.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from streamgauge.processors.engine import logbook
from streamgauge.processors.engine.core import Core, Write
from streamgauge.processors.engine.counters import Counters
from streamgauge.processors.engine.delivery import Delivery
from streamgauge.processors.engine.emissions import Sinks, contents_message, dead_letter, record_message
from streamgauge.processors.engine.errors import RefusalError
from streamgauge.processors.engine.fuse import FUSE_RECORDS, FUSE_UNREADABLE_MAX, UNREADABLE, Fuse
from streamgauge.processors.engine.ledger import Draft, Ledger, Mark
from streamgauge.processors.engine.ports import Committed, Log, LogRecord, Message, Slice
from streamgauge.processors.engine.timeline import Timeline
from streamgauge.processors.reassembly.closed import ClosedStream
from streamgauge.processors.reassembly.deadlines import Deadlines
from streamgauge.processors.reassembly.finished import Arrival, Dead, Emission, Finished, FinishedStream, StreamId

__all__ = ["HOLE_SEEKS", "Start", "WorkedPartition"]

HOLE_SEEKS: Final = 3
_BREATH_S: Final = 0.005  # how long the loop may be kept from others
_LOOK_EVERY: Final = 32  # records between two looks at the clock
_BROKER_TIME: Final = 1  # `timestamp_type` of LogAppendTime


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """Where work on a partition begins."""

    low_water: Mark  # what is read first
    resume_at: int  # P: what belongs to an offset below it stands in Kafka already
    deadlines: Deadlines  # from P on


class _Owed(NamedTuple):
    """An emission with what it needs later."""

    finished: Finished
    cause: Arrival
    rules: str


class WorkedPartition:
    """The state of one assigned partition, from assignment to revocation."""

    def __init__(
        self,
        *,
        partition: int,
        generation: int,
        start: Start,
        core: Core,
        ledger: Ledger,
        delivery: Delivery,
        log: Log,
        sinks: Sinks,
        write: Write,
        broker_time: bool,
    ) -> None:
        self.partition = partition
        self.generation = generation
        self.position = start.low_water.offset
        self.counters = Counters()
        self._core, self._ledger, self._delivery, self._log = core, ledger, delivery, log
        self._sinks, self._write, self._broker_time = sinks, write, broker_time
        self._deadlines, self._resume_at = start.deadlines, start.resume_at
        self._append_us = start.low_water.append_us or 0
        self._timestamp: int | None = -1  # none yet: the first record proves the clock
        self._timeline = Timeline(start.low_water)
        self._fuse = Fuse()
        self._owed: list[_Owed] = []  # closed below P and not listed there
        self._unlisted: dict[StreamId, ClosedStream] = {}  # the same, for the ledger
        self._seeks = 0
        self._resumed = False
        self._stopped = False  # works nothing more
        self._torn = False  # in the middle of a frame, or of a flush that failed: flushes nothing more
        self._flushing = asyncio.Lock()
        self._breath = time.perf_counter()
        self._resume_if_reached(self.position)

    @property
    def resumed(self) -> bool:
        """Whether all that was worked before has been read again."""
        return self._resumed

    @property
    def low_water(self) -> int:
        """The first offset a restart would have to read, as the core knows it."""
        return self._core.low_water(self.position)

    @property
    def waits(self) -> bool:
        """Whether anything waits for partition time to go on: an open stream, an id to forget."""
        return self.low_water < self.position or bool(self._core.closed)

    def stop(self) -> None:
        """Work nothing more, from the next frame border on."""
        self._stopped = True

    # the way in

    async def work(self, slice_: Slice) -> None:
        """Work what a fetch brought; records below the position were worked before and are passed over."""
        records = slice_.records
        if self._stopped or not records or records[-1].offset < self.position:
            return
        if records[0].offset > self.position and not await self._bridge(records[0].offset):
            return
        self._seeks = 0
        await self._work(records)

    async def _work(self, records: Sequence[LogRecord]) -> None:
        if self._stopped:  # while a hole was looked at
            return
        began, at, run_end = self.position, 0, 0
        while at < len(records) and records[at].offset < began:
            at += 1
        while at < len(records) and not self._stopped:
            run_end = run_end if at < run_end else _run_end(records, at)
            stop = min(at + _LOOK_EVERY, run_end)
            at += self._skim(records[at:stop])
            if at < stop:
                at += 1
                if self._step(records[at - 1]):
                    await self._delivery.push()
            if time.perf_counter() - self._breath > _BREATH_S:
                await asyncio.sleep(0)
                self._breath = time.perf_counter()
        self.counters.offsets += self.position - began

    async def _bridge(self, first: int) -> bool:
        """The log goes on at `first`, beyond the position: whether what lies between is accounted for."""
        bounds = await self._log.bounds(self._sinks.chunks, self.partition)
        self.lose_before(min(bounds.start, first))
        if self.position >= first:
            return True
        if self._seeks < HOLE_SEEKS:
            self._seeks += 1
            await self._log.seek(self.partition, self.position)
            return False
        await self._work(await self._log.fetch(self._sinks.chunks, self.partition, self.position, first))
        if self._stopped:
            return False
        if self.position < first:
            self.counters.absent_offsets += first - self.position
            self._pass_over(first)
        return True

    def lose_before(self, start: int) -> None:
        """The log begins here. If that is beyond the position, what was in between is gone."""
        lost = start - self.position
        if lost <= 0:
            return
        self.counters.lost_by_retention += lost
        logbook.error("lost_by_retention", partition=self.partition, offset=self.position, offsets=lost)
        self._pass_over(start)

    def _pass_over(self, offset: int) -> None:
        self.position = offset
        self._timeline.add(Mark.of(offset, self._core.time))
        self._resume_if_reached(offset)

    def _skim(self, records: Sequence[LogRecord]) -> int:
        """Let the core take the first of these records, as far as they are simply more of running streams; how many.
        They share one time. From frame border to frame border, like a step."""
        if not self._resumed or records[0].timestamp != self._timestamp:
            return 0
        emissions: list[Emission] = []
        self._torn = True
        count = self._core.skim(records, append_us=self._append_us, out=emissions)
        if count:
            last = records[count - 1]
            if emissions:
                self._take(emissions, self._arrival(last))
            self.position = last.offset + 1
        self._torn = False
        return count

    def _arrival(self, record: LogRecord) -> Arrival:
        return Arrival(record.offset, self._append_us, record.key, record.value, record.headers)

    def _step(self, record: LogRecord) -> bool:
        """One record, from frame border to frame border; whether anything was emitted."""
        offset = record.offset
        if not self._resumed:
            self._resume_if_reached(offset)
        if record.timestamp != self._timestamp:
            self._move(record)
        arrival = self._arrival(record)
        self._torn = True
        try:
            emissions = self._core.feed(arrival)
        except Exception as fault:  # noqa: BLE001 - the core must not raise; if it does, one message pays, not its batch
            emissions = [self._failed(arrival, fault)]
        if emissions:
            self._take(emissions, arrival)
        self.position = offset + 1
        self._torn = False
        if emissions and self._fuse.blown:
            raise RefusalError(self._fuse_line())
        return bool(emissions) if self._resumed else self._resume_if_reached(self.position)

    def _move(self, record: LogRecord) -> None:
        """The log's clock moves here. Records with the time of the one before it neither move it nor have to prove it:
        a batch has one append time."""
        if self._broker_time and record.timestamp_type != _BROKER_TIME:
            raise RefusalError(
                f"topic {self._sinks.chunks!r} carries the producers' time (partition {self.partition}, offset "
                f"{record.offset}): set its message.timestamp.type to LogAppendTime, or for a demo start with "
                "time='producer'"
            )
        self._timestamp = record.timestamp
        self._timeline.add(Mark.of(record.offset, self._core.time))
        if record.timestamp is not None and record.timestamp >= 0:
            self._append_us = record.timestamp * 1000

    def _failed(self, arrival: Arrival, fault: Exception) -> Dead:
        logbook.error("core_failed", partition=self.partition, offset=arrival.offset, fault=logbook.where(fault))
        return Dead(arrival, "internal", type(fault).__name__)

    def _fuse_line(self) -> str:
        return (
            f"more than {FUSE_UNREADABLE_MAX} of {FUSE_RECORDS} consecutive messages of topic {self._sinks.chunks!r}, "
            f"partition {self.partition}, are no frames (up to offset {self.position - 1}; they stand in "
            f"{self._sinks.dead!r}): is this the topic the shims write to?"
        )

    # the way out

    def _list(self, closed: Mapping[StreamId, ClosedStream]) -> None:
        """Have the ledger list these streams; what closes below P is listed with P."""
        for stream, one in closed.items():
            if self._resumed:
                self._ledger.close(stream, one)
            else:
                self._unlisted[stream] = one

    def _take(self, emissions: Sequence[Emission], cause: Arrival) -> None:
        """Hand on what a frame caused, unless its offset is below P."""
        self._list(self._core.take_closed())
        for emission in emissions:
            if isinstance(emission, Dead):
                if self._resumed:
                    self._bury(emission, cause)
                continue
            owed = _Owed(emission, cause, self._core.deadlines.rules)
            if self._resumed:
                self._emit(owed)
            else:
                self._owed.append(owed)

    def _bury(self, dead: Dead, cause: Arrival) -> None:
        self._delivery.emit(dead_letter(dead, sinks=self._sinks, partition=self.partition))
        self.counters.dead[dead.reason] += 1
        if dead.reason in UNREADABLE:
            self._fuse.unreadable(cause.offset)

    def _emit(self, owed: _Owed) -> None:
        stream, cause = owed.finished.stream, owed.cause
        try:
            messages = self._messages(stream, owed.rules)
        except Exception as fault:  # noqa: BLE001 - as in `_step`; the frames are in the log, and the letter says where
            logbook.error("record_failed", partition=self.partition, offset=cause.offset, fault=logbook.where(fault))
            self._bury(Dead(cause, "internal", f"record: {type(fault).__name__}"), cause)
            return
        for message in messages:
            self._delivery.emit(message)
        self.counters.finished += 1

    def _messages(self, stream: FinishedStream, rules: str) -> list[Message]:
        messages: list[Message] = []
        for record, contents in self._write(stream, self.partition, rules):
            messages.append(record_message(record, sinks=self._sinks, partition=self.partition))
            if (topic := self._sinks.contents) is not None:
                messages.append(contents_message(contents, topic=topic, sinks=self._sinks, partition=self.partition))
        return messages

    def _resume_if_reached(self, offset: int) -> bool:
        """At P the new deadlines begin to count, and what closed below it unlisted is emitted; whether anything was."""
        if self._resumed or offset < self._resume_at:
            return False
        self._resumed = True
        self._core.deadlines = self._deadlines
        self._list(self._unlisted)
        owed, self._owed = self._owed, []
        self.counters.rules_changed += len(owed)
        for emission in owed:
            self._emit(emission)
        if owed:
            logbook.warning("rules_changed", partition=self.partition, streams=len(owed))
        return bool(owed)

    async def flush(self) -> None:
        """Bring all that was emitted to Kafka, then the ledger, then the group's offset, if there is anything new."""
        async with self._flushing:
            if self._torn or not self._resumed or not self._ledger.stale(self.position):
                return
            draft = self._draft()
            try:
                flushed = await self._delivery.flush(draft)
            except BaseException:
                self._stopped = self._torn = True
                raise
            self._ledger.written(draft, flushed.offsets)
            self.counters.flushes += 1
            if flushed.committed is Committed.DONE:
                self._ledger.committed(draft.low_water.offset)
            elif flushed.committed is Committed.REFUSED:
                self._stopped = self._torn = True
                logbook.info("overtaken", partition=self.partition, generation=self.generation)

    def _draft(self) -> Draft:
        """The ledger entry for this frame border."""
        position = Mark.of(self.position, self._core.time)
        self._timeline.add(position)
        return self._ledger.draft(
            position=position,
            low_water=self._timeline.let_go(self.low_water),
            deadlines=msgspec.structs.asdict(self._core.deadlines),
            horizon_us=self._core.deadlines.late_horizon_us,
        )


def _run_end(records: Sequence[LogRecord], start: int) -> int:
    """Where the records end that share the time of the one at `start`."""
    timestamp = records[start].timestamp
    for at in range(start + 1, len(records)):
        if records[at].timestamp != timestamp:
            return at
    return len(records)

"""The engine of one worker: all that stands behind the slice, and the one place faults are reported to.

    Faust (app) ──slices, assignment, timers──▶ Engine ──▶ Assignment ──▶ partitions at work
                                                   └──▶ Kafka, asked and written to beside Faust

Rules: the first fault is kept and ends the process, later ones are its consequences. What Faust awaits from us never
raises into Faust, which would lose the exception or the task that carries it. A step that is cancelled is a fault too,
since its partitions would rest in a worker that lives on. Not so once the worker leaves: then Faust cancels whatever is
still under way, a rebalance as well, and what was being taken is the next owner's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path

from faust.types import TP

from streamgauge.processors.engine import logbook
from streamgauge.processors.engine.assignment import Assignment
from streamgauge.processors.engine.build import builder, sinks_of
from streamgauge.processors.engine.core import NewCore, Write
from streamgauge.processors.engine.errors import RefusalError
from streamgauge.processors.engine.health import Status, Watch, progress_of, save
from streamgauge.processors.engine.kafka import KafkaLog, KafkaOutlet, Readback
from streamgauge.processors.engine.slices import SliceConsumer
from streamgauge.processors.settings import Settings

__all__ = ["Engine"]


class Engine:
    """What a worker works with. `group` gives Faust's consumer, which exists once the app runs."""

    def __init__(self, settings: Settings, *, write: Write, core: NewCore, group: Callable[[], SliceConsumer]) -> None:
        self.fault: BaseException | None = None
        self.faulted = asyncio.Event()
        self.leaving = False
        self.released = asyncio.Event()  # everything is brought home, and nothing will be taken any more
        self._settings = settings
        self._readback = Readback(settings.client())
        self._log = KafkaLog(chunks=settings.topic_chunks, readback=self._readback, group=group)
        self._outlet = KafkaOutlet(settings.client(), chunks=settings.topic_chunks, group=group)
        self._watch = Watch(low_water_rests_s=settings.total_age_s + settings.late_horizon_s)
        self.assignment = Assignment(
            log=self._log,
            outlet=self._outlet,
            build=builder(settings, log=self._log, outlet=self._outlet, write=write, core=core),
            fail=self.fail,
            chunks=settings.topic_chunks,
            tick_s=settings.tick_s,
        )

    async def start(self) -> None:
        """Connect."""
        await self._readback.start()
        await self._outlet.start()

    async def stop(self) -> None:
        """Disconnect."""
        await self._outlet.stop()
        await self._readback.stop()

    def positions(self) -> Mapping[TP, int]:
        """The first offset not yet worked, of every partition at work."""
        topic = self._settings.topic_chunks
        return {TP(topic, number): worked.position for number, worked in self.assignment.partitions.items()}

    async def take(self, assigned: Iterable[TP], generation: int) -> None:
        """These partitions are ours. Nothing assigned is nothing to do."""
        numbers = [tp.partition for tp in assigned if tp.topic == self._settings.topic_chunks]
        if numbers and not self.leaving:
            await self.guard(self._take(numbers, generation))

    async def _take(self, numbers: list[int], generation: int) -> None:
        try:
            await self.assignment.take(numbers, generation)
        except Exception as error:
            if not self.leaving:
                raise
            logbook.info("assignment_left", generation=generation, error=type(error).__name__)

    async def release(self) -> None:
        """Our partitions are somebody else's, or we leave."""
        await self.guard(self.assignment.release())
        if self.leaving:
            self.released.set()

    def leave(self) -> None:
        """The worker stops: from here on nothing is taken, and what is cancelled is no fault."""
        self.leaving = True

    def fail(self, fault: BaseException) -> None:
        """Something broke that must end the process."""
        logbook.error("fault", fault=logbook.where(fault))
        if self.fault is None:
            self.fault = fault
            self.faulted.set()

    async def guard(self, step: Awaitable[None]) -> None:
        """Await a step for Faust; what it raises is a fault of ours."""
        try:
            await step
        except asyncio.CancelledError as fault:
            if not self.leaving:
                self.fail(fault)
            raise
        except Exception as fault:  # noqa: BLE001 - whatever it is: see above
            self.fail(fault)

    async def report(self) -> None:
        """Look whether the partitions get on; write the status file, if there is to be one."""
        partitions = progress_of(self.assignment.partitions.values(), self._log)
        stalled = self._watch.look(partitions, now_s=time.monotonic())
        for text in stalled:
            logbook.error("stalled", what=text)
        if self._settings.status_file is not None:
            status = Status(worker=sinks_of(self._settings).worker, stalled=stalled, partitions=partitions)
            self._save(status, self._settings.status_file)

    def _save(self, status: Status, file: Path) -> None:
        """A probe that reads an old file ends a worker that is well: better to say at once that none can be written."""
        try:
            save(status, file)
        except OSError as error:
            raise RefusalError(f"status_file {str(file)!r} cannot be written: {error.strerror}") from error

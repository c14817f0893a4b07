"""How a partition is put together: what the ledger says, the core, the way out.

Everything a partition needs beside its number and generation is the same for all, so it is bound once, here.
"""

from __future__ import annotations

import os
import platform

from streamgauge.processors.engine.assignment import Build
from streamgauge.processors.engine.core import NewCore, Write
from streamgauge.processors.engine.delivery import AtLeastOnce
from streamgauge.processors.engine.emissions import Sinks
from streamgauge.processors.engine.ledger import Ledger
from streamgauge.processors.engine.ports import Log, Outlet
from streamgauge.processors.engine.restore import restore
from streamgauge.processors.engine.worked_partition import WorkedPartition
from streamgauge.processors.reassembly.deadlines import Deadlines
from streamgauge.processors.settings import Settings

__all__ = ["builder", "deadlines_of", "sinks_of"]


def deadlines_of(settings: Settings) -> Deadlines:
    """The deadlines among the settings, for the core."""
    return Deadlines.of_seconds(
        head_grace_s=settings.head_grace_s,
        hole_grace_s=settings.hole_grace_s,
        producer_silent_s=settings.producer_silent_s,
        provider_silent_s=settings.provider_silent_s,
        total_age_s=settings.total_age_s,
        resume_grace_s=settings.resume_grace_s,
        late_horizon_s=settings.late_horizon_s,
        tick_s=settings.tick_s,
    )


def sinks_of(settings: Settings) -> Sinks:
    """Where emissions go, and in whose name."""
    return Sinks(
        chunks=settings.topic_chunks,
        records=settings.topic_records,
        contents=settings.topic_contents if settings.contents else None,
        dead=settings.topic_dead,
        ledger=settings.topic_ledger,
        worker=settings.worker or f"{platform.node()}-{os.getpid()}",
    )


def builder(settings: Settings, *, log: Log, outlet: Outlet, write: Write, core: NewCore) -> Build:
    """What restores one partition for one generation."""
    deadlines, sinks = deadlines_of(settings), sinks_of(settings)

    async def build(partition: int, generation: int) -> WorkedPartition:
        restored = await restore(
            log,
            chunks=sinks.chunks,
            ledger=sinks.ledger,
            partition=partition,
            group=settings.group,
            deadlines=deadlines,
        )
        start = restored.start
        worked = WorkedPartition(
            partition=partition,
            generation=generation,
            start=start,
            core=core(
                deadlines=restored.rebuilt_under,
                time=start.low_water.time,
                closed=restored.closed,
            ),
            ledger=Ledger(
                position=start.resume_at,
                committed=restored.committed,
                end=restored.ledger_end,
                messages=restored.messages,
            ),
            delivery=AtLeastOnce(outlet, sinks=sinks, partition=partition, generation=generation),
            log=log,
            sinks=sinks,
            write=write,
            broker_time=settings.time == "broker",
        )
        worked.lose_before(restored.log_begins)
        return worked

    return build

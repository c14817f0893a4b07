"""Feeding a partition, for tests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from streamgauge.processors.reassembly.closed import ClosedStream
from streamgauge.processors.reassembly.deadlines import Deadlines
from streamgauge.processors.reassembly.finished import Arrival, Emission, StreamId
from streamgauge.processors.reassembly.partition import Partition
from streamgauge.processors.reassembly.partition_time import START, PartitionTime

__all__ = ["DEADLINES", "feed", "partition"]

DEADLINES = Deadlines.of_seconds()


def partition(
    *, time: PartitionTime = START, closed: Mapping[StreamId, ClosedStream] | None = None, **seconds: float
) -> Partition:
    """A partition with the default deadlines, or some of its own."""
    return Partition(deadlines=Deadlines.of_seconds(**seconds), time=time, closed=closed or {})


def feed(arrivals: Iterable[Arrival], into: Partition | None = None, **seconds: Any) -> list[Emission]:
    """All emissions these arrivals cause, when they are fed as the engine does: skimmed as far as they can be."""
    target = into if into is not None else partition(**seconds)
    emissions: list[Emission] = []
    for arrival in arrivals:
        if not target.skim([arrival], append_us=arrival.append_us, out=emissions):
            emissions += target.feed(arrival)
    return emissions

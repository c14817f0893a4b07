"""What the engine needs of the pure parts: a partition's core, and how a finished stream is written.

`reassembly.partition.Partition` is such a core, `record.write` with its measures such a way to write.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from streamgauge.processors.reassembly.closed import ClosedStream
from streamgauge.processors.reassembly.deadlines import Deadlines
from streamgauge.processors.reassembly.finished import Arrival, Emission, FinishedStream, Logged, StreamId
from streamgauge.processors.reassembly.partition_time import PartitionTime
from streamgauge.schemas.records import Contents, Record

__all__ = ["Core", "NewCore", "Write"]


class Core(Protocol):
    """The open streams of one partition, its clock, and the memory of those that have closed."""

    @property
    def deadlines(self) -> Deadlines: ...
    @deadlines.setter
    def deadlines(self, deadlines: Deadlines) -> None: ...
    @property
    def time(self) -> PartitionTime: ...
    @property
    def closed(self) -> Mapping[StreamId, ClosedStream]: ...
    def take_closed(self) -> Mapping[StreamId, ClosedStream]: ...
    def feed(self, arrival: Arrival) -> list[Emission]: ...
    def skim(self, letters: Sequence[Logged], *, append_us: int, out: list[Emission]) -> int:
        """Take the first of these messages, as far as they need no look at anything else; say how many."""
        ...

    def low_water(self, position: int) -> int: ...


class NewCore(Protocol):
    """Makes the core of a partition, as it stood at the low water."""

    def __call__(
        self, *, deadlines: Deadlines, time: PartitionTime, closed: Mapping[StreamId, ClosedStream]
    ) -> Core: ...


Write = Callable[[FinishedStream, int, str], Sequence[tuple[Record, Contents]]]
"""A finished stream of this partition as record and contents, closed under these rules (the hash of the deadlines); a
session as those of its responses, and its own."""

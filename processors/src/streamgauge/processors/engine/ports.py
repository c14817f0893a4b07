"""The two Protocols between the engine and a log: what comes in, what goes out.

From the slice on the engine knows no Faust and no aiokafka. Whoever satisfies `Log` and `Outlet` can stand below it:
Kafka through `kafka_log` and `kafka_outlet`, or an in-memory log that crashes on purpose.

A worker has one chunk topic; a partition number means the same partition in it and in all its siblings.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from enum import Enum
from typing import NamedTuple, Protocol

__all__ = ["Bounds", "Committed", "Log", "LogRecord", "Message", "Outlet", "Reader", "Receipt", "Slice"]

Headers = Sequence[tuple[str, bytes]]


class LogRecord(Protocol):
    """One record as fetched; aiokafka's `ConsumerRecord` is one as it stands."""

    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int | None:
        """Milliseconds since the epoch."""
        ...

    @property
    def timestamp_type(self) -> int | None:
        """0: the producer's clock. 1: the broker's append time."""
        ...

    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Headers: ...


class Slice(NamedTuple):
    """What one fetch brought of one partition, in offset order."""

    partition: int
    generation: int  # of the group when it was delivered: what a former owner fetched is not ours to work
    records: Sequence[LogRecord]


class Bounds(NamedTuple):
    """The offsets a partition holds: [start, end)."""

    start: int
    end: int


class Message(NamedTuple):
    """What the engine emits."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]


class Committed(Enum):
    """What became of a commit."""

    DONE = "done"
    REFUSED = "refused"  # the group has moved on: the partition is not ours in that generation
    UNKNOWN = "unknown"  # it failed; the ledger is the truth and the offset only its shadow, so the next one will do


class Receipt(Protocol):
    """The acknowledgement of a message: it stands in Kafka."""

    @property
    def offset(self) -> int: ...


class Reader(Protocol):
    """Reads ranges of any topic, apart from the flow of slices."""

    async def bounds(self, topic: str, partition: int) -> Bounds:
        """What the partition holds now."""
        ...

    async def fetch(self, topic: str, partition: int, start: int, stop: int) -> Sequence[LogRecord]:
        """All records in [start, stop). `stop` is at most the end of the log; offsets in between may be absent: markers
        of transactions, records compacted away."""
        ...


class Log(Reader, Protocol):
    """The way in."""

    async def committed(self, partition: int) -> int | None:
        """The group's offset on the chunk topic."""
        ...

    async def seek(self, partition: int, offset: int) -> None:
        """The next slice of this partition begins here. Where the partition is not assigned any more: no effect."""
        ...

    def end(self, partition: int) -> int | None:
        """The end of the chunk topic's partition, as the last fetch knew it; null before the first."""
        ...


class Outlet(Protocol):
    """The way out."""

    async def send(self, message: Message) -> Awaitable[Receipt]:
        """Hand a message over, waiting while buffers are full. What it returns must be awaited: a failed send that
        nobody awaits fails nothing else."""
        ...

    async def commit(self, partition: int, offset: int, *, generation: int) -> Committed:
        """Commit the group's offset."""
        ...

"""The engine's memory of one partition: how far it has worked, and which streams it has closed.

Kafka's group offset cannot say enough. A restart must read the frames of all open streams again, from the *low water*
on; but between the low water and the *position* lie frames of streams that are closed already, and those must not be
emitted twice. So each flush writes one entry to the ledger topic, same partition number, in one or more messages::

    [1, closings, null]  [1, closings, null]  ...  [1, closings, head]

The head carries position and low water (each with the partition time and the append time of the record before it), the
deadline settings, the group offset that was known to be committed, and `back`: the offset of the oldest ledger message
still needed. Rules:

* `position` P is the first offset not yet worked. `low_water` is the first offset a restart must read again, at most P.
* A closing is remembered while its partition time is within the late horizon of the low water's, or its last offset is
  at or beyond the low water. `back` never passes a message with such a closing, nor the entry before this one (before
  the first: the end of the ledger as this worker found it), nor any entry since the last commit that was acknowledged.
  So what a stale worker writes points further back than what it overlooked, and every group offset we may have left
  behind can be found again.
* Reading: the last message with a head is found, then everything from its `back` to the end is united: per stream the
  latest closing (the highest revision), position and low water from the entry with the highest position. Parts without
  a head (a crash between them) only add closings, and what they list was acknowledged before they were written.
* The group's offset is a shadow for lag tools. Where it is none of those we can have committed, somebody has moved it,
  and nobody but the operator can say which of the two is meant.

All here is pure: bytes in, values out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from streamgauge.processors.engine.errors import EngineError
from streamgauge.processors.reassembly.closed import ClosedStream
from streamgauge.processors.reassembly.finished import StreamId
from streamgauge.processors.reassembly.partition_time import PartitionTime
from streamgauge.schemas.limits import LEDGER_BYTES_MAX

__all__ = ["Closing", "Draft", "Entry", "Head", "Ledger", "LedgerError", "Mark", "Memory", "decode", "unite"]

_VERSION: Final = 1
_HEAD_BYTES_MAX: Final = 4096  # generous: some numbers and the names of the deadlines


class LedgerError(EngineError):
    """A ledger message was written by a version this one cannot read, or not by us at all."""


class Mark(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A place in the log, with the clock as it stood after the record before it."""

    offset: int
    time_us: int  # partition time
    append_us: int | None  # append time of the record before; null at the beginning of everything

    @classmethod
    def of(cls, offset: int, time: PartitionTime) -> Mark:
        return cls(offset, time.now_us, time.append_us)

    @property
    def time(self) -> PartitionTime:
        return PartitionTime(self.time_us, self.append_us)


class Closing(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A closed stream, as the ledger lists it."""

    tenant: str
    call: bytes
    attempt: int
    closed: ClosedStream

    @property
    def stream(self) -> StreamId:
        return StreamId(self.tenant, self.call, self.attempt)


class Head(msgspec.Struct, frozen=True, array_like=True):
    """Where the partition stands."""

    position: Mark
    low_water: Mark
    deadlines: dict[str, int]  # by name, so that a version with other deadlines can read them
    back: int | None  # null: nothing before this message
    committed: int | None  # the group's offset when this was written


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """One ledger message."""

    version: int
    closings: list[Closing]
    head: Head | None


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """What the ledger remembers of a partition."""

    position: Mark
    low_water: Mark
    deadlines: Mapping[str, int]
    closed: Mapping[StreamId, ClosedStream]
    shadows: frozenset[int]  # group offsets that agree with it


class _Kept(NamedTuple):
    """A message of the topic that may still be needed."""

    offset: int
    closed_us: int  # the latest closing in it, by partition time; -1 if none
    last_offset: int  # the highest last offset in it; -1 if none


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(Entry)


def decode(value: bytes | None) -> Entry:
    """Read one ledger message."""
    try:
        entry = _decoder.decode(value or b"")
    except msgspec.DecodeError as error:
        raise LedgerError("no ledger message of this version") from error
    if entry.version != _VERSION:
        raise LedgerError(f"ledger version {entry.version!r}, this worker reads {_VERSION!r}")
    return entry


def unite(messages: Iterable[tuple[int, Entry]]) -> Memory | None:
    """What messages from `back` to the end say together; null if none of them has a head."""
    closed: dict[StreamId, ClosedStream] = {}
    shadows: set[int] = set()
    newest: Head | None = None
    for _, entry in messages:
        for closing in entry.closings:
            known = closed.get(closing.stream)
            if known is None or _rank(known) <= _rank(closing.closed):
                closed[closing.stream] = closing.closed
        if (head := entry.head) is not None:
            shadows.add(head.low_water.offset)
            if head.committed is not None:
                shadows.add(head.committed)
            if newest is None or newest.position.offset <= head.position.offset:
                newest = head
    if newest is None:
        return None
    return Memory(
        position=newest.position,
        low_water=newest.low_water,
        deadlines=newest.deadlines,
        closed=closed,
        shadows=frozenset(shadows),
    )


def _rank(closed: ClosedStream) -> tuple[int, int]:
    """A revision closes later than what it revises. So does another life of an id that was forgotten and given again,
    which begins at revision 0."""
    return closed.closing_offset, closed.revision


class Draft:
    """A flush as it will be written: `parts` first, each acknowledged, then `last(...)`."""

    __slots__ = ("_back", "_committed", "_deadlines", "_rest", "groups", "low_water", "parts", "position")

    def __init__(
        self,
        closings: Sequence[Closing],
        *,
        position: Mark,
        low_water: Mark,
        deadlines: Mapping[str, int],
        back: int | None,
        committed: int | None,
    ) -> None:
        self.position, self.low_water = position, low_water
        self._deadlines, self._back, self._committed = dict(deadlines), back, committed
        self.groups = _groups(closings)
        self.parts = [_encoder.encode(Entry(_VERSION, group, None)) for group in self.groups[:-1]]

    def last(self, part_offsets: Sequence[int]) -> bytes:
        """The message with the head, once it is known where the parts stand."""
        back = self._back if self._back is not None else next(iter(part_offsets), None)
        head = Head(self.position, self.low_water, self._deadlines, back, self._committed)
        return _encoder.encode(Entry(_VERSION, self.groups[-1], head))


class Ledger:
    """The writing side: gathers closings, drafts entries, knows which messages are still needed."""

    __slots__ = ("_closings", "_committed", "_kept", "_position", "_unacknowledged")

    def __init__(
        self, *, position: int, committed: int | None, end: int, messages: Iterable[tuple[int, Entry]] = ()
    ) -> None:
        """What was found: position, group offset, the end of the ledger's topic, the messages that are needed."""
        self._position = position
        self._committed = committed
        self._kept = deque(_keep(offset, entry.closings) for offset, entry in messages) or deque([_keep(end, [])])
        self._closings: list[Closing] = []
        self._unacknowledged: int | None = None  # offset of the first entry since the last acknowledged commit

    def close(self, stream: StreamId, closed: ClosedStream) -> None:
        """A stream was closed, and its emissions are handed over."""
        self._closings.append(Closing(*stream, closed))

    def stale(self, position: int) -> bool:
        """Whether there is something to write."""
        return position != self._position or bool(self._closings)

    def draft(self, *, position: Mark, low_water: Mark, deadlines: Mapping[str, int], horizon_us: int) -> Draft:
        """The next entry: all that closed since the last one. `horizon_us` is how long ids are remembered."""
        self._let_go(low_water, horizon_us)
        closings, self._closings = self._closings, []
        return Draft(
            closings,
            position=position,
            low_water=low_water,
            deadlines=deadlines,
            back=self._kept[0].offset,
            committed=self._committed,
        )

    def written(self, draft: Draft, offsets: Sequence[int]) -> None:
        """All messages of the draft are acknowledged, at these offsets."""
        self._position = draft.position.offset
        self._kept.extend(_keep(offset, group) for offset, group in zip(offsets, draft.groups, strict=True))
        if self._unacknowledged is None:
            self._unacknowledged = offsets[0]

    def committed(self, low_water: int) -> None:
        """The group's offset followed."""
        self._committed = low_water
        self._unacknowledged = None

    def _let_go(self, low_water: Mark, horizon_us: int) -> None:
        """Forget messages from the oldest on, while nothing in them is needed."""
        oldest_us = low_water.time_us - horizon_us
        while len(self._kept) > 1:  # the entry before this one always stays
            kept = self._kept[0]
            needed = kept.closed_us >= oldest_us or kept.last_offset >= low_water.offset
            if needed or kept.offset == self._unacknowledged:
                return
            self._kept.popleft()


def _keep(offset: int, closings: Sequence[Closing]) -> _Kept:
    return _Kept(
        offset,
        max((closing.closed.closed_partition_us for closing in closings), default=-1),
        max((closing.closed.last_offset for closing in closings), default=-1),
    )


def _groups(closings: Sequence[Closing]) -> list[list[Closing]]:
    """The closings by message: as many as fit into each, at least one group, which may be empty."""
    groups: list[list[Closing]] = [[]]
    room = LEDGER_BYTES_MAX - _HEAD_BYTES_MAX
    for closing in closings:
        size = len(_encoder.encode(closing))
        if size > room and groups[-1]:
            groups.append([])
            room = LEDGER_BYTES_MAX - _HEAD_BYTES_MAX
        groups[-1].append(closing)
        room -= size
    return groups

"""From the ledger to a partition at work: what is done on assignment, before the first record is read.

    group offset ─┐
    ledger        ├─▶ do they agree? ─▶ core as it stood at the low water ─▶ seek there
    bounds        ┘

Rules:

* The ledger is the truth. Without one, work begins at the group's offset, in a new group at the beginning of the log;
  what began earlier is then headless.
* Where the group's offset is none we can have left behind, or the log ends before the ledger's position (the topic was
  made anew), the worker refuses and names the command that resets both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from streamgauge.processors.engine import logbook
from streamgauge.processors.engine.errors import RefusalError
from streamgauge.processors.engine.ledger import Entry, LedgerError, Mark, Memory, decode, unite
from streamgauge.processors.engine.ports import Bounds, Log, Reader
from streamgauge.processors.engine.worked_partition import Start
from streamgauge.processors.reassembly.closed import ClosedStream
from streamgauge.processors.reassembly.deadlines import Deadlines
from streamgauge.processors.reassembly.finished import StreamId

__all__ = ["RESET_COMMAND", "Restored", "recall", "restore"]

RESET_COMMAND: Final = "streamgauge topics reset"
_FIRST_LOOK: Final = 4  # messages from the end; nearly always the last one has the head
_LOOK_GROWS: Final = 8


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a partition before work on it begins."""

    start: Start
    memory: Memory | None  # null: there is no ledger
    messages: Sequence[tuple[int, Entry]]
    ledger_end: int
    committed: int | None
    log_begins: int

    @property
    def rebuilt_under(self) -> Deadlines:
        """The deadlines below P: those stored, with ours for what that version did not have."""
        stored = self.memory.deadlines if self.memory is not None else {}
        known = msgspec.structs.asdict(self.start.deadlines)
        return Deadlines(**{name: stored.get(name, ours) for name, ours in known.items()})

    @property
    def closed(self) -> dict[StreamId, ClosedStream]:
        """The closed streams that were remembered at the low water; messages that are read for others list more."""
        if self.memory is None:
            return {}
        forgotten_us = self.start.low_water.time_us - self.rebuilt_under.late_horizon_us
        return {id_: one for id_, one in self.memory.closed.items() if one.closed_partition_us > forgotten_us}


async def restore(log: Log, *, chunks: str, ledger: str, partition: int, group: str, deadlines: Deadlines) -> Restored:
    """Read what there is and decide where to begin."""
    ledger_end = (await log.bounds(ledger, partition)).end  # before it is read: what comes later is somebody else's
    memory, messages = await recall(log, ledger, partition)
    committed = await log.committed(partition)
    bounds = await log.bounds(chunks, partition)
    _refuse_disagreement(memory, committed, bounds, place=f"partition {partition} of {chunks!r}, group {group!r}")
    if memory is None:
        offset = bounds.start if committed is None else committed
        start = Start(low_water=Mark(offset, 0, None), resume_at=offset, deadlines=deadlines)
        if committed is not None:
            logbook.warning("ledger_gone", partition=partition, offset=offset)
    else:
        start = Start(low_water=memory.low_water, resume_at=memory.position.offset, deadlines=deadlines)
    return Restored(
        start=start,
        memory=memory,
        messages=messages,
        ledger_end=ledger_end,
        committed=committed,
        log_begins=bounds.start,
    )


def _refuse_disagreement(memory: Memory | None, committed: int | None, bounds: Bounds, *, place: str) -> None:
    position = memory.position.offset if memory is not None else committed
    if position is not None and position > bounds.end:
        raise RefusalError(
            f"the log ends at offset {bounds.end} before position {position} ({place}): the topic was made anew; stop "
            f"all workers and run '{RESET_COMMAND} --to start'"
        )
    if memory is not None and committed is not None and committed not in memory.shadows:
        raise RefusalError(
            f"the group's offset {committed} does not belong to the ledger's position {memory.position.offset} "
            f"({place}): somebody moved it; stop all workers and run '{RESET_COMMAND} --to group' to begin at the "
            f"group's offsets, or '{RESET_COMMAND} --to ledger' to keep the ledger's"
        )


async def recall(log: Reader, topic: str, partition: int) -> tuple[Memory | None, list[tuple[int, Entry]]]:
    """What the ledger remembers, and the messages that say so."""
    messages = await _read(log, topic, partition)
    return unite(messages), messages


async def _read(log: Reader, topic: str, partition: int) -> list[tuple[int, Entry]]:
    """All ledger messages that are needed: from the `back` of the last one with a head to the end."""
    bounds = await log.bounds(topic, partition)
    look = _FIRST_LOOK
    while True:
        start = max(bounds.start, bounds.end - look)
        messages = await _entries(log, topic, partition, start, bounds.end)
        heads = [(offset, entry.head) for offset, entry in messages if entry.head is not None]
        if heads or start == bounds.start:
            break
        look *= _LOOK_GROWS
    if not heads:
        return []
    offset, head = heads[-1]
    back = head.back if head.back is not None else offset
    if back < bounds.start:
        logbook.warning("ledger_cut", partition=partition, needed=back, begins=bounds.start)
    if back < start:
        messages = await _entries(log, topic, partition, max(back, bounds.start), bounds.end)
    return [(offset, entry) for offset, entry in messages if offset >= back]


async def _entries(log: Reader, topic: str, partition: int, start: int, stop: int) -> list[tuple[int, Entry]]:
    if start >= stop:
        return []
    entries: list[tuple[int, Entry]] = []
    for record in await log.fetch(topic, partition, start, stop):
        try:
            entries.append((record.offset, decode(record.value)))
        except LedgerError as error:
            place = f"topic {topic!r}, partition {partition}, offset {record.offset}"
            raise LedgerError(
                f"{error} ({place}): does somebody else write there, or was it a newer worker?"
            ) from error
    return entries

"""At least once: how emissions, ledger and group offset follow each other.

    emissions ──acknowledged──▶ ledger ──acknowledged──▶ group offset

Emissions are handed to the producer as they arise. A flush waits until all of them stand in Kafka, then writes the
ledger entry, then commits the low water. A crash between the first two repeats emissions, byte for byte the same; a
crash between the last two leaves the group's offset behind, which is only a shadow.

Rules: `emit` never waits, so a frame's emissions and its place in the log change hands in one step and a flush in
between sees both or neither. Every acknowledgement is awaited; one that fails fails the flush, and the partition is
rebuilt from the ledger.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Sequence
from typing import NamedTuple, Protocol

from streamgauge.processors.engine.emissions import Sinks, worker_headers
from streamgauge.processors.engine.ledger import Draft
from streamgauge.processors.engine.ports import Committed, Message, Outlet, Receipt

__all__ = ["AtLeastOnce", "Delivery", "Flushed"]


class Flushed(NamedTuple):
    """What a flush came to."""

    offsets: Sequence[int]  # of the ledger messages
    committed: Committed


class Delivery(Protocol):
    """The way out of one partition."""

    def emit(self, message: Message) -> None: ...
    async def push(self) -> None: ...
    async def flush(self, draft: Draft) -> Flushed: ...


class AtLeastOnce:
    """At least once, over an outlet that acknowledges."""

    def __init__(self, outlet: Outlet, *, sinks: Sinks, partition: int, generation: int) -> None:
        self._outlet = outlet
        self._sinks = sinks
        self._partition = partition
        self._generation = generation
        self._outbox: deque[Message] = deque()
        self._acknowledgements: list[Awaitable[Receipt]] = []
        self._pushing = asyncio.Lock()  # one hand at the outbox, so that emissions keep their order

    def emit(self, message: Message) -> None:
        """Take an emission; it leaves with the next push."""
        self._outbox.append(message)

    async def push(self) -> None:
        """Hand all emissions to the outlet, waiting while its buffers are full."""
        async with self._pushing:
            while self._outbox:
                acknowledgement = await self._outlet.send(self._outbox[0])
                self._outbox.popleft()
                self._acknowledgements.append(acknowledgement)

    async def flush(self, draft: Draft) -> Flushed:
        """Bring everything emitted so far to Kafka, then the draft, then the group's offset."""
        await self.push()
        acknowledgements, self._acknowledgements = self._acknowledgements, []
        await _all(acknowledgements)
        parts = await _all([await self._outlet.send(self._ledger(part)) for part in draft.parts])
        last = await (await self._outlet.send(self._ledger(draft.last(parts))))
        committed = await self._outlet.commit(self._partition, draft.low_water.offset, generation=self._generation)
        return Flushed([*parts, last.offset], committed)

    def _ledger(self, value: bytes) -> Message:
        return Message(self._sinks.ledger, self._partition, None, value, worker_headers(self._sinks))


async def _all(acknowledgements: Sequence[Awaitable[Receipt]]) -> list[int]:
    """The offsets, once every one is there; also after a failure all are awaited, so that none is left behind."""
    results = await asyncio.gather(*acknowledgements, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result.offset for result in results if not isinstance(result, BaseException)]

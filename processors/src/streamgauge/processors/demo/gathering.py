"""Reads the records of the show back from the sink topics, as any reader would, until all that are due are there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing
from types import TracebackType
from typing import Final, Self

from streamgauge.processors.demo.judge import Key, key_of
from streamgauge.processors.following import Emitted, Unreadable, follow
from streamgauge.processors.settings import Settings

__all__ = ["Gathering"]

LOOK_EVERY_S: Final = 0.1
STRAGGLERS_S: Final = 0.5  # for what should not come: a second record of a stream


class Gathering:
    """What was emitted so far."""

    def __init__(self, settings: Settings, on_record: Callable[[Emitted], None]) -> None:
        self.emissions: list[Emitted] = []
        self.unreadable: list[Unreadable] = []
        self._settings = settings
        self._on_record = on_record
        self._reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait({self._reading})

    async def until(self, wanted: set[Key], *, within_s: float, look: Callable[[], None]) -> None:
        """Return when a record of each of these streams is there, or time is up."""
        deadline = time.monotonic() + within_s
        while wanted - {key_of(emitted.record) for emitted in self.emissions} and time.monotonic() < deadline:
            look()
            self._raise()
            await asyncio.sleep(LOOK_EVERY_S)
        await asyncio.sleep(STRAGGLERS_S)
        self._raise()

    async def _read(self) -> None:
        records = follow(self._settings, contents=True, from_beginning=True)
        async with aclosing(records):
            async for emitted in records:
                if isinstance(emitted, Unreadable):
                    self.unreadable.append(emitted)
                else:
                    self.emissions.append(emitted)
                    self._on_record(emitted)

    def _raise(self) -> None:
        """Pass on why reading ended: by itself it does not."""
        if self._reading is not None and self._reading.done():
            self._reading.result()

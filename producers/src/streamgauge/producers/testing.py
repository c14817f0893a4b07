"""For your own tests: look at what a gauge publishes, without Kafka and without waiting.

sink, clock = MemorySink(), FakeClock()
gauge = Gauge(tenant="test", sink=sink, clock=clock, ids=CountingIds())
...
gauge.flush()
assert [type(frame).__name__ for frame in sink.frames] == ["Open", "Head", "Data", "Close"]
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from streamgauge.producers.sink import Message
from streamgauge.schemas import codec
from streamgauge.schemas.frames import Frame

__all__ = ["CountingIds", "FakeClock", "MemorySink", "Sent"]


class Sent(NamedTuple):
    """One message as it left."""

    partition: int
    message: Message


class MemorySink:
    """Keeps every message, in the order sent."""

    def __init__(self, *, partitions: int = 1) -> None:
        self.partitions = partitions
        self.sent: list[Sent] = []

    @property
    def frames(self) -> list[Frame]:
        """What was sent, decoded."""
        return [codec.decode(sent.message.value) for sent in self.sent]  # type: ignore[misc]

    async def start(self) -> None:
        """Nothing to connect to."""

    def partition(self, key: bytes) -> int:
        """Spread calls by their last byte."""
        return key[-1] % self.partitions

    async def send(self, partition: int, messages: Sequence[Message]) -> None:
        """Keep them."""
        self.sent += [Sent(partition, message) for message in messages]

    async def stop(self) -> None:
        """Nothing to let go of."""


class FakeClock:
    """Stands still until told to go on."""

    def __init__(self, *, now_ns: int = 0, wall_us: int = 1_700_000_000_000_000) -> None:
        self._now_ns = now_ns
        self._wall_us = wall_us

    def now_ns(self) -> int:
        """Read the monotonic clock."""
        return self._now_ns

    def wall_us(self) -> int:
        """Read the wall clock."""
        return self._wall_us

    def advance(self, seconds: float) -> None:
        """Let both clocks go on."""
        self._now_ns += round(seconds * 1_000_000_000)
        self._wall_us += round(seconds * 1_000_000)


class CountingIds:
    """Calls, links and foreign attempts are numbered from 1."""

    def __init__(self) -> None:
        self._calls = 0
        self._links = 0
        self._attempts = 1 << 16

    def call(self) -> bytes:
        """Name a new call."""
        self._calls += 1
        return self._calls.to_bytes(16, "big")

    def link(self) -> bytes:
        """Name a new connection."""
        self._links += 1
        return self._links.to_bytes(8, "big")

    def attempt(self) -> int:
        """Number an attempt of a foreign call."""
        self._attempts += 1
        return self._attempts

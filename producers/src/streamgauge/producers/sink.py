"""Where frames go. The gauge knows nothing of Kafka but this."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

__all__ = ["Message", "Rejected", "Sink", "Unavailable"]


class Message(NamedTuple):
    """One frame, ready to leave."""

    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


class Unavailable(Exception):  # noqa: N818 - what the sink is, in a word
    """Nothing was sent, or it is not known whether it was: worth trying again. Readers drop the copies."""


class Rejected(Exception):  # noqa: N818 - what they are
    """These messages will never be taken: trying again is of no use."""


class Sink(Protocol):
    """A log with partitions. Called on the gauge's own thread and loop only."""

    async def start(self) -> None:
        """Connect; raise `Unavailable` where that does not work, and be ready to be asked again."""
        ...

    def partition(self, key: bytes) -> int:
        """Which partition holds a call. Asked once per call, after `start`."""
        ...

    async def send(self, partition: int, messages: Sequence[Message]) -> None:
        """Return when all of them are stored, in order; else raise `Unavailable` or `Rejected`."""
        ...

    async def stop(self) -> None:
        """Let go of everything, soon; `start` may follow."""
        ...

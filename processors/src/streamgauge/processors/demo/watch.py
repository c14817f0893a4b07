"""What the application sees of its own streams while they run: for the table, and as a witness for the judge."""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import StrEnum

from streamgauge.processors.demo.act import Act, Client

__all__ = ["State", "Watch", "Watches"]


class State(StrEnum):
    """Where an act stands."""

    TO_COME = "to come"
    WAITING = "waiting"  # for the first piece
    STREAMING = "streaming"
    OVER = "over"


@dataclass
class Watch:
    """One act, as its client sees it. One thread writes it, others look."""

    name: str
    client: Client
    state: State = State.TO_COME
    pieces: int = 0
    heard: str = ""  # text of the first answer
    ended: str = ""  # how, in the client's words
    since: float = 0.0

    def begin(self) -> None:
        """The request leaves."""
        self.state = State.WAITING
        self.since = time.monotonic()

    def hear(self, text: str) -> int:
        """An event came; how many there were."""
        self.state = State.STREAMING
        self.pieces += 1
        self.heard += text
        return self.pieces

    def end(self, how: str) -> None:
        """The client is done with it."""
        self.state = State.OVER
        self.ended = how


class Watches:
    """All acts by name."""

    def __init__(self) -> None:
        self._watches: dict[str, Watch] = {}

    def add(self, act: Act) -> Watch:
        """Watch one more."""
        return self._watches.setdefault(act.name, Watch(act.name, act.client))

    def __getitem__(self, name: str) -> Watch:
        return self._watches[name]

    def all(self) -> list[Watch]:
        """In the order they were added."""
        return list(self._watches.values())

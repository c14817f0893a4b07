"""What really happened, as the provider knows it: kept while it speaks, compared with the records afterwards.

    Step     one event as it goes over the wire, and what it adds to the answer
    Truth    one attempt: everything that was said, when, and how it ended

The truth is keyed by the script's name and the number of the attempt. A resumed response adds a connection to the
attempt it resumes; what is said again is not counted twice.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

__all__ = ["Ended", "Said", "Speech", "Step", "Truth", "Truths", "Usage"]


class Said(StrEnum):
    """What a piece belongs to."""

    TEXT = "text"
    REASONING = "reasoning"
    TOOL = "tool"  # its name
    ARGUMENTS = "arguments"


class Speech(NamedTuple):
    """A piece of an answer."""

    kind: Said
    value: str
    choice: int = 0
    call: int = 0  # which of the choice's tool calls


class Step(NamedTuple):
    """One event. `marker`: it is what its API ends with."""

    data: bytes
    speech: tuple[Speech, ...] = ()
    marker: bool = False

    @property
    def spoken(self) -> bool:
        """Whether a token's time passes before it."""
        return any(one.kind is not Said.TOOL for one in self.speech)


class Usage(NamedTuple):
    """Tokens as the provider states them, in the contract's terms: input includes cache, output includes reasoning."""

    input: int
    output: int


class Ended(StrEnum):
    """How an attempt ended, seen from the provider."""

    OPEN = "open"  # not yet: where nothing else is said, it is silent
    REFUSED = "refused"
    PROPER = "proper"
    ERROR = "error"
    CUT = "cut"
    DROPPED = "dropped"
    LEFT = "left"  # the client went away


@dataclass
class Truth:
    """One attempt."""

    name: str
    attempt: int
    api: str
    model: str
    streamed: bool = True
    status: int = 200
    connections: int = 1
    replayed: int = 0  # events sent again to a client that resumed
    ended: Ended = Ended.OPEN
    usage: Usage | None = None  # where it was stated to the end
    said: list[tuple[float, Speech]] = field(default_factory=list)
    sent_bytes: int = 0
    steps: set[int] = field(default_factory=set)

    def say(self, index: int, step: Step) -> None:
        """Step `index` was sent."""
        self.sent_bytes += len(step.data)
        if index in self.steps:
            self.replayed += 1
            return
        self.steps.add(index)
        now = time.monotonic()
        self.said += [(now, speech) for speech in step.speech]

    def text(self, kind: Said = Said.TEXT, *, choice: int = 0, until: float = float("inf")) -> str:
        """What was said of this kind, up to a time of the monotonic clock."""
        pieces = [s.value for at, s in self.said if s.kind is kind and s.choice == choice and at <= until]
        return "".join(pieces)

    def tools(self, *, choice: int = 0) -> list[tuple[str, str]]:
        """Names and arguments of the calls made, in order."""
        calls: dict[int, tuple[str, str]] = {}
        for _, speech in self.said:
            if speech.choice != choice or speech.kind not in _OF_TOOLS:
                continue
            name, arguments = calls.get(speech.call, ("", ""))
            if speech.kind is Said.TOOL:
                calls[speech.call] = speech.value, arguments
            else:
                calls[speech.call] = name, arguments + speech.value
        return [calls[number] for number in sorted(calls)]

    @property
    def choices(self) -> int:
        """How many answers were begun."""
        return 1 + max((speech.choice for _, speech in self.said), default=0)


_OF_TOOLS: Final = (Said.TOOL, Said.ARGUMENTS)


class Truths:
    """All attempts. Written by the simulator's thread, read by the judge's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._attempts: dict[str, list[Truth]] = {}

    def begin(self, name: str, *, api: str, model: str, streamed: bool) -> Truth:
        """A new request of this name: its next attempt."""
        with self._lock:
            attempts = self._attempts.setdefault(name, [])
            attempts.append(Truth(name, len(attempts), api, model, streamed))
            return attempts[-1]

    def of(self, name: str, attempt: int) -> Truth | None:
        """One attempt, if it was made."""
        with self._lock:
            attempts = self._attempts.get(name, [])
            return attempts[attempt] if attempt < len(attempts) else None

    def all(self) -> list[Truth]:
        """Every attempt there was."""
        with self._lock:
            return [truth for attempts in self._attempts.values() for truth in attempts]

"""What every simulated API must be able to do."""

from __future__ import annotations

import random
import string
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from streamgauge.processors.demo.script import Answer, Script
from streamgauge.processors.demo.truth import Said, Speech, Step

__all__ = ["Dialect", "Ids", "Wanted", "encode", "event", "speeches"]

_ALPHABET: Final = string.ascii_letters + string.digits


class Ids:
    """Ids of the form providers use. The same seed draws the same."""

    def __init__(self, seed: str) -> None:
        self._chance = random.Random(seed)  # noqa: S311 - a show that can be repeated, not a secret

    def draw(self, prefix: str, length: int = 24) -> str:
        """A new id."""
        return prefix + self.letters(length)

    def letters(self, length: int) -> str:
        """So many letters and digits."""
        return "".join(self._chance.choices(_ALPHABET, k=length))

    def number(self, below: int) -> int:
        """A number from 0."""
        return self._chance.randrange(below)


class Wanted(NamedTuple):
    """What the request asks for, as far as it changes the answer."""

    usage: bool = False  # chat: `stream_options.include_usage`
    background: bool = False  # responses
    created: int = 0  # epoch seconds


class Dialect(Protocol):
    """One API."""

    api: str  # as records name it

    def steps(self, script: Script, ids: Ids, wanted: Wanted) -> list[Step]:
        """The whole answer as a stream of events."""
        ...

    def whole(self, script: Script, ids: Ids, wanted: Wanted) -> bytes:
        """The whole answer as one JSON document."""
        ...

    def broken(self, script: Script, ids: Ids, sent: int) -> list[Step]:
        """What comes instead of the rest when the provider fails after `sent` events; `ids` as fresh as for `steps`."""
        ...

    def refused(self, status: int, ids: Ids) -> bytes:
        """The body of a request that is not served."""
        ...


def speeches(script: Script) -> list[Speech]:
    """Everything a script says, for a body that says it at once."""
    return [one for choice, answer in enumerate(script.answers) for one in _of(answer, choice)]


def _of(answer: Answer, choice: int) -> list[Speech]:
    said = [Speech(Said.REASONING, piece, choice) for piece in answer.reasoning]
    said += [Speech(Said.TEXT, piece, choice) for piece in answer.text]
    for call, tool in enumerate(answer.tools):
        said.append(Speech(Said.TOOL, tool.name, choice, call))
        said += [Speech(Said.ARGUMENTS, piece, choice, call) for piece in tool.arguments]
    return said


def event(payload: dict[str, Any], *, named: bool = False) -> bytes:
    """One server-sent event; `named`: with the payload's type as its name."""
    name = b"event: " + payload["type"].encode() + b"\n" if named else b""
    return name + b"data: " + encode(payload) + b"\n\n"


def encode(payload: dict[str, Any]) -> bytes:
    """JSON as providers write it."""
    return msgspec.json.encode(payload)

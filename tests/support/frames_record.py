"""From frames to what a reader of the sinks sees: the records and contents of the streams that closed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from frames_build import Log
from frames_feed import feed
from streamgauge.processors.reassembly.finished import Emission, Finished
from streamgauge.processors.record import Measures, write
from streamgauge.schemas.frames import Frame
from streamgauge.schemas.records import Choice, Contents, Reasoning, Record, Text, ToolCall

__all__ = ["calls", "record_of", "said", "shows", "told", "written"]

_MEASURES: Final = Measures()


def written(emissions: Iterable[Emission]) -> list[tuple[Record, Contents]]:
    """The record and the contents of every stream among these emissions."""
    streams = [emission.stream for emission in emissions if isinstance(emission, Finished)]
    return [write(s, topic="streamgauge.chunks", partition=0, rules="r", measures=_MEASURES) for s in streams]


def told(*frames: Frame, wait_s: float = 0) -> tuple[Record, Contents]:
    """What these frames come to, as the one stream that closes within so many seconds."""
    log = Log()
    log.add(*frames)
    log.wait(wait_s)
    (found,) = written(feed(log.arrivals))
    return found


def record_of(*frames: Frame, wait_s: float = 0) -> Record:
    """The record alone."""
    return told(*frames, wait_s=wait_s)[0]


def shows(record: Record, **facts: Any) -> None:
    """Demand these facts of a record, all at once."""
    wrong = {name: (getattr(record, name), fact) for name, fact in facts.items() if getattr(record, name) != fact}
    assert not wrong, f"of {record.id}, found and demanded: {wrong}"


def said(contents: Contents, kind: type[Text | Reasoning] = Text) -> list[str]:
    """The text of each choice, in the order of the contents."""
    return [_said(choice, kind) for choice in contents.choices]


def calls(contents: Contents) -> list[ToolCall]:
    """The tool calls of all choices."""
    return [part for choice in contents.choices for part in choice.parts if isinstance(part, ToolCall)]


def _said(choice: Choice, kind: type[Text | Reasoning]) -> str:
    return "".join(str(part.text) for part in choice.parts if isinstance(part, kind))

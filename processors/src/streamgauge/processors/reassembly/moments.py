"""When things were first and last seen on one connection, in µs since its Open.

Times of a link are the shim's monotonic clock, so they compare among themselves and with nothing else. Where the link
stands relative to the stream's first is known by wall clock only: `together` puts the links side by side.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter
from typing import Final

from streamgauge.processors.providers.answer import Output
from streamgauge.processors.reassembly.finished import Marks

__all__ = ["TIME_US_MAX", "Moments", "together"]

TIME_US_MAX: Final = 400 * 86_400 * 1_000_000  # no connection lives for a year: a later time is no time


class Moments:
    """The moments of one link. A time that is not known is null and marks nothing."""

    __slots__ = (
        "first_byte_us",
        "first_event_us",
        "first_output_us",
        "first_reasoning_us",
        "first_text_us",
        "first_tool_us",
        "headers_us",
        "kinds",
        "last_output_us",
    )

    def __init__(self) -> None:
        self.headers_us: int | None = None
        self.first_byte_us: int | None = None
        self.first_event_us: int | None = None
        self.first_output_us: int | None = None
        self.first_text_us: int | None = None
        self.first_reasoning_us: int | None = None
        self.first_tool_us: int | None = None
        self.last_output_us: int | None = None
        self.kinds = Output.NOTHING  # of the output before: more of the same can only be the last

    def output(self, kinds: Output, at_us: int | None) -> None:
        """Generated output of these kinds came."""
        if at_us is None:
            return
        self.last_output_us = at_us
        if kinds is not self.kinds:
            self.kinds = kinds
            self._first(kinds, at_us)

    def _first(self, kinds: Output, at_us: int) -> None:
        if self.first_output_us is None:
            self.first_output_us = at_us
        if kinds & Output.TEXT and self.first_text_us is None:
            self.first_text_us = at_us
        if kinds & Output.REASONING and self.first_reasoning_us is None:
            self.first_reasoning_us = at_us
        if kinds & Output.TOOL and self.first_tool_us is None:
            self.first_tool_us = at_us


_FIRSTS: Final = (
    "headers_us",
    "first_byte_us",
    "first_event_us",
    "first_output_us",
    "first_text_us",
    "first_reasoning_us",
    "first_tool_us",
)


def together(moments: Iterable[tuple[Moments, int | None]], *, ended_us: int | None) -> Marks:
    """The marks of a stream from the moments of its links, in their order, each with where the link stands.

    The first link that saw something says when, even if nobody can say where that link stands: then it is not known.
    """
    linked = list(moments)
    marks = Marks(ended_us=ended_us)
    for name in _FIRSTS:
        setattr(marks, name, _seen(linked, name))
    marks.last_output_us = _seen(reversed(linked), "last_output_us")
    return marks


def _seen(linked: Iterable[tuple[Moments, int | None]], name: str) -> int | None:
    time_of = attrgetter(name)
    for moments, opened_us in linked:
        time_us = time_of(moments)
        if time_us is not None:
            return None if opened_us is None else opened_us + time_us
    return None

"""What a framer finds in the bytes of a response body.

A framer takes bytes as they come, split anywhere, and returns the pieces that are complete. The split never shows in
what it returns. Nothing is thrown away: what the grammar tells a browser to ignore comes back as `OUTSIDE`, since three
real error shapes hide there (Gemini's bare JSON, llama.cpp's `error:` lines, a JSON body under an SSE content type).
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple, Protocol

__all__ = ["Event", "Framer", "Piece"]


class Piece(IntEnum):
    """What kind of piece a framer found."""

    EVENT = 0  # a whole event
    COMMENT = 1  # a sign of life without payload
    OUTSIDE = 2  # bytes the grammar does not know
    TAIL = 3  # what stood after the last complete event when the body ended
    FAULT = 4  # a whole event that the framing itself calls an error
    DAMAGED = 5  # bytes of a binary framing that are no event, or have become none


class Event(NamedTuple):
    """One piece of a body.

    `data` is an event's payload, a comment's text; of `OUTSIDE`, `DAMAGED` and `TAIL` the bytes as they came. `end` is
    the offset behind the piece in the body as it stood after content decoding. `name` is the event's name, of a `FAULT`
    the error's type, `id` the last event id; both are "" where the framing has none.
    """

    piece: Piece
    name: str
    data: bytes
    end: int
    id: str = ""


class Framer(Protocol):
    """Cuts a body into pieces. It never raises, whatever the bytes."""

    @property
    def capped(self) -> bool:
        """Whether bytes of a piece were left out because it outgrew the framer's bound."""
        ...

    def feed(self, data: bytes) -> list[Event]:
        """The pieces these bytes complete, in order."""
        ...

    def finish(self) -> list[Event]:
        """The body is over: what was left, as `TAIL` (or as `EVENT` where the framing ends with the body)."""
        ...

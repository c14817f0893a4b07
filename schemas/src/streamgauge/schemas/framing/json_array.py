"""One JSON array that comes element by element: Gemini's stream without `alt=sse`.

    [{ … }
    ,
    { … }
    ]

An element is an event as soon as its last brace has come; the bracket that closes the array is one too, since it is the
end marker. Only objects are elements. What else stands between them is said, line by line, like lines outside SSE: a
proxy's page, a line `error: …`. An object without a comma before it, or behind the array, is an event all the same:
that is where errors stand. An array that begins between the elements of another is another stream, glued to the first:
its bracket has no place in the grammar, its elements are events.

Nothing is parsed here: braces and brackets are counted, those in strings left out, a quote behind a backslash too.
An element beyond `event_bytes_max` is cut there, and `capped` says so.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import Final

from streamgauge.schemas.framing.events import Event, Piece
from streamgauge.schemas.limits import EVENT_BYTES_MAX

__all__ = ["JsonArrayFramer"]

_SOLID: Final = re.compile(rb"[^\s,\xef\xbb\xbf]")  # blanks, commas and a byte order mark say nothing
_STRUCTURE: Final = re.compile(rb'["{}\[\]]')
_IN_STRING: Final = re.compile(rb'["\\]')
_QUOTE: Final = b'"'
_DEEPER: Final = (b"{", b"[")


class _State(Enum):
    BETWEEN = auto()  # elements, or before and behind the array
    ELEMENT = auto()
    STRING = auto()  # in an element
    ESCAPE = auto()  # behind a backslash in a string
    LINE = auto()  # of something else
    NEXT_LINE = auto()  # behind such a line: it may go on


class JsonArrayFramer:
    """Cuts a body into the objects of its array."""

    __slots__ = (
        "_begin",
        "_bytes_max",
        "_capped",
        "_depth",
        "_end",
        "_held",
        "_in_array",
        "_line_end",
        "_parts",
        "_state",
    )

    def __init__(self, *, event_bytes_max: int = EVENT_BYTES_MAX) -> None:
        self._bytes_max = event_bytes_max
        self._capped = False
        self._state = _State.BETWEEN
        self._in_array = False
        self._depth = 0  # of braces and brackets in the open element
        self._parts: list[bytes] = []  # of the open element, or of the lines that are none
        self._held = 0  # bytes in them
        self._begin = 0  # where what is open begins in the bytes that are fed
        self._end = 0  # bytes fed before those
        self._line_end = 0  # offset behind the last line that is no element

    @property
    def capped(self) -> bool:
        return self._capped

    def feed(self, data: bytes) -> list[Event]:
        """The elements these bytes complete, and the end of the array."""
        pieces: list[Event] = []
        self._begin = at = 0
        while at < len(data):
            at = self._step(data, at, pieces)
        if self._state is not _State.BETWEEN:
            self._hold(data[self._begin :])
        self._end += len(data)
        return pieces

    def finish(self) -> list[Event]:
        """The element that was open, as `TAIL`; lines that are none as `OUTSIDE`."""
        pieces: list[Event] = []
        if self._state in (_State.LINE, _State.NEXT_LINE):
            self._emit(Piece.OUTSIDE, self._end, pieces)
        elif self._state is not _State.BETWEEN:
            self._emit(Piece.TAIL, self._end, pieces)
        return pieces

    def _step(self, data: bytes, at: int, pieces: list[Event]) -> int:
        """Go on from here to where something changes; give where that is."""
        match self._state:
            case _State.BETWEEN:
                return self._between(data, at, pieces)
            case _State.ELEMENT:
                return self._element(data, at, pieces)
            case _State.STRING:
                return self._string(data, at)
            case _State.ESCAPE:
                self._state = _State.STRING
                return at + 1
            case _State.LINE:
                return self._line(data, at)
            case _State.NEXT_LINE:
                return self._next_line(data, at, pieces)

    def _between(self, data: bytes, at: int, pieces: list[Event]) -> int:
        found = _SOLID.search(data, at)
        if found is None:
            return len(data)
        at = found.start()
        match found[0]:
            case b"[":
                if self._in_array:
                    pieces.append(Event(Piece.OUTSIDE, "", b"[", self._end + at + 1))
                self._in_array = True
                return at + 1
            case b"]" if self._in_array:
                self._in_array = False
                pieces.append(Event(Piece.EVENT, "", b"]", self._end + at + 1))
                return at + 1
            case b"{":
                self._state = _State.ELEMENT
            case _:
                self._state = _State.LINE
        self._begin = at
        return at

    def _element(self, data: bytes, at: int, pieces: list[Event]) -> int:
        found = _STRUCTURE.search(data, at)
        if found is None:
            return len(data)
        if found[0] == _QUOTE:
            self._state = _State.STRING
            return found.end()
        self._depth += 1 if found[0] in _DEEPER else -1
        if self._depth <= 0:
            self._hold(data[self._begin : found.end()])
            self._emit(Piece.EVENT, self._end + found.end(), pieces)
        return found.end()

    def _string(self, data: bytes, at: int) -> int:
        found = _IN_STRING.search(data, at)
        if found is None:
            return len(data)
        self._state = _State.ELEMENT if found[0] == _QUOTE else _State.ESCAPE
        return found.end()

    def _line(self, data: bytes, at: int) -> int:
        end = data.find(b"\n", at) + 1
        if not end:
            return len(data)
        self._state = _State.NEXT_LINE
        self._line_end = self._end + end
        return end

    def _next_line(self, data: bytes, at: int, pieces: list[Event]) -> int:
        """A line that begins like nothing of an array belongs to the lines before it."""
        found = _SOLID.search(data, at)
        if found is None:
            return len(data)
        at = found.start()
        if found[0] not in b"{[]":
            self._state = _State.LINE
            return at
        self._hold(data[self._begin : at])
        self._emit(Piece.OUTSIDE, self._line_end, pieces)
        return at

    def _emit(self, piece: Piece, end: int, pieces: list[Event]) -> None:
        data = b"".join(self._parts)
        pieces.append(Event(piece, "", data.strip(b" \t\r\n,") if piece is Piece.OUTSIDE else data, end))
        self._parts.clear()
        self._held = self._depth = 0
        self._state = _State.BETWEEN

    def _hold(self, part: bytes) -> None:
        room = self._bytes_max - self._held
        if len(part) > room:
            part = part[:room]
            self._capped = True
        if part:
            self._parts.append(part)
            self._held += len(part)

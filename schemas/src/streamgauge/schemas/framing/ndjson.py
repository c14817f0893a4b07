"""Newline-delimited JSON: one document a line (LF, or CRLF).

Blank lines say nothing. A last line without its end comes back as `TAIL`: whether it is a whole document only its
reader can tell. A line beyond `line_bytes_max` is cut there, and `capped` says so.
"""

from __future__ import annotations

from streamgauge.schemas.framing.events import Event, Piece
from streamgauge.schemas.limits import EVENT_BYTES_MAX

__all__ = ["NdjsonFramer"]


class NdjsonFramer:
    """Cuts a body into lines."""

    def __init__(self, *, line_bytes_max: int = EVENT_BYTES_MAX) -> None:
        self._parts: list[bytes] = []  # of the line that is not ended yet
        self._held = 0  # bytes in them
        self._end = 0  # bytes seen, those of the open line included
        self._line_bytes_max = line_bytes_max
        self._capped = False

    @property
    def capped(self) -> bool:
        return self._capped

    def feed(self, data: bytes) -> list[Event]:
        """The lines these bytes complete."""
        events: list[Event] = []
        *lines, rest = data.split(b"\n")
        for line in lines:
            self._end += len(line) + 1
            self._hold(line)
            self._close(events)
        self._end += len(rest)
        self._hold(rest)
        return events

    def finish(self) -> list[Event]:
        """What stood after the last line's end."""
        rest = b"".join(self._parts)
        self._parts.clear()
        self._held = 0
        return [Event(Piece.TAIL, "", rest, self._end)] if rest.strip() else []

    def _close(self, events: list[Event]) -> None:
        line = b"".join(self._parts).strip()
        self._parts.clear()
        self._held = 0
        if line:
            events.append(Event(Piece.EVENT, "", line, self._end))

    def _hold(self, part: bytes) -> None:
        room = self._line_bytes_max - self._held
        if len(part) > room:
            part = part[:room]
            self._capped = True
        if part:
            self._parts.append(part)
            self._held += len(part)

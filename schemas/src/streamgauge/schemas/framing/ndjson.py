"""Newline-delimited JSON: one document a line (LF, or CRLF).

    EVENT     a line that could be a document: `{` … `}`
    OUTSIDE   lines that could not, consecutive ones joined: a gateway's pretty-printed error, its page
    TAIL      a last line without its end: whether it is a whole document only its reader can tell

Blank lines say nothing. An indented line behind one that is outside belongs to it, and the bracket that closes it, on a
line of its own, ends it. A line, or a run of them, beyond `line_bytes_max` is cut
there, and `capped` says so.
"""

from __future__ import annotations

from typing import Final

from streamgauge.schemas.framing.events import Event, Piece
from streamgauge.schemas.limits import EVENT_BYTES_MAX

__all__ = ["NdjsonFramer"]

_CLOSING: Final = {b"{": b"}", b"[": b"]"}  # the last line of a pretty-printed document, by its first byte


class NdjsonFramer:
    """Cuts a body into lines."""

    def __init__(self, *, line_bytes_max: int = EVENT_BYTES_MAX) -> None:
        self._parts: list[bytes] = []  # of the line that is not ended yet
        self._held = 0  # bytes in them
        self._run: list[bytes] = []  # the open run of lines that are no documents
        self._run_bytes = 0
        self._run_end = 0
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
        """What stood after the last document: an open run, with a half line that belongs to it, or that line."""
        events: list[Event] = []
        rest = self._take()
        if self._run and not rest.startswith(b"{"):
            self._keep(rest)
            rest = b""
        self._close_run(events)
        if rest.strip():
            events.append(Event(Piece.TAIL, "", rest, self._end))
        return events

    def _close(self, events: list[Event]) -> None:
        raw = self._take()
        line = raw.strip()
        if not line:
            return
        if line[:1] == b"{" and line[-1:] == b"}" and not (self._run and raw[:1] in (b" ", b"\t")):
            self._close_run(events)
            events.append(Event(Piece.EVENT, "", line, self._end))
        else:
            self._keep(raw.rstrip(b"\r"))
            if self._run and raw.rstrip() == _CLOSING.get(self._run[0][:1]):
                self._close_run(events)

    def _take(self) -> bytes:
        line = b"".join(self._parts)
        self._parts.clear()
        self._held = 0
        return line

    def _hold(self, part: bytes) -> None:
        room = self._line_bytes_max - self._held
        if len(part) > room:
            part = part[:room]
            self._capped = True
        if part:
            self._parts.append(part)
            self._held += len(part)

    def _keep(self, line: bytes) -> None:
        """Add a line to the run; of more than its bound, nothing."""
        if self._run_bytes + len(line) > self._line_bytes_max and self._run:
            self._capped = True
            return
        if line.strip():
            self._run.append(line)
            self._run_bytes += len(line) + 1
            self._run_end = self._end

    def _close_run(self, events: list[Event]) -> None:
        if self._run:
            events.append(Event(Piece.OUTSIDE, "", b"\n".join(self._run), self._run_end))
            self._run.clear()
            self._run_bytes = 0

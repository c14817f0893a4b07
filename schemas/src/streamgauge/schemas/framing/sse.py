"""Server-sent events, as they really come.

The grammar: lines end in LF, CR or CRLF; fields up to an empty line are one event; `data` lines are joined with LF; one
space after the colon is dropped; a line that starts with a colon is a comment; a byte order mark may lead. Where a
browser would throw something away, this framer says what it was:

    EVENT     a block of fields that names an event or carries data (a browser ignores one without data)
    COMMENT   a comment line, at once; and a block of only `id` or `retry`
    OUTSIDE   lines of no known field, consecutive ones joined, as they came
    TAIL      the block that was still open when the body ended, as it came

Two ways lead through it. A read that starts at a border of events and holds no CR, which is nearly every read there is,
is cut by `bytes.split` at its empty lines. What is left over (the head of an event whose end comes later, its end, and
bodies with CR) goes line by line. Both end in the same two methods, so a split never shows.

A CR that ends a read waits for the next byte: it may be half of a CRLF. An open block keeps at most `event_bytes_max`
bytes; what is beyond is left out of it, and `capped` says so.
"""

from __future__ import annotations

from typing import Final

from streamgauge.schemas.framing.events import Event, Piece
from streamgauge.schemas.limits import EVENT_BYTES_MAX

__all__ = ["SseFramer"]

_BOM: Final = b"\xef\xbb\xbf"
_COLON: Final = 0x3A
_SPACE: Final = 0x20
_LF: Final = 0x0A
_CR: Final = 0x0D
_FIELDS: Final = frozenset([b"data", b"event", b"id", b"retry"])
_LINE_BYTES_MIN: Final = 16  # kept of every line, however full the block is: enough to tell what kind of line it is
_LINE_COST: Final = 64  # what a kept line costs beside its bytes: a million empty lines are no small block

_EVENT: Final = Piece.EVENT
_COMMENT: Final = Piece.COMMENT
_OUTSIDE: Final = Piece.OUTSIDE
_TAIL: Final = Piece.TAIL
_new: Final = tuple.__new__  # an Event made directly: half the cost, on the path of every event there is


class SseFramer:
    """Cuts a body into events, comments and what is neither."""

    __slots__ = (
        "_at_start",
        "_block",
        "_bytes_max",
        "_capped",
        "_cr",
        "_end",
        "_held",
        "_id",
        "_line_parts",
        "_outside",
        "_outside_bytes",
        "_outside_end",
        "_part_bytes",
        "_quick_max",
    )

    def __init__(self, *, event_bytes_max: int = EVENT_BYTES_MAX) -> None:
        self._bytes_max = event_bytes_max
        self._quick_max = event_bytes_max - 2 * _LINE_COST  # a block of two lines that cannot reach the bound
        self._capped = False
        self._end = 0  # bytes worked
        self._id = ""  # the last event id: it stays until another one comes
        self._at_start: bytes | None = b""  # what came before it was clear whether a byte order mark leads
        self._cr = False  # a CR ended the last read
        self._line_parts: list[bytes] = []  # of the line that is not ended yet
        self._part_bytes = 0
        self._block: list[bytes] = []  # the field lines of the open block
        self._outside: list[bytes] = []  # the open run of unknown lines
        self._outside_bytes = 0
        self._outside_end = 0
        self._held = 0  # bytes in block and run, and what their lines cost

    @property
    def capped(self) -> bool:
        return self._capped

    def feed(self, data: bytes) -> list[Event]:
        """The pieces these bytes complete, in order."""
        pieces: list[Event] = []
        if self._at_start is not None:
            data = self._skip_bom(data)
        if _CR in data or self._cr:
            self._lines(self._join_cr(data), pieces)
        elif data:
            self._blocks(data, pieces)
        return pieces

    def finish(self) -> list[Event]:
        """What was left: an open run of unknown lines as `OUTSIDE`, an open block as `TAIL`."""
        pieces: list[Event] = []
        if self._at_start:
            lead, self._at_start = self._at_start, None
            self._lines(lead, pieces)
        if self._cr:
            self._cr = False
            self._lines(b"\r", pieces)
        self._close_rest(pieces)
        return pieces

    def _skip_bom(self, data: bytes) -> bytes:
        lead = (self._at_start or b"") + data
        if len(lead) < len(_BOM) and _BOM.startswith(lead):
            self._at_start = lead
            return b""
        self._at_start = None
        if not lead.startswith(_BOM):
            return lead
        self._end += len(_BOM)
        return lead[len(_BOM) :]

    def _join_cr(self, data: bytes) -> bytes:
        """Put the CR that waited before these bytes, and let one that ends them wait."""
        if self._cr:
            data = b"\r" + data
        self._cr = data.endswith(b"\r")
        return data[:-1] if self._cr else data

    @property
    def at_border(self) -> bool:
        """Whether the bytes so far end with an event, and nothing of them is open or waits."""
        return not (self._line_parts or self._block or self._outside or self._cr) and self._at_start is None

    def pass_events(self, size: int) -> None:
        """At a border: so many bytes have passed by that were whole events, and whose reader knows what is in them."""
        self._end += size

    # ------------------------------------------------------------------ whole blocks at once

    def _blocks(self, data: bytes, pieces: list[Event]) -> None:
        """Bytes without CR: what belongs to the open block first, then block by block."""
        if self._line_parts or self._block or self._outside:
            border = self._border(data)
            if border is None:
                self._lines(data, pieces)
                return
            self._lines(data[:border], pieces)
            data = data[border:]
        if data.endswith(b"\n\n") and self._plain(data[:-2], self._end + len(data), pieces):
            self._end += len(data)
            return
        blocks = data.split(b"\n\n")
        rest = blocks.pop()
        end = self._end
        for block in blocks:
            end += len(block) + 2
            if not self._plain(block, end, pieces):
                self._end = end - len(block) - 2
                self._lines(block + b"\n\n", pieces)
        self._end = end
        if rest:
            self._lines(rest, pieces)

    def _border(self, data: bytes) -> int | None:
        """Where the open block ends in these bytes: behind the first empty line."""
        if not self._line_parts and data[0] == _LF:
            return 1
        at = data.find(b"\n\n")
        return None if at < 0 else at + 2

    def _plain(self, block: bytes, end: int, pieces: list[Event]) -> bool:
        """Take a block of one `data:` line, or of `event:` and one `data:` line; say whether it was that."""
        if len(block) > self._quick_max:
            return False
        name, at = "", 0
        if not block.startswith(b"data:"):
            at = block.find(b"\n") + 1
            if not at or not block.startswith(b"event:") or not block.startswith(b"data:", at):
                return False
            name = (block[7 : at - 1] if block[6] == _SPACE else block[6 : at - 1]).decode("utf-8", "replace")
        if block.find(b"\n", at) >= 0:
            return False
        at += 6 if block[at + 5 : at + 6] == b" " else 5
        pieces.append(_new(Event, (_EVENT, name, block[at:], end, self._id)))
        return True

    # ------------------------------------------------------------------ line by line

    def _lines(self, data: bytes, pieces: list[Event]) -> None:
        for part in data.splitlines(keepends=True):
            self._end += len(part)
            line = part.rstrip(b"\r\n")
            self._hold(line)
            if len(line) < len(part):
                line = self._line_parts[0] if len(self._line_parts) == 1 else b"".join(self._line_parts)
                self._line_parts.clear()
                self._part_bytes = 0
                self._line(line, pieces)

    def _hold(self, part: bytes) -> None:
        room = max(self._bytes_max - self._held, _LINE_BYTES_MIN) - self._part_bytes
        if len(part) > room:
            part = part[:room]
            self._capped = True
        if part:
            self._line_parts.append(part)
            self._part_bytes += len(part)

    def _line(self, line: bytes, pieces: list[Event]) -> None:
        if not line:
            self._close_run(pieces)
            self._close_block(pieces)
        elif line[0] == _COLON:
            self._close_run(pieces)
            pieces.append(Event(_COMMENT, "", _value(line, 0), self._end, self._id))
        elif line.partition(b":")[0] in _FIELDS:
            self._close_run(pieces)
            self._keep(line, self._block)
        else:
            self._outside_bytes += self._keep(line, self._outside)
            self._outside_end = self._end

    def _keep(self, line: bytes, lines: list[bytes]) -> int:
        """Add a line to block or run, unless they are full; give what that costs."""
        if self._held >= self._bytes_max:
            self._capped = True
            return 0
        cost = len(line) + _LINE_COST
        lines.append(line)
        self._held += cost
        return cost

    def _close_run(self, pieces: list[Event]) -> None:
        if not self._outside:
            return
        run = b"\n".join(self._outside)
        self._outside.clear()
        self._held -= self._outside_bytes
        self._outside_bytes = 0
        pieces.append(Event(_OUTSIDE, "", run, self._outside_end, self._id))

    def _close_block(self, pieces: list[Event]) -> None:
        if not self._block:
            return
        name = ""
        values: list[bytes] = []
        for line in self._block:
            if line.startswith(b"data"):
                values.append(_value(line, 4))
            elif line.startswith(b"event"):
                name = _value(line, 5).decode("utf-8", "replace")
            elif line.startswith(b"id") and b"\0" not in line:
                self._id = _value(line, 2).decode("utf-8", "replace")
        if name or values:
            pieces.append(Event(_EVENT, name, b"\n".join(values), self._end, self._id))
        else:
            pieces.append(Event(_COMMENT, "", b"\n".join(self._block), self._end, self._id))
        self._block.clear()
        self._held = 0

    def _close_rest(self, pieces: list[Event]) -> None:
        """The body is over: unknown lines stay unknown, with the half line behind them; anything else is the tail."""
        half = b"".join(self._line_parts)
        self._line_parts.clear()
        self._part_bytes = 0
        if self._outside and half and half[0] != _COLON and half.partition(b":")[0] not in _FIELDS:
            self._outside.append(half)
            self._outside_end = self._end
            half = b""
        self._close_run(pieces)
        rest = b"\n".join([*self._block, half])
        self._block.clear()
        self._held = 0
        if rest:
            pieces.append(Event(_TAIL, "", rest, self._end, self._id))


def _value(line: bytes, colon: int) -> bytes:
    """What stands behind the colon of a field, without one leading space."""
    return line[colon + 2 :] if line[colon + 1 : colon + 2] == b" " else line[colon + 1 :]

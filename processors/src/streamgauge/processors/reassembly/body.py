"""The body of one connection: bytes as they crossed the wire in, pieces of the provider's framing out.

    chunk ─▶ content decoding ─▶ which API, which framing? ─▶ framer ─▶ pieces

* How the body is split never shows. What the bytes are is decided by the headers and the first byte that is not blank,
  and before that byte there is nothing to find.
* Where bytes are missing (`skip`), nothing is joined across the gap: the open event ends as a tail, and a new framer
  begins behind it, whose first bytes of no known field are the rest of an event and dropped. A body that is one
  document or array, or is content-coded, cannot be read any further: `unreadable`.
* Bodies beyond the contract's bound, which is one for all connections of an attempt, are read up to it: `capped`. So is
  a coded one that turns into more lines than it has bytes: a bomb of short lines would else cost minutes.

Nothing raises, whatever the bytes.
"""

from __future__ import annotations

from typing import Final

from streamgauge.processors.providers.registry import Detected, detect
from streamgauge.processors.reassembly.inflate import Inflater
from streamgauge.schemas.frames import Head, Open
from streamgauge.schemas.framing.events import Event, Framer, Piece
from streamgauge.schemas.framing.kinds import Framing, framer
from streamgauge.schemas.framing.sse import SseFramer
from streamgauge.schemas.limits import BODY_BYTES_MAX, KIB
from streamgauge.schemas.words import Format

__all__ = ["Body", "Room"]

_LEAD_BYTES_MAX: Final = 64 * KIB  # blank bytes before a body; behind so many nothing is waited for
_SLICE_BYTES: Final = 64 * KIB  # of a decoded body, cut at once
_GRANT_BYTES: Final = 64 * KIB  # of the room, taken at once
_LINES_FREE: Final = 32 * 1024  # of a coded body, besides one for each of its bytes; real events take two at least
_BLANK: Final = b"\xef\xbb\xbf \t\r\n"
_WHOLE: Final = (Framing.JSON, Framing.JSON_ARRAY)  # nothing in them tells where one is after bytes were lost


class Room:
    """What the bodies of one attempt may still come to, after content decoding, all together."""

    __slots__ = ("_left",)

    def __init__(self, bytes_max: int = BODY_BYTES_MAX) -> None:
        self._left = bytes_max

    def claim(self, size: int) -> int:
        """Take so much, or what is left."""
        granted = min(size, self._left)
        self._left -= granted
        return granted

    def release(self, size: int) -> None:
        """Give back what was not needed."""
        self._left += size


class Body:
    """Decodes and cuts one body."""

    __slots__ = (
        "_before_gap",
        "_framer",
        "_full",
        "_granted",
        "_head",
        "_inflater",
        "_lead",
        "_lines_left",
        "_opening",
        "_resuming",
        "_room",
        "_size",
        "_sse",
        "_was_capped",
        "detected",
        "unreadable",
    )

    def __init__(self, opening: Open | None, head: Head | None, room: Room | None = None) -> None:
        self._opening, self._head = opening, head
        self._inflater = _inflater(opening, head)
        self._framer: Framer | None = None
        self._sse: SseFramer | None = None  # the same, where events of the wire can be passed as they stand
        self._lead = b""  # blank bytes before it is clear what the body is
        self._size = 0  # after content decoding
        self._room = room or Room()
        self._granted = 0  # of the room
        self._full = False  # nothing more is read
        self._was_capped = False
        self._lines_left = _LINES_FREE
        self._before_gap = 0  # bytes read before the last gap: the framer behind it counts from 0
        self._resuming = False  # behind a gap, and nothing found yet
        self.detected: Detected | None = None  # null until there is a byte that tells, or the body is over
        self.unreadable = False  # bytes are missing where none may be

    @property
    def capped(self) -> bool:
        """Whether content stopped at a bound."""
        return (
            self._was_capped
            or (self._inflater is not None and self._inflater.capped)
            or (self._framer is not None and self._framer.capped)
        )

    @property
    def damaged(self) -> bool:
        """Whether the content coding is broken, or one that nobody knows."""
        return self._inflater is not None and (self._inflater.damaged or self._inflater.unknown is not None)

    @property
    def cut_in_coding(self) -> bool:
        """Whether the body, now over, ended inside its content coding."""
        return self._inflater is not None and self._inflater.truncated

    @property
    def streamed(self) -> bool | None:
        """Whether the response is a stream; null while that is not clear."""
        return None if self.detected is None else self.detected.framing is not Framing.JSON

    def feed(self, data: bytes) -> list[Event]:
        """The pieces these bytes complete."""
        if self._inflater is not None:
            return self._feed_decoded(self._inflater, data)
        return self._feed_plain(data)

    def _feed_decoded(self, inflater: Inflater, data: bytes) -> list[Event]:
        """Decode, and cut what comes out slice by slice, as long as it has no more lines than a coded body may."""
        self._lines_left += len(data)
        decoded = inflater.feed(data)
        pieces: list[Event] = []
        for begin in range(0, len(decoded), _SLICE_BYTES):
            part = decoded[begin : begin + _SLICE_BYTES]
            self._lines_left -= max(part.count(b"\n"), part.count(b"\r"))
            if self._lines_left < 0:
                self._was_capped = True
                self._full = True
                self._granted = self._size
                break
            pieces += self._feed_plain(part)
        return pieces

    def _feed_plain(self, data: bytes) -> list[Event]:
        self._size += len(data)
        if self._size > self._granted and not self._claim():
            data = self._cut(data)
        if self._framer is None:
            data = self._lead + data
            if not self._begins(data):
                return []
        if self.unreadable or self._framer is None:
            return []
        pieces = self._framer.feed(data)
        return self._behind_gap(pieces) if self._before_gap or self._resuming else pieces

    @property
    def at_border(self) -> bool:
        """Whether the next chunk begins an event of plain SSE, as it crossed the wire."""
        return self._sse is not None and self._sse.at_border

    @property
    def room(self) -> int:
        """How many bytes may come before the bound is asked again."""
        return self._granted - self._size

    def pass_events(self, size: int) -> int:
        """At a border: so many bytes have passed by that were whole events, which their reader knows. Gives the offset
        behind them."""
        if self._sse is not None:
            self._sse.pass_events(size)
        self._size += size
        return self._size

    def skip(self) -> list[Event]:
        """Bytes are missing here. Gives what was found of the event that was open."""
        if self._inflater is not None or (self.detected is not None and self.detected.framing in _WHOLE):
            self.unreadable = True
        if self.unreadable:
            return []
        pieces = self._rest()
        self._sse = None
        self._lead = b""
        self._resuming = True
        if self.detected is not None:
            self._was_capped = self.capped
            self._framer = framer(self.detected.framing)
            self._before_gap = self._size
        return pieces

    def finish(self) -> list[Event]:
        """The body is over: what was left."""
        if self._inflater is not None:
            self._inflater.finish()
        self._room.release(0 if self._full else max(0, self._granted - self._size))
        self._full = True
        if self._framer is None:
            self._detect(self._lead)
        return [] if self.unreadable else self._rest()

    def _begins(self, data: bytes) -> bool:
        """Whether it is clear now what the body is."""
        start = data[:_LEAD_BYTES_MAX]
        blank = not start.strip(_BLANK)
        if blank and len(data) < _LEAD_BYTES_MAX:
            self._lead = data
            return False
        self._lead = b""
        framing = self._detect(start if blank else data).framing
        if self._resuming and framing in _WHOLE:
            self.unreadable = True
        self._framer = found = framer(framing)
        if isinstance(found, SseFramer) and self._inflater is None and not self._resuming:
            self._sse = found
        return True

    def _detect(self, start: bytes) -> Detected:
        opening, head = self._opening, self._head
        found = detect(
            api=opening.api if opening is not None else None,
            provider=opening.provider if opening is not None else None,
            method=opening.method if opening is not None else None,
            host=opening.host if opening is not None else None,
            path=opening.path if opening is not None else None,
            content_type=head.headers.get("content-type") if head is not None else None,
            body_start=start,
            ui_stream=head.headers.get("x-vercel-ai-ui-message-stream") if head is not None else None,
        )
        if _is_objects(opening):
            found = found._replace(framing=Framing.OBJECTS)
        self.detected = found
        return found

    def _claim(self) -> bool:
        """Take more of the room; say whether that is enough."""
        if not self._full:
            self._granted += self._room.claim(max(_GRANT_BYTES, self._size - self._granted))
        return self._size <= self._granted

    def _cut(self, data: bytes) -> bytes:
        """Keep what is within the bound."""
        left = self._granted - (self._size - len(data))
        self._was_capped = self._full = True
        return data[: max(0, left)]

    def _rest(self) -> list[Event]:
        """Close the framer."""
        if self._framer is None:
            return []
        pieces = self._framer.finish()
        return self._behind_gap(pieces) if self._before_gap or self._resuming else pieces

    def _behind_gap(self, pieces: list[Event]) -> list[Event]:
        """Count offsets on, and drop the rest of the event that began before the gap."""
        if self._resuming and pieces:
            self._resuming = False
            if self._is_rest(pieces[0]):
                pieces = pieces[1:]
        before = self._before_gap
        return [piece._replace(end=piece.end + before) for piece in pieces]

    def _is_rest(self, piece: Event) -> bool:
        """Whether this is the end of a piece only: a line of no known field, a line that begins no document."""
        if piece.piece is Piece.EVENT:
            lines = self.detected is not None and self.detected.framing is Framing.NDJSON
            return lines and not piece.data.startswith(b"{")
        return piece.piece not in (Piece.COMMENT, Piece.FAULT)


def _inflater(opening: Open | None, head: Head | None) -> Inflater | None:
    """Undoes the content coding, where there is one."""
    encoding = head.headers.get("content-encoding") if head is not None else None
    if not encoding or encoding.strip().lower() == "identity" or _is_objects(opening):
        return None
    return Inflater(encoding)


def _is_objects(opening: Open | None) -> bool:
    return opening is not None and opening.format is Format.OBJECTS

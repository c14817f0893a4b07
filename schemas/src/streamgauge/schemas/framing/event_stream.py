"""The AWS event stream, `application/vnd.amazon.eventstream`: messages with lengths and checksums.

    total u32 │ headers u32 │ prelude CRC u32 ║ headers … │ payload … ║ message CRC u32          all big-endian

Both CRCs are CRC-32, of the first 8 bytes and of everything before it (AWS, "Event stream encoding"). A header is a
name, a type and a value; `:message-type` says what the message is:

    event        EVENT    its `:event-type` and payload
    exception    FAULT    its `:exception-type` and payload
    error        FAULT    its `:error-code`; the data is the payload, or the `:error-message` where there is none

Bytes that are no message with both checksums right are `DAMAGED`, as they came, neighbours joined. Behind them the
framer looks for the next prelude whose CRC fits, also inside a message whose own CRC does not: a stream that broke in
the middle of a message and was begun anew shows its second half nowhere else. What is left when the body ends is `TAIL`
if it begins a message, else damage.

A length beyond `message_bytes_max` is no length, so damage never makes the framer wait for more. Looking into broken
messages is bounded by `_LOOKS_PER_BYTE`; beyond it a message is left out as a whole, since its length had a CRC too.
"""

from __future__ import annotations

import re
from struct import Struct
from typing import Final, NamedTuple
from zlib import crc32

from streamgauge.schemas.framing.events import Event, Piece
from streamgauge.schemas.limits import EVENT_BYTES_MAX

__all__ = ["EventStreamFramer"]

_PRELUDE: Final = Struct(">III")  # total length, length of the headers, CRC of both
_CRC: Final = Struct(">I")
_PRELUDE_BYTES: Final = 12
_MESSAGE_BYTES_MIN: Final = 16
_HEADERS_BYTES_MAX: Final = 128 * 1024  # what AWS allows; its SDKs refuse more
_TOTAL_MAX: Final = 0xFFFFFF
_LENGTHS: Final = re.compile(
    rb"\x00(?!\x00\x00[\x00-\x0f])...\x00[\x00-\x02]..", re.DOTALL
)  # what a prelude looks like
_LOOKS_PER_BYTE: Final = 8
_LOOKS_FREE: Final = 1024 * 1024
_VALUE_BYTES: Final = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}  # true, false, byte … long, timestamp, uuid
_BYTES, _STRING = 6, 7  # their length stands before them


class EventStreamFramer:
    """Cuts a body into messages."""

    __slots__ = ("_capped", "_end", "_held", "_looked", "_max", "_parts", "_run", "_run_bytes", "_wanted")

    def __init__(self, *, message_bytes_max: int = EVENT_BYTES_MAX) -> None:
        self._max = min(message_bytes_max, _TOTAL_MAX)
        self._capped = False
        self._end = 0  # offset behind what was cut
        self._parts: list[bytes] = []  # what was not cut yet
        self._held = 0  # bytes in them
        self._wanted = _PRELUDE_BYTES  # so many must be there before anything can be cut
        self._run: list[bytes] = []  # damage that goes on
        self._run_bytes = 0
        self._looked = 0  # bytes of messages that were summed in vain

    @property
    def capped(self) -> bool:
        return self._capped

    def feed(self, data: bytes) -> list[Event]:
        """The messages these bytes complete, and the damage before them."""
        pieces: list[Event] = []
        if data:
            self._parts.append(data)
            self._held += len(data)
            if self._held >= self._wanted:
                self._cut(pieces, over=False)
        return pieces

    def finish(self) -> list[Event]:
        """What was left: messages behind one that never became whole, damage, and the beginning of a message."""
        pieces: list[Event] = []
        self._cut(pieces, over=True)
        return pieces

    def _cut(self, pieces: list[Event], *, over: bool) -> None:
        """Cut all there is; the rest waits, unless the body is over."""
        data = b"".join(self._parts)
        at, base = 0, self._end
        begun: int | None = None  # where a message begins that the end of the body has cut
        self._wanted = _PRELUDE_BYTES
        while len(data) - at >= _PRELUDE_BYTES:
            total = self._claimed(data, at)
            if total is not None and total > len(data) - at:
                if not over:
                    self._wanted = total
                    break
                begun = at if begun is None else begun
            message = _message(data[at : at + total]) if total is not None and total <= len(data) - at else None
            if message is not None and total is not None:
                if begun is not None:
                    self._damage(data[begun:at])
                    begun = None
                self._close_run(pieces, base + at)
                at += total
                pieces.append(Event(message.piece, message.name, message.data, base + at))
                continue
            behind = self._next(data, at, total)
            if begun is None:
                self._damage(data[at:behind])
            at = behind
        self._end = base + at
        self._parts = [data[at:]] if at < len(data) else []
        self._held = len(data) - at
        if over:
            self._close_rest(pieces, data[at if begun is None else begun :], begun is not None)

    def _claimed(self, data: bytes, at: int) -> int | None:
        """The length of the message that begins here; null where none does."""
        total, headers, crc = _PRELUDE.unpack_from(data, at)
        if not _MESSAGE_BYTES_MIN <= total <= self._max or headers > min(
            total - _MESSAGE_BYTES_MIN, _HEADERS_BYTES_MAX
        ):
            return None
        return total if crc32(data[at : at + 8]) == crc else None

    def _next(self, data: bytes, at: int, total: int | None) -> int:
        """Where the next message may begin: anywhere behind the place that none begins at."""
        if total is not None and total <= len(data) - at:
            self._looked += total
            if self._looked > _LOOKS_FREE + _LOOKS_PER_BYTE * (self._end + at + total):
                return at + total
        found = _LENGTHS.search(data, at + 1)
        last = max(at + 1, len(data) - _PRELUDE_BYTES + 1)  # what is shorter than a prelude waits for more
        return min(found.start(), last) if found is not None else last

    def _damage(self, data: bytes) -> None:
        room = self._max - self._run_bytes
        if len(data) > room:
            self._capped = True
            data = data[:room]
        if data:
            self._run.append(data)
            self._run_bytes += len(data)

    def _close_run(self, pieces: list[Event], end: int) -> None:
        if self._run:
            pieces.append(Event(Piece.DAMAGED, "", b"".join(self._run), end))
            self._run.clear()
            self._run_bytes = 0

    def _close_rest(self, pieces: list[Event], rest: bytes, begun: bool) -> None:
        """The body is over, and this is left of it."""
        end = self._end + self._held
        self._parts.clear()
        self._held = 0
        self._end = end
        begins = begun or (rest[:1] == b"\x00" and not self._run)
        if not begins:
            self._damage(rest)
        self._close_run(pieces, end - len(rest) if begins else end)
        if begins and rest:
            pieces.append(Event(Piece.TAIL, "", rest, end))


class _Message(NamedTuple):
    piece: Piece
    name: str
    data: bytes


def _message(data: bytes) -> _Message | None:
    """The message in bytes of its length; null where its checksum does not fit, or its headers cannot be read."""
    if crc32(data[:-4]) != _CRC.unpack_from(data, len(data) - 4)[0]:
        return None
    body = _PRELUDE_BYTES + _PRELUDE.unpack_from(data)[1]
    headers = _headers(data[_PRELUDE_BYTES:body])
    if headers is None:
        return None
    payload = data[body:-4]
    match headers.get(":message-type"):
        case "exception":
            return _Message(Piece.FAULT, headers.get(":exception-type", ""), payload)
        case "error":
            told = payload or headers.get(":error-message", "").encode()
            return _Message(Piece.FAULT, headers.get(":error-code", ""), told)
        case _:
            return _Message(Piece.EVENT, headers.get(":event-type", ""), payload)


def _headers(data: bytes) -> dict[str, str] | None:
    """The headers that are strings, by name; null where the bytes are no headers."""
    found: dict[str, str] = {}
    at = 0
    while at < len(data):
        named = at + 1 + data[at]
        if named >= len(data):
            return None
        kind, value = data[named], named + 1
        size = _VALUE_BYTES.get(kind)
        if size is None and kind in (_BYTES, _STRING):
            value += 2
            size = int.from_bytes(data[value - 2 : value])
        if size is None or value + size > len(data):
            return None
        if kind == _STRING:
            found[data[at + 1 : named].decode("utf-8", "replace")] = data[value : value + size].decode(
                "utf-8", "replace"
            )
        at = value + size
    return found

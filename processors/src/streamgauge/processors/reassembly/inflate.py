"""Content decoding: the bytes of a body as the provider wrote them, from the bytes as they crossed the wire.

`Content-Encoding` names the codings in the order they were applied; they are undone from the last to the first. Each is
a stage: bytes in, bytes out, incrementally, so that an event can be read as soon as its bytes are there.

* Nothing raises. What cannot be decoded ends the output, and `damaged` says so; gzip and deflate give up at the very
  byte that broke, brotli and zstd lose the read (the block) it came in.
* A body that ends inside a coding is `truncated`.
* A bomb is harmless: no stage gives more than `bytes_max` in all, nor more than 8 MiB of one read; what would is
  `capped` there. Real streams shrink to a hundredth at most (Perplexity's, recorded) and are read 64 KiB at a time.
  zstd, whose library cannot bound a call's output, is fed in slices too small to matter, with the window that RFC 9659
  allows.
* A body that is plainly text under `gzip` or `zstd` (a proxy decoded it and kept the header) passes as it is:
  `mislabelled`. A coding nobody knows is passed through too, as HTTP clients do, and named in `unknown`.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Final, Protocol

import brotli  # type: ignore[import-untyped]
import zstandard

from streamgauge.schemas.limits import BODY_BYTES_MAX, MIB

__all__ = ["Inflater"]

_READ_BYTES_MAX: Final = 8 * MIB  # what one read may become
_STAGES_MAX: Final = 4  # codings on top of each other; more is an attack
_TEXT: Final = frozenset(b"\t\n\r " + bytes(range(0x21, 0x7F)))
_GZIP_FIRST: Final = 0x1F
_ZSTD_FIRST: Final = frozenset([0x28, *range(0x50, 0x60)])  # a frame, or a skippable one (RFC 8878, 3.1)
_ZSTD_WINDOW_MAX: Final = 8 * MIB  # RFC 9659
_ZSTD_SLICE: Final = 128  # input at once: a block of 4 bytes gives at most 128 KiB, so this at most 4 MiB
_IGNORED: Final = ("", "identity", "none")


class Inflater:
    """Decodes the body of one connection."""

    __slots__ = ("_fed", "_rooms", "_stages", "capped", "truncated", "unknown")

    def __init__(self, encoding: str | None, *, bytes_max: int = BODY_BYTES_MAX) -> None:
        named = [name.strip().lower() for name in (encoding or "").split(",")]
        codings = [name for name in reversed(named) if name not in _IGNORED]
        known = len(codings) <= _STAGES_MAX and all(name in _STAGES for name in codings)
        self._stages = [_STAGES[name]() for name in codings] if known else []
        self._rooms = [bytes_max] * max(1, len(self._stages))
        self._fed = False
        self.capped = False
        self.truncated = False
        self.unknown: str | None = None if known else encoding

    @property
    def damaged(self) -> bool:
        """Whether something could not be decoded."""
        return any(stage.damaged for stage in self._stages)

    @property
    def mislabelled(self) -> bool:
        """Whether the body was plain text under a coding's name."""
        return any(stage.plain for stage in self._stages)

    def feed(self, data: bytes) -> bytes:
        """What these bytes decode to, as far as it is known yet."""
        if self.capped or not data:
            return b""
        self._fed = True
        if not self._stages:
            return self._within(0, data)
        for at, stage in enumerate(self._stages):
            data = self._within(at, stage.inflate(data, min(self._rooms[at], _READ_BYTES_MAX) + 1))
        return data

    def finish(self) -> None:
        """The body is over: note a coding that has not come to its end."""
        self.truncated = self._fed and not self.capped and any(not stage.ended for stage in self._stages)

    def _within(self, at: int, data: bytes) -> bytes:
        room = min(self._rooms[at], _READ_BYTES_MAX)
        if len(data) > room:
            data = data[:room]
            self.capped = True
        self._rooms[at] -= len(data)
        return data


class _Stage(Protocol):
    """One coding. `inflate` gives at most `room` bytes; what does not fit is gone, since the caller then stops."""

    damaged: bool
    plain: bool

    @property
    def ended(self) -> bool: ...

    def inflate(self, data: bytes, room: int) -> bytes: ...


class _ZlibStream(Protocol):
    """What `zlib.decompressobj` gives; its own class has no public name."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    @property
    def unconsumed_tail(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = 0, /) -> bytes: ...
    def copy(self) -> _ZlibStream: ...


class _Zlib:
    """gzip, of one or more members, and deflate, with the zlib header of the standard or without."""

    def __init__(self, wbits: int | None) -> None:
        self._wbits = wbits
        self._lead = b""
        self._stream: _ZlibStream | None = None
        self.damaged = False
        self.plain = False

    @property
    def ended(self) -> bool:
        return self.damaged or self.plain or (self._stream is not None and self._stream.eof)

    def inflate(self, data: bytes, room: int) -> bytes:
        out: list[bytes] = []
        while data and room > 0 and not self.damaged:
            if self.plain:
                return data
            if self._stream is None:
                data = self._begin(data)
                continue
            if self._stream.eof:
                data = self._next_member(data)
                continue
            part, data = self._step(self._stream, data, room)
            out.append(part)
            room -= len(part)
        return b"".join(out)

    def _begin(self, data: bytes) -> bytes:
        data, self._lead = self._lead + data, b""
        if self._wbits is not None:
            self.plain = data[0] != _GZIP_FIRST and data[0] in _TEXT
            self._stream = zlib.decompressobj(self._wbits)
        elif len(data) == 1:  # the header of zlib is two bytes
            self._lead, data = data, b""
        else:
            headed = data[0] & 0x0F == zlib.DEFLATED and int.from_bytes(data[:2], "big") % 31 == 0
            self._stream = zlib.decompressobj(zlib.MAX_WBITS if headed else -zlib.MAX_WBITS)
        return data

    def _next_member(self, data: bytes) -> bytes:
        """Begin another gzip member; what else stands behind the end is padding, and ignored as everywhere."""
        if self._wbits is None or data[0] != _GZIP_FIRST:
            return b""
        self._stream = zlib.decompressobj(self._wbits)
        return data

    def _step(self, stream: _ZlibStream, data: bytes, room: int) -> tuple[bytes, bytes]:
        before = stream.copy()
        try:
            part = stream.decompress(data, room)
        except zlib.error:
            self.damaged = True
            return _until_broken(before, data, room), b""
        return part, stream.unused_data if stream.eof else stream.unconsumed_tail


def _until_broken(stream: _ZlibStream, data: bytes, room: int) -> bytes:
    """What comes out before the byte that breaks the stream."""
    out = bytearray()
    for at in range(len(data)):
        try:
            out += stream.decompress(stream.unconsumed_tail + data[at : at + 1], max(1, room - len(out)))
        except zlib.error:
            break
    return bytes(out[:room])


class _Brotli:
    def __init__(self) -> None:
        self._stream = brotli.Decompressor()
        self.damaged = False
        self.plain = False

    @property
    def ended(self) -> bool:
        return self.damaged or self._stream.is_finished()

    def inflate(self, data: bytes, room: int) -> bytes:
        out: list[bytes] = []
        while room > 0 and not self.damaged and not self._stream.is_finished():
            try:
                part = self._stream.process(data, output_buffer_limit=room)
            except brotli.error:
                self.damaged = True
                break
            out.append(part)
            room -= len(part)
            data = b""
            if self._stream.can_accept_more_data():
                break
        return b"".join(out)


class _Zstd:
    def __init__(self) -> None:
        self._decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_MAX)
        self._stream: zstandard.ZstdDecompressionObj | None = None
        self.damaged = False
        self.plain = False

    @property
    def ended(self) -> bool:
        return self.damaged or self.plain or (self._stream is not None and self._stream.eof)

    def inflate(self, data: bytes, room: int) -> bytes:
        out: list[bytes] = []
        while data and room > 0 and not self.damaged:
            if self._stream is None or self._stream.eof:
                self.plain = self.plain or (self._stream is None and data[0] not in _ZSTD_FIRST and data[0] in _TEXT)
                if self.plain:
                    return data
                self._stream = self._decompressor.decompressobj()
            part, data = self._step(self._stream, data)
            out.append(part)
            room -= len(part)
        return b"".join(out)

    def _step(self, stream: zstandard.ZstdDecompressionObj, data: bytes) -> tuple[bytes, bytes]:
        try:
            part = stream.decompress(data[:_ZSTD_SLICE])
        except zstandard.ZstdError:
            self.damaged = True
            return b"", b""
        return part, stream.unused_data + data[_ZSTD_SLICE:]


_STAGES: Final[dict[str, Callable[[], _Stage]]] = {
    "gzip": lambda: _Zlib(zlib.MAX_WBITS + 16),
    "x-gzip": lambda: _Zlib(zlib.MAX_WBITS + 16),
    "deflate": lambda: _Zlib(None),
    "br": _Brotli,
    "zstd": _Zstd,
}

"""The parts of an answer while they grow.

Each kind keeps what came in pieces and joins them once, when the part is asked for, which can be any time: of a cut
stream it is simply the part so far. Where a provider repeats a part whole (`.done` events, final snapshots), `settle`
puts that copy in the place of the pieces.
"""

from __future__ import annotations

import base64
import binascii
import hashlib

import msgspec

from streamgauge.processors.providers.json_values import Document, joined, raw
from streamgauge.schemas.records import Audio, Citation, Image, Opaque, Part, Reasoning, Refusal, Text, ToolCall

__all__ = ["AudioSoFar", "OpaqueSoFar", "PartSoFar", "ReasoningSoFar", "TextSoFar", "ToolSoFar", "image_of", "is_json"]


class TextSoFar:
    """Text that grows by pieces: an answer's text, or a refusal."""

    __slots__ = ("pieces", "refusal")

    def __init__(self, *, refusal: bool = False) -> None:
        self.pieces: list[str] = []
        self.refusal = refusal

    def settle(self, whole: str) -> bool:
        """Take the provider's own copy; say whether the pieces had said something else."""
        return _settle(self.pieces, whole)

    def part(self) -> Part:
        text = joined(self.pieces)
        return Refusal(text=text) if self.refusal else Text(text=text)


class ReasoningSoFar:
    """Reasoning, or the provider's summary of it. `signature` holds what proves it, or the encrypted whole."""

    __slots__ = ("pieces", "signature", "summary")

    def __init__(self, *, summary: bool = False) -> None:
        self.pieces: list[str] = []
        self.summary = summary
        self.signature: str | None = None

    def settle(self, whole: str) -> bool:
        """Take the provider's own copy; say whether the pieces had said something else."""
        return _settle(self.pieces, whole)

    def part(self) -> Part:
        text = joined(self.pieces)
        encrypted = not text and self.signature is not None
        return Reasoning(text=text, summary=self.summary, signature=self.signature, encrypted=encrypted)


class ToolSoFar:
    """A tool call: id and name come once, the arguments grow. `complete` is null until the provider says either way."""

    __slots__ = ("complete", "id", "name", "pieces", "server_side")

    def __init__(self, *, server_side: bool = False) -> None:
        self.id: str | None = None
        self.name: str | None = None
        self.pieces: list[str] = []
        self.complete: bool | None = None
        self.server_side = server_side

    def settle(self, whole: str) -> bool:
        """Take the provider's own copy of the arguments; say whether the pieces had said something else."""
        return _settle(self.pieces, whole)

    def valid(self) -> bool:
        """Whether the arguments so far are one JSON value."""
        return is_json(joined(self.pieces))

    def part(self) -> Part:
        arguments = joined(self.pieces)
        return ToolCall(
            id=self.id,
            name=self.name,
            arguments=arguments,
            complete=self.complete,
            json_valid=is_json(arguments),
            server_side=self.server_side,
        )


class AudioSoFar:
    """Spoken output: a transcript that grows; of the sound its length and hash."""

    __slots__ = ("_hash", "byte_count", "media_type", "pieces")

    def __init__(self) -> None:
        self.pieces: list[str] = []  # of the transcript
        self.media_type: str | None = None
        self.byte_count = 0
        self._hash = hashlib.sha256()

    def hear(self, base64_text: str) -> None:
        """Add one fragment. Each is base64 of its own: the texts joined would not be."""
        sound = _bytes_of(base64_text)
        self.byte_count += len(sound)
        self._hash.update(sound)

    def part(self) -> Part:
        return Audio(
            media_type=self.media_type,
            bytes=self.byte_count or None,
            sha256=self._hash.hexdigest() if self.byte_count else None,
            transcript=joined(self.pieces) or None,
        )


class OpaqueSoFar:
    """A part we only carry: the provider's object, and by field what has streamed for it since."""

    __slots__ = ("kind", "pieces", "value")

    def __init__(self, kind: str, value: Document) -> None:
        self.kind = kind
        self.value = value
        self.pieces: dict[str, list[str]] = {}

    def grow(self, field: str, piece: str) -> None:
        """Add what streamed for this field."""
        self.pieces.setdefault(field, []).append(piece)

    def settle(self, value: Document) -> None:
        """Take the provider's final object."""
        self.value = value
        self.pieces.clear()

    def part(self) -> Part:
        grown = {field: joined(pieces) for field, pieces in self.pieces.items()}
        return Opaque(kind=self.kind, value=raw({**self.value, **grown}))


PartSoFar = TextSoFar | ReasoningSoFar | ToolSoFar | AudioSoFar | OpaqueSoFar | Citation | Image


def image_of(value: str, *, media_type: str | None = None) -> Image:
    """An image by its URL, or, of one sent inline, its length and hash."""
    if value.startswith("data:"):
        kind, _, value = value[5:].partition(",")
        media_type = kind.partition(";")[0] or media_type
    elif "://" in value[:16]:
        return Image(media_type=media_type, url=value)
    picture = _bytes_of(value)
    return Image(media_type=media_type, bytes=len(picture), sha256=hashlib.sha256(picture).hexdigest())


def is_json(text: str) -> bool:
    """Whether the text is one JSON value by the standard: arguments a strict parser takes."""
    try:
        msgspec.json.decode(text)
    except (ValueError, RecursionError):
        return False
    return True


def _settle(pieces: list[str], whole: str) -> bool:
    before = "".join(pieces)
    if before == whole:
        return False
    pieces[:] = [whole]
    return bool(before)


def _bytes_of(base64_text: str) -> bytes:
    try:
        return base64.b64decode(base64_text + "==")  # some leave the padding out; too much of it is ignored
    except (binascii.Error, ValueError):
        return b""

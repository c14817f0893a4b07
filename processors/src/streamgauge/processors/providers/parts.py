"""The parts of an answer while they grow.

Each kind keeps what came in pieces and joins them once, when the part is asked for, which can be any time: of a cut
stream it is simply the part so far. Where a provider repeats a part whole (`.done` events, final snapshots), `settle`
puts that copy in the place of the pieces.

Where bytes of the stream are lost, every part that was open may miss some. It says so when it is told: a text comes in
stretches with a hole between them; of anything else, which cannot be divided, the hole stands behind it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from itertools import pairwise

import msgspec

from streamgauge.processors.providers.json_values import Document, joined, raw
from streamgauge.schemas.records import Audio, Citation, Hole, Image, Opaque, Part, Reasoning, Refusal, Text, ToolCall

__all__ = [
    "AudioSoFar",
    "Growing",
    "OpaqueSoFar",
    "PartSoFar",
    "ReasoningSoFar",
    "TextSoFar",
    "ToolSoFar",
    "bytes_of",
    "image_of",
    "is_json",
]


class Growing:
    """A part that grows by pieces. `holes` names the pieces before which bytes were lost while it was open."""

    __slots__ = ("holes", "open", "pieces")

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.holes: list[int] = []
        self.open = True  # nothing says yet that no more will come

    def settle(self, whole: str) -> bool:
        """Take the provider's own copy, in which nothing is missing; say whether whole pieces had said something
        else."""
        contradicted = not self.holes and "".join(self.pieces) not in ("", whole)
        self.pieces[:] = [whole]
        self.holes.clear()
        self.open = False
        return contradicted

    def end(self) -> None:
        """The provider says that no more will come."""
        self.open = False

    def tear(self) -> bool:
        """Bytes are missing here. Says whether this part may miss them."""
        if self.open and self.holes[-1:] != [len(self.pieces)]:
            self.holes.append(len(self.pieces))
        return self.open

    def texts(self) -> list[str]:
        """The text, in as many stretches as the holes leave of it."""
        if not self.holes:
            return [joined(self.pieces)]
        borders = pairwise([0, *self.holes, len(self.pieces)])
        return [joined(self.pieces[begin:end]) for begin, end in borders]


class TextSoFar(Growing):
    """Text that grows by pieces: an answer's text, or a refusal."""

    __slots__ = ("refusal",)

    def __init__(self, *, refusal: bool = False) -> None:
        super().__init__()
        self.refusal = refusal

    def told(self) -> list[Part]:
        texts = self.texts()
        return _with_holes([Refusal(text=text) if self.refusal else Text(text=text) for text in texts])


class ReasoningSoFar(Growing):
    """Reasoning, or the provider's summary of it. `signature` holds what proves it, or the encrypted whole."""

    __slots__ = ("signature", "summary")

    def __init__(self, *, summary: bool = False) -> None:
        super().__init__()
        self.summary = summary
        self.signature: str | None = None

    def told(self) -> list[Part]:
        *texts, last = self.texts()
        encrypted = not texts and not last and self.signature is not None
        parts = [Reasoning(text=text, summary=self.summary) for text in texts]
        parts.append(Reasoning(text=last, summary=self.summary, signature=self.signature, encrypted=encrypted))
        return _with_holes(parts)


class ToolSoFar(Growing):
    """A tool call: id and name come once, the arguments grow. `complete` is null until the provider says either way;
    a call that misses bytes never is, nor one whose name was never seen."""

    __slots__ = ("complete", "id", "name", "server_side")

    def __init__(self, *, server_side: bool = False) -> None:
        super().__init__()
        self.id: str | None = None
        self.name: str | None = None
        self.complete: bool | None = None
        self.server_side = server_side

    def end(self) -> None:
        super().end()
        self.complete = True

    def tear(self) -> bool:
        return self.complete is None and super().tear()

    def valid(self) -> bool:
        """Whether the arguments so far are one JSON value."""
        return is_json(joined(self.pieces))

    def told(self) -> list[Part]:
        arguments = joined(self.pieces)
        call = ToolCall(
            id=self.id,
            name=self.name,
            arguments=arguments,
            complete=False if self.holes or (self.complete and self.name is None) else self.complete,
            json_valid=is_json(arguments),
            server_side=self.server_side,
        )
        return [call, Hole()] if self.holes else [call]


class AudioSoFar(Growing):
    """Spoken output: a transcript that grows; of the sound its length and hash, unless some of it is missing."""

    __slots__ = ("_hash", "byte_count", "media_type", "unheard")

    def __init__(self) -> None:
        super().__init__()  # the pieces are those of the transcript
        self.media_type: str | None = None
        self.byte_count = 0
        self.unheard = False  # the bytes were counted and not seen
        self._hash = hashlib.sha256()

    def hear(self, base64_text: str) -> None:
        """Add one fragment. Each is base64 of its own: the texts joined would not be."""
        sound = bytes_of(base64_text)
        self.byte_count += len(sound)
        self._hash.update(sound)

    def told(self) -> list[Part]:
        known = self.byte_count > 0 and not self.holes
        audio = Audio(
            media_type=self.media_type,
            bytes=self.byte_count if known else None,
            sha256=self._hash.hexdigest() if known and not self.unheard else None,
            transcript=joined(self.pieces) or None,
        )
        return [audio, Hole()] if self.holes else [audio]


class OpaqueSoFar:
    """A part we only carry: the provider's object, and by field what has streamed for it since."""

    __slots__ = ("kind", "pieces", "torn", "value")

    def __init__(self, kind: str, value: Document) -> None:
        self.kind = kind
        self.value = value
        self.pieces: dict[str, list[str]] = {}
        self.torn = False

    def grow(self, field: str, piece: str) -> None:
        """Add what streamed for this field."""
        self.pieces.setdefault(field, []).append(piece)

    def settle(self, value: Document) -> None:
        """Take the provider's final object."""
        self.value = value
        self.pieces.clear()
        self.torn = False

    def tear(self) -> bool:
        """Bytes are missing here. Says whether this part may miss them: only one that grows does."""
        self.torn = self.torn or bool(self.pieces)
        return self.torn

    def told(self) -> list[Part]:
        grown = {field: joined(pieces) for field, pieces in self.pieces.items()}
        opaque = Opaque(kind=self.kind, value=raw({**self.value, **grown}))
        return [opaque, Hole()] if self.torn else [opaque]


PartSoFar = TextSoFar | ReasoningSoFar | ToolSoFar | AudioSoFar | OpaqueSoFar | Citation | Image | Hole


def image_of(value: str, *, media_type: str | None = None) -> Image:
    """An image by its URL, or, of one sent inline, its length and hash."""
    if value.startswith("data:"):
        kind, _, value = value[5:].partition(",")
        media_type = kind.partition(";")[0] or media_type
    elif "://" in value[:16]:
        return Image(media_type=media_type, url=value)
    picture = bytes_of(value)
    return Image(media_type=media_type, bytes=len(picture), sha256=hashlib.sha256(picture).hexdigest())


def is_json(text: str) -> bool:
    """Whether the text is one JSON value by the standard: arguments a strict parser takes."""
    try:
        msgspec.json.decode(text)
    except (ValueError, RecursionError):
        return False
    return True


def _with_holes(stretches: Sequence[Part]) -> list[Part]:
    """These parts with a hole between each two of them."""
    first, *rest = stretches
    return [first, *(part for stretch in rest for part in (Hole(), stretch))]


def bytes_of(base64_text: str) -> bytes:
    """Bytes as JSON carries them; none where the text is not base64."""
    try:
        return base64.b64decode(base64_text + "==")  # some leave the padding out; too much of it is ignored
    except (binascii.Error, ValueError):
        return b""

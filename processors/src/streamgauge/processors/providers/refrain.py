"""The refrain of a stream: the event that comes again and again, the same but for one string.

Nearly every event of an answer is such a one: all its bytes are those of the event before, except for the text that was
generated. Once that is known, an event is read by comparing its beginning and its end and decoding the string between
them, which costs about a third of decoding and reading all of it::

    {"id":"c1",...,"choices":[{"index":0,"delta":{"content":" river"},"finish_reason":null}]}
    └──────────────────── prefix ─────────────────────────┘ text └───────── suffix ────────┘

OpenAI pads its events with random letters, so that their sizes betray nothing. Then the suffix has a second hole::

    ... "content":" river"},"finish_reason":null}],"obfuscation":"Xq3"}
    ... ──────────┘ text └───────── between ────────────────────┘pad└ suffix

* It is no guess. The API says of an event it has just read that all it did was to append a string to a part, and which
  string it does not look at (`Growth`). Then a probe is put in the place of each and decoded: the outcome must be the
  same document with the probe in those fields. So whatever JSON strings stand there, the document is the same but for
  them, and does the same.
* What stands there must be JSON strings by the strict decoder, to their last byte; else the event is read the long way.
  So a quote, a line end or a broken character never slips through. Neither does an empty text, which may mean something
  else.
* It ends with the first event that is another one, since that may change what the next would do.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

import msgspec

from streamgauge.processors.providers.answer import Answer, Output
from streamgauge.processors.providers.json_values import Document, decode
from streamgauge.schemas.framing.events import Event

__all__ = ["Growth", "Mould", "Refrain", "learn"]

_PROBE: Final = "\u2047probe\u2047"
_PROBE_BYTES: Final = _PROBE.encode()
_decode_text: Final = msgspec.json.Decoder(str).decode
_FAULTS: Final = (msgspec.DecodeError, UnicodeDecodeError)


class Growth(NamedTuple):
    """All that an event did: `holder[field]`, a string of its document, was appended to `pieces`. `padding` names a
    string of the document itself that nobody reads."""

    holder: Document
    field: str
    pieces: list[str]
    padding: str | None = None


class Mould:
    """Bytes that are the same but for one JSON string, or but for two, of which the second is padding."""

    __slots__ = ("_between", "_from", "_prefix", "_suffix", "_to")

    def __init__(self, prefix: bytes, between: bytes | None, suffix: bytes) -> None:
        self._prefix, self._suffix = prefix, suffix  # both with the string's quote
        self._between = between and between[1:-1]  # without
        self._from, self._to = len(prefix) - 1, 1 - len(suffix)

    def text_in(self, data: bytes) -> str | None:
        """The text in bytes of this shape; null if they are of another."""
        if not (data.startswith(self._prefix) and data.endswith(self._suffix)):
            return None
        hole = data[self._from : self._to]
        try:
            if self._between is None:
                return _decode_text(hole)
            text, _, padding = hole.partition(self._between)
            _decode_text(padding)
            return _decode_text(text)
        except _FAULTS:
            return None


class Refrain:
    """An event that comes again and again, and what it does."""

    __slots__ = ("answer", "block", "event", "name", "output", "pieces")

    def __init__(
        self, name: str, event: tuple[bytes, bytes | None, bytes], *, answer: Answer, pieces: list[str], output: Output
    ) -> None:
        prefix, between, suffix = event
        self.name = name  # of the SSE event
        self.event = Mould(prefix, between, suffix)
        named = b"event: %b\ndata: " % name.encode() if name else b"data: "
        self.block = Mould(named + prefix, between, suffix + b"\n\n")  # the whole event, as most providers write SSE
        self.answer = answer
        self.pieces = pieces
        self.output = output


def learn(event: Event, document: Document, growth: Growth, *, answer: Answer, output: Output) -> Refrain | None:
    """The refrain this event may be the first of; null where its strings cannot be told from the rest of it."""
    shape = _shape(event.data, growth)
    if shape is None or any(part and b"\n" in part for part in shape):
        return None
    if _PROBE in (growth.holder[growth.field], growth.padding and document[growth.padding]):
        return None
    prefix, between, suffix = shape
    growth.holder[growth.field] = _PROBE  # the document has been read
    probed = prefix + _PROBE_BYTES + suffix
    if between is not None and growth.padding is not None:
        document[growth.padding] = _PROBE
        probed = prefix + _PROBE_BYTES + between + _PROBE_BYTES + suffix
    if decode(probed) != document:
        return None
    return Refrain(event.name, shape, answer=answer, pieces=growth.pieces, output=output)


def _shape(data: bytes, growth: Growth) -> tuple[bytes, bytes | None, bytes] | None:
    """What stands before, between and behind the strings."""
    found = _string(growth.field).search(data)
    if found is None:
        return None
    if growth.padding is None:
        return data[: found.start(1)], None, data[found.end(1) :]
    padding = _string(growth.padding).search(data, found.end())
    if padding is None:
        return None
    return data[: found.start(1)], data[found.end(1) : padding.start(1)], data[padding.end(1) :]


def _string(field: str) -> re.Pattern[bytes]:
    """A field with a string for its value."""
    return re.compile(rb'"%b"\s*:\s*"((?:[^"\\]|\\.)*)"' % re.escape(field.encode()))

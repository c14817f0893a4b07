"""The refrain of a stream: the event that comes again and again, the same but for one string.

Nearly every event of an answer is such a one: all its bytes are those of the event before, except for the text that was
generated. Once that is known, an event is read by comparing its beginning and its end and decoding the string between
them, which costs about a third of decoding and reading all of it::

    {"id":"c1",...,"choices":[{"index":0,"delta":{"content":" river"},"finish_reason":null}]}
    └──────────────────── prefix ─────────────────────────┘ text └───────── suffix ────────┘

* It is no guess. The API says of an event it has just read that all it did was to append a string to a part (`Growth`).
  Then a probe is put in the string's place and decoded: the outcome must be the same document with the probe in that
  field. So whatever JSON string stands between prefix and suffix, the document is the same but for it, and does the
  same.
* What stands between them must be one JSON string by the strict decoder, to its last byte; else the event is read the
  long way. So a quote, a line end or a broken character never slips through. Neither does an empty string, which may
  mean something else.
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
    """All that an event did: `holder[field]`, a string of its document, was appended to `pieces`."""

    holder: Document
    field: str
    pieces: list[str]


class Mould:
    """Bytes that are the same but for one JSON string."""

    __slots__ = ("_from", "_prefix", "_suffix", "_to")

    def __init__(self, prefix: bytes, suffix: bytes) -> None:
        self._prefix, self._suffix = prefix, suffix  # both with the string's quote
        self._from, self._to = len(prefix) - 1, 1 - len(suffix)

    def text_in(self, data: bytes) -> str | None:
        """The string in bytes of this shape; null if they are of another."""
        if data.startswith(self._prefix) and data.endswith(self._suffix):
            try:
                return _decode_text(data[self._from : self._to])
            except _FAULTS:
                return None
        return None


class Refrain:
    """An event that comes again and again, and what it does."""

    __slots__ = ("answer", "block", "event", "name", "output", "pieces")

    def __init__(
        self, name: str, prefix: bytes, suffix: bytes, *, answer: Answer, pieces: list[str], output: Output
    ) -> None:
        self.name = name  # of the SSE event
        self.event = Mould(prefix, suffix)
        named = b"event: %b\ndata: " % name.encode() if name else b"data: "
        self.block = Mould(named + prefix, suffix + b"\n\n")  # the whole event, as most providers write SSE
        self.answer = answer
        self.pieces = pieces
        self.output = output


def learn(event: Event, document: Document, growth: Growth, *, answer: Answer, output: Output) -> Refrain | None:
    """The refrain this event may be the first of; null where its string cannot be told from the rest of it."""
    data = event.data
    found = re.search(rb'"%b"\s*:\s*"((?:[^"\\]|\\.)*)"' % re.escape(growth.field.encode()), data)
    if found is None or growth.holder[growth.field] == _PROBE:
        return None
    prefix, suffix = data[: found.start(1)], data[found.end(1) :]
    if b"\n" in prefix + suffix:
        return None
    growth.holder[growth.field] = _PROBE  # the document has been read
    if decode(prefix + _PROBE_BYTES + suffix) != document:
        return None
    return Refrain(event.name, prefix, suffix, answer=answer, pieces=growth.pieces, output=output)

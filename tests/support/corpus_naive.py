"""A second opinion on a recording: what its first events say, read without any of our readers.

As naive as a reader can be: an event's payload is JSON, its text stands in one place, texts are added up. It knows
nothing of errors, copies and generations, and where it does not come to the text the recording expects, it says so
(`exact`) and is not asked. What it does know tells how much of the text a cut stream must have kept, which event ends
the stream, and whether a figure was stated by anybody.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
from typing import Any, Final, NamedTuple

from corpus_file import Recording
from corpus_reading import events

__all__ = ["Naive", "naive", "stated"]

Document = dict[str, Any]
DATA: Final = re.compile(rb"^data:? ?(.*?)\r?$", re.MULTILINE)
NAME: Final = re.compile(rb"^event: ?(\S+)", re.MULTILINE)
BINARY_NAME: Final = re.compile(rb":(?:event|exception)-type\x07..([A-Za-z]+)", re.DOTALL)


class Naive(NamedTuple):
    """A recording by its events: what stands before each border, and the event that ends it."""

    parts: list[bytes]  # the events, as they came
    texts: list[str]  # before each border: one more than there are events
    exact: bool  # whether the whole text is the one that is expected
    decides: int | None  # the event that is the end marker; null where the body's own end is all there is

    def ended(self, border: int) -> bool:
        """Whether the end marker stands before this border."""
        return self.decides is not None and border > self.decides


def naive(recording: Recording) -> Naive:
    """Read a recording naively."""
    parts = events(recording.body)
    texts = ["", *accumulate(_text(recording.api, part) for part in parts)]
    exact = texts[-1] == (recording.expected.get("text") or "") and recording.api in TEXTS
    marker = str(recording.expected.get("end_marker") or NO_MARKER.get(recording.provider) or "").split("+")[0]
    decides = next((at for at, part in enumerate(parts) if marker and _marks(part, marker)), None)
    return Naive(parts, texts, exact, decides)


def stated(body: bytes | Iterable[bytes]) -> set[tuple[str, Any]]:
    """Every value of every field of every event."""
    found: set[tuple[str, Any]] = set()
    for part in events(body) if isinstance(body, bytes) else body:
        for _, document in _documents(part):
            found.update(_fields(document))
    return found


def _fields(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for inner, one in value.items():
            yield from _fields(one, inner)
    elif isinstance(value, list):
        for one in value:
            yield from _fields(one, name)
    else:
        yield name, value


def _documents(part: bytes) -> Iterator[tuple[str, Document]]:
    """Name and document of an event, and what it wraps in base64; a line in the grammar of none stands for itself."""
    binary = part.startswith(b"\x00")
    name = (BINARY_NAME if binary else NAME).search(part)
    payloads = DATA.findall(part)
    text = b"\n".join(payloads) if payloads else part
    if binary:
        text = part[12 + int.from_bytes(part[4:8]) : -4]
    try:
        document = json.loads(text)
    except ValueError:
        return
    if isinstance(document, dict):
        yield name[1].decode() if name else "", document
        if binary and isinstance(document.get("bytes"), str):
            yield from _documents(base64.b64decode(document["bytes"]))


def _marks(part: bytes, marker: str) -> bool:
    """Whether the event is this end marker."""
    if marker == "[DONE]":
        return any(line.strip().startswith(b"[DONE]") for line in DATA.findall(part))
    if marker == "done:true":
        return any(document.get("done") is True for _, document in _documents(part))
    if marker == "event:done":
        return NAME.findall(part) == [b"done"]
    told = {"type", "event_type", "object"}
    return any(
        name == marker or marker in document or marker in {document.get(key) for key in told if key in document}
        for name, document in _documents(part)
    )


# An end marker that recordings do not name, by provider.
NO_MARKER: Final = {"perplexity": "chat.completion.done"}


def _text(api: str, part: bytes) -> str:
    read = TEXTS.get(api)
    if api == "replicate.stream":
        return b"\n".join(DATA.findall(part)).decode() if NAME.findall(part) == [b"output"] else ""
    return "".join(read(document) for _, document in _documents(part)) if read is not None else ""


def _first(document: Document, name: str) -> Document:
    """The first choice this event speaks of, if it is the first of all."""
    found = [one for one in document.get(name) or () if isinstance(one, dict) and not one.get("index")]
    return found[0] if found else {}


def _of_parts(content: Any) -> str:
    if isinstance(content, list):
        return "".join(one.get("text") or "" for one in content if one.get("type") == "text")
    return content or ""


def _chat(document: Document) -> str:
    return _of_parts((_first(document, "choices").get("delta") or {}).get("content"))


def _responses(document: Document) -> str:
    return str(document["delta"]) if document.get("type") == "response.output_text.delta" else ""


def _messages(document: Document) -> str:
    block = document.get("content_block") or document.get("delta") or {}
    return str(block.get("text") or "") if block.get("type") in ("text", "text_delta") else ""


def _gemini(document: Document) -> str:
    parts = (_first(document, "candidates").get("content") or {}).get("parts") or []
    return "".join(one.get("text") or "" for one in parts if not one.get("thought"))


def _interactions(document: Document) -> str:
    delta = document.get("delta") or {}
    return str(delta.get("text") or "") if delta.get("type", "text") == "text" else ""


def _cohere(document: Document) -> str:
    if document.get("type") != "content-delta":
        return ""
    return str(document["delta"]["message"]["content"].get("text") or "")


def _assistants(document: Document) -> str:
    content = (document.get("delta") or {}).get("content") or []
    return "".join(str(one["text"].get("value") or "") for one in content if one.get("type") == "text")


TEXTS: Final[dict[str, Callable[[Document], str]]] = {
    "openai.chat": _chat,
    "openai.responses": _responses,
    "openai.completions": lambda document: str(_first(document, "choices").get("text") or ""),
    "openai.assistants": _assistants,
    "anthropic.messages": _messages,
    "anthropic.complete": lambda document: str(document.get("completion") or ""),
    "google.generateContent": _gemini,
    "google.interactions": _interactions,
    "bedrock.converse": lambda document: str((document.get("delta") or {}).get("text") or ""),
    "bedrock.invoke": lambda document: _messages(document) or str(document.get("generation") or ""),
    "cohere.v1": lambda document: str(document["text"]) if document.get("event_type") == "text-generation" else "",
    "cohere.v2": _cohere,
    "ollama.chat": lambda document: str((document.get("message") or {}).get("content") or ""),
    "ollama.generate": lambda document: str(document.get("response") or ""),
    "replicate.stream": lambda document: "",
    "watsonx.generate": lambda document: str(_first(document, "results").get("generated_text") or ""),
}

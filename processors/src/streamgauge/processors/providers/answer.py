"""The answer of a model, as far as it was read: what the modules of the wire APIs build.

An `Answer` is one generation. It grows with every event and can be looked at any time: a cut stream's answer is simply
the answer so far. Text is kept in pieces and joined once, at the end. Rules that hold for every API
(provider-streams.md, section 7):

* the first non-empty id and model win; the last non-null finish reason of a choice wins;
* usage is the last non-null report per field, never a sum;
* tool arguments are kept as streamed, never repaired; a provider's own final copy overrides its deltas;
* what is not known is counted (`unknown_events`), never dropped silently.
"""

from __future__ import annotations

from decimal import Decimal
from enum import IntFlag
from typing import Any, Literal

import msgspec

from streamgauge.schemas.records import Audio, Choice, Citation, Image, Opaque, Part, Reasoning, Refusal, Text, ToolCall

__all__ = [
    "Answer",
    "ChoiceSoFar",
    "Ending",
    "ErrorSeen",
    "Output",
    "ReasoningSoFar",
    "TextSoFar",
    "ToolSoFar",
    "Usage",
]


class Output(IntFlag):
    """What kinds of generated output an event brought."""

    NOTHING = 0
    TEXT = 1
    REASONING = 2
    TOOL = 4
    OTHER = 8  # refusal, audio, image, provider-side tools


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Token counts in the canonical reading: `input` includes cache, `output` includes reasoning. Null is unknown."""

    input: int | None = None
    output: int | None = None
    total: int | None = None  # as the provider states it, never computed
    cache_read: int | None = None
    cache_write: int | None = None
    cache_write_1h: int | None = None
    reasoning: int | None = None
    audio_in: int | None = None
    audio_out: int | None = None
    image_in: int | None = None


class Ending(msgspec.Struct, frozen=True):
    """The event that decides how the stream ended, and where in the decoded body it ends."""

    kind: Literal["completed", "failed"]
    evidence: str  # "[DONE]", "message_stop", "response.completed", "error event", ...
    offset: int


class ErrorSeen(msgspec.Struct, frozen=True, kw_only=True):
    """An error as the provider told it. `message` is the provider's text; `raw` the whole JSON."""

    type: str | None = None
    code: str | None = None
    message: str | None = None
    status: int | None = None
    out_of_grammar: bool = False
    raw: msgspec.Raw = msgspec.Raw(b"null")


class TextSoFar:
    """Text that grows by pieces: an answer's text, or a refusal."""

    __slots__ = ("pieces", "refusal")

    def __init__(self, *, refusal: bool = False) -> None:
        self.pieces: list[str] = []
        self.refusal = refusal

    def part(self) -> Part:
        text = "".join(self.pieces)
        return Refusal(text=text) if self.refusal else Text(text=text)


class ReasoningSoFar:
    """Reasoning, or the provider's summary of it."""

    __slots__ = ("encrypted", "pieces", "signature", "summary")

    def __init__(self, *, summary: bool = False) -> None:
        self.pieces: list[str] = []
        self.summary = summary
        self.signature: str | None = None
        self.encrypted = False

    def part(self) -> Part:
        return Reasoning(
            text="".join(self.pieces), summary=self.summary, signature=self.signature, encrypted=self.encrypted
        )


class ToolSoFar:
    """A tool call: id and name come once, the arguments grow. `complete` is null until the provider says either way."""

    __slots__ = ("complete", "id", "name", "pieces", "server_side")

    def __init__(self, *, server_side: bool = False) -> None:
        self.id: str | None = None
        self.name: str | None = None
        self.pieces: list[str] = []
        self.complete: bool | None = None
        self.server_side = server_side

    def part(self) -> Part:
        arguments = "".join(self.pieces)
        return ToolCall(
            id=self.id,
            name=self.name,
            arguments=arguments,
            complete=self.complete,
            json_valid=_is_json(arguments),
            server_side=self.server_side,
        )


PartSoFar = TextSoFar | ReasoningSoFar | ToolSoFar | Citation | Image | Audio | Opaque


class ChoiceSoFar:
    """One answer of several: its parts by the key the API gives them, in the order they began."""

    __slots__ = ("finish_reason", "index", "parts", "role")

    def __init__(self, index: int) -> None:
        self.index = index
        self.role: str | None = None
        self.finish_reason: str | None = None
        self.parts: dict[object, PartSoFar] = {}

    def text(self, key: object = "text", *, refusal: bool = False) -> TextSoFar:
        """The text under this key, begun if it is new."""
        part = self.parts.get(key)
        if not isinstance(part, TextSoFar):
            part = self.parts[key] = TextSoFar(refusal=refusal)
        return part

    def reasoning(self, key: object = "reasoning", *, summary: bool = False) -> ReasoningSoFar:
        """The reasoning under this key, begun if it is new."""
        part = self.parts.get(key)
        if not isinstance(part, ReasoningSoFar):
            part = self.parts[key] = ReasoningSoFar(summary=summary)
        return part

    def tool(self, key: object, *, server_side: bool = False) -> ToolSoFar:
        """The tool call under this key, begun if it is new."""
        part = self.parts.get(key)
        if not isinstance(part, ToolSoFar):
            part = self.parts[key] = ToolSoFar(server_side=server_side)
        return part

    def choice(self, *, generation: int) -> Choice:
        """The choice as the contents hold it."""
        parts = [part.part() if isinstance(part, _GROWING) else part for part in self.parts.values()]
        return Choice(
            index=self.index, role=self.role, parts=parts, finish_reason=self.finish_reason, generation=generation
        )


_GROWING = (TextSoFar, ReasoningSoFar, ToolSoFar)


class Answer:
    """One generation, as far as it was read."""

    __slots__ = (
        "choices",
        "cost_provider_usd",
        "ending",
        "error",
        "events",
        "model",
        "provider",
        "response_id",
        "scratch",
        "service_tier",
        "status",
        "units",
        "unknown_events",
        "usage_raw",
        "usage_reports",
        "warnings",
    )

    def __init__(self) -> None:
        self.response_id: str | None = None
        self.model: str | None = None
        self.provider: str | None = None  # as named in the body (OpenRouter)
        self.service_tier: str | None = None
        self.status: str | None = None  # the response object's own status (Responses)
        self.choices: dict[int, ChoiceSoFar] = {}
        self.usage_raw: dict[str, Any] | None = None  # merged: last non-null per field
        self.usage_reports = 0
        self.cost_provider_usd: Decimal | None = None
        self.units: dict[str, float] = {}
        self.error: ErrorSeen | None = None
        self.ending: Ending | None = None
        self.events = 0
        self.unknown_events = 0
        self.warnings: list[str] = []
        self.scratch: dict[str, Any] = {}  # what the API's module must remember between events

    def choice(self, index: int = 0) -> ChoiceSoFar:
        """The choice of this index, begun if it is new."""
        found = self.choices.get(index)
        if found is None:
            found = self.choices[index] = ChoiceSoFar(index)
        return found

    def finish_reasons(self) -> list[str]:
        """The finish reasons by choice index, those unknown left out."""
        ordered = sorted(self.choices.values(), key=lambda choice: choice.index)
        return [choice.finish_reason for choice in ordered if choice.finish_reason is not None]


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True

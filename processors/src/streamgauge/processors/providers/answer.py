"""The answer of a model, as far as it was read: what the modules of the wire APIs build.

An `Answer` is one generation. It grows with every event and can be looked at any time: a cut stream's answer is simply
the answer so far. Rules that hold for every API:

* the first id and model that are not empty win; the last finish reason of a choice that is not null wins;
* usage is the last value per field that is not null, never a sum; an explicit zero is a value;
* tool arguments are kept as streamed, never repaired; a provider's own final copy overrides its deltas;
* one event decides how a generation ended, and what comes behind it changes nothing: `[DONE]` follows errors too, and
  an error behind the end came too late to spoil the answer. What else was seen stays: the finish reasons, the text, the
  usage, the error;
* what is not known is counted (`unknown_events`), never dropped silently.
"""

from __future__ import annotations

from decimal import Decimal
from enum import IntFlag
from typing import Any, Final, Literal

import msgspec

from streamgauge.processors.providers.json_values import Document, merged
from streamgauge.processors.providers.parts import (
    AudioSoFar,
    OpaqueSoFar,
    PartSoFar,
    ReasoningSoFar,
    TextSoFar,
    ToolSoFar,
)
from streamgauge.schemas.records import Choice, Hole, Part, Reasoning, Refusal, Text

__all__ = [
    "Answer",
    "ChoiceSoFar",
    "Ending",
    "ErrorSeen",
    "Output",
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
    """The event that decides how the stream ended, and where in the decoded body it ends.

    `cancelled` is the provider's own word for it (a cancelled background response), not the loss of a connection.
    """

    kind: Literal["completed", "failed", "cancelled"]
    evidence: str  # "[DONE]", "message_stop", "response.completed", "json body", "error event", ...
    offset: int


class ErrorSeen(msgspec.Struct, frozen=True, kw_only=True):
    """An error as the provider told it. `message` is the provider's text; `raw` the whole JSON."""

    type: str | None = None
    code: str | None = None
    message: str | None = None
    status: int | None = None
    out_of_grammar: bool = False  # it stood where the event grammar has no place for it
    raw: msgspec.Raw = msgspec.Raw(b"null")


class ChoiceSoFar:
    """One answer of several: its parts by the key the API gives them, in the order they began."""

    __slots__ = ("finish_reason", "index", "open_tools", "parts", "role")

    def __init__(self, index: int) -> None:
        self.index = index
        self.role: str | None = None
        self.finish_reason: str | None = None
        self.parts: dict[object, PartSoFar] = {}
        self.open_tools: dict[object, ToolSoFar] = {}  # the call that grows now, by the key its fragments carry

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

    def audio(self, key: object = "audio") -> AudioSoFar:
        """The spoken output under this key, begun if it is new."""
        part = self.parts.get(key)
        if not isinstance(part, AudioSoFar):
            part = self.parts[key] = AudioSoFar()
        return part

    def tools(self) -> list[ToolSoFar]:
        """The tool calls, in the order they began."""
        return [part for part in self.parts.values() if isinstance(part, ToolSoFar)]

    def abandon_tools(self) -> None:
        """Nothing more will come: what was never said to be complete is not."""
        for tool in self.tools():
            if tool.complete is None:
                tool.complete = False

    def tear(self) -> None:
        """Bytes are missing here. What was open may miss them; where nothing was, they may have been a part's."""
        if self.finish_reason is not None:
            return
        torn = [part.tear() for part in self.parts.values() if isinstance(part, _GROWING)]
        if not any(torn):
            self.parts["hole", len(self.parts)] = _HOLE

    def choice(self, *, generation: int) -> Choice:
        """The choice as the contents hold it: parts that only began say nothing and are left out."""
        told: list[Part] = []
        for part in self.parts.values():
            for one in part.told() if isinstance(part, _GROWING) else (part,):
                if one not in _EMPTY and not (one == _HOLE and told[-1:] == [one]):
                    told.append(one)
        return Choice(
            index=self.index, role=self.role, parts=told, finish_reason=self.finish_reason, generation=generation
        )


_GROWING: Final = (TextSoFar, ReasoningSoFar, ToolSoFar, AudioSoFar, OpaqueSoFar)
_HOLE: Final = Hole()
_EMPTY: Final = (Text(text=""), Refusal(text=""), Reasoning(text=""), Reasoning(text="", summary=True))


class Answer:
    """One generation, as far as it was read."""

    __slots__ = (
        "choices",
        "cost_provider_usd",
        "duplicates",
        "ending",
        "error",
        "events",
        "model",
        "preliminary",
        "provider",
        "response_id",
        "scratch",
        "service_tier",
        "status",
        "torn",
        "units",
        "unknown_events",
        "usage_breakdown",
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
        self.usage_raw: Document | None = None  # merged: last non-null per field
        self.usage_reports = 0
        self.preliminary: frozenset[str] = frozenset()  # canonical usage fields that are not the provider's last word
        self.usage_breakdown: list[Document] = []  # per model, where a provider runs several (Groq compound)
        self.cost_provider_usd: Decimal | None = None
        self.units: dict[str, float] = {}
        self.error: ErrorSeen | None = None
        self.ending: Ending | None = None
        self.events = 0
        self.unknown_events = 0
        self.duplicates = 0  # events that came twice, where the API can tell without numbers
        self.warnings: list[str] = []
        self.torn = False  # bytes of the stream are missing somewhere in it
        self.scratch: dict[str, Any] = {}  # what the API's module must remember between events

    def choice(self, index: int = 0) -> ChoiceSoFar:
        """The choice of this index, begun if it is new."""
        found = self.choices.get(index)
        if found is None:
            found = self.choices[index] = ChoiceSoFar(index)
            if self.torn:
                found.tear()  # its beginning may be among what is missing
        return found

    def finish_reasons(self) -> list[str]:
        """The finish reasons by choice index, those unknown left out."""
        ordered = sorted(self.choices.values(), key=lambda choice: choice.index)
        return [choice.finish_reason for choice in ordered if choice.finish_reason is not None]

    def finished(self) -> bool:
        """Whether there are choices and every one of them has its finish reason."""
        return bool(self.choices) and all(choice.finish_reason is not None for choice in self.choices.values())

    def add_usage(self, report: Document, *, preliminary: frozenset[str] = frozenset()) -> None:
        """Take one usage report; `preliminary` names the canonical fields it does not mean as its last word."""
        self.usage_raw = merged(self.usage_raw, report)
        self.usage_reports += 1
        self.preliminary = preliminary

    def end(self, kind: Literal["completed", "cancelled"], evidence: str, *, offset: int) -> None:
        """Note terminal evidence. What decided before, decided."""
        if self.ending is None:
            self.ending = Ending(kind, evidence, offset)

    def fail(self, error: ErrorSeen, evidence: str, *, offset: int) -> None:
        """Note an error. The first one tells the story; later ones often only repeat it. Behind the end it decides
        nothing any more, and stays as a fact beside it."""
        if self.error is None:
            self.error = error
        if self.ending is None:
            self.ending = Ending("failed", evidence, offset)
        elif self.ending.kind != "failed":
            self.warn("error_after_end")

    def tear(self) -> None:
        """Bytes of the stream are missing here."""
        self.torn = True
        for choice in self.choices.values():
            choice.tear()

    def warn(self, warning: str) -> None:
        """Note something odd, once."""
        if warning not in self.warnings:
            self.warnings.append(warning)

"""Gemini's interactions: steps, each begun, grown and ended by events.

    interaction.created  (step.start  step.delta*  step.stop)*  interaction.completed  [DONE]

* The older spelling says `interaction.start`, `content.…` and `interaction.complete`, and means the same.
* A step is found by its `index`: what was thought, what the model puts out, a call. Text, summaries of thoughts and the
  arguments of calls grow; a signature is sent whole, often empty first. Steps of the provider's own tools are carried.
* Usage comes with any event, beside it or in it, and counts what has come so far: the last report counts.
* An event of the interaction with a final status ends it, and the status is its finish: `requires_action` waits for the
  result of a call, `incomplete` ran into a limit. The `[DONE]` behind it adds nothing; alone, it ends what came.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from streamgauge.processors.providers.answer import Answer, ChoiceSoFar, ErrorSeen, Output, Usage
from streamgauge.processors.providers.api import MARKER, Ordinary
from streamgauge.processors.providers.errors import error_in
from streamgauge.processors.providers.growing import grow
from streamgauge.processors.providers.json_values import Document, count, documents, fields, raw, text
from streamgauge.processors.providers.parts import Growing, OpaqueSoFar, TextSoFar, ToolSoFar, image_of
from streamgauge.processors.providers.refrain import Growth
from streamgauge.schemas.framing.events import Event
from streamgauge.schemas.records import Citation
from streamgauge.schemas.words import Operation

__all__ = ["GOOGLE_INTERACTIONS", "GoogleInteractions"]

_ENDINGS: Final = {  # a final status, and the kind of end it is
    "completed": "completed",
    "requires_action": "completed",
    "incomplete": "completed",
    "budget_exceeded": "completed",
    "failed": "failed",
    "cancelled": "cancelled",
}
_ENDS: Final = frozenset({"interaction.complete", *(f"interaction.{status}" for status in _ENDINGS)})
_STARTS: Final = ("interaction.created", "interaction.start")
_CUT_SHORT: Final = ("incomplete", "budget_exceeded")
_RUNNING: Final = frozenset({"output", "total", "reasoning"})  # canonical fields that grow while steps come


class GoogleInteractions(Ordinary):
    """The wire API `google.interactions`."""

    name = "google.interactions"
    operation = Operation.CHAT

    def recognises(self, document: Document) -> bool:
        kind = text(document.get("event_type")) or ""
        return self.is_body(document) or kind in _EVENTS or kind.startswith("interaction.")

    def is_body(self, document: Document) -> bool:
        return document.get("object") == "interaction" and "event_type" not in document

    def read(self, answer: Answer, event: Event, document: Document | None) -> Output:
        if document is None:
            _read_marker(answer, event)
            return Output.NOTHING
        kind = text(document.get("event_type")) or event.name
        _read_usage(answer, fields(document.get("metadata")).get("usage"), preliminary=_RUNNING)
        _read_usage(answer, document.get("usage"), preliminary=_RUNNING)
        read = _EVENTS.get(kind)
        if read is not None:
            return read(answer, document)
        if kind.startswith("interaction."):
            return _read_interaction(answer, document, kind, end=event.end)
        answer.unknown_events += kind != "error" and "error" not in document
        return Output.NOTHING

    def read_body(self, answer: Answer, document: Document, *, end: int) -> Output:
        return _read_interaction(answer, {"interaction": document}, "json body", end=end)

    def starts_anew(self, answer: Answer, document: Document) -> bool:
        """Another interaction's start; or a step at an index that is taken, whose start was lost."""
        kind = document.get("event_type")
        if kind in ("step.start", "content.start"):
            return _index(document) in answer.scratch.get("steps", ())
        if kind not in _STARTS:
            return False
        known = answer.response_id is not None or bool(answer.choices)
        return known and text(fields(document.get("interaction")).get("id")) != answer.response_id

    def growth(self, answer: Answer, document: Document) -> Growth | None:
        delta = fields(document.get("delta"))
        if delta.get("type") != "text" or set(document) != {"index", "delta", "event_type"} or len(delta) != 2:
            return None
        part = answer.choice().parts.get(("text", _index(document)))
        return Growth(delta, "text", part.pieces) if isinstance(part, TextSoFar) and delta.get("text") else None

    def usage(self, raw: Document) -> Usage:
        """The canonical reading: thoughts and what tools read stand beside output and input, zeros are stated."""
        given, made = count(raw.get("total_input_tokens")), count(raw.get("total_output_tokens"))
        read, thought = count(raw.get("total_tool_use_tokens")), count(raw.get("total_thought_tokens"))
        return Usage(
            input=None if given is None else given + (read or 0),
            output=None if made is None else made + (thought or 0),
            total=count(raw.get("total_tokens")),
            cache_read=count(raw.get("total_cached_tokens")),
            reasoning=thought,
            audio_in=_of_kind(raw.get("input_tokens_by_modality"), "audio"),
            audio_out=_of_kind(raw.get("output_tokens_by_modality"), "audio"),
            image_in=_of_kind(raw.get("input_tokens_by_modality"), "image"),
        )


GOOGLE_INTERACTIONS: Final = GoogleInteractions()


def _of_kind(details: Any, modality: str) -> int | None:
    return next((count(one.get("tokens")) for one in documents(details) if one.get("modality") == modality), None)


# ---------------------------------------------------------------------- the interaction


def _read_interaction(answer: Answer, document: Document, kind: str, *, end: int) -> Output:
    """Take what an event says of the whole interaction; a final status ends it."""
    interaction = fields(document.get("interaction"))
    answer.response_id = answer.response_id or text(interaction.get("id")) or text(document.get("interaction_id"))
    answer.model = answer.model or text(interaction.get("model")) or text(interaction.get("agent"))
    answer.service_tier = text(interaction.get("service_tier")) or answer.service_tier
    answer.status = text(interaction.get("status")) or text(document.get("status")) or answer.status
    ends = kind in _ENDS or kind == "json body"
    _read_usage(answer, interaction.get("usage"), preliminary=frozenset() if ends else _RUNNING)
    output = Output.NOTHING if answer.choices else _read_steps(answer, interaction)
    if ends:
        _end(answer, kind, interaction, end=end)
    return output


def _end(answer: Answer, kind: str, interaction: Document, *, end: int) -> None:
    match _ENDINGS.get(answer.status or ""):
        case "failed":
            answer.fail(error_in(interaction) or ErrorSeen(type="failed", raw=raw(interaction)), kind, offset=end)
        case "cancelled":
            answer.end("cancelled", kind, offset=end)
        case "completed":
            choice = answer.choice()
            choice.finish_reason = answer.status
            for tool in choice.tools() if answer.status in _CUT_SHORT else ():
                tool.complete = tool.complete and tool.valid()
            answer.end("completed", kind, offset=end)
        case _ if kind != "json body":
            answer.end("completed", kind, offset=end)
        case _:  # a background interaction has only begun
            pass


def _read_marker(answer: Answer, event: Event) -> None:
    payload = event.data.strip()
    if not payload.startswith(MARKER):
        answer.unknown_events += bool(payload)
    elif _ENDINGS.get(answer.status or "") in ("failed", "cancelled"):
        _end(answer, MARKER.decode(), {}, end=event.end)
    else:
        answer.end("completed", MARKER.decode(), offset=event.end)


def _read_usage(answer: Answer, usage: Any, *, preliminary: frozenset[str]) -> None:
    if type(usage) is dict:
        answer.add_usage(usage, preliminary=preliminary)


def _read_steps(answer: Answer, interaction: Document) -> Output:
    """The steps of a plain body, or of an event that tells what none had streamed."""
    output = Output.NOTHING
    for index, step in enumerate(documents(interaction.get("steps") or interaction.get("outputs"))):
        output |= _begin(answer.choice(), step, index)
        _stop(answer, {"index": index})
    return output


# ---------------------------------------------------------------------- steps


def _index(document: Document) -> int:
    index = document.get("index")
    return index if type(index) is int else 0


def _start(answer: Answer, document: Document) -> Output:
    answer.scratch.setdefault("steps", set()).add(_index(document))
    return _begin(answer.choice(), fields(document.get("step") or document.get("content")), _index(document))


def _begin(choice: ChoiceSoFar, step: Document, index: int) -> Output:
    """Begin a step; what it holds already comes as its deltas would."""
    choice.role = "model"
    kind = text(step.get("type")) or "unknown"
    match kind:
        case "thought":
            output = Output.NOTHING
            for summary in documents(step.get("summary")):
                output |= _grow(choice, {"type": "thought_summary", "content": summary}, index)
            return output | _grow(choice, {"type": "thought_signature", "signature": step.get("signature")}, index)
        case "model_output":
            output = Output.NOTHING
            for content in documents(step.get("content")):
                output |= _grow(choice, content, index)
            return output
        case "text" | "function_call" | "image" | "audio":
            return _grow(choice, step, index)
        case _:
            choice.parts["item", index] = OpaqueSoFar(kind, step)
            return Output.OTHER


def _delta(answer: Answer, document: Document) -> Output:
    return _grow(answer.choice(), fields(document.get("delta")), _index(document))


def _grow(choice: ChoiceSoFar, delta: Document, index: int) -> Output:
    """Take a delta of a step, or a content of it that is whole."""
    match delta.get("type"):
        case "text":
            for annotation in documents(delta.get("annotations")):
                _cite(choice, annotation)
            return grow(choice.text(("text", index)), delta.get("text"), Output.TEXT)
        case "text_annotation" | "text_annotation_delta":
            for annotation in documents(delta.get("annotations")):
                _cite(choice, annotation)
            return Output.NOTHING
        case "thought_summary":
            thought = choice.reasoning(("thought", index), summary=True)
            words = fields(delta.get("content")).get("text") or delta.get("text")
            return grow(thought, words, Output.REASONING)
        case "thought_signature":
            thought = choice.reasoning(("thought", index), summary=True)
            thought.signature = text(delta.get("signature")) or thought.signature
            return Output.NOTHING
        case "function_call":
            return _take_call(choice.tool(("call", index)), delta)
        case "arguments_delta" if ("item", index) not in choice.parts:
            return grow(choice.tool(("call", index)), delta.get("arguments"), Output.TOOL)
        case "image" | "audio" as kind:
            return _take_media(choice, delta, kind, index)
        case _:
            return _carry(choice, delta, index)


def _cite(choice: ChoiceSoFar, annotation: Document) -> None:
    choice.parts["citation", len(choice.parts)] = Citation(citation=raw(annotation))


def _take_call(tool: ToolSoFar, call: Document) -> Output:
    tool.id, tool.name = tool.id or text(call.get("id")), tool.name or text(call.get("name"))
    arguments = call.get("arguments")
    if arguments:
        tool.settle(arguments if type(arguments) is str else bytes(raw(arguments)).decode())
    return Output.TOOL


def _take_media(choice: ChoiceSoFar, delta: Document, kind: str, index: int) -> Output:
    data, media_type = text(delta.get("data")), text(delta.get("mime_type"))
    if kind == "audio":
        sound = choice.audio(("audio", index))
        sound.media_type = sound.media_type or media_type
        sound.hear(data or "")
    else:
        place = text(delta.get("uri")) or data or ""
        choice.parts["image", index, len(choice.parts)] = image_of(place, media_type=media_type)
    return Output.OTHER


def _carry(choice: ChoiceSoFar, delta: Document, index: int) -> Output:
    """A delta of a step we only carry: its arguments stream, all else comes whole."""
    part = choice.parts.get(("item", index))
    if not isinstance(part, OpaqueSoFar):
        part = choice.parts["item", index] = OpaqueSoFar(text(delta.get("type")) or "unknown", {})
    if delta.get("type") == "arguments_delta" and type(delta.get("arguments")) is str:
        part.grow("arguments", delta["arguments"])
    else:
        part.settle({**part.value, **{name: value for name, value in delta.items() if name != "type"}})
    return Output.OTHER


def _stop(answer: Answer, document: Document) -> Output:
    for kind in ("text", "thought", "call", "audio"):
        part = answer.choice().parts.get((kind, _index(document)))
        if isinstance(part, Growing):
            part.end()
        if isinstance(part, ToolSoFar) and part.name is not None and not (part.pieces or part.holes):
            part.pieces.append("{}")
    return Output.NOTHING


_EVENTS: Final[dict[str, Callable[[Answer, Document], Output]]] = {
    f"{what}.{when}": read
    for what in ("step", "content")
    for when, read in (("start", _start), ("delta", _delta), ("stop", _stop))
}

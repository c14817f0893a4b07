"""OpenAI responses: a tree of output items, told by events, and told again whole.

    response.created … output_item.added · content_part.added · …delta · …done · output_item.done … response.completed

* An item is found by its `output_index`; `item_id` rotates inside one item at GitHub Copilot's gateway. What belongs to
  an item is found by its content or summary index.
* Deltas are a preview. A `.done` event, a finished item and the final response are the provider's own copy and override
  them; some servers send no delta at all (LM Studio's arguments).
* Events are numbered by `sequence_number`, so copies can be dropped and a resumed stream be put together. An error is
  never a copy: it is read whatever its number.
* Terminal is the event whose response has a final status: completed; incomplete, which is whole too, with the reason as
  its finish; failed; cancelled. There is no `[DONE]`; OpenRouter's is ignored.
* Items of tools the provider runs itself, and of kinds nobody knows, are carried as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from streamgauge.processors.providers.answer import Answer, ErrorSeen, Output, Usage
from streamgauge.processors.providers.api import MARKER, Ordinary
from streamgauge.processors.providers.costs import note_cost
from streamgauge.processors.providers.errors import error_in
from streamgauge.processors.providers.json_values import Document, count, fields, raw, text
from streamgauge.processors.providers.response_items import (
    add_annotation,
    grow_item,
    settle,
    settle_item,
    settle_output,
    settle_part,
)
from streamgauge.processors.providers.response_usage import note_response_units, response_usage
from streamgauge.schemas.framing.events import Event
from streamgauge.schemas.words import Operation

__all__ = ["ENDINGS", "EVENTS", "OPENAI_RESPONSES", "PROGRESS", "OpenAiResponses"]

ENDINGS: Final = {  # the final status of a response, and the kind of end it is
    "completed": "completed",
    "incomplete": "completed",
    "failed": "failed",
    "cancelled": "cancelled",
}
_TERMINAL: Final = {f"response.{status}": status for status in ENDINGS}
PROGRESS: Final = frozenset(  # last words of events that say how far something is, not what it says
    [
        "added",
        "compacting",
        "completed",
        "done",
        "failed",
        "generating",
        "in_progress",
        "interpreting",
        "partial_image",
        "queued",
        "searching",
    ]
)
_FIELDS: Final = {  # of items we only carry: what the middle of a delta's type streams
    "code_interpreter_call_code": "code",
    "mcp_call_arguments": "arguments",
    "apply_patch_call_operation_diff": "diff",
    "shell_call_command": "command",
}
_OUTPUTS: Final = tuple(Output(value) for value in range(16))
_TEXT, _REASONING, _TOOL, _OTHER = (
    int(output) for output in (Output.TEXT, Output.REASONING, Output.TOOL, Output.OTHER)
)


class OpenAiResponses(Ordinary):
    """The wire API `openai.responses`."""

    name = "openai.responses"
    operation = Operation.CHAT

    def recognises(self, document: Document) -> bool:
        kind = document.get("type")
        return document.get("object") == "response" or (type(kind) is str and kind.startswith("response."))

    def is_body(self, document: Document) -> bool:
        return document.get("object") == "response"

    def event_key(self, document: Document) -> int | None:
        return None if document.get("type") == "error" else count(document.get("sequence_number"))

    def read(self, answer: Answer, event: Event, document: Document | None) -> Output:
        if document is None:
            answer.unknown_events += not event.data.strip().startswith(MARKER)
            return Output.NOTHING
        kind = document.get("type")
        if type(kind) is not str:
            answer.unknown_events += "error" not in document
            return Output.NOTHING
        read = EVENTS.get(kind)
        if read is not None:
            return _OUTPUTS[read(answer, document)]
        if "response" in document or kind in _TERMINAL:
            return _OUTPUTS[_read_response(answer, fields(document.get("response")), kind, end=event.end)]
        return _OUTPUTS[_read_rare(answer, document, kind)]

    def read_body(self, answer: Answer, document: Document, *, end: int) -> Output:
        return _OUTPUTS[_read_response(answer, document, "json body", end=end)]

    def starts_anew(self, answer: Answer, document: Document) -> bool:
        if document.get("type") != "response.created":
            return False
        response_id = text(fields(document.get("response")).get("id"))
        if answer.response_id is None:
            return bool(answer.choices)
        return response_id not in (None, answer.response_id)

    def ends_at_eof(self, answer: Answer, *, provider: str | None, documents_only: bool) -> bool:  # noqa: ARG002
        return False

    def content_complete(self, answer: Answer) -> bool:
        return answer.finished()

    def usage(self, raw: Document) -> Usage:
        return response_usage(raw)


OPENAI_RESPONSES: Final = OpenAiResponses()


# ---------------------------------------------------------------------- the response as a whole


def _read_response(answer: Answer, response: Document, kind: str, *, end: int) -> int:
    """Take what an event says of the whole response; a final status ends it."""
    answer.response_id = answer.response_id or text(response.get("id"))
    answer.model = answer.model or text(response.get("model"))
    answer.service_tier = text(response.get("service_tier")) or answer.service_tier  # first `auto`, then which
    answer.status = text(response.get("status")) or _TERMINAL.get(kind) or answer.status
    usage = response.get("usage")
    if type(usage) is dict:
        answer.add_usage(usage)
        note_cost(answer, usage)
    output = settle_output(answer, response.get("output"))
    note_response_units(answer, response)
    ending = ENDINGS.get(answer.status or "") if kind in _TERMINAL or kind == "json body" else None
    if ending == "failed":
        error = error_in(response) or ErrorSeen(type="failed", raw=raw(response))
        answer.fail(error, kind, offset=end)
    elif ending == "cancelled":
        answer.end("cancelled", kind, offset=end)
    elif ending == "completed":
        answer.choice().finish_reason = _finish_reason(response, answer.status)
        answer.end("completed", kind, offset=end)
    return output


def _finish_reason(response: Document, status: str | None) -> str | None:
    reason = text(fields(response.get("incomplete_details")).get("reason"))
    return f"{status}:{reason}" if status == "incomplete" and reason is not None else status


# ---------------------------------------------------------------------- events of an item


def _index(document: Document, name: str = "output_index") -> int:
    value = document.get(name)
    return value if type(value) is int else 0


def _piece(document: Document) -> str:
    delta = document.get("delta")
    return delta if type(delta) is str else ""


def _text_delta(answer: Answer, document: Document) -> int:
    piece = _piece(document)
    if not piece:
        return 0
    answer.choice().text(("text", _index(document), _index(document, "content_index"))).pieces.append(piece)
    return _TEXT


def _refusal_delta(answer: Answer, document: Document) -> int:
    piece = _piece(document)
    if not piece:
        return 0
    key = ("refusal", _index(document), _index(document, "content_index"))
    answer.choice().text(key, refusal=True).pieces.append(piece)
    return _OTHER


def _summary_delta(answer: Answer, document: Document) -> int:
    piece = _piece(document)
    if not piece:
        return 0
    key = ("summary", _index(document), _index(document, "summary_index"))
    answer.choice().reasoning(key, summary=True).pieces.append(piece)
    return _REASONING


def _thought_delta(answer: Answer, document: Document) -> int:
    piece = _piece(document)
    if not piece:
        return 0
    answer.choice().reasoning(("thought", _index(document), _index(document, "content_index"))).pieces.append(piece)
    return _REASONING


def _call_delta(answer: Answer, document: Document) -> int:
    piece = _piece(document)
    if not piece:
        return 0
    answer.choice().tool(("item", _index(document))).pieces.append(piece)
    return _TOOL


def _sound_delta(answer: Answer, document: Document) -> int:
    answer.choice().audio(("audio", _index(document), _index(document, "content_index"))).hear(_piece(document))
    return _OTHER


def _transcript_delta(answer: Answer, document: Document) -> int:
    key = ("audio", _index(document), _index(document, "content_index"))
    answer.choice().audio(key).pieces.append(_piece(document))
    return _OTHER


def _text_done(answer: Answer, document: Document) -> int:
    part = answer.choice().text(("text", _index(document), _index(document, "content_index")))
    return settle(answer, part, document.get("text"), output=_TEXT)


def _refusal_done(answer: Answer, document: Document) -> int:
    part = answer.choice().text(("refusal", _index(document), _index(document, "content_index")), refusal=True)
    return settle(answer, part, document.get("refusal"), output=_OTHER)


def _summary_done(answer: Answer, document: Document) -> int:
    part = answer.choice().reasoning(("summary", _index(document), _index(document, "summary_index")), summary=True)
    return settle(answer, part, document.get("text"), output=_REASONING)


def _thought_done(answer: Answer, document: Document) -> int:
    part = answer.choice().reasoning(("thought", _index(document), _index(document, "content_index")))
    return settle(answer, part, document.get("text"), output=_REASONING)


def _call_done(answer: Answer, document: Document) -> int:
    tool = answer.choice().tool(("item", _index(document)))
    tool.name = tool.name or text(document.get("name"))
    tool.complete = True
    return settle(answer, tool, document.get("arguments", document.get("input")), output=_TOOL)


def _part(answer: Answer, document: Document) -> int:
    place = _index(document, "summary_index" if "summary_index" in document else "content_index")
    return settle_part(answer, document.get("part"), at=_index(document), place=place)


def _annotation(answer: Answer, document: Document) -> int:
    at, place = _index(document), _index(document, "content_index")
    number = _index(document, "annotation_index")
    add_annotation(answer.choice(), document.get("annotation"), at=at, place=place, number=number)
    return 0


def _item_added(answer: Answer, document: Document) -> int:
    item = fields(document.get("item"))
    item_id = text(item.get("id"))
    if item_id is not None:
        answer.scratch.setdefault("items", {})[item_id] = _index(document)
    return settle_item(answer, item, at=_index(document), done=False)


def _item_done(answer: Answer, document: Document) -> int:
    return settle_item(answer, document.get("item"), at=_index(document), done=True)


EVENTS: Final[dict[str, Callable[[Answer, Document], int]]] = {
    "response.output_text.delta": _text_delta,
    "response.output_text.done": _text_done,
    "response.output_text.annotation.added": _annotation,
    "response.refusal.delta": _refusal_delta,
    "response.refusal.done": _refusal_done,
    "response.reasoning_summary_text.delta": _summary_delta,
    "response.reasoning_summary_text.done": _summary_done,
    "response.reasoning_text.delta": _thought_delta,
    "response.reasoning_text.done": _thought_done,
    "response.function_call_arguments.delta": _call_delta,
    "response.function_call_arguments.done": _call_done,
    "response.custom_tool_call_input.delta": _call_delta,
    "response.custom_tool_call_input.done": _call_done,
    "response.audio.delta": _sound_delta,
    "response.audio.transcript.delta": _transcript_delta,
    "response.content_part.added": _part,
    "response.content_part.done": _part,
    "response.reasoning_part.added": _part,
    "response.reasoning_part.done": _part,
    "response.reasoning_summary_part.added": _part,
    "response.reasoning_summary_part.done": _part,
    "response.output_item.added": _item_added,
    "response.output_item.done": _item_done,
}


def _read_rare(answer: Answer, document: Document, kind: str) -> int:
    """What streams for an item we only carry, signs of progress, and what nobody knows."""
    what, _, word = kind.removeprefix("response.").rpartition(".")
    if word == "delta" and kind.startswith("response."):
        return _carried_delta(answer, document, _FIELDS.get(what, what))
    if kind in ("error", "ping", "keepalive") or (kind.startswith("response.") and word in PROGRESS):
        return 0
    answer.unknown_events += 1
    return 0


def _carried_delta(answer: Answer, document: Document, field: str) -> int:
    """A delta is a piece of text, or several by name (a shell's stdout and stderr)."""
    delta = document.get("delta")
    pieces = {f"{field}.{name}": piece for name, piece in delta.items()} if type(delta) is dict else {field: delta}
    output = 0
    for name, piece in pieces.items():
        if type(piece) is str and piece:
            output |= grow_item(answer, name, piece, at=_index(document))
    return output

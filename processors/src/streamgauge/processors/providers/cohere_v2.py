"""Cohere's chat, second version: a message of contents and tool calls, each begun, grown and ended by events.

    message-start  (content-start content-delta* content-end | tool-plan-delta* (tool-call-start tool-call-delta*
    tool-call-end)* | citation-start citation-end)*  message-end  [DONE]

* Contents and tool calls are found by `index`, each in a count of its own. A content is text or thinking; the plan the
  model makes before it calls tools is reasoning too.
* `message-end` holds the finish reason and the usage, and ends the stream: the `[DONE]` behind it adds nothing.
* A generation that failed inside Cohere ends so too, with the finish reason `ERROR`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from streamgauge.processors.providers.answer import Answer, ChoiceSoFar, ErrorSeen, Output, Usage
from streamgauge.processors.providers.api import Ordinary, is_marker
from streamgauge.processors.providers.cohere_usage import cohere_usage, note_billed_units
from streamgauge.processors.providers.growing import grow
from streamgauge.processors.providers.json_values import Document, count, documents, fields, raw, text
from streamgauge.processors.providers.parts import ReasoningSoFar, TextSoFar, ToolSoFar
from streamgauge.processors.providers.refrain import Growth
from streamgauge.schemas.framing.events import Event
from streamgauge.schemas.records import Citation
from streamgauge.schemas.words import Operation

__all__ = ["COHERE_V2", "CohereV2"]

_START: Final = "message-start"
_END: Final = "message-end"
_ROLE: Final = "assistant"
_FAILED: Final = "ERROR"
_CUT_SHORT: Final = frozenset({"MAX_TOKENS", "TIMEOUT", "ERROR"})


class CohereV2(Ordinary):
    """The wire API `cohere.v2`."""

    name = "cohere.v2"
    operation = Operation.CHAT

    def recognises(self, document: Document) -> bool:
        kind = text(document.get("type")) or ""
        return self.is_body(document) or (kind in _EVENTS and kind != "debug")

    def is_body(self, document: Document) -> bool:
        return "finish_reason" in document and fields(document.get("message")).get("role") == _ROLE

    def read(self, answer: Answer, event: Event, document: Document | None) -> Output:
        if document is None:
            answer.unknown_events += not is_marker(event)
            return Output.NOTHING
        kind = text(document.get("type")) or ""
        read = _EVENTS.get(kind)
        if read is None:
            answer.unknown_events += "error" not in document
            return Output.NOTHING
        if kind == _START:
            answer.response_id = answer.response_id or text(document.get("id"))
        if kind == _END:
            _end(answer, fields(document.get("delta")), end=event.end)
            answer.end("completed", _END, offset=event.end)
        return read(answer.choice(), _index(document), _message_of(document))

    def read_body(self, answer: Answer, document: Document, *, end: int) -> Output:
        answer.response_id = text(document.get("id"))
        choice, message = answer.choice(), fields(document.get("message"))
        output = _message_start(choice, 0, message) | _tool_plan(choice, 0, message)
        for index, content in enumerate(documents(message.get("content"))):
            output |= _content(choice, index, {"content": content})
        for index, call in enumerate(documents(message.get("tool_calls"))):
            output |= _tool_call(choice, index, {"tool_calls": call})
        for index, citation in enumerate(documents(message.get("citations"))):
            output |= _citation(choice, index, {"citations": citation})
        _end(answer, document, end=end)
        return output

    def starts_anew(self, answer: Answer, document: Document) -> bool:
        """Another message's start; or, where that was lost, a content or call at an index that is taken, or output
        behind the end."""
        match document.get("type"):
            case "message-start":
                named = answer.response_id is not None and text(document.get("id")) in (None, answer.response_id)
                return bool(answer.choices) and not named
            case "content-start":
                return ("content", _index(document)) in answer.choice().parts
            case "tool-call-start":
                return ("call", _index(document)) in answer.choice().parts
            case "content-delta" | "tool-call-delta":
                return answer.ending is not None and answer.ending.kind == "completed"
            case _:
                return False

    def growth(self, answer: Answer, document: Document) -> Growth | None:
        content = fields(_message_of(document).get("content"))
        field = "thinking" if "thinking" in content else "text"
        part = answer.choice().parts.get(("content", _index(document)))
        if document.get("type") != "content-delta" or type(content.get(field)) is not str or len(content) > 1:
            return None
        return Growth(content, field, part.pieces) if isinstance(part, TextSoFar | ReasoningSoFar) else None

    def usage(self, raw: Document) -> Usage:
        return cohere_usage(raw)


COHERE_V2: Final = CohereV2()


def _message_of(document: Document) -> Document:
    return fields(fields(document.get("delta")).get("message"))


def _index(document: Document) -> int:
    return count(document.get("index")) or 0


# ---------------------------------------------------------------------- the message


def _end(answer: Answer, told: Document, *, end: int) -> None:
    """Take the finish reason and the usage."""
    usage = told.get("usage")
    if type(usage) is dict:
        answer.add_usage(usage)
        note_billed_units(answer, usage.get("billed_units"))
    choice = answer.choice()
    choice.finish_reason = reason = text(told.get("finish_reason")) or choice.finish_reason
    for tool in choice.tools():
        tool.complete = reason not in _CUT_SHORT or (tool.complete is True and tool.valid())
    if reason == _FAILED:
        error = ErrorSeen(type="finish_reason ERROR", message=text(told.get("error")), raw=raw(told))
        answer.fail(error, "finish_reason ERROR", offset=end)


# ---------------------------------------------------------------------- contents, calls, citations


def _message_start(choice: ChoiceSoFar, index: int, message: Document) -> Output:  # noqa: ARG001 - see _EVENTS
    choice.role = choice.role or text(message.get("role"))
    return Output.NOTHING


def _content(choice: ChoiceSoFar, index: int, message: Document) -> Output:
    content, key = fields(message.get("content")), ("content", index)
    if content.get("type") == "thinking" or "thinking" in content:
        return grow(choice.reasoning(key), content.get("thinking"), Output.REASONING)
    return grow(choice.text(key), content.get("text"), Output.TEXT)


def _tool_plan(choice: ChoiceSoFar, index: int, message: Document) -> Output:  # noqa: ARG001 - see _EVENTS
    plan = message.get("tool_plan")
    return grow(choice.reasoning("tool_plan"), plan, Output.REASONING) if plan else Output.NOTHING


def _tool_call(choice: ChoiceSoFar, index: int, message: Document) -> Output:
    """A call's beginning, a piece of its arguments, or all of it."""
    call = fields(message.get("tool_calls"))
    function = fields(call.get("function"))
    tool = choice.tool(("call", index))
    tool.id = tool.id or text(call.get("id"))
    named = tool.name is None and text(function.get("name")) is not None
    tool.name = tool.name or text(function.get("name"))
    return grow(tool, function.get("arguments"), Output.TOOL) | (Output.TOOL if named else Output.NOTHING)


def _tool_call_end(choice: ChoiceSoFar, index: int, message: Document) -> Output:  # noqa: ARG001 - see _EVENTS
    part = choice.parts.get(("call", index))
    if isinstance(part, ToolSoFar):
        part.end()
    return Output.NOTHING


def _citation(choice: ChoiceSoFar, index: int, message: Document) -> Output:
    choice.parts["citation", index, len(choice.parts)] = Citation(citation=raw(message.get("citations")))
    return Output.NOTHING


def _nothing(choice: ChoiceSoFar, index: int, message: Document) -> Output:  # noqa: ARG001 - see _EVENTS
    return Output.NOTHING


_EVENTS: Final[dict[str, Callable[[ChoiceSoFar, int, Document], Output]]] = {  # given its index, its delta's message
    _START: _message_start,
    "content-start": _content,
    "content-delta": _content,
    "content-end": _nothing,
    "tool-plan-delta": _tool_plan,
    "tool-call-start": _tool_call,
    "tool-call-delta": _tool_call,
    "tool-call-end": _tool_call_end,
    "citation-start": _citation,
    "citation-end": _nothing,
    _END: _nothing,
    "debug": _nothing,
}

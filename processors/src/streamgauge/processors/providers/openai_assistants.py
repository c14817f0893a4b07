"""OpenAI's assistants: a run that is told by events about its thread.

    event: thread.run.created … thread.run.step.delta* … thread.message.delta* … thread.message.completed …
    event: thread.run.completed | .requires_action | .incomplete | .failed | .cancelled | .expired
    event: done        data: [DONE]

* An event's `object` says what it holds: the run, a step, a message, or a delta of one of these. Messages and steps are
  found by their id, the parts in them by index; a finished one is OpenAI's own copy.
* The run's last status is the finish reason, and holds the usage. `[DONE]` ends the stream; a failed run has failed.
* Calls of functions are for the application. What OpenAI's own tools did (code, file search) is carried.
* A plain body is a run that was only begun, or one that has ended.
"""

from __future__ import annotations

from typing import Any, Final

from streamgauge.processors.providers.answer import Answer, ErrorSeen, Output, Usage
from streamgauge.processors.providers.api import MARKER, Ordinary, is_marker
from streamgauge.processors.providers.chat_usage import chat_usage
from streamgauge.processors.providers.errors import error_of
from streamgauge.processors.providers.growing import grow, settle
from streamgauge.processors.providers.json_values import Document, count, documents, fields, raw, text
from streamgauge.processors.providers.parts import OpaqueSoFar
from streamgauge.schemas.framing.events import Event
from streamgauge.schemas.records import Citation
from streamgauge.schemas.words import Operation

__all__ = ["OPENAI_ASSISTANTS", "OpenAiAssistants"]

_FINISHED: Final = ("completed", "requires_action", "incomplete")
_FAILED: Final = ("failed", "expired")
_CUT_SHORT: Final = "incomplete"


class OpenAiAssistants(Ordinary):
    """The wire API `openai.assistants`."""

    name = "openai.assistants"
    operation = Operation.CHAT
    events_are_bodies = True

    def recognises(self, document: Document) -> bool:
        return (text(document.get("object")) or "").startswith("thread.")

    def is_body(self, document: Document) -> bool:
        return document.get("object") == "thread.run"

    def read(self, answer: Answer, event: Event, document: Document | None) -> Output:
        if document is None:
            if is_marker(event):
                answer.end("completed", MARKER.decode(), offset=event.end)
            else:
                answer.unknown_events += 1
            return Output.NOTHING
        match document.get("object"):
            case "thread.run":
                return _read_run(answer, document, end=event.end)
            case "thread.message" | "thread.message.delta":
                return _read_message(answer, document)
            case "thread.run.step" | "thread.run.step.delta":
                return _read_step(answer, document)
            case known:
                answer.unknown_events += known != "thread" and "error" not in document and event.name != "error"
                return Output.NOTHING

    def read_body(self, answer: Answer, document: Document, *, end: int) -> Output:
        return _read_run(answer, document, end=end)

    def starts_anew(self, answer: Answer, document: Document) -> bool:
        return (
            document.get("object") == "thread.run"
            and answer.response_id is not None
            and text(document.get("id")) not in (None, answer.response_id)
        )

    def content_complete(self, answer: Answer) -> bool:
        return answer.finished() or (answer.status is None and super().content_complete(answer))

    def usage(self, raw: Document) -> Usage:
        return chat_usage(raw)


OPENAI_ASSISTANTS: Final = OpenAiAssistants()


# ---------------------------------------------------------------------- the run


def _read_run(answer: Answer, run: Document, *, end: int) -> Output:
    answer.response_id = answer.response_id or text(run.get("id"))
    answer.model = answer.model or text(run.get("model"))
    answer.status = status = text(run.get("status")) or answer.status
    if type(run.get("usage")) is dict:
        answer.add_usage(run["usage"])
    output = Output.NOTHING
    for call in documents(fields(fields(run.get("required_action")).get("submit_tool_outputs")).get("tool_calls")):
        output |= _settle_call(answer, call)
    if status in _FINISHED:
        _finish(answer, status, run)
    elif status in _FAILED:
        told = run.get("last_error")
        error = error_of(told) if told else ErrorSeen(type=status, raw=raw({"status": status}))
        answer.fail(error, f"thread.run.{status}", offset=end)
    elif status == "cancelled":
        answer.end("cancelled", "thread.run.cancelled", offset=end)
    return output


def _finish(answer: Answer, status: str, run: Document) -> None:
    choice = answer.choice()
    choice.finish_reason = text(fields(run.get("incomplete_details")).get("reason")) or status
    for tool in choice.tools():
        tool.complete = tool.complete is True or (status != _CUT_SHORT and tool.valid())


# ---------------------------------------------------------------------- messages


def _read_message(answer: Answer, message: Document) -> Output:
    """A message, or what grows in it."""
    whole = message.get("object") == "thread.message"
    told = message if whole else fields(message.get("delta"))
    choice, message_id = answer.choice(), text(message.get("id"))
    choice.role = choice.role or text(told.get("role"))
    output = Output.NOTHING
    for place, content in enumerate(documents(told.get("content"))):
        index = place if whole else _index(content, place)
        if content.get("type") != "text":
            choice.parts["content", message_id, index] = OpaqueSoFar(text(content.get("type")) or "unknown", content)
            output |= Output.OTHER
            continue
        part, value = choice.text(("content", message_id, index)), fields(content.get("text"))
        if whole:
            output |= settle(answer, part, value.get("value"), Output.TEXT)
        else:
            output |= grow(part, value.get("value"), Output.TEXT)
        for number, annotation in enumerate(documents(value.get("annotations"))):
            key = ("citation", message_id, index, _index(annotation, number))
            choice.parts[key] = Citation(citation=raw(annotation))
    return output


def _index(document: Document, place: int) -> int:
    found = count(document.get("index"))
    return place if found is None else found


# ---------------------------------------------------------------------- steps


def _read_step(answer: Answer, step: Document) -> Output:
    """A step, or what grows in it. Only its calls hold anything a message does not."""
    whole = step.get("object") == "thread.run.step"
    details = fields((step if whole else fields(step.get("delta"))).get("step_details"))
    output = Output.NOTHING
    for place, call in enumerate(documents(details.get("tool_calls"))):
        key = ("call", text(step.get("id")), place if whole else _index(call, place))
        if call.get("type") == "function":
            output |= _read_call(answer, call, key, whole=whole)
        else:
            output |= _read_own_tool(answer, call, key, whole=whole)
    return output


def _read_call(answer: Answer, call: Document, key: object, *, whole: bool) -> Output:
    tool, function = answer.choice().tool(key), fields(call.get("function"))
    tool.id = tool.id or text(call.get("id"))
    named = tool.name is None and text(function.get("name")) is not None
    tool.name = tool.name or text(function.get("name"))
    read: Any = settle(answer, tool, function.get("arguments"), Output.TOOL) if whole else None
    output = grow(tool, function.get("arguments"), Output.TOOL) if read is None else read
    return output | (Output.TOOL if named else Output.NOTHING)


def _settle_call(answer: Answer, call: Document) -> Output:
    """A call the run waits for: the same that its step told, found by its id."""
    choice, call_id = answer.choice(), text(call.get("id"))
    key = next((key for key, part in choice.parts.items() if getattr(part, "id", None) == call_id), ("call", call_id))
    output = _read_call(answer, call, key, whole=True)
    choice.tool(key).end()
    return output


def _read_own_tool(answer: Answer, call: Document, key: object, *, whole: bool) -> Output:
    """A tool of OpenAI's own: carried, with the input that streams for it."""
    kind = text(call.get("type")) or "unknown"
    choice = answer.choice()
    part = choice.parts.get(key)
    if not isinstance(part, OpaqueSoFar) or whole:
        choice.parts[key] = OpaqueSoFar(kind, call)
        return Output.NOTHING if isinstance(part, OpaqueSoFar) else Output.OTHER
    for field, piece in fields(call.get(kind)).items():
        if type(piece) is str:
            part.grow(f"{kind}.{field}", piece)
    return Output.OTHER

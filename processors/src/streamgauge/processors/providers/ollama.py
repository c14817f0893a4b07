"""Ollama's own chat and generate: a line a piece, and a last one that says it is done.

    {"model", "created_at", "message": {"role", "content", "thinking", "tool_calls"}, "done": false}       chat
    {"model", "created_at", "response", "thinking", "done": false}                                         generate
    {…, "done": true, "done_reason", "prompt_eval_count", "eval_count", …}                                 the last

* A plain body is one such document, done. Tool calls come whole, their arguments as an object.
* `prompt_eval_count` is absent where the prompt was cached: then nobody knows the input.
* Nothing names a generation: no id stands in the lines. Another one shows by a line behind the end, by another model,
  by a clock that goes back, or by a line that was torn.
"""

from __future__ import annotations

from typing import Any, Final

from streamgauge.processors.providers.answer import Answer, ChoiceSoFar, Output, Usage
from streamgauge.processors.providers.api import Ordinary
from streamgauge.processors.providers.growing import grow
from streamgauge.processors.providers.json_values import Document, count, documents, fields, raw, text
from streamgauge.schemas.framing.events import Event
from streamgauge.schemas.words import Operation

__all__ = ["OLLAMA_CHAT", "OLLAMA_GENERATE", "Ollama"]

_DONE: Final = "done:true"
_COUNTS: Final = ("prompt_eval_count", "eval_count")
_SECONDS: Final = 19  # of an ISO time, down to its seconds: a clock that is set may go back by less


class Ollama(Ordinary):
    """The wire APIs `ollama.chat` and `ollama.generate`; `field` is where they keep their output."""

    events_are_bodies = True

    def __init__(self, name: str, operation: Operation, *, field: str) -> None:
        self.name = name
        self.operation = operation
        self._field = field

    def recognises(self, document: Document) -> bool:
        return type(document.get("done")) is bool and self._field in document and "created_at" in document

    def provider_in(self, document: Document) -> str | None:  # noqa: ARG002 - whoever speaks it is Ollama, or acts it
        return "ollama"

    def is_body(self, document: Document) -> bool:
        return document.get("done") is True

    def read(self, answer: Answer, event: Event, document: Document | None) -> Output:
        if document is None or "done" not in document:
            answer.unknown_events += document is None or "error" not in document
            return Output.NOTHING
        output = _read_line(answer, document)
        if document["done"] is True:
            answer.end("completed", _DONE, offset=event.end)
        return output

    def read_body(self, answer: Answer, document: Document, *, end: int) -> Output:  # noqa: ARG002 - nothing ends early
        return _read_line(answer, document)

    def starts_anew(self, answer: Answer, document: Document) -> bool:
        if not answer.choices or "done" not in document:
            return False
        if answer.ending is not None or "torn_event" in answer.warnings:
            return answer.ending is None or answer.ending.kind == "completed"
        return text(document.get("model")) not in (None, answer.model) or _went_back(answer, document)

    def usage(self, raw: Document) -> Usage:
        return Usage(input=count(raw.get("prompt_eval_count")), output=count(raw.get("eval_count")))


OLLAMA_CHAT: Final = Ollama("ollama.chat", Operation.CHAT, field="message")
OLLAMA_GENERATE: Final = Ollama("ollama.generate", Operation.COMPLETION, field="response")


def _went_back(answer: Answer, document: Document) -> bool:
    """Whether the line is older than the one before it. Times of one zone compare as texts."""
    before, now = answer.scratch.get("created_at"), document.get("created_at")
    if type(before) is not str or type(now) is not str or before[-1:] != now[-1:]:
        return False
    return now[:_SECONDS] < before[:_SECONDS]


def _read_line(answer: Answer, document: Document) -> Output:
    answer.model = answer.model or text(document.get("model"))
    answer.scratch["created_at"] = document.get("created_at")
    output = _read_output(answer.choice(), document)
    if document["done"] is True:
        _finish(answer, document)
    return output


def _read_output(choice: ChoiceSoFar, document: Document) -> Output:
    message = fields(document.get("message"))
    choice.role = choice.role or text(message.get("role"))
    output = Output.NOTHING
    for thinking in (message.get("thinking"), document.get("thinking")):
        output |= grow(choice.reasoning(), thinking, Output.REASONING) if thinking else Output.NOTHING
    for said in (message.get("content"), document.get("response")):
        output |= grow(choice.text(), said, Output.TEXT) if said else Output.NOTHING
    for call in documents(message.get("tool_calls")):
        output |= _read_call(choice, call)
    return output


def _read_call(choice: ChoiceSoFar, call: Document) -> Output:
    function = fields(call.get("function"))
    tool = choice.tool(("call", len(choice.parts)))
    tool.id = text(call.get("id"))
    tool.name = text(function.get("name"))
    tool.settle(_arguments(function.get("arguments")))
    tool.end()
    return Output.TOOL


def _arguments(value: Any) -> str:
    return value if type(value) is str else bytes(raw({} if value is None else value)).decode()


def _finish(answer: Answer, document: Document) -> None:
    answer.choice().finish_reason = text(document.get("done_reason"))
    report = {name: document[name] for name in _COUNTS if document.get(name) is not None}
    if report:
        answer.add_usage(report)

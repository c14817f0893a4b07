"""Cohere's chat, first version: lines that say what kind of event they are, and a last one that holds all of it.

    stream-start  (text-generation | tool-calls-chunk | tool-calls-generation | citation-generation | search-…)*
    stream-end {response}

* Pieces of text are a preview: the response in `stream-end` is Cohere's own copy. A plain body is that response alone.
* Calls have neither id nor, mostly, index: their place in the list tells them apart. Their parameters are an object.
* Tokens stand in the response's `meta`. Only newer answers count them; what is billed is another figure.
"""

from __future__ import annotations

from typing import Any, Final

from streamgauge.processors.providers.answer import Answer, ErrorSeen, Output, Usage
from streamgauge.processors.providers.api import Ordinary
from streamgauge.processors.providers.cohere_usage import cohere_usage, note_billed_units
from streamgauge.processors.providers.growing import grow, settle
from streamgauge.processors.providers.json_values import Document, count, documents, fields, raw, text
from streamgauge.processors.providers.parts import OpaqueSoFar
from streamgauge.processors.providers.refrain import Growth
from streamgauge.schemas.framing.events import Event
from streamgauge.schemas.records import Citation
from streamgauge.schemas.words import Operation

__all__ = ["COHERE_V1", "CohereV1"]

_START: Final = "stream-start"
_END: Final = "stream-end"
_TEXT: Final = "text-generation"
_CARRIED: Final = {"search-queries-generation": "search_queries", "search-results": "search_results"}
_KNOWN: Final = frozenset({_START, "debug"})
_FAILED: Final = "ERROR"
_CUT_SHORT: Final = frozenset({"MAX_TOKENS", "ERROR", "ERROR_LIMIT", "USER_CANCEL"})


class CohereV1(Ordinary):
    """The wire API `cohere.v1`."""

    name = "cohere.v1"
    operation = Operation.CHAT

    def recognises(self, document: Document) -> bool:
        return ("event_type" in document and "is_finished" in document) or self.is_body(document)

    def is_body(self, document: Document) -> bool:
        return "generation_id" in document and "event_type" not in document and type(document.get("text")) is str

    def read(self, answer: Answer, event: Event, document: Document | None) -> Output:
        kind = text((document or {}).get("event_type"))
        if document is None or kind is None:
            answer.unknown_events += document is None or "error" not in document
            return Output.NOTHING
        answer.response_id = answer.response_id or text(document.get("generation_id"))
        match kind:
            case "text-generation":
                return grow(answer.choice().text(), document.get("text"), Output.TEXT)
            case "tool-calls-chunk":
                planned = grow(answer.choice().text(), document.get("text"), Output.TEXT)
                return planned | _grow_call(answer, fields(document.get("tool_call_delta")))
            case "tool-calls-generation":
                return _settle_calls(answer, document.get("tool_calls"))
            case "citation-generation":
                return _cite(answer, document.get("citations"))
            case "stream-end":
                output = _settle(answer, fields(document.get("response")), document, end=event.end)
                answer.end("completed", _END, offset=event.end)
                return output
            case _ if kind in _CARRIED:
                answer.choice().parts[kind, len(answer.choice().parts)] = OpaqueSoFar(_CARRIED[kind], document)
                return Output.OTHER
            case _:
                answer.unknown_events += kind not in _KNOWN
                return Output.NOTHING

    def read_body(self, answer: Answer, document: Document, *, end: int) -> Output:
        return _settle(answer, document, document, end=end)

    def starts_anew(self, answer: Answer, document: Document) -> bool:
        """Another start; or text behind an end, whose start was lost."""
        kind = document.get("event_type")
        if kind == _TEXT:
            return answer.ending is not None and answer.ending.kind == "completed"
        return (
            kind == _START
            and answer.response_id != text(document.get("generation_id"))
            and (answer.response_id is not None or bool(answer.choices))
        )

    def growth(self, answer: Answer, document: Document) -> Growth | None:
        if document.get("event_type") != _TEXT or type(document.get("text")) is not str:
            return None
        return Growth(document, "text", answer.choice().text().pieces) if answer.ending is None else None

    def usage(self, raw: Document) -> Usage:
        return cohere_usage(raw if "billed_units" in raw else {"tokens": raw})


COHERE_V1: Final = CohereV1()


def _grow_call(answer: Answer, delta: Document) -> Output:
    if not delta:
        return Output.NOTHING
    tool = answer.choice().tool(("call", count(delta.get("index")) or 0))
    tool.name = tool.name or text(delta.get("name"))
    grow(tool, delta.get("parameters"), Output.TOOL)
    return Output.TOOL


def _settle_calls(answer: Answer, calls: Any) -> Output:
    """Take the calls whole."""
    output = Output.NOTHING
    for index, call in enumerate(documents(calls)):
        tool = answer.choice().tool(("call", index))
        output |= Output.NOTHING if tool.name else Output.TOOL
        tool.name = text(call.get("name")) or tool.name
        tool.settle(bytes(raw(fields(call.get("parameters")))).decode())
        tool.end()
    return output


def _cite(answer: Answer, citations: Any) -> Output:
    for citation in documents(citations):
        answer.choice().parts["citation", len(answer.choice().parts)] = Citation(citation=raw(citation))
    return Output.NOTHING


def _settle(answer: Answer, response: Document, told: Document, *, end: int) -> Output:
    """Take Cohere's own copy of the answer, its finish reason and its usage."""
    answer.response_id = answer.response_id or text(response.get("generation_id"))
    choice = answer.choice()
    output = settle(answer, choice.text(), response.get("text"), Output.TEXT)
    output |= _settle_calls(answer, response.get("tool_calls"))
    if not any(isinstance(part, Citation) for part in choice.parts.values()):
        _cite(answer, response.get("citations"))
    choice.finish_reason = reason = text(told.get("finish_reason")) or text(response.get("finish_reason"))
    for tool in choice.tools():
        tool.complete = tool.complete is True or (reason not in _CUT_SHORT and tool.valid())
    _read_meta(answer, fields(response.get("meta")))
    if reason == _FAILED:
        error = ErrorSeen(type="finish_reason ERROR", message=text(told.get("error")), raw=raw(told))
        answer.fail(error, "finish_reason ERROR", offset=end)
    return output


def _read_meta(answer: Answer, meta: Document) -> None:
    billed = fields(meta.get("billed_units"))
    note_billed_units(answer, billed)
    tokens = fields(meta.get("tokens"))
    if tokens:
        cached = {} if meta.get("cached_tokens") is None else {"cached_tokens": meta["cached_tokens"]}
        answer.add_usage({**tokens, **cached})
    elif billed:
        answer.add_usage({"billed_units": billed})

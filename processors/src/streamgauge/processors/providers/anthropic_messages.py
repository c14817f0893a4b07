"""Anthropic messages: a message of blocks, each begun, grown and ended by events.

    message_start  (content_block_start  content_block_delta*  content_block_stop)*  message_delta  message_stop

* A block is found by its `index`. Text, thinking and tool calls grow; results of tools the provider runs, compactions,
  fallbacks and kinds nobody knows are carried as they are, with what streams for them.
* A tool call without deltas has its arguments in its start. A signature is sent whole: the last one counts.
* Usage: `message_start` counts the input, its `output_tokens` is a placeholder (1, or up to 88, recorded); every
  `message_delta` repeats the sums so far. So the last value per field counts, never a sum, and without a
  `message_delta` the output is `preliminary`.
* The content is whole with a stop reason, the stream with `message_stop`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from streamgauge.processors.providers.answer import Answer, ChoiceSoFar, Output, Usage
from streamgauge.processors.providers.api import Ordinary
from streamgauge.processors.providers.json_values import Document, count, documents, fields, raw, text
from streamgauge.processors.providers.parts import Growing, OpaqueSoFar, ReasoningSoFar, TextSoFar, ToolSoFar
from streamgauge.processors.providers.refrain import Growth
from streamgauge.schemas.framing.events import Event
from streamgauge.schemas.records import Citation
from streamgauge.schemas.words import Operation

__all__ = ["ANTHROPIC_MESSAGES", "AnthropicMessages"]

_MARKER: Final = "message_stop"
_PLACEHOLDER: Final = frozenset({"output", "total", "reasoning"})
_CUT_SHORT: Final = frozenset({"max_tokens", "model_context_window_exceeded", "refusal"})
_SERVER_CALLS: Final = frozenset({"server_tool_use", "mcp_tool_use"})
_PROVIDERS: Final = {"msg_bdrk_": "bedrock", "msg_vrtx_": "vertexai"}  # by the beginning of the id
_UNITS: Final = {"web_search_requests": "search_queries", "web_fetch_requests": "fetches"}
_GROWING_FIELDS: Final = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "partial_json"}
_OUTPUTS: Final = tuple(Output(value) for value in range(16))
_TEXT, _REASONING, _TOOL, _OTHER = (
    int(output) for output in (Output.TEXT, Output.REASONING, Output.TOOL, Output.OTHER)
)


class AnthropicMessages(Ordinary):
    """The wire API `anthropic.messages`."""

    name = "anthropic.messages"
    operation = Operation.CHAT

    def recognises(self, document: Document) -> bool:
        kind = document.get("type")
        return self.is_body(document) or (type(kind) is str and kind in _EVENTS and kind != "error")

    def provider_in(self, document: Document) -> str | None:
        message_id = text(fields(document.get("message")).get("id")) or text(document.get("id")) or ""
        return next((provider for begin, provider in _PROVIDERS.items() if message_id.startswith(begin)), None)

    def is_body(self, document: Document) -> bool:
        return document.get("type") == "message" and "content" in document

    def read(self, answer: Answer, event: Event, document: Document | None) -> Output:
        kind = document.get("type") if document is not None else None
        if document is None or type(kind) is not str:
            answer.unknown_events += document is None or "error" not in document
            return Output.NOTHING
        if kind == _MARKER:
            answer.end("completed", _MARKER, offset=event.end)
            return Output.NOTHING
        read = _EVENTS.get(kind)
        if read is not None:
            return _OUTPUTS[read(answer, document)]
        answer.unknown_events += kind != "error"
        return Output.NOTHING

    def read_body(self, answer: Answer, document: Document, *, end: int) -> Output:  # noqa: ARG002 - nothing ends early
        _read_message(answer, document)
        output = 0
        for index, block in enumerate(documents(document.get("content"))):
            output |= _begin_block(answer.choice(), block, index)
            for number, citation in enumerate(documents(block.get("citations"))):
                answer.choice().parts["citation", index, number] = Citation(citation=raw(citation))
            _end_block(answer, {"index": index})
        _stop(answer, document.get("stop_reason"))
        answer.preliminary = frozenset()
        return _OUTPUTS[output]

    def starts_anew(self, answer: Answer, document: Document) -> bool:
        """Another message's start; or a block at an index that is taken: the same message told again, or another one
        whose start was lost."""
        kind = document.get("type")
        if kind == "content_block_start":
            return bool(answer.choices) and ("block", _index(document)) in answer.choice().parts
        if kind != "message_start" or answer.response_id is None:
            return kind == "message_start" and bool(answer.choices)
        return text(fields(document.get("message")).get("id")) != answer.response_id

    def growth(self, answer: Answer, document: Document) -> Growth | None:
        delta = fields(document.get("delta"))
        field = _GROWING_FIELDS.get(text(delta.get("type")) or "")
        if document.get("type") != "content_block_delta" or field is None or type(delta.get(field)) is not str:
            return None
        part = answer.choice().parts.get(("block", _index(document)))
        return Growth(delta, field, part.pieces) if isinstance(part, TextSoFar | ReasoningSoFar | ToolSoFar) else None

    def ends_at_eof(self, answer: Answer, *, provider: str | None, documents_only: bool) -> bool:  # noqa: ARG002
        return False  # `message_stop` is a document like any other

    def usage(self, raw: Document) -> Usage:
        """The canonical reading: Anthropic's `input_tokens` leave the cache out."""
        given, read, written = count(raw.get("input_tokens")), count(raw.get("cache_read_input_tokens")), _written(raw)
        hour = count(fields(raw.get("cache_creation")).get("ephemeral_1h_input_tokens"))
        return Usage(
            input=None if given is None else given + (read or 0) + (written or 0),
            output=count(raw.get("output_tokens")),
            cache_read=read,
            cache_write=written,
            cache_write_1h=hour if hour is None or hour <= (written or 0) else None,
            reasoning=count(fields(raw.get("output_tokens_details")).get("thinking_tokens")),
        )


ANTHROPIC_MESSAGES: Final = AnthropicMessages()


def _written(raw: Document) -> int | None:
    """Tokens written to the cache: stated, or the sum of what is stated by lifetime."""
    stated = count(raw.get("cache_creation_input_tokens"))
    if stated is not None:
        return stated
    split = fields(raw.get("cache_creation"))
    parts = [found for value in split.values() if (found := count(value)) is not None]
    return sum(parts) if parts else None


# ---------------------------------------------------------------------- the message


def _read_message(answer: Answer, message: Document) -> None:
    answer.response_id = answer.response_id or text(message.get("id"))
    answer.model = answer.model or text(message.get("model"))
    answer.choice().role = answer.choice().role or text(message.get("role"))
    _read_usage(answer, message.get("usage"), preliminary=_PLACEHOLDER)


def _message_start(answer: Answer, document: Document) -> int:
    if answer.response_id is not None:  # of the same id, else another generation had begun
        answer.duplicates += 1  # not read: its placeholder of the usage may not come behind a later report
    else:
        _read_message(answer, fields(document.get("message")))
    return 0


def _message_delta(answer: Answer, document: Document) -> int:
    _read_usage(answer, document.get("usage"), preliminary=frozenset())
    _stop(answer, fields(document.get("delta")).get("stop_reason"))
    return 0


def _stop(answer: Answer, stop_reason: Any) -> None:
    reason = text(stop_reason)
    if reason is None:
        return
    choice = answer.choice()
    choice.finish_reason = reason
    if reason in _CUT_SHORT:
        for tool in choice.tools():
            tool.complete = tool.complete and tool.valid()


def _read_usage(answer: Answer, usage: Any, *, preliminary: frozenset[str]) -> None:
    if type(usage) is not dict:
        return
    answer.add_usage(usage, preliminary=preliminary)
    answer.service_tier = answer.service_tier or text(usage.get("service_tier"))
    for field, unit in _UNITS.items():
        number = count(fields(usage.get("server_tool_use")).get(field))
        if number is not None:
            answer.units[unit] = float(number)


# ---------------------------------------------------------------------- blocks


def _index(document: Document) -> int:
    index = document.get("index")
    return index if type(index) is int else 0


def _block_start(answer: Answer, document: Document) -> int:
    return _begin_block(answer.choice(), fields(document.get("content_block")), _index(document))


def _begin_block(choice: ChoiceSoFar, block: Document, index: int) -> int:
    kind = text(block.get("type"))
    match kind:
        case "text":
            return _grow(choice.text(("block", index)), block.get("text"), _TEXT)
        case "thinking":
            thinking = choice.reasoning(("block", index))
            thinking.signature = text(block.get("signature"))
            return _grow(thinking, block.get("thinking"), _REASONING)
        case "redacted_thinking":
            choice.reasoning(("block", index)).signature = text(block.get("data"))
            return _REASONING
        case "tool_use" | "server_tool_use" | "mcp_tool_use":
            return _begin_tool(choice, block, index, server_side=kind in _SERVER_CALLS)
        case _:
            choice.parts["block", index] = OpaqueSoFar(kind or "unknown", block)
            return _OTHER


def _begin_tool(choice: ChoiceSoFar, block: Document, index: int, *, server_side: bool) -> int:
    tool = choice.tool(("block", index), server_side=server_side)
    tool.id = text(block.get("id"))
    tool.name = text(block.get("name"))
    if block.get("input"):  # whole at once; usually it is `{}` and the deltas carry it
        tool.settle(bytes(raw(block["input"])).decode())
    return _OTHER if server_side else _TOOL


def _grow(part: TextSoFar | ReasoningSoFar, piece: Any, output: int) -> int:
    if type(piece) is not str or not piece:
        return 0
    part.pieces.append(piece)
    return output


def _block_delta(answer: Answer, document: Document) -> int:
    delta = document.get("delta")
    if type(delta) is not dict:
        return 0
    index = document.get("index")
    key = ("block", index if type(index) is int else 0)
    choice = answer.choice()
    match delta.get("type"):
        case "text_delta":
            return _grow(choice.text(key), delta.get("text"), _TEXT)
        case "thinking_delta":
            return _grow(choice.reasoning(key), delta.get("thinking"), _REASONING)
        case "input_json_delta":
            return _tool_delta(choice, key, delta.get("partial_json"))
        case "signature_delta":
            choice.reasoning(key).signature = text(delta.get("signature"))
            return 0
        case "citations_delta":
            choice.parts["citation", key[1], len(choice.parts)] = Citation(citation=raw(delta.get("citation")))
            return 0
        case _:
            return _carried_delta(answer, key, delta)


def _tool_delta(choice: ChoiceSoFar, key: object, piece: Any) -> int:
    tool = choice.tool(key)
    if type(piece) is not str or not piece:
        return 0
    tool.pieces.append(piece)
    return _OTHER if tool.server_side else _TOOL


def _carried_delta(answer: Answer, key: tuple[str, int], delta: Document) -> int:
    """A delta of a block we only carry (a compaction's content), or of a kind nobody knows."""
    part = answer.choice().parts.get(key)
    if not isinstance(part, OpaqueSoFar):
        answer.unknown_events += 1
        return 0
    for field, piece in delta.items():
        if field != "type" and type(piece) is str:
            part.grow(field, piece)
    return _OTHER


def _block_stop(answer: Answer, document: Document) -> int:
    _end_block(answer, document)
    return 0


def _end_block(answer: Answer, document: Document) -> None:
    part = answer.choice().parts.get(("block", _index(document)))
    if isinstance(part, Growing):
        part.end()
    if isinstance(part, ToolSoFar) and part.name is not None and not (part.pieces or part.holes):
        part.pieces.append("{}")


def _nothing(answer: Answer, document: Document) -> int:  # noqa: ARG001 - the table wants the shape
    return 0


_EVENTS: Final[dict[str, Callable[[Answer, Document], int]]] = {
    "message_start": _message_start,
    "content_block_start": _block_start,
    "content_block_delta": _block_delta,
    "content_block_stop": _block_stop,
    "message_delta": _message_delta,
    "message_stop": _nothing,
    "ping": _nothing,
}

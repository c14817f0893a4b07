"""Bedrock's Converse: one message of blocks, whoever made the model.

    messageStart  (contentBlockStart? contentBlockDelta* contentBlockStop)*  messageStop  metadata

* On the wire the event's name tells what a payload is; payloads without one (objects a shim was handed, Nova's native
  streams) say it by their only key: `{"contentBlockDelta": {…}}`. A key `p` of random length is padding.
* A block is found by its index. Text and reasoning begin with their first delta, without a start. A signature, and
  reasoning that is redacted, is sent whole.
* The content is whole with `messageStop`. Usage comes behind it, in `metadata`, which ends the stream.
* Errors are exceptions: messages of a kind of their own on the wire, else documents under the exception's name.
* Nothing names the message, so another `messageStart` is another message, and so is a block at an index that has ended.
* A prompt router tells in the trace which model it chose.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from streamgauge.processors.providers.answer import Answer, ChoiceSoFar, Output, Usage
from streamgauge.processors.providers.api import Ordinary
from streamgauge.processors.providers.bedrock_usage import bedrock_usage
from streamgauge.processors.providers.errors import error_named
from streamgauge.processors.providers.growing import grow
from streamgauge.processors.providers.json_values import Document, documents, fields, raw, text
from streamgauge.processors.providers.parts import (
    Growing,
    OpaqueSoFar,
    PartSoFar,
    ToolSoFar,
    image_of,
)
from streamgauge.schemas.framing.events import Event
from streamgauge.schemas.records import Citation
from streamgauge.schemas.words import Operation

__all__ = ["BEDROCK_CONVERSE", "BedrockConverse", "note_exception"]

_END: Final = "metadata"
_EXCEPTION: Final = "Exception"  # how the names of all of them end
_SERVER_CALL: Final = "server_tool_use"
_CUT_SHORT: Final = frozenset(
    {
        "max_tokens",
        "model_context_window_exceeded",
        "content_filtered",
        "guardrail_intervened",
        "malformed_model_output",
        "malformed_tool_use",
    }
)


class BedrockConverse(Ordinary):
    """The wire API `bedrock.converse`."""

    name = "bedrock.converse"
    operation = Operation.CHAT

    def recognises(self, document: Document) -> bool:
        kind, payload = _told(document)
        if kind in ("contentBlockDelta", "contentBlockStart"):
            return "contentBlockIndex" in payload
        return self.is_body(document) or (kind == "messageStart" and payload.keys() <= {"role", "p"})

    def names(self, document: Document) -> bool:
        """Whether this is an event under its name."""
        return any(kind in _EVENTS and type(payload) is dict for kind, payload in document.items())

    def provider_in(self, document: Document) -> str | None:  # noqa: ARG002 - nobody else speaks it
        return "bedrock"

    def is_body(self, document: Document) -> bool:
        return "stopReason" in document and type(fields(document.get("output")).get("message")) is dict

    def read(self, answer: Answer, event: Event, document: Document | None) -> Output:
        kind, payload = (event.name, document) if event.name else _told(document or {})
        read = _EVENTS.get(kind)
        if read is not None and payload is not None:
            output = read(answer, payload)
            if kind == _END:
                answer.end("completed", _END, offset=event.end)
            return output
        if not note_exception(answer, event, document):
            answer.unknown_events += document is None or "error" not in document
        return Output.NOTHING

    def read_body(self, answer: Answer, document: Document, *, end: int) -> Output:  # noqa: ARG002 - nothing ends early
        message = fields(fields(document.get("output")).get("message"))
        _message_start(answer, message)
        output = Output.NOTHING
        for index, block in enumerate(documents(message.get("content"))):
            output |= _whole_block(answer, block, index)
        _message_stop(answer, document)
        _metadata(answer, document)
        return output

    def starts_anew(self, answer: Answer, document: Document) -> bool:
        kind, payload = _told(document)
        if kind == "messageStart" or not answer.choices:
            return kind == "messageStart" and bool(answer.choices)
        if kind not in ("contentBlockStart", "contentBlockDelta"):
            return False
        key = _key(payload)
        taken = kind == "contentBlockStart" and key in answer.choice().parts
        return taken or self.content_complete(answer) or key in answer.scratch.get("ended", ())

    def ends_at_eof(self, answer: Answer, *, provider: str | None, documents_only: bool) -> bool:  # noqa: ARG002
        return False  # `metadata` is a document like any other

    def usage(self, raw: Document) -> Usage:
        return bedrock_usage(raw)


BEDROCK_CONVERSE: Final = BedrockConverse()


def note_exception(answer: Answer, event: Event, document: Document | None) -> bool:
    """If this event is an exception, by its own name or by its only key, the answer has failed."""
    said = fields(document)
    name = next((name for name in (event.name, *said) if name.endswith(_EXCEPTION)), None)
    if name is None:
        return False
    answer.fail(error_named(name, bytes(raw(said.get(name, said)))), "exception", offset=event.end)
    return True


def _told(document: Document) -> tuple[str, Document]:
    """What a payload without a name is: by its only key, or by what it holds."""
    for kind, payload in document.items():
        if type(payload) is dict and kind in _EVENTS:
            return kind, payload
    return next((kind for field, kind in _BY_FIELD.items() if field in document), ""), document


# ---------------------------------------------------------------------- the message


def _message_start(answer: Answer, payload: Document) -> Output:
    answer.choice().role = answer.choice().role or text(payload.get("role"))
    return Output.NOTHING


def _message_stop(answer: Answer, payload: Document) -> Output:
    choice, reason = answer.choice(), text(payload.get("stopReason"))
    choice.finish_reason = reason or choice.finish_reason
    if reason in _CUT_SHORT:
        for tool in choice.tools():
            tool.complete = tool.complete and tool.valid()
    more = payload.get("additionalModelResponseFields")
    if type(more) is dict and more:
        choice.parts["more"] = OpaqueSoFar("additional_model_response_fields", more)
    return Output.NOTHING


def _metadata(answer: Answer, payload: Document) -> Output:
    usage, trace = fields(payload.get("usage")), fields(payload.get("trace"))
    if usage:
        answer.add_usage(usage)
    answer.service_tier = text(fields(payload.get("serviceTier")).get("type")) or answer.service_tier
    answer.model = text(fields(trace.get("promptRouter")).get("invokedModelId")) or answer.model
    if trace:
        answer.choice().parts["trace"] = OpaqueSoFar("trace", trace)
    return Output.NOTHING


# ---------------------------------------------------------------------- blocks


def _key(payload: Document) -> tuple[str, int]:
    index = payload.get("contentBlockIndex")
    return "block", index if type(index) is int else 0


def _block_start(answer: Answer, payload: Document) -> Output:
    choice, key, start = answer.choice(), _key(payload), fields(payload.get("start"))
    if type(start.get("toolUse")) is dict:
        return _begin_tool(choice, key, start["toolUse"])
    for kind, value in start.items():
        choice.parts[key] = OpaqueSoFar(_KINDS.get(kind, kind), dict(fields(value)))
        return Output.OTHER
    return Output.NOTHING


def _begin_tool(choice: ChoiceSoFar, key: object, start: Document) -> Output:
    tool = choice.tool(key, server_side=start.get("type") == _SERVER_CALL)
    tool.id = text(start.get("toolUseId"))
    tool.name = text(start.get("name"))
    return Output.OTHER if tool.server_side else Output.TOOL


def _block_delta(answer: Answer, payload: Document) -> Output:
    choice, key, output = answer.choice(), _key(payload), Output.NOTHING
    for kind, value in fields(payload.get("delta")).items():
        read = _DELTAS.get(kind)
        if read is None:
            answer.unknown_events += 1
        elif value:
            output |= read(choice, key, value)
    return output


def _text_delta(choice: ChoiceSoFar, key: object, value: Any) -> Output:
    return grow(choice.text(key), value, Output.TEXT)


def _tool_delta(choice: ChoiceSoFar, key: object, value: Any) -> Output:
    tool = choice.tool(key)
    return grow(tool, fields(value).get("input"), Output.OTHER if tool.server_side else Output.TOOL)


def _reasoning_delta(choice: ChoiceSoFar, key: object, value: Any) -> Output:
    reasoning, said = choice.reasoning(key), fields(value)
    proof = text(said.get("signature")) or text(said.get("redactedContent"))
    reasoning.signature = proof or reasoning.signature
    hidden = Output.REASONING if said.get("redactedContent") else Output.NOTHING
    return grow(reasoning, said.get("text"), Output.REASONING) | hidden


def _citation_delta(choice: ChoiceSoFar, key: object, value: Any) -> Output:
    choice.parts["citation", key, len(choice.parts)] = Citation(citation=raw(value))
    return Output.NOTHING


def _image_delta(choice: ChoiceSoFar, key: object, value: Any) -> Output:
    image = fields(value)
    kind, picture = text(image.get("format")), fields(image.get("source")).get("bytes")
    if type(picture) is str:
        media_type = f"image/{kind}" if kind else None
        choice.parts["image", key, len(choice.parts)] = image_of(picture, media_type=media_type)
    else:
        choice.parts[key] = OpaqueSoFar("image", dict(image))
    return Output.OTHER


def _result_delta(choice: ChoiceSoFar, key: object, value: Any) -> Output:
    """What a tool of the provider's found."""
    part = choice.parts.get(key)
    if not isinstance(part, OpaqueSoFar):
        part = choice.parts[key] = OpaqueSoFar("tool_result", {})
    content = part.value.setdefault("content", [])
    if type(content) is list and type(value) is list:
        content += value
    return Output.OTHER


def _block_stop(answer: Answer, payload: Document) -> Output:
    key = _key(payload)
    answer.scratch.setdefault("ended", set()).add(key)
    _complete(answer.choice().parts.get(key))
    return Output.NOTHING


def _complete(part: PartSoFar | None) -> None:
    if isinstance(part, Growing):
        part.end()
    if isinstance(part, ToolSoFar) and part.name is not None and not (part.pieces or part.holes):
        part.pieces.append("{}")


def _whole_block(answer: Answer, block: Document, index: int) -> Output:
    """A block of a plain body: what its deltas would have been, in one."""
    choice, key, output = answer.choice(), ("block", index), Output.NOTHING
    for kind, value in block.items():
        match kind, value:
            case "toolUse", dict():
                output |= _begin_tool(choice, key, value)
                choice.tool(key).settle(bytes(raw(value.get("input") or {})).decode())
                _complete(choice.parts[key])
            case "reasoningContent", {"reasoningText": dict(said)}:
                output |= _reasoning_delta(choice, key, said)
            case "citationsContent", dict():
                output |= _cited(choice, key, value)
            case ("text" | "reasoningContent" | "image", _):
                output |= _DELTAS[kind](choice, key, value)
            case _:
                choice.parts[key] = OpaqueSoFar(_KINDS.get(kind, kind), {kind: value})
                output |= Output.OTHER
    return output


def _cited(choice: ChoiceSoFar, key: object, value: Document) -> Output:
    """Text with the citations that prove it."""
    output = Output.NOTHING
    for said in documents(value.get("content")):
        output |= _text_delta(choice, key, said.get("text"))
    for citation in documents(value.get("citations")):
        _citation_delta(choice, key, citation)
    return output


_EVENTS: Final[dict[str, Callable[[Answer, Document], Output]]] = {
    "messageStart": _message_start,
    "contentBlockStart": _block_start,
    "contentBlockDelta": _block_delta,
    "contentBlockStop": _block_stop,
    "messageStop": _message_stop,
    _END: _metadata,
}
_BY_FIELD: Final = {  # the one field that only this payload has
    "delta": "contentBlockDelta",
    "start": "contentBlockStart",
    "contentBlockIndex": "contentBlockStop",
    "stopReason": "messageStop",
    "role": "messageStart",
    "usage": _END,
}
_DELTAS: Final[dict[str, Callable[[ChoiceSoFar, object, Any], Output]]] = {
    "text": _text_delta,
    "toolUse": _tool_delta,
    "reasoningContent": _reasoning_delta,
    "citation": _citation_delta,
    "image": _image_delta,
    "toolResult": _result_delta,
}
_KINDS: Final = {"toolResult": "tool_result", "toolUse": "tool_use"}

"""Bedrock's InvokeModel: what a model sends in its own words, wrapped.

    chunk  {"bytes": "base64 of the model's JSON", "p": padding}    the stream
    the model's JSON itself                                          a plain body, and objects a shim was handed

* Whose words they are shows in every document: Claude's events are `anthropic.messages`, Nova's are Converse's under
  their names, lists of choices are chat (gpt-oss, Mistral, Jamba, DeepSeek, Qwen), Command R speaks Cohere's own, and
  the rest are plain completions. Each is read by its own module.
* The last document carries `amazon-bedrock-invocationMetrics`. Its counts are the usage where the model states none.
* Claude, Nova and Cohere end with their own event. The others stop, and then the body ends at the border of a message.
* Documents of another format in the same body are another generation, as is whatever the format itself calls one.
"""

from __future__ import annotations

from typing import Final

from streamgauge.processors.providers.answer import Answer, Output, Usage
from streamgauge.processors.providers.anthropic_messages import ANTHROPIC_MESSAGES
from streamgauge.processors.providers.api import Api, Ordinary
from streamgauge.processors.providers.bedrock_completions import (
    completion_format,
    is_completion_body,
    read_completion,
    restarts,
)
from streamgauge.processors.providers.bedrock_converse import BEDROCK_CONVERSE, note_exception
from streamgauge.processors.providers.bedrock_usage import bedrock_usage
from streamgauge.processors.providers.chat_usage import chat_usage
from streamgauge.processors.providers.cohere_v1 import COHERE_V1
from streamgauge.processors.providers.cohere_v2 import COHERE_V2
from streamgauge.processors.providers.errors import error_in
from streamgauge.processors.providers.json_values import Document, decode, documents, fields
from streamgauge.processors.providers.openai_chat import OPENAI_CHAT
from streamgauge.processors.providers.parts import OpaqueSoFar, bytes_of
from streamgauge.schemas.framing.events import Event
from streamgauge.schemas.words import Operation

__all__ = ["BEDROCK_INVOKE", "BedrockInvoke"]

_METRICS: Final = "amazon-bedrock-invocationMetrics"
_TRACE: Final = "amazon-bedrock-trace"
_MARKED: Final = (ANTHROPIC_MESSAGES, BEDROCK_CONVERSE, COHERE_V1, COHERE_V2)  # formats with an event that ends them
_FORMATS: Final[dict[str, Api]] = {api.name: api for api in (*_MARKED, OPENAI_CHAT)}


class BedrockInvoke(Ordinary):
    """The wire API `bedrock.invoke`."""

    name = "bedrock.invoke"
    operation = Operation.CHAT

    def recognises(self, document: Document) -> bool:
        if "bytes" not in document:
            return False
        inner = _unwrapped(document)
        return inner is not None and _format(inner) is not None

    def provider_in(self, document: Document) -> str | None:
        return "bedrock" if "bytes" in document or _METRICS in document else None

    def is_body(self, document: Document) -> bool:
        if _METRICS in document:
            return False
        return _is_chat_body(document) or is_completion_body(document) or _speaker(document) is not None

    def read(self, answer: Answer, event: Event, document: Document | None) -> Output:
        inner = _unwrapped(document) if document is not None else None
        if inner is None or note_exception(answer, event, inner):
            answer.unknown_events += inner is None
            return Output.NOTHING
        found = error_in(inner)
        if found is not None:
            answer.fail(found, "error event", offset=event.end)
        format_ = _format(inner) or answer.scratch.get("format")
        if format_ is not None:
            answer.scratch["format"] = format_
        output = _read(answer, format_, event, inner)
        _read_wrapping(answer, inner, plain=format_ not in _FORMATS)
        return output

    def read_body(self, answer: Answer, document: Document, *, end: int) -> Output:
        if _is_chat_body(document):
            return OPENAI_CHAT.read_body(answer, _as_chat(document), end=end)
        api = _speaker(document)
        if api is not None:
            return api.read_body(answer, document, end=end)
        output = read_completion(answer, document)
        answer.preliminary = frozenset()
        return output

    def starts_anew(self, answer: Answer, document: Document) -> bool:
        inner = _unwrapped(document)
        format_ = _format(inner) if inner is not None else None
        if inner is None or format_ is None or not answer.choices:
            return False
        if format_ != answer.scratch.get("format"):
            return True
        api = _FORMATS.get(format_)
        if api is None:
            return self.content_complete(answer) or restarts(answer, inner)
        if api is OPENAI_CHAT:
            inner = _as_chat(inner)
            if self.content_complete(answer) and _brings_output(inner):
                return True
        return api.starts_anew(answer, inner)

    def ends_at_eof(self, answer: Answer, *, provider: str | None, documents_only: bool) -> bool:  # noqa: ARG002
        marked = any(api.name == answer.scratch.get("format") for api in _MARKED)
        return not marked and answer.finished()

    def usage(self, raw: Document) -> Usage:
        if "prompt_tokens" in raw or "completion_tokens" in raw:
            return chat_usage(raw)
        if "input_tokens" in raw or "output_tokens" in raw:
            return ANTHROPIC_MESSAGES.usage(raw)
        return COHERE_V2.usage(raw) if "tokens" in raw or "billed_units" in raw else bedrock_usage(raw)


BEDROCK_INVOKE: Final = BedrockInvoke()


def _unwrapped(document: Document) -> Document | None:
    """The model's own document; null where the wrapping holds none."""
    document = fields(document.get("chunk")) or document  # as a shim may be handed it
    if "bytes" not in document:
        return document
    wrapped = document["bytes"]
    inner = decode(bytes_of(wrapped)) if type(wrapped) is str else None
    return inner if type(inner) is dict else None


def _format(inner: Document) -> str | None:
    """Whose words these are; null where the document could be anybody's."""
    if type(inner.get("choices")) is list:
        return OPENAI_CHAT.name
    if BEDROCK_CONVERSE.names(inner):
        return BEDROCK_CONVERSE.name
    found = next((name for name, api in _FORMATS.items() if api.recognises(inner)), None)
    return found or completion_format(inner)


def _speaker(document: Document) -> Api | None:
    """Whose plain body this is, if it is one of those who have an API of their own."""
    return next((api for api in _MARKED if api.is_body(document)), None)


def _is_chat_body(document: Document) -> bool:
    """Choices that are whole: they have stopped, and are no deltas."""
    choices = documents(document.get("choices"))
    stopped = all(choice.get("stop_reason") or choice.get("finish_reason") for choice in choices)
    return bool(choices) and stopped and not any("delta" in choice for choice in choices)


def _read(answer: Answer, format_: str | None, event: Event, inner: Document) -> Output:
    api = _FORMATS.get(format_ or "")
    if api is not None:
        return api.read(answer, event._replace(name=""), _as_chat(inner) if api is OPENAI_CHAT else inner)
    if completion_format(inner) is None and _METRICS not in inner:
        answer.unknown_events += "error" not in inner
    return read_completion(answer, inner)


def _as_chat(document: Document) -> Document:
    """Choices as chat has them: Mistral's hold a message and a stop reason, DeepSeek's a text and a stop reason."""
    choices = [
        {"finish_reason": choice.get("stop_reason"), "delta": choice.get("message"), **choice}
        for choice in documents(document.get("choices"))
    ]
    return {**document, "choices": choices}


def _brings_output(document: Document) -> bool:
    """Whether a choice says something, as none does behind its stop."""
    choices = documents(document.get("choices"))
    return any(choice.get("text") or any(fields(choice["delta"]).values()) for choice in choices)


def _read_wrapping(answer: Answer, inner: Document, *, plain: bool) -> None:
    """What Bedrock adds to the last document."""
    metrics, trace = fields(inner.get(_METRICS)), fields(inner.get(_TRACE))
    if metrics and (plain or answer.usage_raw is None):
        answer.usage_raw = None  # what the model has counted on the way is in it
        answer.add_usage(metrics)
    if trace:
        answer.choice().parts["trace"] = OpaqueSoFar("trace", trace)

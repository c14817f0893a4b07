"""Bedrock's agents: the answer of an agent, or of a knowledge base, and on request how it came to be.

    (trace | chunk {bytes, attribution} | files | returnControl)*       InvokeAgent, InvokeInlineAgent
    (output {text} | citation | guardrail)*                             RetrieveAndGenerateStream
    {"output": {"text"}, "citations", "sessionId"}                      RetrieveAndGenerate, a plain body

* The bytes of a chunk are text in UTF-8, which may be cut anywhere. Traces are carried as they are.
* Nothing ends the stream and nobody says why it ended: something was answered, and the body ended properly. Where the
  agent's own steps are traced, its final response must be among them; `returnControl` hands the rest to the caller.
* Tokens stand in the traces alone, one report a call of a model. Every call has a bill of its own, so here they are
  added up, by model in the breakdown. Until the final response more calls may come.
* Traces name the run they belong to: another name is another answer. Collaborators trace under names of their own.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator
from typing import Any, Final

from streamgauge.processors.providers.answer import Answer, Output, Usage
from streamgauge.processors.providers.api import Ordinary
from streamgauge.processors.providers.bedrock_converse import note_exception
from streamgauge.processors.providers.bedrock_usage import bedrock_usage
from streamgauge.processors.providers.growing import grow
from streamgauge.processors.providers.json_values import Document, count, documents, fields, raw, text
from streamgauge.processors.providers.parts import OpaqueSoFar, bytes_of, image_of
from streamgauge.schemas.framing.events import Event
from streamgauge.schemas.records import Citation
from streamgauge.schemas.words import Operation

__all__ = ["BEDROCK_AGENT", "BedrockAgent"]

_BY_FIELD: Final = {"bytes": "chunk", "trace": "chunk", "text": "output", "citation": "output"}
_STEPS: Final = "orchestrationTrace"  # what the agent does, as against what is done around it
_RUN_CHARS: Final = 36  # of a trace's id: the UUID of the run, before the number of the step
_RUNNING: Final = frozenset({"input", "output", "total"})
_COUNTS: Final = ("inputTokens", "outputTokens")


class BedrockAgent(Ordinary):
    """The wire API `bedrock.agent`."""

    name = "bedrock.agent"
    operation = Operation.CHAT
    gives_reasons = False

    def recognises(self, document: Document) -> bool:
        return "sessionId" in document and (type(document.get("trace")) is dict or self.is_body(document))

    def provider_in(self, document: Document) -> str | None:  # noqa: ARG002 - nobody else speaks it
        return "bedrock"

    def is_body(self, document: Document) -> bool:
        return "sessionId" in document and type(fields(document.get("output")).get("text")) is str

    def read(self, answer: Answer, event: Event, document: Document | None) -> Output:
        kind, payload = (event.name, document) if event.name else _told(document or {})
        read = _EVENTS.get(kind)
        if read is not None and payload is not None:
            return read(answer, payload)
        if not note_exception(answer, event, document):
            answer.unknown_events += document is None or "error" not in document
        return Output.NOTHING

    def read_body(self, answer: Answer, document: Document, *, end: int) -> Output:  # noqa: ARG002 - nothing ends early
        output = _output(answer, fields(document.get("output")))
        _cite(answer, document.get("citations"))
        return output

    def starts_anew(self, answer: Answer, document: Document) -> bool:
        """A trace of another run, or a first one where something was answered already: traces come before answers. A
        piece of an answer that only the other kind of service gives."""
        known, run = answer.scratch, _run(document) if _is_own(document) else None
        if run is not None:
            return run != known.get("run", None if "answered" in known else run)
        kind = next((kind for field, kind in _BY_FIELD.items() if field in document), None)
        return None not in (kind, known.get("kind")) and kind != known["kind"]

    def ends_at_eof(self, answer: Answer, *, provider: str | None, documents_only: bool) -> bool:  # noqa: ARG002
        known = answer.scratch
        return "answered" in known and ("steps" not in known or "final" in known)

    def usage(self, raw: Document) -> Usage:
        return bedrock_usage(raw)


BEDROCK_AGENT: Final = BedrockAgent()


def _told(document: Document) -> tuple[str, Document]:
    """What an object a shim was handed is: by its only key."""
    for kind, payload in document.items():
        if len(document) == 1 and kind in _EVENTS and type(payload) is dict:
            return kind, payload
    return "", document


# ---------------------------------------------------------------------- answers


def _chunk(answer: Answer, payload: Document) -> Output:
    packed = payload.get("bytes")
    if type(packed) is not str:
        answer.unknown_events += 1
        return Output.NOTHING
    answer.scratch.update(answered=True, kind="chunk")
    waiting = answer.scratch.pop("half", b"") + bytes_of(packed)
    said, taken = codecs.utf_8_decode(waiting, "replace", False)
    if taken < len(waiting):  # half of a character
        answer.scratch["half"] = waiting[taken:]
    output = grow(answer.choice().text(), said, Output.TEXT)
    _cite(answer, fields(payload.get("attribution")).get("citations"))
    return output


def _output(answer: Answer, payload: Document) -> Output:
    answer.scratch.update(answered=True, kind="output")
    return grow(answer.choice().text(), payload.get("text"), Output.TEXT)


def _citation(answer: Answer, payload: Document) -> Output:
    _cite(answer, [fields(payload.get("citation")) or payload])
    return Output.NOTHING


def _cite(answer: Answer, citations: Any) -> None:
    for citation in documents(citations):
        parts = answer.choice().parts
        parts["citation", len(parts)] = Citation(citation=raw(citation))


def _guardrail(answer: Answer, payload: Document) -> Output:
    answer.choice().parts["guardrail"] = OpaqueSoFar("guardrail", payload)
    return Output.NOTHING


def _files(answer: Answer, payload: Document) -> Output:
    """Files the code interpreter made: images by length and hash, of anything else the name and the kind alone."""
    answer.scratch["answered"] = True
    parts = answer.choice().parts
    for file in documents(payload.get("files")):
        kind, packed = text(file.get("type")), file.get("bytes")
        if kind is not None and kind.startswith("image/") and type(packed) is str:
            parts["file", len(parts)] = image_of(packed, media_type=kind)
        else:
            told: Document = {"name": file.get("name"), "type": kind}
            size = len(bytes_of(packed)) if type(packed) is str else None
            parts["file", len(parts)] = OpaqueSoFar("file", {**told, "bytes": size})
    return Output.OTHER


def _return_control(answer: Answer, payload: Document) -> Output:
    """Calls the agent wants made for it: of functions, or of an HTTP API."""
    answer.scratch.update(answered=True, final=True)
    answer.preliminary = frozenset()
    for place, asked in enumerate(documents(payload.get("invocationInputs"))):
        call = fields(asked.get("functionInvocationInput")) or fields(asked.get("apiInvocationInput"))
        tool = answer.choice().tool(("control", place))
        tool.id = text(payload.get("invocationId"))
        verb, path = text(call.get("httpMethod")), text(call.get("apiPath"))
        tool.name = text(call.get("function")) or " ".join(word for word in (verb, path) if word) or None
        given = {name: call[name] for name in ("parameters", "requestBody") if name in call}
        tool.settle(bytes(raw(given.get("parameters") if "requestBody" not in given else given)).decode())
        tool.end()
    return Output.TOOL


# ---------------------------------------------------------------------- traces


def _trace(answer: Answer, payload: Document) -> Output:
    own = _is_own(payload)
    answer.scratch["kind"] = "chunk"
    if own:
        answer.scratch["run"] = _run(payload) or answer.scratch.get("run")
    for kind, step in fields(payload.get("trace")).items():
        if type(step) is dict:
            _read_step(answer, step, own=own)
        if own and kind == _STEPS:
            answer.scratch["steps"] = True
    parts = answer.choice().parts
    parts["trace", len(parts)] = OpaqueSoFar("trace", payload)
    return Output.NOTHING


def _read_step(answer: Answer, step: Document, *, own: bool) -> None:
    asked, got = fields(step.get("modelInvocationInput")), fields(step.get("modelInvocationOutput"))
    models = answer.scratch.setdefault("models", {})
    model = text(asked.get("foundationModel"))
    if model is not None:
        models[text(asked.get("traceId"))] = model
        answer.model = answer.model or (model if own else None)
    usage = fields(fields(got.get("metadata")).get("usage"))
    if usage:
        _add_call(answer, usage, models.get(text(got.get("traceId"))))
    if own and type(fields(step.get("observation")).get("finalResponse")) is dict:
        answer.scratch["final"] = True
        answer.preliminary = frozenset()


def _add_call(answer: Answer, usage: Document, model: str | None) -> None:
    """One call of a model, with a bill of its own."""
    answer.usage_breakdown.append({"model": model, "usage": usage})
    before = answer.usage_raw or {}
    total = {name: (count(before.get(name)) or 0) + (count(usage.get(name)) or 0) for name in _COUNTS}
    answer.add_usage(total, preliminary=frozenset() if "final" in answer.scratch else _RUNNING)


def _is_own(payload: Document) -> bool:
    """Whether this is a trace of the agent that was asked, not of one it asked itself."""
    chain = payload.get("callerChain")
    return "trace" in payload and (type(chain) is not list or len(chain) <= 1)


def _run(payload: Document) -> str | None:
    """The run a trace belongs to."""
    return next((found[:_RUN_CHARS] for found in map(text, _trace_ids(payload)) if found is not None), None)


def _trace_ids(payload: Document) -> Iterator[Any]:
    for step in fields(payload.get("trace")).values():
        for place in (step, *fields(step).values()):
            yield fields(place).get("traceId")


_EVENTS: Final[dict[str, Callable[[Answer, Document], Output]]] = {
    "chunk": _chunk,
    "output": _output,
    "citation": _citation,
    "guardrail": _guardrail,
    "files": _files,
    "returnControl": _return_control,
    "trace": _trace,
}

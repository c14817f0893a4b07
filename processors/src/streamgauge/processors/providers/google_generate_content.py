"""Gemini's `generateContent`, at Google and on Vertex: every event is a whole response that holds the next piece.

    {"candidates": [{"index", "content": {"role", "parts"}, "finishReason"}], "usageMetadata", "modelVersion", …}

* It comes as server-sent events, or as one JSON array whose elements are the events; a plain body is the same object.
* There is no end marker but the array's last bracket. A stream is whole when every candidate has its finish reason and
  the body then ended properly. Old models said `STOP` in every event, which proves nothing until the end.
* A prompt that is refused has no candidates: `promptFeedback` says why, and that is its finish.
* Usage comes with nearly every event and counts what has come so far, thoughts included: the last report counts.
* An error is a JSON object of its own, often behind the events and outside their grammar.
"""

from __future__ import annotations

from typing import Final

from streamgauge.processors.providers.answer import Answer, Output, Usage
from streamgauge.processors.providers.api import MARKER, Ordinary
from streamgauge.processors.providers.google_parts import abandon_calls, read_parts
from streamgauge.processors.providers.google_usage import google_usage, note_searches, take_report
from streamgauge.processors.providers.json_values import Document, documents, fields, raw, text
from streamgauge.schemas.framing.events import Event
from streamgauge.schemas.records import Citation
from streamgauge.schemas.words import Operation

__all__ = ["GOOGLE_GENERATE_CONTENT", "GoogleGenerateContent"]

_ARRAY_END: Final = b"]"
_KNOWN: Final = frozenset({"candidates", "promptFeedback", "usageMetadata", "modelVersion", "responseId", "error"})
_RUNNING: Final = frozenset({"output", "total", "reasoning"})  # canonical fields that grow while a candidate does
_UNSAID: Final = ("FINISH_REASON_UNSPECIFIED", "BLOCK_REASON_UNSPECIFIED", "BLOCKED_REASON_UNSPECIFIED")
_OUTPUTS: Final = tuple(Output(value) for value in range(16))


class GoogleGenerateContent(Ordinary):
    """The wire API `google.generateContent`."""

    name = "google.generateContent"
    operation = Operation.CHAT
    events_are_bodies = True

    def recognises(self, document: Document) -> bool:
        return type(document.get("candidates")) is list or "promptFeedback" in document

    def is_body(self, document: Document) -> bool:
        return self.recognises(document)

    def read(self, answer: Answer, event: Event, document: Document | None) -> Output:
        if document is not None:
            return _OUTPUTS[_read_response(answer, document)]
        payload = event.data.strip()
        if payload == _ARRAY_END:
            answer.end("completed", "]", offset=event.end)
        elif not payload.startswith(MARKER):  # which is a gateway's, and proves nothing here
            answer.unknown_events += 1
        return Output.NOTHING

    def read_body(self, answer: Answer, document: Document, *, end: int) -> Output:  # noqa: ARG002 - nothing ends early
        output = _read_response(answer, document)
        answer.preliminary = frozenset()
        return _OUTPUTS[output]

    def starts_anew(self, answer: Answer, document: Document) -> bool:
        """Another id than before: all events of a response have the same. Where there is none (old models) nothing
        tells two responses apart."""
        return answer.response_id is not None and text(document.get("responseId")) not in (None, answer.response_id)

    def ends_at_eof(self, answer: Answer, *, provider: str | None, documents_only: bool) -> bool:  # noqa: ARG002
        return answer.finished()

    def content_complete(self, answer: Answer) -> bool:
        """A finish reason that more output followed is one of those that stand in every event."""
        early = answer.ending is None and bool(answer.scratch.get("finishes_early"))
        return super().content_complete(answer) and not early

    def usage(self, raw: Document) -> Usage:
        return google_usage(raw)


GOOGLE_GENERATE_CONTENT: Final = GoogleGenerateContent()


def _read_response(answer: Answer, response: Document) -> int:
    answer.response_id = answer.response_id or text(response.get("responseId"))
    answer.model = answer.model or text(response.get("modelVersion"))
    output = 0
    for candidate in documents(response.get("candidates")):
        output |= _read_candidate(answer, candidate)
    if response.get("promptFeedback"):
        _read_feedback(answer, fields(response["promptFeedback"]))
    report = response.get("usageMetadata")
    if type(report) is dict:
        take_report(answer, report, preliminary=frozenset() if answer.finished() else _RUNNING)
    answer.unknown_events += _KNOWN.isdisjoint(response)
    return output


def _read_candidate(answer: Answer, candidate: Document) -> int:
    index = candidate.get("index")
    choice = answer.choice(index if type(index) is int else 0)
    content = fields(candidate.get("content"))
    choice.role = choice.role or text(content.get("role"))
    output = read_parts(answer, choice, content.get("parts"))
    if output and choice.finish_reason is not None:
        answer.scratch["finishes_early"] = True
    reason = text(candidate.get("finishReason"))
    if reason is not None and reason not in _UNSAID:
        choice.finish_reason = reason
        abandon_calls(answer, choice)
    for name in ("citationMetadata", "groundingMetadata", "urlContextMetadata"):
        if candidate.get(name):
            _cite(answer, choice.index, name, fields(candidate[name]))
    return output


def _read_feedback(answer: Answer, feedback: Document) -> None:
    reason = text(feedback.get("blockReason"))
    if reason is not None and reason not in _UNSAID:
        choice = answer.choice()
        choice.finish_reason = choice.finish_reason or f"BLOCKED:{reason}"


def _cite(answer: Answer, index: int, name: str, metadata: Document) -> None:
    """Keep what the text rests on. What an event repeats of an earlier one is the same citation."""
    listed = documents(metadata.get("citations") or metadata.get("citationSources"))
    for source in listed or [metadata]:
        citation = raw(source)
        answer.choice(index).parts["citation", name, bytes(citation)] = Citation(citation=citation)
    if name == "groundingMetadata":
        note_searches(answer, metadata)

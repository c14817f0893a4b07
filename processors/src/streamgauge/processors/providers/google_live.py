"""Gemini's Live API: a session over a WebSocket, one JSON document a message, both ways.

    {"setup"}  {"setupComplete"}  …  ({"serverContent": {"modelTurn"}}*  {"serverContent": {"turnComplete"}})*

* A turn of the model is an answer. It has no id: the next one begins with the first output after the end of the last.
* `turnComplete` ends a turn; one the user spoke into is `interrupted` first, and that is its end: cancelled. What it
  calls comes as `toolCall`, and the turn goes on with the answer to it.
* Sound is kept as size and hash, beside what was said where `outputTranscription` tells it.
* Usage comes beside any message, at the end of a turn or behind it, and counts the turn.
* Nothing ends a session but its connection; `goAway` announces it.
"""

from __future__ import annotations

from typing import Any, Final

from streamgauge.processors.providers.answer import Answer, ChoiceSoFar, Output, Usage
from streamgauge.processors.providers.api import Ordinary
from streamgauge.processors.providers.errors import error_in
from streamgauge.processors.providers.google_parts import read_parts
from streamgauge.processors.providers.google_usage import google_usage, take_report
from streamgauge.processors.providers.json_values import Document, documents, fields, text
from streamgauge.processors.providers.parts import AudioSoFar
from streamgauge.schemas.framing.events import Event
from streamgauge.schemas.words import Operation

__all__ = ["GOOGLE_LIVE", "GoogleLive"]

_SENT: Final = frozenset({"setup", "clientContent", "realtimeInput", "toolResponse"})  # by the client
_ONLY_HERE: Final = frozenset(
    {"setupComplete", "serverContent", "toolCallCancellation", "goAway", "sessionResumptionUpdate"}
)
_KNOWN: Final = _SENT | _ONLY_HERE | {"toolCall", "usageMetadata", "error"}
_RUNNING: Final = frozenset({"output", "total", "reasoning"})  # canonical fields that grow while a turn does
_UNSAID: Final = "TURN_COMPLETE_REASON_UNSPECIFIED"
_OUTPUTS: Final = tuple(Output(value) for value in range(16))


class GoogleLive(Ordinary):
    """The wire API `google.live`."""

    name = "google.live"
    operation = Operation.CHAT
    is_session = True
    gives_reasons = False

    def recognises(self, document: Document) -> bool:
        return not (_ONLY_HERE | {"setup", "realtimeInput"}).isdisjoint(document)

    def starts_anew(self, answer: Answer, document: Document) -> bool:
        """Output behind the end of a turn."""
        content = fields(document.get("serverContent"))
        brings = "modelTurn" in content or "outputTranscription" in content or "toolCall" in document
        return answer.ending is not None and brings

    def read(self, answer: Answer, event: Event, document: Document | None) -> Output:
        if document is None:
            answer.unknown_events += 1
            return Output.NOTHING
        answer.model = answer.model or text(fields(document.get("setup")).get("model"))
        output = 0
        if "toolCall" in document:
            calls = documents(fields(document["toolCall"]).get("functionCalls"))
            output |= read_parts(answer, _choice(answer), [{"functionCall": call} for call in calls])
        if "serverContent" in document:
            output |= _read_content(answer, fields(document["serverContent"]), end=event.end)
        _read_usage(answer, document.get("usageMetadata"))
        if document.get("error"):
            answer.error = answer.error or error_in(document)
            answer.warn("session_error")
        answer.unknown_events += _KNOWN.isdisjoint(document)
        return _OUTPUTS[output]

    def ends_at_eof(self, answer: Answer, *, provider: str | None, documents_only: bool) -> bool:  # noqa: ARG002
        return answer.ending is not None

    def content_complete(self, answer: Answer) -> bool:
        ended = answer.ending is not None and answer.ending.kind == "completed"
        return ended or bool(answer.scratch.get("generated"))

    def usage(self, raw: Document) -> Usage:
        return google_usage(raw)


GOOGLE_LIVE: Final = GoogleLive()


def _choice(answer: Answer) -> ChoiceSoFar:
    choice = answer.choice()
    choice.role = "model"
    return choice


def _read_content(answer: Answer, content: Document, *, end: int) -> int:
    output = 0
    if "modelTurn" in content:
        output |= read_parts(answer, _choice(answer), fields(content["modelTurn"]).get("parts"))
    if "outputTranscription" in content:
        output |= _read_transcript(answer, fields(content["outputTranscription"]).get("text"))
    if content.get("generationComplete"):
        answer.scratch["generated"] = True
    if content.get("interrupted") and answer.choices:
        answer.end("cancelled", "interrupted", offset=end)
    if content.get("turnComplete") and answer.choices:
        _end_turn(answer, text(content.get("turnCompleteReason")), end=end)
    return output


def _end_turn(answer: Answer, reason: str | None, *, end: int) -> None:
    if reason != _UNSAID:
        answer.choice().finish_reason = reason
    answer.preliminary = frozenset()
    answer.end("completed", "turnComplete", offset=end)


def _read_transcript(answer: Answer, words: Any) -> int:
    if type(words) is not str or not words:
        return 0
    choice = _choice(answer)
    spoken = next((part for part in reversed(choice.parts.values()) if isinstance(part, AudioSoFar)), None)
    (spoken or choice.audio(("transcript", len(choice.parts)))).pieces.append(words)
    return int(Output.OTHER)


def _read_usage(answer: Answer, report: Any) -> None:
    if type(report) is dict:
        take_report(answer, report, preliminary=frozenset() if answer.ending is not None else _RUNNING)

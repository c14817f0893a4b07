"""OpenAI's Realtime, also at Azure and xAI: a session over a WebSocket, one JSON document a message, both ways.

    session.created  …  (response.created  response.output_item.added  …delta  …done  response.done)*

* A response is an answer. Its events have the shapes of the Responses API, some under older names, and carry its id:
  responses can grow side by side. What has no id is the session's, or tells what the user did.
* `response.done` ends a response, with its status and its usage: completed; incomplete, which is whole too, with the
  reason as its finish; cancelled, by the client or by the user who spoke; failed.
* An `error` is news of the session, which goes on. It stands beside the response that was under way, with the warning
  `session_error`.
* Sound is kept as size and hash, beside what was said.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from streamgauge.processors.providers.answer import Answer, ErrorSeen, Output, Usage
from streamgauge.processors.providers.api import Ordinary
from streamgauge.processors.providers.errors import error_in
from streamgauge.processors.providers.json_values import Document, fields, raw, text
from streamgauge.processors.providers.openai_responses import ENDINGS, EVENTS, PROGRESS
from streamgauge.processors.providers.response_items import settle_output
from streamgauge.processors.providers.response_usage import response_usage
from streamgauge.schemas.framing.events import Event
from streamgauge.schemas.words import Operation

__all__ = ["OPENAI_REALTIME", "OpenAiRealtime"]

_DONE: Final = "response.done"
_OBJECT: Final = "realtime.response"
_SAME: Final = {  # what an event is called in the Responses API
    "response.text.delta": "response.output_text.delta",
    "response.text.done": "response.output_text.done",
    "response.output_audio.delta": "response.audio.delta",
    "response.output_audio_transcript.delta": "response.audio.transcript.delta",
    "response.audio_transcript.delta": "response.audio.transcript.delta",
}
_TRANSCRIPTS: Final = ("response.output_audio_transcript.done", "response.audio_transcript.done")
_OF_THE_SESSION: Final = (  # beginnings of what is said of the session, and of what its user does
    "conversation.",
    "input_audio_buffer.",
    "output_audio_buffer.",
    "rate_limits.",
    "session.",
    "transcription_session.",
)
_ASKED: Final = ("response.create", "response.cancel")  # by the client
_OUTPUTS: Final = tuple(Output(value) for value in range(16))


class OpenAiRealtime(Ordinary):
    """The wire API `openai.realtime`."""

    name = "openai.realtime"
    operation = Operation.CHAT
    is_session = True

    def recognises(self, document: Document) -> bool:
        kind = text(document.get("type")) or ""
        return kind.startswith(_OF_THE_SESSION) or fields(document.get("response")).get("object") == _OBJECT

    def answer_of(self, answers: Sequence[Answer], document: Document) -> Answer | None:
        response_id = _response_id(document)
        if response_id is None:
            return None
        return next((answer for answer in reversed(answers) if answer.response_id == response_id), None)

    def starts_anew(self, answer: Answer, document: Document) -> bool:
        """A response's first event; the session's before the first response are that one's prelude."""
        return answer.response_id is not None and _response_id(document) is not None

    def read(self, answer: Answer, event: Event, document: Document | None) -> Output:
        kind = text(document.get("type")) if document is not None else None
        if document is None or kind is None:
            answer.unknown_events += 1
            return Output.NOTHING
        answer.response_id = answer.response_id or _response_id(document)
        read = EVENTS.get(_SAME.get(kind, kind))
        if read is not None:
            return _OUTPUTS[read(answer, document)]
        if kind == _DONE:
            return _OUTPUTS[_read_done(answer, fields(document.get("response")), end=event.end)]
        _read_rare(answer, document, kind)
        return Output.NOTHING

    def ends_at_eof(self, answer: Answer, *, provider: str | None, documents_only: bool) -> bool:  # noqa: ARG002
        return answer.ending is not None

    def content_complete(self, answer: Answer) -> bool:
        return answer.finished()

    def usage(self, raw: Document) -> Usage:
        return response_usage(raw)


OPENAI_REALTIME: Final = OpenAiRealtime()


def _response_id(document: Document) -> str | None:
    return text(document.get("response_id")) or text(fields(document.get("response")).get("id"))


def _read_done(answer: Answer, response: Document, *, end: int) -> int:
    answer.status = text(response.get("status"))
    usage = response.get("usage")
    if type(usage) is dict:
        answer.add_usage(usage)
    output = settle_output(answer, response.get("output"))
    details = fields(response.get("status_details"))
    match ENDINGS.get(answer.status or ""):
        case "completed":
            reason = text(details.get("reason"))
            told = f"{answer.status}:{reason}" if answer.status == "incomplete" and reason else answer.status
            answer.choice().finish_reason = told
            answer.end("completed", _DONE, offset=end)
        case "cancelled":
            answer.end("cancelled", _DONE, offset=end)
        case "failed":
            answer.fail(error_in(details) or ErrorSeen(type="failed", raw=raw(response)), _DONE, offset=end)
        case _:
            answer.end("completed", _DONE, offset=end)
    return output


def _read_rare(answer: Answer, document: Document, kind: str) -> None:
    """What an event says of the session, of progress, or of a transcript that is whole."""
    if kind in _TRANSCRIPTS:
        _settle_transcript(answer, document)
    elif kind == "error":
        answer.error = answer.error or error_in(document)
        answer.warn("session_error")
    elif kind.startswith("session."):
        answer.model = answer.model or text(fields(document.get("session")).get("model"))
    elif not (kind.startswith(_OF_THE_SESSION) or kind in _ASKED or _is_progress(kind)):
        answer.unknown_events += 1


def _is_progress(kind: str) -> bool:
    return kind.startswith(("response.", "mcp_list_tools.")) and (
        kind.rpartition(".")[2] in PROGRESS or kind == "response.created"
    )


def _settle_transcript(answer: Answer, document: Document) -> None:
    words = text(document.get("transcript"))
    places = (document.get("output_index"), document.get("content_index"))
    at, place = (index if type(index) is int else 0 for index in places)
    spoken = answer.choice().audio(("audio", at, place))
    if words is not None and spoken.settle(words):
        answer.warn("snapshot_differs")

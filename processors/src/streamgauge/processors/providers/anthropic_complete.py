"""Anthropic's legacy completions: pieces of text, the last of them with a stop reason.

    event: completion
    data: {"type": "completion", "id", "completion", "stop_reason", "model", "stop", "log_id"}

* A plain body has the shape of an event. There is no usage, and no marker: the end is a stop reason and a proper end of
  the body.
* The first version of the API sent the whole text so far in every event, without a type, and `[DONE]` behind them.
"""

from __future__ import annotations

from typing import Final

from streamgauge.processors.providers.answer import Answer, Output, Usage
from streamgauge.processors.providers.api import MARKER, Ordinary, is_marker
from streamgauge.processors.providers.growing import grow, settle
from streamgauge.processors.providers.json_values import Document, text
from streamgauge.schemas.framing.events import Event
from streamgauge.schemas.words import Operation

__all__ = ["ANTHROPIC_COMPLETE", "AnthropicComplete"]

_TYPE: Final = "completion"
_KNOWN: Final = ("ping", "error")


class AnthropicComplete(Ordinary):
    """The wire API `anthropic.complete`."""

    name = "anthropic.complete"
    operation = Operation.COMPLETION
    events_are_bodies = True

    def recognises(self, document: Document) -> bool:
        return document.get("type") == _TYPE and "completion" in document

    def provider_in(self, document: Document) -> str | None:  # noqa: ARG002 - nobody else speaks it
        return "anthropic"

    def is_body(self, document: Document) -> bool:
        return "completion" in document

    def read(self, answer: Answer, event: Event, document: Document | None) -> Output:
        if document is None and is_marker(event):
            answer.end("completed", MARKER.decode(), offset=event.end)
        if document is None or "completion" not in document:
            known = is_marker(event) if document is None else document.get("type") in _KNOWN or "error" in document
            answer.unknown_events += not known
            return Output.NOTHING
        return _read(answer, document)

    def read_body(self, answer: Answer, document: Document, *, end: int) -> Output:  # noqa: ARG002 - nothing ends early
        return _read(answer, document)

    def starts_anew(self, answer: Answer, document: Document) -> bool:
        if not answer.choices or "completion" not in document:
            return False
        named = text(document.get("id")) or text(document.get("log_id"))
        return answer.finished() or named not in (None, answer.response_id)

    def ends_at_eof(self, answer: Answer, *, provider: str | None, documents_only: bool) -> bool:  # noqa: ARG002
        return answer.finished()

    def usage(self, raw: Document) -> Usage:  # noqa: ARG002 - it never reports any
        return Usage()


ANTHROPIC_COMPLETE: Final = AnthropicComplete()


def _read(answer: Answer, document: Document) -> Output:
    answer.response_id = answer.response_id or text(document.get("id")) or text(document.get("log_id"))
    answer.model = answer.model or text(document.get("model"))
    choice = answer.choice()
    if document.get("type") == _TYPE:
        output = grow(choice.text(), document["completion"], Output.TEXT)
    else:
        output = _read_whole(answer, document)
    choice.finish_reason = text(document.get("stop_reason")) or choice.finish_reason
    return output


def _read_whole(answer: Answer, document: Document) -> Output:
    """The whole text so far. It is no copy of pieces that could contradict them: it only grows."""
    so_far = answer.choice().text()
    before = "".join(so_far.pieces)
    whole = text(document["completion"]) or ""
    if whole.startswith(before):
        return grow(so_far, whole[len(before) :], Output.TEXT)
    return settle(answer, so_far, whole, Output.TEXT)

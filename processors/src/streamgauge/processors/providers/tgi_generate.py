"""TGI's own generate: a token an event, and in the last one all of the text.

    data:{"index", "token": {"id", "text", "logprob", "special"}, "generated_text": null, "details": null}
    data:{…, "generated_text": "…", "details": {"finish_reason", "generated_tokens", "input_length", "seed"}}

* Special tokens (end of sequence) are no text. `generated_text` is the server's own copy: it settles the pieces, and is
  the end of the content. A plain body is that copy and its details, without tokens.
* There is no marker: the end is that event and a proper end of the body.
"""

from __future__ import annotations

from typing import Final

from streamgauge.processors.providers.answer import Answer, Output, Usage
from streamgauge.processors.providers.api import Ordinary
from streamgauge.processors.providers.growing import grow, settle
from streamgauge.processors.providers.json_values import Document, count, fields, text
from streamgauge.schemas.framing.events import Event
from streamgauge.schemas.words import Operation

__all__ = ["TGI_GENERATE", "TgiGenerate"]

_COUNTS: Final = ("input_length", "generated_tokens")


class TgiGenerate(Ordinary):
    """The wire API `tgi.generate`."""

    name = "tgi.generate"
    operation = Operation.COMPLETION
    events_are_bodies = True

    def recognises(self, document: Document) -> bool:
        return type(document.get("generated_text")) is str or (
            "generated_text" in document and "text" in fields(document.get("token"))
        )

    def provider_in(self, document: Document) -> str | None:  # noqa: ARG002 - whoever speaks it is TGI, or acts it
        return "tgi"

    def is_body(self, document: Document) -> bool:
        return type(document.get("generated_text")) is str

    def read(self, answer: Answer, event: Event, document: Document | None) -> Output:  # noqa: ARG002 - the end shows with the body's
        if document is None or not ("token" in document or "generated_text" in document):
            answer.unknown_events += document is None or "error" not in document
            return Output.NOTHING
        return _read(answer, document)

    def read_body(self, answer: Answer, document: Document, *, end: int) -> Output:  # noqa: ARG002 - nothing ends early
        return _read(answer, document)

    def starts_anew(self, answer: Answer, document: Document) -> bool:
        """A token behind the whole text, one whose number goes back, or one behind a torn event."""
        if not answer.choices or "token" not in document:
            return False
        before, now = answer.scratch.get("index"), count(document.get("index"))
        back = before is not None and now is not None and now <= before
        return bool(answer.scratch.get("whole")) or back or "torn_event" in answer.warnings

    def ends_at_eof(self, answer: Answer, *, provider: str | None, documents_only: bool) -> bool:  # noqa: ARG002
        return self.content_complete(answer)

    def content_complete(self, answer: Answer) -> bool:
        return bool(answer.scratch.get("whole"))

    def usage(self, raw: Document) -> Usage:
        return Usage(input=count(raw.get("input_length")), output=count(raw.get("generated_tokens")))


TGI_GENERATE: Final = TgiGenerate()


def _read(answer: Answer, document: Document) -> Output:
    """A token, and in the last event, or in a plain body, the whole text."""
    choice, token = answer.choice(), fields(document.get("token"))
    output = Output.NOTHING
    if token.get("special") is not True:
        output |= grow(choice.text(), token.get("text"), Output.TEXT)
    answer.scratch["index"] = count(document.get("index"))
    if type(document.get("generated_text")) is str:
        output |= settle(answer, choice.text(), document["generated_text"], Output.TEXT)
        answer.scratch["whole"] = True
        _read_details(answer, fields(document.get("details")))
    return output


def _read_details(answer: Answer, details: Document) -> None:
    """The details stand there only if they were asked for."""
    answer.choice().finish_reason = text(details.get("finish_reason"))
    report = {name: details[name] for name in _COUNTS if details.get(name) is not None}
    if report:
        answer.add_usage(report)

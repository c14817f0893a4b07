"""watsonx text generation: results that grow, with counts in every event.

    id: 3
    event: message
    data: {"model_id", "results": [{"generated_text", "generated_token_count", "input_token_count", "stop_reason"}]}

* `generated_text` is a piece. A `stop_reason` of `not_finished` is none. A plain body has the same shape, and finished.
* The input is counted in the first event and 0 in all others, the output grows: of every count the highest is meant.
* There is no marker: the end is a stop reason and a proper end of the body. A count that goes back is another
  generation.
"""

from __future__ import annotations

from typing import Final

from streamgauge.processors.providers.answer import Answer, ErrorSeen, Output, Usage
from streamgauge.processors.providers.api import Ordinary
from streamgauge.processors.providers.errors import error_of
from streamgauge.processors.providers.growing import grow
from streamgauge.processors.providers.json_values import Document, count, documents, raw, text
from streamgauge.schemas.framing.events import Event
from streamgauge.schemas.words import Operation

__all__ = ["WATSONX_GENERATE", "WatsonxGenerate"]

_RUNNING: Final = frozenset({"output", "total"})
_COUNTS: Final = ("input_token_count", "generated_token_count")
_GROWS: Final = "not_finished"


class WatsonxGenerate(Ordinary):
    """The wire API `watsonx.generate`."""

    name = "watsonx.generate"
    operation = Operation.COMPLETION
    events_are_bodies = True

    def recognises(self, document: Document) -> bool:
        return any("generated_text" in result and "stop_reason" in result for result in _results(document))

    def provider_in(self, document: Document) -> str | None:  # noqa: ARG002 - nobody else speaks it
        return "watsonx"

    def is_body(self, document: Document) -> bool:
        return bool(_results(document))

    def read(self, answer: Answer, event: Event, document: Document | None) -> Output:
        if document is None or not _results(document):
            return _read_other(answer, event, document)
        return _read(answer, document, end=event.end)

    def read_body(self, answer: Answer, document: Document, *, end: int) -> Output:
        return _read(answer, document, end=end)

    def starts_anew(self, answer: Answer, document: Document) -> bool:
        results = _results(document)
        if not answer.choices or not results:
            return False
        before = count((answer.usage_raw or {}).get("generated_token_count"))
        now = count(results[0].get("generated_token_count"))
        back = before is not None and now is not None and len(results) == 1 and now < before
        return back or answer.finished() or "torn_event" in answer.warnings

    def ends_at_eof(self, answer: Answer, *, provider: str | None, documents_only: bool) -> bool:  # noqa: ARG002
        return answer.finished()

    def usage(self, raw: Document) -> Usage:
        return Usage(input=count(raw.get("input_token_count")), output=count(raw.get("generated_token_count")))


WATSONX_GENERATE: Final = WatsonxGenerate()


def _results(document: Document) -> list[Document]:
    return documents(document.get("results"))


def _read(answer: Answer, document: Document, *, end: int) -> Output:
    answer.model = answer.model or text(document.get("model_id"))
    results = _results(document)
    output = Output.NOTHING
    for index, result in enumerate(results):
        output |= grow(answer.choice(index).text(), result.get("generated_text"), Output.TEXT)
        _finish(answer, index, result, end=end)
    _count(answer, results)
    return output


def _finish(answer: Answer, index: int, result: Document, *, end: int) -> None:
    reason = text(result.get("stop_reason"))
    if reason is None or reason.lower() == _GROWS:
        return
    answer.choice(index).finish_reason = reason
    if reason.lower() == "error":
        answer.fail(ErrorSeen(type="stop_reason error", raw=raw(result)), "stop_reason error", offset=end)


def _read_other(answer: Answer, event: Event, document: Document | None) -> Output:
    """What holds no result: IBM's list of errors, the system's warnings, or what nobody knows."""
    if document is not None and documents(document.get("errors")):
        answer.fail(error_of(document), "error event", offset=event.end)
    else:
        answer.unknown_events += document is None or not ("error" in document or "system" in document)
    return Output.NOTHING


def _count(answer: Answer, results: list[Document]) -> None:
    """Report the highest count of every field so far; of several results the sum of what they say now."""
    before = answer.usage_raw or {}
    report: Document = {}
    for name in _COUNTS:
        stated = [found for result in results if (found := count(result.get(name))) is not None]
        if stated:
            report[name] = max(sum(stated), count(before.get(name)) or 0)
    if report:
        answer.add_usage(report, preliminary=frozenset() if answer.finished() else _RUNNING)

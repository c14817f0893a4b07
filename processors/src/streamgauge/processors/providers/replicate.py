"""Replicate: a prediction as one document, and the stream of its output.

    event: output      data: plain text, in several lines of `data` where it has line ends; never JSON
    event: error       data: {"detail"}
    event: done        data: {} | {"reason": "canceled" | "error"}

* The stream has ids of its own, no model, no usage and no finish reason. It ends with `done`, which says if it was
  cancelled or has failed.
* A prediction is a plain body: its `status` says how far it is, its `metrics` what it took. One that has only begun is
  a whole body without content.
"""

from __future__ import annotations

from typing import Any, Final

from streamgauge.processors.providers.answer import Answer, ErrorSeen, Output, Usage
from streamgauge.processors.providers.api import Ordinary
from streamgauge.processors.providers.growing import grow
from streamgauge.processors.providers.json_values import Document, count, fields, number, raw, text
from streamgauge.processors.providers.parts import OpaqueSoFar
from streamgauge.schemas.framing.events import Event
from streamgauge.schemas.words import Operation

__all__ = ["REPLICATE_PREDICTIONS", "REPLICATE_STREAM", "ReplicatePredictions", "ReplicateStream"]

_KNOWN: Final = ("error", "logs")
_COUNTS: Final = ("input_token_count", "output_token_count")


class ReplicateStream(Ordinary):
    """The wire API `replicate.stream`."""

    name = "replicate.stream"
    operation = Operation.COMPLETION
    text_events = frozenset({"output", "logs"})
    gives_reasons = False

    def recognises(self, document: Document) -> bool:  # noqa: ARG002 - its documents say nothing: the route tells
        return False

    def read(self, answer: Answer, event: Event, document: Document | None) -> Output:
        if event.name == "output":
            return grow(answer.choice().text(), event.data.decode("utf-8", "replace"), Output.TEXT)
        if event.name == "done":
            _end(answer, text((document or {}).get("reason")), event)
        else:
            answer.unknown_events += event.name not in _KNOWN
        return Output.NOTHING

    def starts_anew(self, answer: Answer, document: Document) -> bool:
        """Output behind the end. Before it nothing tells two streams apart."""
        return answer.ending is not None and document == {"event": "output"}

    def usage(self, raw: Document) -> Usage:  # noqa: ARG002 - it never reports any
        return Usage()


class ReplicatePredictions(Ordinary):
    """The wire API `replicate.predictions`."""

    name = "replicate.predictions"
    operation = Operation.UNKNOWN  # text, pictures, sound: the model decides
    gives_reasons = False

    def recognises(self, document: Document) -> bool:
        return "status" in document and "output" in document and "urls" in document

    def provider_in(self, document: Document) -> str | None:  # noqa: ARG002 - nobody else speaks it
        return "replicate"

    def is_body(self, document: Document) -> bool:
        return "status" in document

    def read(self, answer: Answer, event: Event, document: Document | None) -> Output:  # noqa: ARG002 - it never streams
        answer.unknown_events += document is None or "error" not in document
        return Output.NOTHING

    def read_body(self, answer: Answer, document: Document, *, end: int) -> Output:
        answer.response_id = text(document.get("id"))
        answer.model = text(document.get("model"))
        answer.status = text(document.get("status"))
        _read_metrics(answer, fields(document.get("metrics")))
        if answer.status == "canceled":
            answer.end("cancelled", "canceled", offset=end)
        elif answer.status == "failed":
            answer.fail(ErrorSeen(type="failed", raw=raw({"status": "failed"})), "failed", offset=end)
        return _read_output(answer, document.get("output"))

    def content_complete(self, answer: Answer) -> bool:
        return answer.status == "succeeded"

    def usage(self, raw: Document) -> Usage:
        return Usage(input=count(raw.get("input_token_count")), output=count(raw.get("output_token_count")))


REPLICATE_STREAM: Final = ReplicateStream()
REPLICATE_PREDICTIONS: Final = ReplicatePredictions()


def _end(answer: Answer, reason: str | None, event: Event) -> None:
    if reason == "canceled":
        answer.end("cancelled", "event:done", offset=event.end)
    elif reason is not None:
        answer.fail(ErrorSeen(type=reason, raw=raw({"reason": reason})), "event:done", offset=event.end)
    else:
        answer.end("completed", "event:done", offset=event.end)


def _read_output(answer: Answer, output: Any) -> Output:
    """Text, or a list of its pieces; what else a model may make is carried as it is."""
    pieces = output if type(output) is list else [output]
    if output is None or not pieces:
        return Output.NOTHING
    if all(type(piece) is str and "://" not in piece[:8] for piece in pieces):
        return grow(answer.choice().text(), "".join(pieces), Output.TEXT)
    answer.choice().parts["output"] = OpaqueSoFar("output", {"output": output})
    return Output.OTHER


def _read_metrics(answer: Answer, metrics: Document) -> None:
    report = {name: metrics[name] for name in _COUNTS if metrics.get(name) is not None}
    if report:
        answer.add_usage(report)
    seconds = number(metrics.get("predict_time"))
    if seconds is not None:
        answer.units["predict_seconds"] = seconds

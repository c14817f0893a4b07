"""What of a finished stream may not depend on the order its frames came in, as one plain value to compare.

Left out: the counters of order and copies, and where in the log the stream stood.
"""

from __future__ import annotations

from typing import Any

import msgspec

from streamgauge.processors.providers.answer import Answer
from streamgauge.processors.reassembly.finished import Dead, Emission, Finished, FinishedStream

__all__ = ["answer_facts", "deads", "essence", "finished", "only", "plain", "texts"]

_ORDER_AND_PLACE = {
    "duplicates_dropped",
    "reordered",
    "conflicts",
    "first_append_us",
    "first_offset",
    "last_offset",
    "closing_offset",
    "closed_at_us",
}


def essence(stream: FinishedStream) -> dict[str, Any]:
    """Everything that depends on the set of frames alone."""
    facts = {name: getattr(stream, name) for name in stream.__struct_fields__ if name not in _ORDER_AND_PLACE}
    facts["api"] = stream.api.name if stream.api is not None else None
    facts["gaps"] = stream.gaps.figures()
    facts["answers"] = [answer_facts(answer) for answer in stream.answers]
    return {name: _plain(value) for name, value in facts.items()}


def plain(emission: Emission) -> Any:
    """An emission in a form that compares: where the stream stood included."""
    match emission:
        case Finished(stream, closed_us, revisable):
            place = (stream.first_offset, stream.last_offset, stream.closing_offset, stream.closed_at_us)
            counts = (stream.duplicates_dropped, stream.reordered, stream.conflicts)
            return essence(stream), place, counts, closed_us, revisable
        case Dead():
            return emission


def answer_facts(answer: Answer) -> dict[str, Any]:
    """An answer as a plain value."""
    return {
        "id": answer.response_id,
        "model": answer.model,
        "choices": [_plain(answer.choices[index].choice(generation=0)) for index in sorted(answer.choices)],
        "finish": answer.finish_reasons(),
        "usage": answer.usage_raw,
        "error": _plain(answer.error),
        "ending": _plain(answer.ending),
        "events": answer.events,
        "unknown_events": answer.unknown_events,
        "warnings": answer.warnings,
    }


def texts(stream: FinishedStream) -> list[str]:
    """The text of each generation, all choices and parts joined."""
    return [
        "".join(
            part.text
            for index in sorted(answer.choices)
            for part in answer.choices[index].choice(generation=0).parts
            if hasattr(part, "text") and isinstance(part.text, str)
        )
        for answer in stream.answers
    ]


def finished(emissions: list[Emission]) -> list[FinishedStream]:
    """The streams among these emissions."""
    return [emission.stream for emission in emissions if isinstance(emission, Finished)]


def deads(emissions: list[Emission]) -> list[tuple[str, int]]:
    """The dead letters among these emissions: reason and offset."""
    return [(emission.reason, emission.arrival.offset) for emission in emissions if isinstance(emission, Dead)]


def only(emissions: list[Emission]) -> FinishedStream:
    """The one finished stream; anything else fails the test."""
    (stream,) = finished(emissions)
    return stream


def _plain(value: Any) -> Any:
    return msgspec.to_builtins(value, builtin_types=(bytes,))

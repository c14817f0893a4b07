"""Usage of Cohere's APIs: `tokens` are what the model read and wrote, `billed_units` what Cohere charges for.

The two differ (a system preamble is read and not billed), so tokens are never taken from the bill: where `tokens` are
absent (the first API's older answers, embeddings, rerank) they are unknown, and the bill stands among the units.
"""

from __future__ import annotations

from typing import Any, Final

from streamgauge.processors.providers.answer import Answer, Usage
from streamgauge.processors.providers.json_values import Document, count, fields

__all__ = ["cohere_usage", "note_billed_units"]

_UNITS: Final = {
    "search_units": "search_queries",
    "classifications": "classifications",
    "images": "images",
    "input_tokens": "billed_input_tokens",
    "output_tokens": "billed_output_tokens",
}


def cohere_usage(raw: Document) -> Usage:
    """The canonical reading of a report `{tokens, cached_tokens}`."""
    tokens = fields(raw.get("tokens"))
    cached = count(raw.get("cached_tokens"))
    return Usage(
        input=count(tokens.get("input_tokens")),
        output=count(tokens.get("output_tokens")),
        cache_read=count(tokens.get("cached_tokens")) if cached is None else cached,
        reasoning=count(tokens.get("reasoning_tokens")),
    )


def note_billed_units(answer: Answer, billed: Any) -> None:
    """Keep what is charged for, beside tokens."""
    for field, unit in _UNITS.items():
        number = count(fields(billed).get(field))
        if number is not None:
            answer.units[unit] = float(number)

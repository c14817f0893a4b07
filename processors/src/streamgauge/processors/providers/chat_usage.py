"""Usage of chat completions: one reading of all the reports the compatible family sends.

`prompt_tokens` includes what came from the cache. `completion_tokens` includes reasoning, except where the stated total
shows that it does not (xAI: total = prompt + completion + reasoning). Cached tokens have three names.
"""

from __future__ import annotations

from typing import Final

from streamgauge.processors.providers.answer import Answer, Usage
from streamgauge.processors.providers.json_values import Document, count, fields

__all__ = ["chat_usage", "note_units"]

_UNITS: Final = {"num_search_queries": "search_queries", "num_sources_used": "sources"}  # Perplexity; xAI


def chat_usage(raw: Document) -> Usage:
    """The canonical reading of a chat usage report."""
    prompt = fields(raw.get("prompt_tokens_details") or raw.get("prompt_token_details"))  # assistants and Writer
    completion = fields(raw.get("completion_tokens_details"))
    reasoning = count(completion.get("reasoning_tokens"))
    total = count(raw.get("total_tokens"))
    given = _first(raw, "prompt_tokens", "input_tokens")
    output = _first(raw, "completion_tokens", "output_tokens")
    if reasoning and None not in (given, output, total) and total == (given or 0) + (output or 0) + reasoning:
        output = (output or 0) + reasoning
    return Usage(
        input=given,
        output=output,
        total=total,
        cache_read=_cache_read(raw, prompt),
        cache_write=count(prompt.get("cache_write_tokens")),
        reasoning=reasoning,
        audio_in=count(prompt.get("audio_tokens")),
        audio_out=count(completion.get("audio_tokens")),
        image_in=count(prompt.get("image_tokens")),
    )


def note_units(answer: Answer, usage: Document) -> None:
    """Keep what a provider counts beside tokens."""
    for field, unit in _UNITS.items():
        number = count(usage.get(field))
        if number is not None:
            answer.units[unit] = float(number)


def _first(raw: Document, *names: str) -> int | None:
    return next((found for name in names if (found := count(raw.get(name))) is not None), None)


def _cache_read(raw: Document, prompt: Document) -> int | None:
    """The three names of one figure; where they disagree, a zero is only a default somebody filled in."""
    stated = [prompt.get("cached_tokens"), raw.get("prompt_cache_hit_tokens"), raw.get("cached_tokens")]
    counts = [found for value in stated if (found := count(value)) is not None]
    return next((found for found in counts if found), counts[0] if counts else None)

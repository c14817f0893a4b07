"""Usage of responses: input includes what came from the cache, output includes reasoning (xAI's too)."""

from __future__ import annotations

from typing import Final

from streamgauge.processors.providers.answer import Answer, Usage
from streamgauge.processors.providers.json_values import Document, count, documents, fields

__all__ = ["note_response_units", "response_usage"]

_IMAGE: Final = "image_generation_call"


def response_usage(raw: Document) -> Usage:
    """The canonical reading of a response's usage; Realtime says `…_token_details`."""
    given = fields(raw.get("input_tokens_details") or raw.get("input_token_details"))
    made = fields(raw.get("output_tokens_details") or raw.get("output_token_details"))
    return Usage(
        input=count(raw.get("input_tokens")),
        output=count(raw.get("output_tokens")),
        total=count(raw.get("total_tokens")),
        cache_read=count(given.get("cached_tokens")),
        cache_write=count(given.get("cache_write_tokens")),
        reasoning=count(made.get("reasoning_tokens")),
        audio_in=count(given.get("audio_tokens")),
        audio_out=count(made.get("audio_tokens")),
        image_in=count(given.get("image_tokens")),
    )


def note_response_units(answer: Answer, response: Document) -> None:
    """Keep what a response counts beside tokens: searches as stated, images as they stand in the output."""
    searches = count(fields(fields(response.get("tool_usage")).get("web_search")).get("num_requests"))
    if searches is not None:
        answer.units["search_queries"] = float(searches)
    sources = count(fields(response.get("usage")).get("num_sources_used"))
    if sources is not None:
        answer.units["sources"] = float(sources)
    images = sum(1 for item in documents(response.get("output")) if item.get("type") == _IMAGE and item.get("result"))
    if images:
        answer.units["images"] = float(images)

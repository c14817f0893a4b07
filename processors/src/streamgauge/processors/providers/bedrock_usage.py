"""Usage as Bedrock counts it, in all the spellings of its APIs.

    inputTokens, outputTokens, totalTokens            Converse, Nova, agents
    inputTokenCount, outputTokenCount                 the metrics of an invocation
    prompt_token_count, generation_token_count        Llama
    inputTextTokenCount, totalOutputTextTokenCount    Titan

What came from the cache or was written to it is not in the input, but in the total: 11 + 1028 + 236 = 1275 (recorded).
Those two figures have twins, `…InputTokens` and `…InputTokenCount`.
"""

from __future__ import annotations

from typing import Final

from streamgauge.processors.providers.answer import Usage
from streamgauge.processors.providers.json_values import Document, count, documents

__all__ = ["bedrock_usage"]

_INPUT: Final = ("inputTokens", "inputTokenCount", "prompt_token_count", "inputTextTokenCount")
_OUTPUT: Final = ("outputTokens", "outputTokenCount", "generation_token_count", "totalOutputTextTokenCount")
_CACHE_READ: Final = ("cacheReadInputTokens", "cacheReadInputTokenCount")
_CACHE_WRITE: Final = ("cacheWriteInputTokens", "cacheWriteInputTokenCount")


def bedrock_usage(raw: Document) -> Usage:
    """The canonical reading of one of Bedrock's usage reports."""
    given, read, written = _first(raw, _INPUT), _first(raw, _CACHE_READ), _first(raw, _CACHE_WRITE)
    return Usage(
        input=None if given is None else given + (read or 0) + (written or 0),
        output=_first(raw, _OUTPUT),
        total=count(raw.get("totalTokens")),
        cache_read=read,
        cache_write=written,
        cache_write_1h=_written_for_an_hour(raw, written or 0),
    )


def _first(raw: Document, names: tuple[str, ...]) -> int | None:
    """A figure by one of its names; where twins disagree, a zero is only a default somebody filled in."""
    counts = [found for name in names if (found := count(raw.get(name))) is not None]
    return next((found for found in counts if found), counts[0] if counts else None)


def _written_for_an_hour(raw: Document, written: int) -> int | None:
    """What was written to the cache for an hour, where the writes are told by lifetime."""
    details = documents(raw.get("cacheDetails"))
    hour = [found for detail in details if detail.get("ttl") == "1h" and (found := count(detail.get("inputTokens")))]
    return sum(hour) if hour and sum(hour) <= written else None

"""Usage as Gemini counts it: what was thought, and what its tools read, stand beside input and output.

Google leaves out what is zero, so of two addends one that is absent counts as none where the other is stated. The
total holds all four: prompt, tool use, candidates, thoughts.
"""

from __future__ import annotations

import re
from typing import Final

from streamgauge.processors.providers.answer import Answer, Usage
from streamgauge.processors.providers.json_values import Document, count, documents, text

__all__ = ["google_usage", "note_searches", "take_report"]

_BY_QUERY: Final = re.compile(r"(.*/)?gemini-([3-9]|[1-9]\d)\b")  # models whose searches are billed one by one


def google_usage(raw: Document) -> Usage:
    """The canonical reading of a `usageMetadata`; live sessions say `response…` for `candidates…`."""
    given, read = count(raw.get("promptTokenCount")), count(raw.get("toolUsePromptTokenCount"))
    made, thought = count(raw.get("candidatesTokenCount", raw.get("responseTokenCount"))), _thought(raw)
    spoken = raw.get("candidatesTokensDetails", raw.get("responseTokensDetails"))
    return Usage(
        input=None if given is None else given + (read or 0),
        output=None if made is None and thought is None else (made or 0) + (thought or 0),
        total=count(raw.get("totalTokenCount")),
        cache_read=count(raw.get("cachedContentTokenCount")),
        reasoning=thought,
        audio_in=_of_kind(raw.get("promptTokensDetails"), "AUDIO"),
        audio_out=_of_kind(spoken, "AUDIO"),
        image_in=_of_kind(raw.get("promptTokensDetails"), "IMAGE"),
    )


def take_report(answer: Answer, report: Document, *, preliminary: frozenset[str]) -> None:
    """Take a report. One with a total counts everything so far, so what an earlier one said and it leaves out is
    none; one without (Vertex names its `trafficType` in every chunk) only adds to what is known."""
    if "totalTokenCount" in report:
        answer.usage_raw = None
    answer.add_usage(report, preliminary=preliminary)
    answer.service_tier = text(report.get("serviceTier")) or answer.service_tier


def note_searches(answer: Answer, grounding: Document) -> None:
    """Keep how often the model searched. Before Gemini 3 a search is billed by the prompt, not by the query
    ("Gemini Developer API pricing"), so there the prompts are counted."""
    queries = grounding.get("webSearchQueries")
    if type(queries) is not list or not queries:
        return
    if _BY_QUERY.match(answer.model or ""):
        answer.units["search_queries"] = float(len(queries))
    else:
        answer.units["grounded_prompts"] = 1.0


def _thought(raw: Document) -> int | None:
    return count(raw.get("thoughtsTokenCount"))


def _of_kind(details: object, modality: str) -> int | None:
    """The tokens of one modality; null where none of them is listed."""
    found = [count(one.get("tokenCount")) for one in documents(details) if one.get("modality") == modality]
    known = [number for number in found if number is not None]
    return sum(known) if known else None

"""What a record may say of a damaged stream, and what it must: each function names what is not true.

The rules, from the contract's outcomes and from "How streams break":

* never completed before the event that decides, never failed behind it; where an API has no such event, a proper end of
  the body behind a finish reason decides;
* the text is what stood before the damage, no more and no less (`corpus_naive` says how much); of tool calls a
  beginning, and a call that was cut is not complete;
* no usage and no finish reason that no event states; what is estimated says so;
* an error is told in its words; without one no error is told;
* what carries the same bytes another way (smaller reads, frames twice, frames of other streams between them) says the
  same.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final, NamedTuple

from corpus_check import CANONICAL
from corpus_core import Told
from corpus_file import Recording
from corpus_naive import Naive, stated
from streamgauge.schemas.records import Choice, Hole, Text, ToolCall

__all__ = ["Subject", "beginning", "calls_of_a_beginning", "cut", "failed", "holed", "said", "same", "spliced"]

LINE_ENDS_MAX: Final = 4  # bytes behind an event, which may be cut off
USAGE: Final = tuple(f"usage_{name}" for name in CANONICAL)
FACTS: Final = (
    *("outcome", "ended_by", "evidence", "evidence_offset", "content_complete", "stream_complete", "finish_reasons"),
    *("error_kind", "error_type", "error_code", "error_message", "warnings", "response_id", "model", "provider", "api"),
    *("generations", "choices", "tool_calls", "events", "bytes", "units", "service_tier"),
    *("usage_source", "usage_estimated", "cost_usd", "conflicts", "holes", "capped", "duplicates_dropped", *USAGE),
)


class Subject(NamedTuple):
    """A recording, what stands in it, and what is told of it undamaged."""

    recording: Recording
    naive: Naive
    whole: Told


def cut(subject: Subject, told: Told, border: int, *, reset: bool, torn: bool) -> Iterator[str]:
    """The body ended before this border; `torn`: within the event behind it."""
    record = told.record
    yield from beginning(subject, told, border)
    if record.error_message or record.error_type not in (None, "httpx.RemoteProtocolError" if reset else None):
        yield f"told an error: {record.error_type} {record.error_message}"
    if subject.naive.ended(border):
        yield from _differing(subject.whole, told, ("outcome", "evidence", "finish_reasons"))
        early = (subject.whole.record.evidence_offset or 0) - (record.evidence_offset or 0)
        if not 0 <= early <= LINE_ENDS_MAX:
            yield f"evidence_offset {record.evidence_offset}"
    elif record.evidence == "unknown_api" and not stated(subject.naive.parts[:border]):
        return  # nothing had come that could tell of which API the stream is
    elif record.outcome == "completed":
        if reset or torn or record.evidence != "eof" or not record.content_complete:
            yield f"completed before the event that decides, by {record.evidence}"
    elif (record.outcome, record.ended_by) != ("truncated", "network" if reset else "provider"):
        yield f"outcome {record.outcome}, ended by {record.ended_by}"
    elif record.stream_complete is not False:
        yield f"stream_complete {record.stream_complete}"


def failed(subject: Subject, told: Told, border: int, *, words: str, behind: Sequence[bytes]) -> Iterator[str]:
    """An error of these words stood at this border; `behind` it came more events of the stream."""
    record = told.record
    if not behind:
        yield from beginning(subject, told, border)
    elif (text := said(told)) != subject.naive.texts[-1] and subject.naive.exact:
        yield f"text {_shown(text)} where {_shown(subject.naive.texts[-1])} came"
    if words not in (record.error_message or "") or record.error_kind is None:
        yield f"error_message {record.error_message!r}"
    if subject.naive.ended(border):
        yield from _differing(subject.whole, told, ("outcome", "evidence", "evidence_offset"))
        if "error_after_end" not in record.warnings:
            yield "no error_after_end"
    elif (record.outcome, record.ended_by) != ("failed", "provider"):
        yield f"outcome {record.outcome}, by {record.evidence}"
    elif record.content_complete is not False or record.stream_complete is not False:
        yield f"content_complete {record.content_complete}, stream_complete {record.stream_complete}"


def beginning(subject: Subject, told: Told, border: int) -> Iterator[str]:
    """What holds of everything that was told of the first events."""
    naive, record, text = subject.naive, told.record, said(told)
    if text != naive.texts[border] if naive.exact else not said(subject.whole).startswith(text):
        yield f"text {_shown(text)} where {_shown(naive.texts[border])} came"
    yield from calls_of_a_beginning(calls(subject.whole), calls(told))
    values = stated(naive.parts[:border])
    if record.generations != 1 and (values or record.generations):  # before the first event nothing has begun
        yield f"{record.generations} generations"
    yield from _usage(told, values, final=any(name == "stop_reason" for name, value in values if value is not None))
    words = {value for _, value in values}
    yield from (f"finish {one} that nobody said" for one in record.finish_reasons if one.split(":")[-1] not in words)
    if record.content_complete:
        if text != said(subject.whole):
            yield "content_complete, and text is missing"
        if len(calls(told)) != len(calls(subject.whole)):
            yield "content_complete, and calls are missing"


def same(whole: Told, told: Told, *, but: Collection[str] = ()) -> Iterator[str]:
    """The same is told of both, but for these facts."""
    yield from _differing(whole, told, [name for name in FACTS if name not in but])
    for name in ("choices", "usage_raw", "error_raw"):
        if getattr(whole.contents, name) != getattr(told.contents, name):
            yield f"contents differ in {name}"


def spliced(first: Told, second: Told, told: Told) -> Iterator[str]:
    """A beginning and another whole stream in one body: two generations, and no text of one in the other."""
    record = told.record
    if record.generations != 2:
        yield f"{record.generations} generations"
        return
    for generation, expected in enumerate((first, second)):
        text, before = said(told, generation), said(expected)
        if text != before:
            yield f"generation {generation}: text {_shown(text)} where {_shown(before)} came"
        found, wanted = calls(told, generation), calls(expected)
        if [(call.name, call.arguments) for call in found] != [(call.name, call.arguments) for call in wanted]:
            yield f"generation {generation}: calls {[call.name for call in found]}"
    yield from _differing(second, told, ("outcome", "ended_by", "evidence", "response_id", "model", "error_message"))
    lost = "damaged" in record.warnings  # bytes of a binary message: whose they were nobody knows
    if record.content_complete is not (None if lost else second.record.content_complete):
        yield f"content_complete {record.content_complete}"
    if _reports(told) != _reports(first) + _reports(second):
        yield f"usage reports {_reports(told)}"


def holed(subject: Subject, told: Told, *, marker_lost: bool) -> Iterator[str]:
    """A frame of the stream was lost for good."""
    record, text = told.record, said(subject.whole)
    if (record.holes, record.missing_chunks) != (1, 1):
        yield f"{record.holes} holes, {record.missing_chunks} missing chunks"
    if record.stream_complete or record.content_complete:
        yield f"content_complete {record.content_complete}, stream_complete {record.stream_complete}"
    if record.outcome not in (None, "truncated") and (record.outcome != "completed" or marker_lost):
        yield f"outcome {record.outcome}, by {record.evidence}"
    at = 0
    for choice in _first_choices(told, 0):
        for part in choice.parts:
            if isinstance(part, Text) and subject.naive.exact:
                found = text.find(str(part.text), at)
                if found < 0:
                    yield f"text {_shown(str(part.text))} that never came in one"
                at = max(at, found)
    whole = [call.arguments for call in calls(subject.whole)]
    for call in calls(told):
        if call.complete and call.arguments not in whole:
            yield f"call {call.name} complete, and arguments are missing"
    if len(said(told)) < len(text) and subject.naive.exact and told.contents.choices and not _has_hole(told):
        yield "text is missing, and no hole says so"


def said(told: Told, generation: int = 0) -> str:
    """The text of the first choice."""
    return "".join(
        str(part.text) for choice in _first_choices(told, generation) for part in choice.parts if isinstance(part, Text)
    )


def calls(told: Told, generation: int = 0) -> list[ToolCall]:
    """The tool calls of the first choice."""
    found = _first_choices(told, generation)
    return [part for choice in found for part in choice.parts if isinstance(part, ToolCall)]


def _has_hole(told: Told) -> bool:
    return any(isinstance(part, Hole) for choice in told.contents.choices for part in choice.parts)


def _first_choices(told: Told, generation: int) -> list[Choice]:
    found = [choice for choice in told.contents.choices if choice.generation == generation]
    return found[:1]


def calls_of_a_beginning(whole: Sequence[ToolCall], found: Sequence[ToolCall]) -> Iterator[str]:
    """Calls of a beginning are beginnings of the calls."""
    if len(found) > len(whole):
        yield f"{len(found)} calls of {len(whole)}"
    for before, call in zip(whole, found, strict=False):
        if call.name not in (before.name, None):
            yield f"call {call.name} where {before.name} was"
        if not str(before.arguments).startswith(str(call.arguments)):
            yield f"arguments {_shown(str(call.arguments))} of {_shown(str(before.arguments))}"
        elif call.complete and (call.arguments, call.name) != (before.arguments, before.name):
            yield f"call {call.name} complete, and arguments are missing"
        elif call.complete is None:
            yield f"nobody knows whether call {call.name} is complete"


def _usage(told: Told, values: set[tuple[str, Any]], *, final: bool) -> Iterator[str]:
    """Nothing is reported that was not stated."""
    record, reports = told.record, _reports(told)
    for report in reports:
        for name, value in _leaves(report):
            if value is not None and (name, value) not in values:
                yield f"usage {name} {value} that nobody stated"
    figures = {name: getattr(record, name) for name in USAGE if name not in record.usage_estimated}
    if not reports:
        yield from (f"{name} {value} of no report" for name, value in figures.items() if value is not None)
        if record.usage_source not in ("none", "estimated"):
            yield f"usage_source {record.usage_source} without a report"
    if record.api == "anthropic.messages" and not final and figures.get("usage_output") is not None:
        yield "a placeholder is told as output"


def _reports(told: Told) -> list[Any]:
    raw = json.loads(bytes(told.contents.usage_raw))
    return raw if isinstance(raw, list) else [raw] * (raw is not None)


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for inner, one in value.items():
            yield from _leaves(one, inner)
    elif isinstance(value, list):
        for one in value:
            yield from _leaves(one, name)
    else:
        yield name, value


def _differing(whole: Told, told: Told, names: Collection[str]) -> Iterator[str]:
    for name in names:
        before, now = getattr(whole.record, name), getattr(told.record, name)
        if before != now:
            yield f"{name} {now!r:.60} where it was {before!r:.60}"


def _shown(text: str) -> str:
    """How long it is, and its end: enough to find the place, and no more of it."""
    return f"of {len(text)} characters …{text[-12:]!r}"

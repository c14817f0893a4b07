"""Writing the record: a finished stream in, its facts and its contents out.

Everything in a record is a function of the stream, and so of the log: no clock, no chance, and every list and map in an
order of its own. What the parts of a record mean stands with the measures and modules that make them; here they are
put together.

* Of several connections the last that brought something speaks for the stream: its status, its headers.
* What the application says in Notes is laid over what it said at the Open, in order: the later value wins.
* Content travels as the tenant allows. Under `measure_only` and `sizes_only` the contents are empty and the facts hold
  no text of the provider's; a mode this worker does not know is treated so too.
* Facts and contents are bounded each. Where a text had to be cut or to give way, `capped` says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeVar

import msgspec

from streamgauge.processors.measures import timing
from streamgauge.processors.providers.answer import Answer
from streamgauge.processors.providers.json_values import raw
from streamgauge.processors.reassembly.finished import FinishedLink, FinishedStream
from streamgauge.processors.record.account import take_account
from streamgauge.processors.record.contents import fit, tool_events_of
from streamgauge.processors.record.facts import bounded, context_of, tags_of
from streamgauge.processors.record.failure import failure_of
from streamgauge.processors.record.measures import Measures
from streamgauge.processors.record.operation import operation_of
from streamgauge.processors.record.request_body import read_request
from streamgauge.processors.record.response_headers import recorded, region, request_id, retry_after_us
from streamgauge.processors.record.suspicions import suspicions_of
from streamgauge.schemas.identity import call_text, record_id
from streamgauge.schemas.records import NULL, Choice, Contents, Link, Record, ToolCall
from streamgauge.schemas.words import ContentMode, RecordKind

__all__ = ["PARSER_VERSION", "write"]

_T = TypeVar("_T")

PARSER_VERSION: Final = "1"  # one more whenever the same bytes come to be read differently

REFUSED_STATUS: Final = 400  # from here on a status refuses

_SHOWN: Final = (ContentMode.KEEP, ContentMode.STRUCTURE)


def write(
    stream: FinishedStream, *, topic: str | None, partition: int | None, rules: str | None, measures: Measures
) -> tuple[Record, Contents]:
    """The record and the contents of a finished stream."""
    return _Writing(stream, measures).write(topic=topic, partition=partition, rules=rules)


class _Writing:
    """One stream being written: what several groups of fields need, found once."""

    def __init__(self, stream: FinishedStream, measures: Measures) -> None:
        self.stream = stream
        self.opening = stream.opening
        self.deciding = _deciding(stream.links)
        head = self.deciding.head
        self.status = head.status if head is not None else None
        self.headers = recorded(head.headers) if head is not None else {}
        self.request = read_request(stream.opening)
        self.generations = [_choices(answer, number) for number, answer in enumerate(stream.answers)]
        self.choices = [choice for choices in self.generations for choice in choices]
        self.shown = all(link.opening.content in _SHOWN for link in stream.links)
        self.model = self._model()
        self.account = take_account(
            stream,
            self.generations,
            request=self.request,
            model=self.model,
            accepted=self.status is not None and self.status < REFUSED_STATUS,
            measures=measures,
        )
        self.id = record_id(*stream.id, stream.response)

    def write(self, *, topic: str | None, partition: int | None, rules: str | None) -> tuple[Record, Contents]:
        contents, cut = fit(self._contents())
        facts: dict[str, Any] = {
            **self._identity(),
            **context_of(self.opening, self.stream.notes),
            **self._outcome(),
            **self._links(),
            **self._timing(),
            **self.account.fields(),
            **self._integrity(),
        }
        tags, tags_cut = tags_of(self.opening, self.stream.notes)
        record = Record(
            **facts,
            tags=tags,
            capped=self.stream.capped or cut or tags_cut,
            topic=topic,
            partition=partition,
            first_offset=self.stream.first_offset,
            last_offset=self.stream.last_offset,
            closed_at_us=self.stream.closed_at_us,
            rules=rules,
            parser_version=PARSER_VERSION,
        )
        return bounded(record), contents

    # ------------------------------------------------------------------ facts

    def _identity(self) -> dict[str, Any]:
        stream, opening = self.stream, self.opening
        answers = stream.answers
        return {
            "id": self.id,
            "kind": stream.kind,
            "tenant": stream.id.tenant,
            "call_id": call_text(stream.id.call),
            "call_ref": opening.call_ref,
            "attempt": stream.id.attempt,
            "attempt_kind": opening.attempt_kind,
            "parent_attempt": opening.parent_attempt,
            "operation": operation_of(opening, stream.api, model=self.request.model),
            "streamed": stream.streamed,
            "provider": stream.provider or opening.provider,
            "api": stream.api.name if stream.api is not None else opening.api,
            "model_requested": self.request.model,
            "model": self.model,
            "service_tier": _last(answer.service_tier for answer in answers),
            "server_address": opening.host,
            "region": region(self.headers),
            "response_id": answers[-1].response_id if answers else None,  # no id of another generation is this one's
            "provider_request_id": request_id(self.headers),
            "sdk": opening.sdk,
        }

    def _model(self) -> str | None:
        """What the user says it is, the later word first; else what the provider says of the generation that counts."""
        noted = _last(note.model for note in self.stream.notes)
        answers = self.stream.answers
        return noted or self.opening.model or (answers[-1].model if answers else None)

    def _outcome(self) -> dict[str, Any]:
        stream, verdict = self.stream, self.stream.verdict
        failure = failure_of(stream.answers, status=self.status, close=self.deciding.close, notes=stream.notes)
        head = self.deciding.head
        answered_us = self.deciding.opening.wall_us + (head.time_us if head is not None else 0)
        return {
            "outcome": verdict.outcome,
            "ended_by": verdict.ended_by,
            "evidence": verdict.evidence,
            "evidence_offset": verdict.evidence_offset,
            "content_complete": verdict.content_complete,
            "stream_complete": verdict.stream_complete,
            "status": self.status,
            "finish_reasons": [choice.finish_reason for choice in self.choices if choice.finish_reason is not None],
            "error_kind": failure.kind,
            "error_type": failure.type,
            "error_code": failure.code,
            "error_message": failure.message if self.shown else None,
            "retry_after_us": retry_after_us(self.headers, answered_us=answered_us),
            "suspicions": suspicions_of(stream),
            "warnings": self._warnings(),
        }

    def _warnings(self) -> list[str]:
        found = {*self.stream.warnings, *self.account.warnings}
        found.update(warning for answer in self.stream.answers for warning in answer.warnings)
        if any(answer.error is not None and answer.error.out_of_grammar for answer in self.stream.answers):
            found.add("out_of_grammar")
        return sorted(found)

    def _links(self) -> dict[str, Any]:
        stream = self.stream
        return {
            "links": [_link(link) for link in stream.links],
            "resume_gap_us": stream.resume_gap_us,
            "holes": stream.holes,
            "missing_chunks": stream.missing_chunks,
            "generations": len(stream.answers),
        }

    def _timing(self) -> dict[str, Any]:
        stream = self.stream
        figures = timing.figures(
            stream.marks,
            stream.gaps,
            chunks=stream.chunks if stream.response is None else 0,  # of one response no gaps are known
            consumer_wait_us=stream.consumer_wait_us,
            output=self.account.judged.usage_output,
            reasoning=self.account.judged.usage_reasoning,
        )
        return {
            "requested_at_us": None if stream.began_us is None else self.opening.wall_us + stream.began_us,
            "first_append_us": stream.first_append_us,
            **msgspec.structs.asdict(figures),
        }

    def _integrity(self) -> dict[str, Any]:
        stream = self.stream
        answered = stream.api is not None and bool(stream.answers)
        calls = sum(isinstance(part, ToolCall) for choice in self.choices for part in choice.parts)
        return {
            "choices": len(self.choices) if answered else None,
            "tool_calls": calls if answered else None,
            "chunks": stream.chunks,
            "events": stream.events,
            "bytes": stream.body_bytes,
            "duplicates_dropped": stream.duplicates_dropped,
            "reordered": stream.reordered,
            "conflicts": stream.conflicts,
            "unknown_events": stream.unknown_events,
            "unknown_frames": stream.unknown_frames,
            "shim_dropped_chunks": stream.shim_dropped_chunks,
        }

    # ------------------------------------------------------------------ contents

    def _contents(self) -> Contents:
        stream = self.stream
        if not self.shown:
            return Contents(id=self.id, tenant=stream.id.tenant)
        stated = [answer.usage_raw for answer in stream.answers if answer.usage_raw is not None]
        error = _last(answer.error for answer in stream.answers)
        return Contents(
            id=self.id,
            tenant=stream.id.tenant,
            request=self.request.shown,
            choices=self.choices if stream.kind is not RecordKind.SESSION else [],  # they stand with its responses
            usage_raw=raw(stated if len(stated) > 1 else stated[0]) if stated else NULL,
            error_raw=error.raw if error is not None else NULL,
            headers=self.headers,
            tool_events=tool_events_of(stream.notes) if stream.response is None else [],
        )


def _deciding(links: Sequence[FinishedLink]) -> FinishedLink:
    """The link that speaks for the stream: the last that brought something, else the last that was answered at all."""
    bringing = [link for link in links if link.chunks and not _is_refused(link)]
    answered = [link for link in links if link.head is not None or link.chunks]
    return (bringing or answered or links)[-1]


def _is_refused(link: FinishedLink) -> bool:
    return link.head is not None and link.head.status is not None and link.head.status >= REFUSED_STATUS


def _link(link: FinishedLink) -> Link:
    return Link(
        link_no=link.opening.link_no,
        opened_us=link.opened_us,
        ended_us=link.ended_us,
        how=link.how,
        chunks=link.chunks,
        resumed_from=link.opening.cursor,
        replayed_events=link.replayed_events,
    )


def _choices(answer: Answer, generation: int) -> list[Choice]:
    return [answer.choices[index].choice(generation=generation) for index in sorted(answer.choices)]


def _last(values: Iterable[_T | None]) -> _T | None:
    """The last value that is there."""
    return next((value for value in reversed(list(values)) if value is not None), None)

"""A session of many responses: what is known of each by itself, and how it is recorded.

    session ─▶ one finished stream a response, 0, 1, …  ─▶ a record each
            └▶ the session itself, with the sums        ─▶ one more, of kind session

A response ends by its own word. One that had not when the connection went ended as that did. Its times count from its
own first event; what is counted of the connection alone (gaps, copies, losses) stands with the session.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from streamgauge.processors.measures.timing import Gaps
from streamgauge.processors.providers.answer import Answer, Output
from streamgauge.processors.reassembly.finished import FinishedResponse, FinishedStream, Marks, Verdict
from streamgauge.processors.reassembly.moments import Moments
from streamgauge.processors.reassembly.verdict import Facts, judge
from streamgauge.schemas.words import Outcome, RecordKind

__all__ = ["ResponseMoments", "responses_of", "streams_of"]


class ResponseMoments(Moments):
    """The moments of one response on its link, and what came for it."""

    __slots__ = ("body_bytes", "ended_us")

    def __init__(self) -> None:
        super().__init__()
        self.ended_us: int | None = None
        self.body_bytes = 0

    def event(self, answer: Answer, kinds: Output, size: int, at_us: int | None) -> None:
        """One of its events came."""
        self.body_bytes += size
        if self.first_event_us is None:
            self.first_event_us = at_us
        if kinds:
            self.output(kinds, at_us)
        if answer.ending is not None and self.ended_us is None:
            self.ended_us = at_us

    def marks(self) -> Marks:
        """Since its first event."""
        return Marks(
            first_event_us=self._since(self.first_event_us),
            first_output_us=self._since(self.first_output_us),
            first_text_us=self._since(self.first_text_us),
            first_reasoning_us=self._since(self.first_reasoning_us),
            first_tool_us=self._since(self.first_tool_us),
            last_output_us=self._since(self.last_output_us),
            ended_us=self._since(self.ended_us),
        )

    def _since(self, us: int | None) -> int | None:
        return None if us is None or self.first_event_us is None else us - self.first_event_us


def responses_of(
    answers: Iterable[Answer],
    moments: Iterable[tuple[dict[Answer, ResponseMoments], int | None]],
    *,
    verdict: Verdict,
    whole: bool,
    is_complete: Callable[[Answer], bool],
) -> list[FinishedResponse]:
    """The responses of a session that ended so. `moments` holds what each link saw of them, and where it stands."""
    seen = {answer: (found, opened_us) for link, opened_us in moments for answer, found in link.items()}
    responses: list[FinishedResponse] = []
    for answer in answers:
        if not (answer.choices or answer.response_id or answer.ending):  # what came before the first
            continue
        found, opened_us = seen.get(answer, (ResponseMoments(), None))
        known = opened_us is not None and found.first_event_us is not None
        responses.append(
            FinishedResponse(
                answer=answer,
                verdict=_verdict(answer, verdict, whole=whole, content_complete=is_complete(answer)),
                marks=found.marks(),
                began_us=(opened_us or 0) + (found.first_event_us or 0) if known else None,
                body_bytes=found.body_bytes,
            )
        )
    return responses


def _verdict(answer: Answer, session: Verdict, *, whole: bool, content_complete: bool) -> Verdict:
    if answer.ending is not None:
        facts = Facts(ending=answer.ending, streamed=True, whole=whole, content_complete=content_complete)
        return judge(facts)
    known = session.outcome is not None
    return msgspec.structs.replace(
        session,
        outcome=session.outcome if session.outcome is not Outcome.COMPLETED else None,
        content_complete=content_complete if known else content_complete or None,
        stream_complete=False if known else None,
    )


def streams_of(stream: FinishedStream) -> list[FinishedStream]:
    """What is to be recorded of a finished stream: itself; of a session each response, and then the session."""
    if stream.responses is None:
        return [stream]
    session = msgspec.structs.replace(stream, kind=RecordKind.SESSION, responses=None)
    return [*(_alone(stream, number, response) for number, response in enumerate(stream.responses)), session]


def _alone(stream: FinishedStream, number: int, response: FinishedResponse) -> FinishedStream:
    answer = response.answer
    return msgspec.structs.replace(
        stream,
        responses=None,
        response=number,
        began_us=response.began_us,
        answers=[answer],
        verdict=response.verdict,
        marks=response.marks,
        gaps=Gaps(),
        consumer_wait_us=None,
        chunks=answer.events,
        events=answer.events,
        body_bytes=response.body_bytes,
        duplicates_dropped=0,
        reordered=0,
        conflicts=0,
        unknown_events=answer.unknown_events,
        unknown_frames=0,
        shim_dropped_chunks=None,
    )

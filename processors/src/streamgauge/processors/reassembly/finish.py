"""From a closed stream to what is handed on: the links put side by side, the answers gathered, the verdict passed.

Everything is taken from the links in their order, so that it does not depend on the order their frames came in.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from streamgauge.processors.measures.timing import Gaps
from streamgauge.processors.reassembly.deadlines import Lapse
from streamgauge.processors.reassembly.finished import (
    Arrival,
    FinishedLink,
    FinishedResponse,
    FinishedStream,
    Marks,
    Verdict,
)
from streamgauge.processors.reassembly.generations import Generations, gather
from streamgauge.processors.reassembly.link import Link
from streamgauge.processors.reassembly.moments import together
from streamgauge.processors.reassembly.sessions import responses_of
from streamgauge.processors.reassembly.stream import Stream
from streamgauge.processors.reassembly.verdict import Blind, Facts, judge
from streamgauge.schemas.frames import Open
from streamgauge.schemas.limits import NUMBER_MAX
from streamgauge.schemas.words import How

__all__ = ["finish", "give_up"]

_Placed = tuple[Link, int | None]  # a link, and where it stands relative to the first


def finish(stream: Stream, closing: Arrival) -> FinishedStream:
    """Everything that was seen of a stream that has closed at this arrival."""
    links = stream.wind_up()
    opening = next(link.opening for link in links if link.opening is not None)
    placed = [(link, _opened_us(link, opening)) for link in links]
    generations, warnings = _gather(links)
    deciding = generations.deciding or links[-1]
    verdict = _verdict(stream, links, deciding, generations)
    for link in links:
        warnings |= link.oddities()
    if stream.refused:
        warnings.add("too_many_links")
    warnings |= _clock_warnings(placed) | _refusal_warnings(links, deciding)
    return FinishedStream(
        id=stream.id,
        opening=opening,
        links=[_finished_link(link, opened_us, stream, generations) for link, opened_us in placed if link.opening],
        notes=stream.notes(),
        api=next((s.reading.api for s in generations.strands if s.reading.api is not None), None),
        provider=next((s.reading.provider for s in generations.strands if s.reading.provider is not None), None),
        streamed=deciding.flow.body.streamed if deciding.responded and deciding.flow.body is not None else None,
        answers=generations.answers(),
        verdict=verdict,
        responses=_responses(placed, generations, verdict),
        marks=together([(link.flow.moments, us) for link, us in placed], ended_us=_ended_us(placed)),
        gaps=stream.gaps,
        resume_gap_us=_resume_gap_us(placed),
        consumer_wait_us=_known_sum(link.consumer_wait_us for link in links),
        holes=sum(link.order.holes for link in links) + stream.lost_links + generations.holes,
        missing_chunks=_missing_chunks(stream, links, generations),
        chunks=sum(link.flow.chunks for link in links),
        body_bytes=min(sum(link.flow.body_bytes for link in links), NUMBER_MAX),
        events=sum(link.flow.events for link in links),
        duplicates_dropped=stream.duplicates
        + generations.duplicates
        + sum(link.order.duplicates + link.flow.duplicates for link in links),
        reordered=sum(link.order.reordered for link in links),
        conflicts=stream.conflicts + generations.conflicts + sum(link.order.conflicts for link in links),
        unknown_events=sum(strand.reading.unknown_events for strand in generations.strands),
        unknown_frames=stream.stray_frames() + sum(link.unknown_frames for link in links),
        shim_dropped_chunks=_known_sum(link.dropped for link in links),
        capped=any(link.flow.body is not None and link.flow.body.capped for link in links),
        warnings=sorted(warnings),
        first_append_us=stream.first_append_us,
        first_offset=stream.first_offset,
        last_offset=stream.last_offset,
        closing_offset=closing.offset,
        closed_at_us=closing.append_us,
    )


def give_up(stream: Stream, opening: Open, closing: Arrival) -> FinishedStream:
    """What is certain of a stream on which something of ours failed: that it was, and where its frames stand."""
    return FinishedStream(
        id=stream.id,
        opening=opening,
        links=[FinishedLink(opening=opening)],
        notes=[],
        api=None,
        provider=None,
        streamed=None,
        answers=[],
        verdict=Verdict(outcome=None, ended_by=None, evidence=Blind.NOT_SEEN),
        marks=Marks(),
        gaps=Gaps(),
        warnings=["internal_error"],
        first_append_us=stream.first_append_us,
        first_offset=stream.first_offset,
        last_offset=stream.last_offset,
        closing_offset=closing.offset,
        closed_at_us=closing.append_us,
    )


def _gather(links: Sequence[Link]) -> tuple[Generations, set[str]]:
    """The generations; none, with a warning, where a parser fails on their merging: our mistake, not the stream's."""
    try:
        return gather(links), set()
    except Exception:  # noqa: BLE001 - the facts of the stream are worth more than its content
        return Generations(), {"parser_error"}


def _responses(placed: Sequence[_Placed], generations: Generations, verdict: Verdict) -> list[FinishedResponse] | None:
    reading = generations.reading
    if reading is None or reading.api is None or not reading.is_session:
        return None
    return responses_of(
        generations.answers(),
        [(link.flow.responses, us) for link, us in placed],
        verdict=verdict,
        whole=all(link.flow.whole for link, _ in placed),
        is_complete=reading.api.content_complete,
    )


def _verdict(stream: Stream, links: Sequence[Link], deciding: Link, generations: Generations) -> Verdict:
    reading = generations.reading
    close = deciding.close
    return judge(
        Facts(
            ending=reading.ending if reading is not None else None,
            status=deciding.status,
            streamed=deciding.flow.body is not None and deciding.flow.body.streamed is True,
            responded=any(link.responded for link in links),
            short=deciding.short,
            cut_in_coding=deciding.cut_in_coding,
            blind=deciding.blind if reading is not None else Blind.NOT_SEEN,
            whole=all(link.flow.whole for link in links) and not generations.torn and not stream.lost_links,
            content_complete=reading.content_complete() if reading is not None else None,
            how=close.how if close is not None else None,
            reading=close.reading if close is not None else None,
            cause=close.cause if close is not None else None,
            lapse=stream.lapse,
        )
    )


def _finished_link(link: Link, opened_us: int | None, stream: Stream, generations: Generations) -> FinishedLink:
    assert link.opening is not None  # noqa: S101 - only those are listed
    ended_us = link.ended_us
    return FinishedLink(
        opening=link.opening,
        head=link.flow.head,
        close=link.close,
        how=_how(link, stream.lapse),
        opened_us=opened_us,
        ended_us=None if opened_us is None or ended_us is None else opened_us + ended_us,
        chunks=link.flow.chunks,
        body_bytes=link.flow.body_bytes,
        replayed_events=generations.replayed.get(link.link, 0),
    )


def _how(link: Link, lapse: Lapse | None) -> How | None:
    """How the link ended; a link that fell silent without an end is taken for crashed."""
    if link.close is not None:
        return link.close.how
    silent = lapse is Lapse.PRODUCER_SILENT or (lapse is Lapse.PROVIDER_SILENT and link.silent_since_us is None)
    return How.CRASHED if silent else None


# ---------------------------------------------------------------------- times of several links


def _opened_us(link: Link, first: Open) -> int | None:
    """Where a link stands relative to the first, by wall clock; null where the clocks contradict the order."""
    if link.opening is None:
        return None
    opened_us = link.opening.wall_us - first.wall_us
    return opened_us if opened_us >= 0 else None


def _ended_us(placed: Sequence[_Placed]) -> int | None:
    """When the last of the links ended; null where nobody can say when the last one in order did."""
    ended = [None if us is None or link.ended_us is None else us + link.ended_us for link, us in placed]
    return max((us for us in ended if us is not None), default=None) if ended[-1] is not None else None


def _resume_gap_us(placed: Sequence[_Placed]) -> int | None:
    """How long nothing came between the links: from the last byte of one to the first of the next, added up."""
    gaps = [_gap_us(before, after) for before, after in pairwise(placed)]
    known = [gap for gap in gaps if gap is not None]
    return sum(known) if gaps and len(known) == len(gaps) and min(known) >= 0 else None


def _gap_us(before: _Placed, after: _Placed) -> int | None:
    last_us, first_us = before[0].flow.last_got_us, after[0].flow.moments.first_byte_us
    if before[1] is None or after[1] is None or last_us is None or first_us is None:
        return None
    return after[1] + first_us - before[1] - last_us


def _clock_warnings(placed: Sequence[_Placed]) -> set[str]:
    return {"clocks_contradict"} if any(us is None and link.opening is not None for link, us in placed) else set()


# ---------------------------------------------------------------------- counts


def _refusal_warnings(links: Sequence[Link], deciding: Link) -> set[str]:
    found: set[str] = set()
    if deciding.refused and not deciding.flow.chunks and (deciding.close is None or deciding.close.how is not How.EOF):
        found.add("body_unread")
    if any(link.refused for link in links) and not deciding.refused:
        found.add("resume_refused")
    return found


def _missing_chunks(stream: Stream, links: Sequence[Link], generations: Generations) -> int | None:
    """Null where whole links or events are missing: nobody knows in how many chunks they came."""
    missing = [link.missing_chunks for link in links]
    if stream.lost_links or generations.holes or None in missing:
        return None
    return sum(count for count in missing if count is not None)


def _known_sum(values: Iterable[int | None]) -> int | None:
    """The sum of what is known; null where nothing is."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None

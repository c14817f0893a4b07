"""What must hold for any stream: order, copies and cuts of the log never show in what it comes to."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from frames_build import SECOND, Connection, Log
from frames_facts import essence, finished, only, texts
from frames_feed import feed, partition
from frames_strategies import (
    ADDRESSES,
    Script,
    arrivals_of,
    chunked,
    disordered,
    nonsense,
    resumed_scripts,
    scripts,
    segmented,
)
from oracle import fold
from streamgauge.processors.reassembly.finished import Arrival, Dead
from streamgauge.schemas import codec
from streamgauge.schemas.frames import Data, Frame, Tick
from streamgauge.schemas.words import How, Outcome

ANY = st.one_of(scripts(), resumed_scripts())
BEHIND = [  # what may come when all has been said
    b": alive\n\n",
    b"data: [DONE]\n\n",
    b"unknown: line\n\n",
    b'data: {"error": {"message": "broke"}}\n\n',
    b'event: error\ndata: {"type": "error", "error": {"type": "api_error", "message": "broke"}}\n\n',
    b'error: {"message": "broke"}\n\n',
    b'{"error": {"code": 503, "message": "broke"}}\n',
]


@given(ANY)
def test_a_stream_comes_to_what_the_oracle_says(script: Script) -> None:
    truth = fold(script.frames)
    stream = only(feed(arrivals_of(script.frames)))

    assert stream.verdict.outcome == truth.outcome
    assert stream.verdict.evidence == truth.evidence
    assert essence(stream)["answers"] == truth.answers
    assert (stream.chunks, stream.body_bytes) == (truth.chunks, truth.body_bytes)
    assert [link.replayed_events for link in stream.links] == truth.replayed
    assert stream.holes == stream.duplicates_dropped == stream.reordered == stream.conflicts == 0


@given(st.data())
def test_order_within_the_graces_and_copies_change_nothing(data: st.DataObject) -> None:
    script = data.draw(ANY)
    mixed = data.draw(disordered(script.frames))

    plain = only(feed(arrivals_of(script.frames)))
    shaken = only(feed(arrivals_of(mixed, step_us=100_000)))

    assert essence(shaken) == essence(plain)
    assert shaken.conflicts == 0


@given(st.data())
def test_how_chunks_are_gathered_into_segments_changes_nothing(data: st.DataObject) -> None:
    script = data.draw(scripts())
    chunks = [
        (chunk, got_us)
        for frame in script.frames
        if isinstance(frame, Data)
        for chunk, got_us in zip(frame.chunks or [], accumulate(frame.got), strict=True)
    ]
    once, again = (_gathered(data, chunks) for _ in range(2))

    assert _without_numbers(once) == _without_numbers(again)


def _gathered(data: st.DataObject, chunks: list[tuple[bytes, int]]) -> dict[str, Any]:
    connection = Connection()
    frames: list[Frame] = [connection.open(), connection.head()]
    times = iter([got_us for _, got_us in chunks])
    segments = segmented(data.draw, [chunk for chunk, _ in chunks])
    frames += [connection.data(*segment, got=[next(times) for _ in segment]) for segment in segments]
    return essence(only(feed(arrivals_of([*frames, connection.close()]))))


def _without_numbers(facts: dict[str, Any]) -> dict[str, Any]:
    """A Close counts frames, and there are more of them."""
    (link,) = facts["links"]
    return {**facts, "links": [{**link, "close": None}]}


@given(st.data())
def test_how_a_body_is_split_into_chunks_changes_nothing(data: st.DataObject) -> None:
    script = data.draw(scripts())
    body = b"".join(script.events)[: script.seen]
    facts = [_split(chunked(data.draw, body)), _split([body[at : at + 1] for at in range(len(body))])]

    for name in ("answers", "verdict", "marks", "body_bytes", "events", "gaps", "warnings", "api", "provider"):
        assert facts[0][name] == facts[1][name]


def _split(chunks: list[bytes]) -> dict[str, Any]:
    """One read that came as these chunks, with equal times."""
    connection = Connection()
    frames: list[Frame] = [connection.open(), connection.head()]
    frames += [connection.data(chunk, got=[20_000]) for chunk in chunks]
    return essence(only(feed(arrivals_of([*frames, connection.close(time_us=30_000)]))))


@given(st.data())
def test_a_cut_before_the_decisive_event_never_completes_and_one_behind_it_never_fails(data: st.DataObject) -> None:
    script = data.draw(scripts(whole=True))
    whole = only(feed(arrivals_of(script.frames)))
    decided = whole.verdict.evidence_offset
    assert whole.verdict.outcome is Outcome.COMPLETED
    assert decided is not None
    body = b"".join(script.events)
    begins = decided - len(script.events[-1])
    cut = data.draw(st.one_of(st.integers(0, len(body)), st.just(len(body))))  # nothing may be cut off at all

    path, host = ADDRESSES[script.api]
    connection = Connection(path=path, host=host)
    frames: list[Frame] = [connection.open(), connection.head()]
    behind = b"".join(data.draw(st.lists(st.sampled_from(BEHIND), max_size=3))) if cut >= decided else b""
    frames += [connection.data(chunk) for chunk in chunked(data.draw, body[:cut] + behind)]
    how = data.draw(st.sampled_from(How))
    stream = only(feed(arrivals_of([*frames, connection.close(how)])))

    assert "".join(texts(whole)).startswith("".join(texts(stream)))
    if cut <= begins:
        assert stream.verdict.outcome is not Outcome.COMPLETED
    if cut >= decided:
        assert stream.verdict.outcome is Outcome.COMPLETED
        assert stream.verdict.evidence_offset == decided
        assert ("error_after_end" in stream.answers[0].warnings) == (b"broke" in behind)
        assert len(stream.answers) == 1


@settings(max_examples=150)
@given(st.lists(nonsense(), max_size=40), st.data())
def test_nothing_raises_and_nothing_stays(values: list[bytes], data: st.DataObject) -> None:
    log = Log()
    for value in values:
        step_us = data.draw(st.sampled_from([0, 10_000, 7 * SECOND, -SECOND]))
        tenant = data.draw(st.sampled_from(["acme", "acme", "acme", "other", None, "no good"]))
        log.add(value, step_us=step_us, tenant=tenant)
    log.wait(4800, tick_s=100)
    core = partition(tick_s=50)
    emissions = feed(log.arrivals, core)

    assert not [e for e in emissions if isinstance(e, Dead) and e.reason == "internal"]
    assert not [s for s in finished(emissions) if {"internal_error", "parser_error"} & set(s.warnings)]
    assert (len(core), dict(core.closed), core.low_water(log.offset)) == (0, {}, log.offset)


@given(st.data())
def test_ticks_that_cross_no_deadline_change_nothing(data: st.DataObject) -> None:
    script = data.draw(ANY)
    plain = arrivals_of(script.frames, step_us=1000)
    ticked = list(_with_ticks(plain, data))

    one, other = only(feed(plain)), only(feed(ticked))

    assert essence(one) == essence(other)
    assert (one.duplicates_dropped, one.reordered, one.closed_at_us) == (
        other.duplicates_dropped,
        other.reordered,
        other.closed_at_us,
    )


def _with_ticks(arrivals: list[Arrival], data: st.DataObject) -> Iterator[Arrival]:
    offset = 1000
    for arrival in arrivals:
        for at_us in sorted(data.draw(st.lists(st.integers(0, 1000), max_size=2))):
            yield Arrival(offset, arrival.append_us - 1000 + at_us, None, codec.encode(Tick()), [])
            offset += 1
        yield arrival._replace(offset=offset)
        offset += 1

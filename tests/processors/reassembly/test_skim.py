"""Messages that are skimmed: nothing may tell that they were not fed."""

from __future__ import annotations

from itertools import groupby
from operator import attrgetter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frames_build import Connection, Log, chat_events
from frames_facts import deads, only, plain
from frames_feed import feed, partition
from frames_strategies import busy_logs
from streamgauge.processors.reassembly.finished import Arrival, Emission
from streamgauge.processors.reassembly.flow import Flow
from streamgauge.processors.reassembly.partition import Partition
from streamgauge.schemas.frames import Frame
from streamgauge.schemas.words import How, Resumable


def skimmed(arrivals: list[Arrival], core: Partition) -> list[Emission]:
    """Worked as the engine does: what shares its time is skimmed as far as it goes, the next is fed, and so on."""
    out: list[Emission] = []
    for append_us, group in groupby(arrivals, key=attrgetter("append_us")):
        run = list(group)
        while run:
            count = core.skim(run, append_us=append_us, out=out)
            if not count:
                out += core.feed(run[0])
            del run[: count or 1]
    return out


def state(core: Partition) -> Any:
    return core.time, dict(core.closed), core.low_water(-1), len(core), core.late_copies, core.unknown_frames


@given(busy_logs(), st.integers(1, 20))
def test_what_is_skimmed_is_read_like_what_is_fed(arrivals: list[Arrival], together: int) -> None:
    """Many streams with copies, holes and nonsense among them; a batch of the log has one time."""
    batched = [
        arrival._replace(append_us=arrivals[at - at % together].append_us) for at, arrival in enumerate(arrivals)
    ]
    fed, quick = partition(), partition()
    slowly = [plain(emission) for arrival in batched for emission in fed.feed(arrival)]
    assert [plain(emission) for emission in skimmed(batched, quick)] == slowly
    assert state(quick) == state(fed)


def of_one_time(count: int) -> Log:
    """A chat answer up to its Close, in one batch."""
    connection, log = Connection(), Log()
    frames: list[Frame] = [connection.open(), connection.head()]
    frames += [connection.data(event) for event in chat_events("a", "b")]
    log.add(*frames[:count], step_us=0)
    return log


def test_all_that_is_the_next_segment_is_skimmed_and_nothing_else() -> None:
    core, arrivals = partition(), of_one_time(5).arrivals
    for arrival in arrivals[:2]:
        assert core.skim([arrival], append_us=arrival.append_us, out=[]) == 0
        core.feed(arrival)
    assert core.skim(arrivals[2:], append_us=arrivals[2].append_us, out=[]) == 3
    assert core.skim(arrivals[2:], append_us=arrivals[2].append_us, out=[]) == 0  # copies
    assert core.skim(arrivals[2:], append_us=arrivals[2].append_us + 1, out=[]) == 0  # the clock moves


def test_a_mistake_of_ours_costs_the_stream_alone_that_it_shows_in(monkeypatch: pytest.MonkeyPatch) -> None:
    core, arrivals = partition(), of_one_time(5).arrivals
    for arrival in arrivals[:2]:
        core.feed(arrival)

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Flow, "read", fail)
    out: list[Emission] = []
    assert core.skim(arrivals[2:], append_us=arrivals[2].append_us, out=out) == 1
    assert ("internal", arrivals[2].offset) in deads(out)
    assert len(core) == 0


def test_the_last_frame_of_a_stream_may_have_been_skimmed() -> None:
    core, log = partition(), of_one_time(5)
    assert skimmed(log.arrivals, core) == []
    assert only(feed(log.wait(4000), core)).last_offset == log.arrivals[4].offset


def test_a_segment_behind_the_end_of_its_link_is_looked_at() -> None:
    """The link has ended and the stream waits for another one to carry on."""
    connection, log = Connection(), Log()
    frames: list[Frame] = [connection.open(), connection.head(), connection.data(b"data: {}\n\n")]
    log.add(*frames, connection.close(How.READ_ERROR, resumable=Resumable.MAYBE), step_us=0)
    core = partition()
    assert skimmed(log.arrivals, core) == []
    (behind,) = log.add(connection.data(b"data: {}\n\n"), step_us=0)
    assert core.skim([behind], append_us=behind.append_us, out=[]) == 0

"""A worker may stop anywhere: the log read again from the low water gives what was not given yet, and nothing else."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from frames_build import Connection, Log, chat_events
from frames_facts import plain
from frames_feed import DEADLINES, feed, partition
from frames_strategies import busy_logs
from streamgauge.processors.reassembly.closed import ClosedStream
from streamgauge.processors.reassembly.finished import Arrival, Dead, StreamId
from streamgauge.processors.reassembly.partition import Partition
from streamgauge.processors.reassembly.partition_time import START, PartitionTime


class Stopped(NamedTuple):
    """What a ledger knows of a worker that stopped."""

    position: int
    low_water: int
    time: PartitionTime  # as it stood before the low water
    closed: dict[StreamId, ClosedStream]


def run(arrivals: list[Arrival], core: Partition) -> list[tuple[int, Any]]:
    """All emissions, each with the offset that caused it, in a form that compares."""
    return [(arrival.offset, plain(emission)) for arrival in arrivals for emission in core.feed(arrival)]


def stop(arrivals: list[Arrival], count: int) -> Stopped:
    """Work so many messages, then stop."""
    core = partition()
    times: dict[int, PartitionTime] = {}
    closed: dict[StreamId, ClosedStream] = {}
    for arrival in arrivals[:count]:
        times[arrival.offset] = core.time
        core.feed(arrival)
        closed.update(core.take_closed())
    position = arrivals[count].offset if count < len(arrivals) else arrivals[-1].offset + 1
    low_water = core.low_water(position)
    # The ledger keeps what it lists as bytes.
    kept = {id_: msgspec.msgpack.decode(msgspec.msgpack.encode(one), type=ClosedStream) for id_, one in closed.items()}
    return Stopped(position, low_water, times.get(low_water, core.time), kept)


@given(st.data())
def test_a_restart_gives_exactly_what_was_not_given_yet(data: st.DataObject) -> None:
    arrivals = data.draw(busy_logs())
    told = run(arrivals, partition())
    count = data.draw(st.integers(0, len(arrivals)))
    stopped = stop(arrivals, count)

    again = partition(time=stopped.time, closed=stopped.closed)
    retold = run([arrival for arrival in arrivals if arrival.offset >= stopped.low_water], again)

    below = [emission for offset, emission in retold if offset < stopped.position]
    assert all(isinstance(emission, Dead) for emission in below), "a stream that is in the ledger was closed again"
    assert [e for e in retold if e[0] >= stopped.position] == [e for e in told if e[0] >= stopped.position]


@given(st.data())
def test_a_second_restart_finds_the_same_state_as_the_first(data: st.DataObject) -> None:
    arrivals = data.draw(busy_logs())
    first, second = sorted(data.draw(st.tuples(st.integers(0, len(arrivals)), st.integers(0, len(arrivals)))))
    stopped = stop(arrivals, first)
    core = partition(time=stopped.time, closed=stopped.closed)
    position = arrivals[second].offset if second < len(arrivals) else arrivals[-1].offset + 1
    for arrival in arrivals:
        if stopped.low_water <= arrival.offset < position:
            core.feed(arrival)

    straight = stop(arrivals, second)
    assert core.low_water(position) == straight.low_water
    assert {**stopped.closed, **core.take_closed()} == straight.closed


def test_frames_of_closed_streams_are_passed_over_when_the_log_is_read_again() -> None:
    log = Log()
    old, young = Connection(call=b"o" * 16), Connection(call=b"y" * 16)
    log.add(old.open(), young.open(), young.head(), *map(young.data, chat_events("hi")), young.close())
    stopped = stop(log.arrivals, len(log.arrivals))
    assert stopped.low_water == 100

    again = partition(time=stopped.time, closed=stopped.closed)
    assert feed(log.arrivals, again) == []
    assert again.passed_over == len(log.arrivals) - 1
    assert len(again) == 1


def test_what_is_no_frame_of_a_closed_stream_is_judged_again_when_the_log_is_read_again() -> None:
    log = Log()
    old, young = Connection(call=b"o" * 16), Connection(call=b"y" * 16)
    log.add(old.open(), young.open(), young.head(), b"\xc1", b"\x95\x2a\xc0\xc0\xc0\x00")
    log.add(young.data(b"x"), tenant=None)
    log.add(*map(young.data, chat_events("hi")), young.close())
    told = [emission for emission in feed(log.arrivals) if isinstance(emission, Dead)]
    assert len(told) == 2
    stopped = stop(log.arrivals, len(log.arrivals))

    again = partition(time=stopped.time, closed=stopped.closed)
    assert feed(log.arrivals, again) == told
    assert again.unknown_frames == 1


def test_new_deadlines_count_from_the_next_arrival_for_open_streams_too() -> None:
    log, core = Log(), partition(producer_silent_s=60)
    feed(log.add(Connection().open()), core)
    core.deadlines = msgspec.structs.replace(DEADLINES, producer_silent_us=5_000_000)

    assert core.deadlines.producer_silent_us == 5_000_000
    assert feed(log.wait(5), core)
    assert core.low_water(log.offset) == log.offset


def test_longer_deadlines_close_open_streams_later_and_not_never() -> None:
    log, core = Log(), partition(producer_silent_s=60)
    feed(log.add(Connection().open()), core)
    core.deadlines = msgspec.structs.replace(DEADLINES, producer_silent_us=120_000_000)

    assert feed(log.wait(115), core) == []
    assert feed(log.wait(5), core)


def test_the_time_begins_at_the_first_record() -> None:
    core = partition()
    assert core.time == START
    core.feed(Log().add(Connection().open())[0])
    assert core.time.now_us == 0

"""What happens to frames on their way: copies, disorder, losses, dead producers, workers that start again."""

from __future__ import annotations

import json

import msgspec

from frames_build import Connection, Log, begun, chat
from frames_facts import deads
from frames_feed import feed, partition
from frames_record import record_of, said, shows, told, written
from streamgauge.processors.reassembly.finished import Finished
from streamgauge.schemas.records import Hole, Text
from streamgauge.schemas.words import EndedBy, How, Outcome, UsageSource


def test_a_frame_delivered_twice_is_dropped_and_counted() -> None:
    link = Connection()
    frames = chat(link, "The", " river")
    record, contents = told(*frames[:4], frames[3], frames[2], *frames[4:], link.close())
    shows(record, outcome=Outcome.COMPLETED, duplicates_dropped=2, conflicts=0, holes=0, chunks=len(frames) - 2)
    assert said(contents) == ["The river"]


def test_a_frame_delivered_twice_with_other_bytes_is_a_conflict_and_the_first_counts() -> None:
    link = Connection()
    frames = chat(link, "The", " river")
    other = msgspec.structs.replace(frames[3], chunks=[b": something else\n\n"])
    record, contents = told(*frames[:4], other, *frames[4:], link.close())
    shows(record, outcome=Outcome.COMPLETED, conflicts=1, stream_complete=True)
    assert said(contents) == ["The river"]


def test_frames_out_of_order_are_read_in_order_and_counted() -> None:
    link = Connection()
    frames = [*chat(link, "The", " river", " runs"), link.close()]
    frames[3], frames[4], frames[5] = frames[5], frames[3], frames[4]
    record, contents = told(*frames)
    shows(record, outcome=Outcome.COMPLETED, holes=0, missing_chunks=0, stream_complete=True)
    assert record.reordered > 0
    assert said(contents) == ["The river runs"]


def test_a_frame_that_is_lost_leaves_a_hole_in_the_text() -> None:
    link = Connection()
    frames = [*chat(link, "The", " river", " runs"), link.close()]
    del frames[4]
    record, contents = told(*frames, wait_s=30)
    shows(
        record,
        outcome=Outcome.COMPLETED,  # the end was seen
        evidence="[DONE]",
        holes=1,
        missing_chunks=1,
        content_complete=None,
        stream_complete=False,
        warnings=["bytes_missing"],
    )
    assert contents.choices[0].parts == [Text(text="The"), Hole(), Text(text=" runs")]


def test_a_lost_frame_that_may_have_held_the_end_leaves_the_outcome_open() -> None:
    link = Connection()
    frames = chat(link, "The", " river")
    record = record_of(*frames[:-1], link.close(), wait_s=30)
    shows(
        record,
        outcome=None,
        ended_by=EndedBy.PROVIDER,  # that it closed the connection was seen; whether it had said all was not
        evidence="not_seen",
        holes=1,
        missing_chunks=1,
        stream_complete=None,
        content_complete=None,
    )


def test_chunks_the_shim_dropped_are_counted_and_leave_the_outcome_open() -> None:
    link = Connection()
    frames = begun(link, "The")
    link.drop(3)
    record = record_of(*frames, link.close())
    shows(record, outcome=None, evidence="dropped", shim_dropped_chunks=3, holes=0, missing_chunks=0)


def test_a_producer_that_crashed_takes_all_its_streams_with_it_and_each_is_lost() -> None:
    log = Log()
    links = [Connection(call=bytes([number]) * 16) for number in range(3)]
    for link in links:
        log.add(*begun(link, "Half"))
    assert feed(log.arrivals) == []
    log.wait(65)

    found = written(feed(log.arrivals))

    assert len(found) == 3
    for record, contents in found:
        shows(
            record,
            outcome=Outcome.LOST,
            ended_by=EndedBy.DEADLINE,
            evidence="producer_silent",
            content_complete=False,
            stream_complete=False,
            usage_source=UsageSource.ESTIMATED,
        )
        assert record.links[0].how is How.CRASHED
        assert said(contents) == ["Half"]


def test_a_producer_that_crashed_before_the_first_byte_leaves_a_record_all_the_same() -> None:
    record = record_of(Connection().open(), wait_s=65)
    shows(record, outcome=Outcome.LOST, status=None, chunks=0, usage_source=UsageSource.NONE, usage_output=None)


def test_a_worker_that_starts_again_tells_every_stream_to_the_byte_as_it_was() -> None:
    log = Log()
    links = [Connection(call=bytes([number]) * 16) for number in range(3)]
    for link in links:
        log.add(*begun(link, "Half"))
    log.add(*(link.close(How.READ_ERROR) for link in links))

    first, again = (written(feed(log.arrivals, partition())) for _ in range(2))

    assert len(first) == 3
    assert msgspec.json.encode(first) == msgspec.json.encode(again)


def test_an_end_that_comes_after_the_close_is_never_dropped_in_silence() -> None:
    link = Connection()
    log = Log()
    *frames, done = chat(link, "Half")
    log.add(*frames)
    log.wait(65)
    core = partition()
    (closed,) = feed(log.arrivals, core)
    assert isinstance(closed, Finished)
    assert closed.revisable
    assert closed.stream.verdict.outcome is Outcome.LOST

    late = feed(log.add(done), core)

    assert deads(late) == [("late", log.offset - 1)]


def test_what_a_lost_frame_held_is_nowhere_made_up() -> None:
    link = Connection()
    frames = [*chat(link, "The", " river", " runs"), link.close()]
    del frames[4]
    _, contents = told(*frames, wait_s=30)
    assert "river" not in json.dumps(msgspec.to_builtins(contents, builtin_types=(msgspec.Raw,)), default=str)

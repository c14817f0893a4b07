"""One partition at work: emissions, restarts, holes, retention, the fuse."""

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from engine_run import CHUNKS, CONTENTS, DEAD, LEDGER, RECORDS, EngineRun
from fake_core import FakeCore, frame, write
from memory_kafka import MemoryKafka
from streamgauge.processors.engine.build import deadlines_of
from streamgauge.processors.engine.errors import RefusalError
from streamgauge.processors.engine.fuse import FUSE_RECORDS
from streamgauge.processors.engine.ports import LogRecord
from streamgauge.processors.engine.worked_partition import HOLE_SEEKS
from streamgauge.processors.reassembly.finished import Arrival, Emission
from streamgauge.processors.settings import load
from streamgauge.schemas import codec
from streamgauge.schemas.records import Contents, Record


@pytest.fixture
def kafka() -> MemoryKafka:
    return MemoryKafka()


def append(kafka: MemoryKafka, *frames: str, each_ms: int = 1) -> None:
    for verb in frames:
        kafka.now_ms += each_ms
        kafka.append(CHUNKS, 0, value=frame(*verb.split()) if " " in verb else verb.encode())


def ids(kafka: MemoryKafka, topic: str = RECORDS) -> list[str]:
    return [(record.key or b"").decode() for record in kafka.records(topic, 0)]


def records(kafka: MemoryKafka) -> list[Record]:
    return [codec.decode_record(record.value or b"") for record in kafka.records(RECORDS, 0)]


def reasons(kafka: MemoryKafka) -> list[str]:
    return [dict(record.headers)["reason"].decode() for record in kafka.records(DEAD, 0)]


async def test_a_closed_stream_becomes_a_record_and_its_contents(kafka: MemoryKafka) -> None:
    append(kafka, "open a", "data a", "end a")
    await EngineRun(kafka).work_and_flush(0)
    assert ids(kafka) == ids(kafka, CONTENTS) == ["acme/a.0"]


async def test_contents_can_be_switched_off(kafka: MemoryKafka) -> None:
    append(kafka, "open a", "end a")
    await EngineRun(kafka, settings=load(contents=False)).work_and_flush(0)
    assert ids(kafka) == ["acme/a.0"]
    assert ids(kafka, CONTENTS) == []


async def test_the_group_follows_the_oldest_open_stream(kafka: MemoryKafka) -> None:
    append(kafka, "open a", "end a", "open b", "open c", "end c")
    await EngineRun(kafka).work_and_flush(0)
    assert kafka.offsets["g", CHUNKS, 0] == 2


async def test_a_restart_reads_open_streams_again_and_emits_nothing_twice(kafka: MemoryKafka) -> None:
    append(kafka, "open a", "data a", "open b", "junk x", "end b")
    await EngineRun(kafka).work_and_flush(0)
    append(kafka, "data a", "end a")
    await EngineRun(kafka).work_and_flush(0)
    assert ids(kafka) == ["acme/b.0", "acme/a.0"]
    assert [record.chunks for record in records(kafka)] == [0, 2]
    assert reasons(kafka) == ["undecodable"]


async def test_what_was_not_flushed_is_emitted_again_byte_for_byte(kafka: MemoryKafka) -> None:
    append(kafka, "open a", "data a", "end a", "junk x")
    run = EngineRun(kafka)
    await run.take(0)
    await run.drain()  # and gone, without a flush
    await EngineRun(kafka).work_and_flush(0)
    once, again = kafka.records(RECORDS, 0)
    assert (once.key, once.value) == (again.key, again.value)
    assert reasons(kafka) == ["undecodable", "undecodable"]


async def test_a_restart_keeps_partition_time(kafka: MemoryKafka) -> None:
    """The stream's deadline falls on the same offset whether or not a worker was started anew in between."""
    for restart in (False, True):
        kafka = MemoryKafka()
        append(kafka, "open a", "open b", "end b", each_ms=4000)
        if restart:
            await EngineRun(kafka).work_and_flush(0)
        append(kafka, *["data c"] * 30, each_ms=4000)
        await EngineRun(kafka).work_and_flush(0)
        closed = {record.id: record for record in records(kafka)}
        assert closed["acme/a.0"].closed_at_us == 1_760_000_064_000_000


async def test_new_deadlines_count_from_the_position_on(kafka: MemoryKafka) -> None:
    """Below the position the stored ones hold: what they closed there is closed, what they left open is open."""
    append(kafka, "open a", "open b", *["data b"] * 10, each_ms=5000)
    await EngineRun(kafka, settings=load(producer_silent_s=100)).work_and_flush(0)
    assert ids(kafka) == []
    again = EngineRun(kafka, settings=load(producer_silent_s=10))
    await again.take(0)
    await again.drain()
    assert again.partition().counters.rules_changed == 0
    assert again.partition().resumed
    append(kafka, "data b", each_ms=5000)
    await again.drain()
    await again.assignment.release()
    (record,) = records(kafka)
    assert (record.id, record.closed_at_us) == ("acme/a.0", kafka.now_ms * 1000)
    assert record.rules == deadlines_of(load(producer_silent_s=10)).rules


async def test_a_stream_that_closes_below_the_position_unlisted_is_emitted_at_it_and_counted(
    kafka: MemoryKafka,
) -> None:
    """The code has changed between two versions of the worker: what the old one left open the new one closes."""
    append(kafka, "open a", "begin b", "open c")

    class Older(FakeCore):
        def feed(self, arrival: Arrival) -> list[Emission]:
            return [] if arrival.value == b"end a" else super().feed(arrival)

    append(kafka, "end a")
    await EngineRun(kafka, core=Older).work_and_flush(0)
    assert ids(kafka) == []
    run = EngineRun(kafka)
    await run.take(0)
    await run.drain()
    assert run.partition().counters.rules_changed == 1
    await run.assignment.release()
    assert ids(kafka) == ["acme/a.0"]
    await EngineRun(kafka).work_and_flush(0)
    assert ids(kafka) == ["acme/a.0"]


async def test_nothing_is_written_while_the_past_is_read_again(kafka: MemoryKafka) -> None:
    append(kafka, "open a", "data a", "data a")
    await EngineRun(kafka).work_and_flush(0)
    entries = len(kafka.records(LEDGER, 0))
    run = EngineRun(kafka)
    await run.take(0)
    await run.assignment.work(run.worker.fetch_slice(0, 2))
    assert not run.partition().resumed
    await run.assignment.release()
    assert len(kafka.records(LEDGER, 0)) == entries


async def test_a_slice_that_was_dropped_is_sought_again(kafka: MemoryKafka) -> None:
    append(kafka, "open a", "data a", "data a", "end a")
    run = EngineRun(kafka)
    await run.take(0)
    run.worker.fetch_slice(0, 2)  # fetched, never delivered
    await run.drain(records_max=2)
    assert [record.chunks for record in records(kafka)] == [2]
    assert run.worker.seeks == [(0, 0), (0, 0)]


async def test_records_delivered_twice_are_worked_once(kafka: MemoryKafka) -> None:
    append(kafka, "open a", "data a", "end a")
    run = EngineRun(kafka)
    await run.take(0)
    slice_ = run.worker.fetch_slice(0, 100)
    for _ in range(3):
        await run.assignment.work(slice_)
    await run.settle()
    assert len(ids(kafka)) == 1


async def test_of_a_slice_that_overlaps_only_the_new_part_is_worked(kafka: MemoryKafka) -> None:
    append(kafka, "open a", "data a", "data a", "end a")
    run = EngineRun(kafka)
    await run.take(0)
    slice_ = run.worker.fetch_slice(0, 100)
    await run.assignment.work(slice_._replace(records=slice_.records[:2]))
    await run.assignment.work(slice_)
    await run.settle()
    assert [record.chunks for record in records(kafka)] == [2]


async def test_offsets_that_hold_nothing_are_accepted_after_a_second_look(kafka: MemoryKafka) -> None:
    append(kafka, "open a")
    kafka.mark(CHUNKS, 0)
    kafka.mark(CHUNKS, 0)
    append(kafka, "end a")
    run = EngineRun(kafka)
    await run.take(0)
    first, last = kafka.records(CHUNKS, 0)
    slice_ = run.worker.fetch_slice(0, 100)
    await run.assignment.work(slice_._replace(records=[first]))
    for _ in range(HOLE_SEEKS):
        await run.assignment.work(slice_._replace(records=[last]))
        assert ids(kafka) == []
    await run.assignment.work(slice_._replace(records=[last]))
    await run.settle()
    assert ids(kafka) == ["acme/a.0"]
    assert run.partition().counters.absent_offsets == 2


async def test_records_the_flow_keeps_leaving_out_are_fetched_apart_from_it(kafka: MemoryKafka) -> None:
    append(kafka, "open a", "data a", "end a")
    run = EngineRun(kafka)
    await run.take(0)
    slice_ = run.worker.fetch_slice(0, 100)
    for _ in range(HOLE_SEEKS + 1):
        await run.assignment.work(slice_._replace(records=slice_.records[2:]))
    await run.settle()
    assert [record.chunks for record in records(kafka)] == [1]
    assert run.partition().counters.absent_offsets == 0


async def test_a_partition_stopped_while_a_hole_is_looked_at_works_nothing_more(
    kafka: MemoryKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(kafka, "open a", "data a", "end a")
    run = EngineRun(kafka)
    await run.take(0)
    worked, fetch = run.partition(), run.worker.fetch

    async def revoked_meanwhile(topic: str, partition: int, start: int, stop: int) -> Sequence[LogRecord]:
        worked.stop()
        return await fetch(topic, partition, start, stop)

    monkeypatch.setattr(run.worker, "fetch", revoked_meanwhile)
    slice_ = run.worker.fetch_slice(0, 100)
    for _ in range(HOLE_SEEKS + 1):
        await run.assignment.work(slice_._replace(records=slice_.records[2:]))
    await run.settle()
    assert (worked.position, ids(kafka)) == (0, [])


async def test_what_retention_took_is_counted_and_passed_over(kafka: MemoryKafka) -> None:
    append(kafka, "open a", "data a", "open b", "end b")
    run = EngineRun(kafka)
    await run.take(0)
    kafka.cut(CHUNKS, 0, 2)
    await run.drain()
    assert run.partition().counters.lost_by_retention == 2
    assert ids(kafka) == ["acme/b.0"]


async def test_retention_while_no_worker_ran_is_noticed_on_assignment(kafka: MemoryKafka) -> None:
    append(kafka, "open a", "open b", "end b")
    await EngineRun(kafka).work_and_flush(0)
    kafka.cut(CHUNKS, 0, 3)
    run = EngineRun(kafka)
    await run.take(0)
    assert run.partition().counters.lost_by_retention == 3
    assert run.partition().position == 3
    assert run.partition().low_water == 3


async def test_a_log_on_the_producers_clock_stops_the_worker(kafka: MemoryKafka) -> None:
    kafka.timestamp_type = 0
    append(kafka, "open a")
    run = EngineRun(kafka)
    await run.take(0)
    await run.drain()
    (fault,) = run.faults
    assert isinstance(fault, RefusalError)
    assert "LogAppendTime" in str(fault)
    assert run.partition().position == 0


async def test_the_producers_clock_is_taken_where_settings_say_so(kafka: MemoryKafka) -> None:
    kafka.timestamp_type = 0
    append(kafka, "open a", "end a")
    await EngineRun(kafka, settings=load(time="producer")).work_and_flush(0)
    assert ids(kafka) == ["acme/a.0"]


async def test_most_of_a_topic_unreadable_stops_the_worker_after_a_flush(kafka: MemoryKafka) -> None:
    append(kafka, *["junk x"] * FUSE_RECORDS)
    run = EngineRun(kafka)
    await run.take(0)
    await run.drain()
    await run.assignment.release()
    (fault,) = run.faults
    assert "are no frames" in str(fault)
    assert len(reasons(kafka)) == kafka.offsets["g", CHUNKS, 0] == FUSE_RECORDS // 2 + 1


async def test_a_fault_of_the_core_costs_one_message(kafka: MemoryKafka) -> None:
    append(kafka, "open a", "break x", "end a")
    await EngineRun(kafka).work_and_flush(0)
    assert ids(kafka) == ["acme/a.0"]
    assert reasons(kafka) == ["internal"]


async def test_a_record_that_cannot_be_written_costs_one_stream(kafka: MemoryKafka) -> None:
    append(kafka, "open unwritable", "open a", "end unwritable", "end a")
    await EngineRun(kafka).work_and_flush(0)
    assert ids(kafka) == ["acme/a.0"]
    (letter,) = kafka.records(DEAD, 0)
    assert dict(letter.headers)["detail"] == b"record: ValueError"
    assert dict(letter.headers)["offset"] == b"2"
    assert kafka.offsets["g", CHUNKS, 0] == 4


async def test_a_flush_that_failed_is_the_last(kafka: MemoryKafka) -> None:
    append(kafka, "open a", "end a")

    def fault(operation: str) -> None:
        if operation == f"send {LEDGER}":
            raise OSError("gone")

    run = EngineRun(kafka, fault=fault)
    await run.take(0)
    await run.drain()
    await run.assignment.flush()
    append(kafka, "open b", "end b")
    await run.drain()
    await run.assignment.release()
    assert len(run.faults) == 1
    assert kafka.records(LEDGER, 0) == []
    assert ids(kafka) == ["acme/a.0"]


async def test_who_is_overtaken_writes_nothing_more(kafka: MemoryKafka) -> None:
    append(kafka, "open a", "end a")
    stale = EngineRun(kafka)
    await stale.take(0)
    await stale.drain()
    owner = EngineRun(kafka)
    await owner.work_and_flush(0)
    await stale.assignment.flush()
    entries = len(kafka.records(LEDGER, 0))
    append(kafka, "open b", "end b")
    await stale.drain()
    await stale.assignment.flush()
    assert len(kafka.records(LEDGER, 0)) == entries
    assert ids(kafka) == ["acme/a.0", "acme/a.0"]


async def test_a_session_is_delivered_as_all_its_records_in_their_order(kafka: MemoryKafka) -> None:
    def write_session(stream: object, partition: int, rules: str) -> list[tuple[Record, Contents]]:
        [(record, contents)] = write(stream, partition, rules)
        names = [f"{record.id}.0", f"{record.id}.1", record.id]
        return [(replace(record, id=name), replace(contents, id=name)) for name in names]

    append(kafka, "open a", "end a")
    await EngineRun(kafka, write=write_session).work_and_flush(0)
    assert ids(kafka) == ids(kafka, CONTENTS) == ["acme/a.0.0", "acme/a.0.1", "acme/a.0"]

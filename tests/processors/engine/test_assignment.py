"""The partitions of a worker, from one rebalance to the next; ticks while a log is silent."""

import asyncio

import pytest

from engine_run import CHUNKS, DEAD, RECORDS, EngineRun
from fake_core import TICK, frame
from memory_kafka import MemoryKafka
from streamgauge.processors.engine import assignment as module


@pytest.fixture
def kafka() -> MemoryKafka:
    return MemoryKafka()


def append(kafka: MemoryKafka, *frames: str, partition: int = 0) -> None:
    for verb in frames:
        kafka.now_ms += 1
        kafka.append(CHUNKS, partition, value=frame(*verb.split()))


def ticks(kafka: MemoryKafka, partition: int = 0) -> list[int]:
    return [record.offset for record in kafka.records(CHUNKS, partition) if record.value == TICK]


async def test_each_partition_has_its_own_position_and_sinks(kafka: MemoryKafka) -> None:
    append(kafka, "open a", "end a")
    append(kafka, "open b", "junk x", partition=1)
    await EngineRun(kafka).work_and_flush(0, 1)
    assert [len(kafka.records(RECORDS, partition)) for partition in (0, 1)] == [1, 0]
    assert [len(kafka.records(DEAD, partition)) for partition in (0, 1)] == [0, 1]
    assert (kafka.offsets["g", CHUNKS, 0], kafka.offsets["g", CHUNKS, 1]) == (2, 0)


async def test_slices_of_another_generation_or_of_others_are_not_worked(kafka: MemoryKafka) -> None:
    append(kafka, "open a", "end a")
    run = EngineRun(kafka)
    await run.take(0)
    slice_ = run.worker.fetch_slice(0, 100)
    await run.assignment.work(slice_._replace(generation=slice_.generation - 1))
    await run.assignment.work(slice_._replace(partition=7))
    assert run.partition().position == 0


async def test_a_rebalance_rebuilds_everything_from_the_ledger(kafka: MemoryKafka) -> None:
    append(kafka, "open a", "open b", "end b")
    run = EngineRun(kafka)
    await run.take(0)
    await run.drain()
    await run.assignment.release()
    before = run.assignment
    assert before.partitions == {}
    await run.take(0)
    assert run.partition().position == 0
    append(kafka, "end a")
    await run.drain()
    await run.assignment.release()
    assert [record.key for record in kafka.records(RECORDS, 0)] == [b"acme/b.0", b"acme/a.0"]


async def test_a_rebalance_during_loading_makes_what_was_loaded_stale(kafka: MemoryKafka) -> None:
    run = EngineRun(kafka)
    loading = asyncio.ensure_future(run.take(0))
    await asyncio.sleep(0)
    await run.assignment.release()
    await loading
    assert run.assignment.partitions == {}


async def test_release_works_nothing_more_and_flushes_once(kafka: MemoryKafka) -> None:
    append(kafka, "open a", "end a")
    run = EngineRun(kafka)
    await run.take(0)
    await run.drain()
    worked = run.partition()
    await run.assignment.release()
    append(kafka, "open b", "end b")
    await worked.work(run.worker.fetch_slice(0, 100))
    assert worked.position == kafka.offsets["g", CHUNKS, 0] == 2
    assert worked.counters.flushes == 1


async def test_release_does_not_wait_for_ever(kafka: MemoryKafka, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RELEASE_WITHIN_S", 0.01)
    append(kafka, "open a", "end a")
    run = EngineRun(kafka)
    await run.take(0)
    await run.drain()

    async def hang(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(run.worker, "commit", hang)
    await run.assignment.release()
    assert run.assignment.partitions == {}


async def test_a_silent_log_with_open_streams_gets_a_tick_every_tick_s(kafka: MemoryKafka) -> None:
    append(kafka, "open a")
    run = EngineRun(kafka)
    await run.take(0)
    await run.drain()
    kafka.now_ms += 4_999
    await run.assignment.tick()
    assert ticks(kafka) == []
    kafka.now_ms += 1
    await run.assignment.tick()
    await run.assignment.tick()
    assert ticks(kafka) == [1]
    (tick,) = kafka.records(CHUNKS, 0)[1:]
    assert (tick.key, tick.headers) == (None, [])
    await run.drain()
    kafka.now_ms += 5_000
    await run.assignment.tick()
    assert ticks(kafka) == [1, 2]


async def test_ticks_let_deadlines_pass_in_a_silent_log(kafka: MemoryKafka) -> None:
    append(kafka, "open a")
    run = EngineRun(kafka)
    await run.take(0)
    for _ in range(14):
        await run.drain()
        kafka.now_ms += 5_000
        await run.assignment.tick()
    await run.drain()
    await run.assignment.release()
    assert [record.key for record in kafka.records(RECORDS, 0)] == [b"acme/a.0"]


async def test_no_tick_where_nothing_waits(kafka: MemoryKafka) -> None:
    append(kafka, "junk x")
    run = EngineRun(kafka)
    await run.take(0)
    await run.drain()
    kafka.now_ms += 60_000
    await run.assignment.tick()
    assert ticks(kafka) == []


async def test_no_tick_while_there_is_something_to_read(kafka: MemoryKafka) -> None:
    """A backlog is not silence: the clock of its records goes on with them."""
    append(kafka, "open a")
    run = EngineRun(kafka)
    await run.take(0)
    await run.drain()
    append(kafka, "data a")
    kafka.now_ms += 60_000
    await run.assignment.tick()
    assert ticks(kafka) == []


async def test_a_fault_is_reported_and_the_partition_stands_still(kafka: MemoryKafka) -> None:
    append(kafka, "open a", "end a")

    def fault(operation: str) -> None:
        if operation == f"send {RECORDS}":
            raise OSError("gone")

    run = EngineRun(kafka, fault=fault)
    await run.take(0)
    await run.drain()
    assert [type(it) for it in run.faults] == [OSError]
    append(kafka, "open b", "end b")
    await run.drain()
    assert run.partition().position == 2

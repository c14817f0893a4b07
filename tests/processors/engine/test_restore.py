"""What is decided on assignment, before the first record is read."""

import pytest

from engine_run import CHUNKS, LEDGER, EngineRun
from fake_core import frame
from memory_kafka import MemoryKafka
from streamgauge.processors.engine.errors import RefusalError
from streamgauge.processors.engine.ledger import LedgerError, Mark
from streamgauge.processors.engine.restore import Restored, restore
from streamgauge.processors.reassembly.deadlines import Deadlines
from streamgauge.processors.settings import load

DEADLINES = Deadlines.of_seconds()


@pytest.fixture
def kafka() -> MemoryKafka:
    return MemoryKafka()


def append(kafka: MemoryKafka, *frames: str) -> None:
    for verb in frames:
        kafka.now_ms += 1
        kafka.append(CHUNKS, 0, value=frame(*verb.split()))


async def restored(kafka: MemoryKafka) -> Restored:
    log = kafka.worker(CHUNKS)
    return await restore(log, chunks=CHUNKS, ledger=LEDGER, partition=0, group="g", deadlines=DEADLINES)


async def test_a_new_group_begins_at_the_beginning_of_the_log(kafka: MemoryKafka) -> None:
    append(kafka, "open a", "open b", "open c")
    kafka.cut(CHUNKS, 0, 2)
    start = (await restored(kafka)).start
    assert (start.low_water, start.resume_at) == (Mark(2, 0, None), 2)


async def test_a_group_without_a_ledger_begins_at_its_offset(kafka: MemoryKafka) -> None:
    append(kafka, "open a", "open b", "open c")
    kafka.offsets["g", CHUNKS, 0] = 1
    start = (await restored(kafka)).start
    assert (start.low_water.offset, start.resume_at) == (1, 1)


async def test_the_ledger_decides_also_where_the_group_has_no_offset_any_more(kafka: MemoryKafka) -> None:
    append(kafka, "open a", "open b", "end a")
    await EngineRun(kafka).work_and_flush(0)
    del kafka.offsets["g", CHUNKS, 0]
    start = (await restored(kafka)).start
    assert (start.low_water.offset, start.resume_at) == (1, 3)


async def test_the_deadlines_of_the_ledger_hold_below_its_position(kafka: MemoryKafka) -> None:
    append(kafka, "open a")
    await EngineRun(kafka, settings=load(hole_grace_s=7)).work_and_flush(0)
    found = await restored(kafka)
    assert found.rebuilt_under == Deadlines.of_seconds(hole_grace_s=7)
    assert found.start.deadlines == DEADLINES


async def test_what_was_forgotten_at_the_low_water_stays_forgotten() -> None:
    """A ledger message holds closings of many times; the core must begin with what it remembered then, not more."""
    for horizon_s, remembered in ((600, 1), (15, 1), (10, 0)):
        kafka = MemoryKafka()
        settings = load(late_horizon_s=horizon_s, group="g")
        append(kafka, "open a", "end a")
        await EngineRun(kafka, settings=settings).work_and_flush(0)
        kafka.now_ms += 10_000
        append(kafka, "data b")
        await EngineRun(kafka, settings=settings).work_and_flush(0)
        assert len((await restored(kafka)).closed) == remembered


async def test_a_crash_between_ledger_and_commit_is_no_disagreement(kafka: MemoryKafka) -> None:
    append(kafka, "open a", "end a")
    await EngineRun(kafka).work_and_flush(0)
    append(kafka, "open b", "end b")
    run = EngineRun(kafka)
    await run.take(0)
    await run.drain()
    kafka.generation += 1  # the commit is refused
    await run.assignment.flush()
    assert kafka.offsets["g", CHUNKS, 0] == 2
    assert (await restored(kafka)).start.resume_at == 4


@pytest.mark.parametrize("offset", [0, 1, 3, 4])
async def test_an_offset_somebody_moved_is_refused_with_the_command_that_resets_both(
    kafka: MemoryKafka, offset: int
) -> None:
    append(kafka, "open a", "end a", "open b", "data b")
    await EngineRun(kafka).work_and_flush(0)
    assert kafka.offsets["g", CHUNKS, 0] == 2
    kafka.offsets["g", CHUNKS, 0] = offset
    with pytest.raises(RefusalError, match=rf"offset {offset} .*position 4 .*'streamgauge topics reset --to group'"):
        await restored(kafka)


async def test_a_topic_that_was_made_anew_is_refused(kafka: MemoryKafka) -> None:
    append(kafka, "open a", "end a", "open b", "end b")
    await EngineRun(kafka).work_and_flush(0)
    del kafka.partitions[CHUNKS, 0]
    append(kafka, "open c")
    with pytest.raises(RefusalError, match=r"ends at offset 1 before position 4 .* made anew"):
        await restored(kafka)
    del kafka.partitions[LEDGER, 0]
    with pytest.raises(RefusalError, match=r"ends at offset 1 before position 4 .* made anew"):
        await restored(kafka)


async def test_a_ledger_of_strangers_is_an_error(kafka: MemoryKafka) -> None:
    kafka.append(LEDGER, 0, value=b"hello")
    with pytest.raises(LedgerError):
        await restored(kafka)


async def test_the_head_is_found_behind_markers_and_parts(kafka: MemoryKafka) -> None:
    append(kafka, "open a", "end a", "open b")
    await EngineRun(kafka).work_and_flush(0)
    part = b"\x93\x01\x90\xc0"  # [1, [], null]
    for _ in range(50):
        kafka.mark(LEDGER, 0)
        kafka.append(LEDGER, 0, value=part)
    found = await restored(kafka)
    assert found.start.resume_at == 3
    assert found.memory is not None
    assert len(found.memory.closed) == 1


async def test_a_ledger_cut_by_retention_is_read_as_far_as_it_goes_and_only_then_is_there_a_warning(
    kafka: MemoryKafka, caplog: pytest.LogCaptureFixture
) -> None:
    append(kafka, "open a")
    run = EngineRun(kafka)
    await run.take(0)
    for name in "bcdef":
        append(kafka, f"open {name}", f"end {name}")
        await run.drain()
        await run.assignment.flush()
    await restored(kafka)
    assert caplog.messages == []
    kafka.cut(LEDGER, 0, 3)
    found = await restored(kafka)
    assert found.start.resume_at == 11
    assert found.memory is not None
    assert len(found.memory.closed) == 2
    assert caplog.messages == ["ledger_cut"]

"""A worker may die anywhere: nothing is lost, nothing is wrong, and repeats are equal byte for byte.

A schedule is a log in pieces and a list of lives, one a piece: for each the operation on Kafka at which it ends, before
or after its effect, or none. A life may only be stopped, and wake up when other workers have owned its partition; then
it works on with the state it had. The calm run is one worker that reads the whole log at once; after every storm the
same things must stand in Kafka.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from engine_run import CHUNKS, CONTENTS, DEAD, RECORDS, EngineRun
from fake_core import FakeCore, frame
from fake_core import write as write_counted
from frames_build import TENANT
from frames_strategies import nonsense, scripts
from memory_kafka import Crash, MemoryKafka, MemoryRecord
from streamgauge.processors import record
from streamgauge.processors.engine.core import NewCore, Write
from streamgauge.processors.reassembly.finished import FinishedStream
from streamgauge.processors.reassembly.partition import Partition
from streamgauge.processors.record import Measures
from streamgauge.processors.settings import load
from streamgauge.schemas import codec
from streamgauge.schemas.frames import Tick
from streamgauge.schemas.records import Contents, Record

QUICK = load(
    head_grace_s=6, hole_grace_s=6, producer_silent_s=8, provider_silent_s=20, total_age_s=60, resume_grace_s=9,
    late_horizon_s=20, tick_s=2,
)  # fmt: skip
OPERATIONS_MAX = 60


class Step(NamedTuple):
    """One message of the log, so long after the one before."""

    value: bytes
    pause_ms: int
    tenant: str | None = TENANT


class Life(NamedTuple):
    dies_at: int
    slice_records: int
    slices_a_flush: int
    wakes: bool


class System(NamedTuple):
    """What is run: a core, and how its streams are written."""

    core: NewCore
    write: Write


Identity = Callable[[MemoryRecord], object]
Copy = tuple[bytes | None, bytes | None]

pauses = st.sampled_from([0, 0, 1, 40, 900, 3000, 30_000])
lives = st.lists(
    st.builds(Life, st.integers(0, OPERATIONS_MAX), st.integers(1, 9), st.integers(1, 4), st.booleans()),
    min_size=6,
    max_size=6,
)


@st.composite
def counted_logs(draw: st.DrawFn) -> list[list[Step]]:
    """Frames of the fake core."""
    names = [f"s{number}" for number in range(draw(st.integers(1, 6)))]
    verbs = st.sampled_from(["open", "data", "data", "data", "end", "junk"])
    steps = st.builds(Step, st.builds(frame, verbs, st.sampled_from(names)), pauses)
    return draw(st.lists(st.lists(steps, max_size=25), min_size=1, max_size=6))


@st.composite
def real_logs(draw: st.DrawFn) -> list[list[Step]]:
    """Connections as shims make them, cut, interleaved, with copies, nonsense and Ticks."""
    waiting = [
        [codec.encode(it) for it in draw(scripts(call=bytes([number]) * 16)).frames]
        for number in range(draw(st.integers(1, 4)))
    ]
    steps: list[Step] = []
    while any(waiting):
        source = draw(st.sampled_from([frames for frames in waiting if frames]))
        value = source.pop(0)
        steps.append(Step(value, draw(pauses)))
        match draw(st.integers(0, 14)):
            case 0:
                steps.append(Step(value, draw(pauses)))
            case 1:
                steps.append(Step(draw(nonsense()), 0))
            case 2:
                steps += [Step(codec.encode(Tick()), 2000, None)] * draw(st.integers(1, 12))
    steps += [Step(codec.encode(Tick()), 4000, None)] * 20
    cuts = sorted(draw(st.lists(st.integers(0, len(steps)), max_size=5)))
    return [steps[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(steps)], strict=True)]


class Countdown:
    def __init__(self, operations: int) -> None:
        self.left = operations

    def __call__(self, _: str) -> None:
        self.left -= 1
        if self.left < 0:
            raise Crash


async def live(kafka: MemoryKafka, life: Life, system: System) -> EngineRun | None:
    """One worker until it dies or has read the log; whom to wake, if it was only stopped."""
    fault = Countdown(life.dies_at) if life.dies_at < OPERATIONS_MAX else (lambda _: None)
    run = EngineRun(kafka, settings=QUICK, core=system.core, write=system.write, fault=fault)
    try:
        await run.take(0)
        count = 0
        while (slice_ := run.worker.fetch_slice(0, life.slice_records)).records:
            await run.assignment.work(slice_)
            count += 1
            if count % life.slices_a_flush == 0:
                await run.partition().flush()
        if not life.wakes:
            await run.partition().flush()
    except Crash:
        run.worker.dead = not life.wakes
    assert run.faults == []
    return run if life.wakes else None


async def calm(kafka: MemoryKafka, system: System) -> None:
    """A worker that lives."""
    await EngineRun(kafka, settings=QUICK, core=system.core, write=system.write).work_and_flush(0)


async def stand(kafka: MemoryKafka, system: System) -> tuple[int, int]:
    """Where one more worker finds itself: ledger and group agree, and what was worked stays worked."""
    run = EngineRun(kafka, settings=QUICK, core=system.core, write=system.write)
    await run.take(0)
    await run.drain()
    assert run.partition().resumed
    assert run.partition().counters.rules_changed == 0
    return run.partition().position, run.partition().low_water


def emitted(kafka: MemoryKafka, topic: str, identity: Identity) -> dict[object, list[Copy]]:
    found: defaultdict[object, list[Copy]] = defaultdict(list)
    for one in kafka.records(topic, 0):
        found[identity(one)].append((one.key, one.value))
    return found


def id_of(one: MemoryRecord) -> object:
    return one.key


def letter(one: MemoryRecord) -> object:
    headers = dict(one.headers)
    return headers["offset"], headers["reason"], headers["detail"]


async def storm(pieces: Sequence[Sequence[Step]], lives: Sequence[Life], system: System) -> None:
    quiet, rough = MemoryKafka(), MemoryKafka()
    asleep: list[EngineRun] = []
    for piece, life in zip(pieces, lives, strict=False):
        for step in piece:
            for kafka in (quiet, rough):
                kafka.now_ms += step.pause_ms
                headers = codec.tenant_headers(step.tenant) if step.tenant is not None else []
                kafka.append(CHUNKS, 0, value=step.value, headers=headers)
        stopped = await live(rough, life, system)
        for stale in asleep:
            stale.worker._fault = lambda _: None
            await stale.drain()
            await stale.assignment.flush()
            assert stale.faults == []
        asleep = [stopped] if stopped is not None else []
    await calm(quiet, system)
    await calm(rough, system)
    for topic, identity in ((RECORDS, id_of), (CONTENTS, id_of), (DEAD, letter)):
        once, often = emitted(quiet, topic, identity), emitted(rough, topic, identity)
        assert once.keys() == often.keys()
        for key, copies in often.items():
            assert set(copies) == set(once[key])
    assert await stand(rough, system) == await stand(quiet, system)


MEASURES = Measures()


def write_record(stream: FinishedStream, partition: int, rules: str) -> list[tuple[Record, Contents]]:
    """As a worker writes it."""
    return [record.write(stream, topic=CHUNKS, partition=partition, rules=rules, measures=MEASURES)]


@settings(max_examples=120, deadline=None)
@given(counted_logs(), lives)
async def test_the_engine_may_die_anywhere(pieces: list[list[Step]], lives: list[Life]) -> None:
    await storm(pieces, lives, System(FakeCore, write_counted))


@settings(max_examples=60, deadline=None)
@given(real_logs(), lives)
async def test_the_whole_worker_may_die_anywhere(pieces: list[list[Step]], lives: list[Life]) -> None:
    await storm(pieces, lives, System(Partition, write_record))

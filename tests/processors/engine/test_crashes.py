"""A worker may die anywhere: nothing is lost, nothing is wrong, and repeats are equal byte for byte.

Each schedule is a log, a list of lives, and for each life the operation on Kafka at which it ends, before or after its
effect. Stale workers that wake up and flush what they had are lives too.
"""

from collections import defaultdict
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from engine_run import CHUNKS, CONTENTS, DEAD, RECORDS, EngineRun
from fake_core import frame
from memory_kafka import Crash, MemoryKafka, MemoryRecord
from streamgauge.processors.settings import load

QUICK = load(producer_silent_s=8, tick_s=2, late_horizon_s=20)


Step = tuple[tuple[str, str], int]
Life = tuple[int, int, int, bool]
Identity = Callable[[MemoryRecord], object]
Copy = tuple[bytes | None, bytes | None]


@st.composite
def logs(draw: st.DrawFn) -> list[list[Step]]:
    """Frames of a few streams, interleaved, with pauses, duplicates and junk; in pieces, one a life."""
    names = [f"s{number}" for number in range(draw(st.integers(1, 6)))]
    verbs = st.tuples(st.sampled_from(["open", "data", "data", "data", "end", "junk"]), st.sampled_from(names))
    steps = st.tuples(verbs, st.sampled_from([0, 1, 40, 900, 3000, 30_000]))
    return draw(st.lists(st.lists(steps, max_size=25), min_size=1, max_size=6))


lives = st.lists(
    st.tuples(
        st.integers(0, 30),  # the operation it dies at
        st.integers(1, 9),  # records a slice
        st.integers(1, 4),  # slices between flushes
        st.booleans(),  # whether it is only stopped, wakes up later and flushes
    ),
    min_size=6,
    max_size=6,
)


class Countdown:
    def __init__(self, operations: int) -> None:
        self.left = operations

    def __call__(self, _: str) -> None:
        self.left -= 1
        if self.left < 0:
            raise Crash


async def live(kafka: MemoryKafka, life: Life) -> EngineRun | None:
    """One worker until it dies; whom to wake, if it was only stopped."""
    dies_at, records, slices, wakes = life
    run = EngineRun(kafka, settings=QUICK, fault=Countdown(dies_at))
    try:
        await run.take(0)
        count = 0
        while (slice_ := run.worker.fetch_slice(0, records)).records:
            await run.assignment.work(slice_)
            count += 1
            if count % slices == 0:
                await flush(run)
        await flush(run)
    except Crash:
        run.worker._fault = lambda _: None
        return run if wakes else None
    assert run.faults == []
    return run if wakes else None


async def flush(run: EngineRun) -> None:
    """Not through the assignment, which gathers: a crash there would be one fault of many."""
    for worked in run.assignment.partitions.values():
        await worked.flush()


async def finish(kafka: MemoryKafka) -> None:
    """A worker that lives: reads to the end, and a silent while after it."""
    await EngineRun(kafka, settings=QUICK).work_and_flush(0)


async def stand(kafka: MemoryKafka) -> tuple[int, int]:
    """Where one more worker finds itself: ledger and group agree, and what was worked stays worked."""
    run = EngineRun(kafka, settings=QUICK)
    await run.take(0)
    await run.drain()
    assert run.partition().counters.rules_changed == 0
    return run.partition().position, run.partition().low_water


def emitted(kafka: MemoryKafka, topic: str, identity: Identity) -> dict[object, list[Copy]]:
    found: defaultdict[object, list[Copy]] = defaultdict(list)
    for record in kafka.records(topic, 0):
        found[identity(record)].append((record.key, record.value))
    return found


def id_of(record: MemoryRecord) -> object:
    return record.key


def letter(record: MemoryRecord) -> object:
    headers = dict(record.headers)
    return headers["offset"], headers["reason"]


@settings(max_examples=250, deadline=None)
@given(logs(), lives)
async def test_a_worker_may_die_anywhere(pieces: list[list[Step]], lives: list[Life]) -> None:
    calm, stormy = MemoryKafka(), MemoryKafka()
    for piece, life in zip(pieces, lives, strict=False):
        for (verb, name), pause_ms in piece:
            for kafka in (calm, stormy):
                kafka.now_ms += pause_ms
                kafka.append(CHUNKS, 0, value=frame(verb, name))
        stale = await live(stormy, life)
        if stale is not None:
            stormy.generation += 1
            await stale.assignment.flush()
            stormy.generation += 1
    await finish(calm)
    await finish(stormy)
    for topic, identity in ((RECORDS, id_of), (CONTENTS, id_of), (DEAD, letter)):
        once, often = emitted(calm, topic, identity), emitted(stormy, topic, identity)
        assert once.keys() == often.keys()
        for key, copies in often.items():
            assert set(copies) == set(once[key])
    assert await stand(stormy) == await stand(calm)

"""Workers on a broker: started, killed, paused, joined and left, and what stands in the sinks afterwards."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from frames_build import Connection
from kafka_brokers import Broker
from streamgauge.processors.engine.errors import RefusalError
from streamgauge.processors.engine.ledger import Memory
from streamgauge.processors.engine.reset import reset
from streamgauge.processors.settings import Settings
from streamgauge.schemas import codec
from streamgauge.schemas.identity import record_id
from streamgauge.schemas.records import Contents
from traffic import CLOSED, LOST, Traffic
from worker_run import Worker, WorkerRun

STREAMS = 500


@pytest.fixture(
    params=[pytest.param("embedded", marks=pytest.mark.broker), pytest.param("kafka", marks=pytest.mark.kafka)]
)
def broker(request: pytest.FixtureRequest) -> Broker:
    """Each test on both: the embedded broker, and real Kafka where it can be had."""
    found: Broker = request.getfixturevalue("embedded_broker" if request.param == "embedded" else "kafka")
    return found


def is_right(run: WorkerRun, traffic: Traffic) -> None:
    """Every stream has one record and one contents, they say what was sent, and all copies of them are equal."""
    assert run.dead == []
    assert run.records.keys() == run.contents.keys() == traffic.truths.keys()
    for name, truth in traffic.truths.items():
        for copies in (run.records[name], run.contents[name]):
            assert len(set(copies)) == 1, f"unequal copies of {name}"
        record = codec.decode_record(run.records[name][0])
        assert (record.outcome, record.chunks, record.holes) == (truth.outcome, truth.chunks, 0), name
        assert record.finish_reasons == (["stop"] if truth.outcome == "completed" else []), name
        stated = record.usage_output if "usage_output" not in record.usage_estimated else None
        assert stated == truth.output_tokens, name
        assert said(codec.decode_contents(run.contents[name][0])) == truth.text, name


def said(contents: Contents) -> str:
    return "".join(msgspec.to_builtins(part)["text"] for choice in contents.choices for part in choice.parts)


def open_at(run: WorkerRun, ledger: list[Memory | None]) -> set[str]:
    """The streams that had begun below the ledger's position and were not closed there: a worker that starts from it
    has to read again what came of them so far, or it cannot know how they began."""
    found = set[str]()
    for name, copies in run.records.items():
        record = codec.decode_record(copies[0])
        memory = ledger[record.partition or 0]
        closed = {record_id(*stream) for stream in memory.closed} if memory is not None else ()
        if memory is not None and (record.first_offset or 0) < memory.position.offset and name not in closed:
            found.add(name)
    return found


def raw(run: WorkerRun) -> int:
    return sum(map(len, run.records.values()))


async def test_500_streams_survive_a_worker_killed_twice(broker: Broker) -> None:
    """5 % of the frames come twice, 5 % late; the worker is killed with -9 at a third and at two thirds. Some streams
    nobody closes, so that at each kill some are open: their records prove that what the dead worker had read of them
    was read again."""
    traffic = Traffic.of(STREAMS, seed=7, others=(*CLOSED, LOST))
    ledgers: list[list[Memory | None]] = []
    async with WorkerRun.on(broker, tick_s=1, producer_silent_s=15) as run:
        worker = run.start()
        await until_said(worker, "assigned")
        sending = asyncio.ensure_future(run.send(traffic.messages(copied=0.05, moved=0.05), a_second=1000))
        for share in (STREAMS // 3, 2 * STREAMS // 3):
            await run.until(lambda share=share: len(run.records) >= share)  # type: ignore[misc]
            worker.kill()
            ledgers.append(await run.remembered())
            worker = run.start()
        await sending
        await run.until(lambda: len(run.records) == STREAMS and len(run.contents) == STREAMS)
        await until_said(worker, "assigned")
        assert worker.terminate() == 0, worker.said
        await run.read_all()
        is_right(run, traffic)
        still_open = [len(open_at(run, ledger)) for ledger in ledgers]
        assert all(still_open), "nothing was open when the worker was killed: this proves nothing"
        repeats = raw(run) - STREAMS
        print(  # noqa: T201 - for people who run it
            f"\n{broker.tier}: {STREAMS} distinct, {raw(run)} raw, {repeats} repeats, all equal byte for byte; "
            f"at the kills {still_open} streams were open, {list(map(again, ledgers))} frames had to be read again"
        )


def again(ledger: list[Memory | None]) -> int:
    """The offsets below the positions that a worker that starts now reads again."""
    return sum(memory.position.offset - memory.low_water.offset for memory in ledger if memory is not None)


async def test_a_worker_that_is_told_to_stop_leaves_nothing_to_repeat(broker: Broker) -> None:
    """SIGTERM in the middle of open streams: what the next one finds in the ledger is all that was emitted."""
    traffic = Traffic.of(60, seed=8)
    wires = list(traffic.messages())
    async with WorkerRun.on(broker) as run:
        worker = run.start()
        await run.send(wires[: len(wires) // 2])
        await run.until(lambda: len(run.records) >= 10)
        assert worker.terminate() == 0, worker.said
        run.start()
        await run.send(wires[len(wires) // 2 :])
        await run.until(lambda: len(run.records) == len(run.contents) == 60)
        await run.read_all()
        is_right(run, traffic)
        assert raw(run) == 60


async def test_workers_come_and_go_without_a_loss(broker: Broker) -> None:
    traffic = Traffic.of(120, seed=9)
    wires = list(traffic.messages(copied=0.05))
    third = len(wires) // 3
    async with WorkerRun.on(broker) as run:
        first = run.start()
        await run.send(wires[:third])
        await run.until(lambda: len(run.records) >= 10)
        second = run.start()
        await run.send(wires[third : 2 * third])
        await until_said(second, "assigned")
        await run.until(lambda: len(run.records) >= 40)
        assert first.terminate() == 0, first.said
        await run.send(wires[2 * third :])
        await run.until(lambda: len(run.records) == len(run.contents) == 120)
        assert second.terminate() == 0, second.said
        await run.read_all()
        is_right(run, traffic)


async def test_a_worker_paused_beyond_its_session_loses_nothing(kafka: Broker) -> None:
    """It wakes up with partitions that are another's: what it still emits is equal, byte for byte, to what that one
    emitted, and the group refuses its offsets."""
    traffic = Traffic.of(120, seed=10)
    wires = list(traffic.messages())
    async with WorkerRun.on(kafka) as run:
        sleeper = run.start()
        await run.send(wires[: len(wires) // 2])
        await run.until(lambda: len(run.records) >= 10)
        sleeper.pause()
        other = run.start()
        await run.send(wires[len(wires) // 2 :])
        await run.until(lambda: len(run.records) == len(run.contents) == 120)
        sleeper.go_on()
        await until_said(sleeper, "assigned", times=2)
        for worker in (sleeper, other):
            assert worker.terminate() == 0, worker.said
        await run.read_all()
        is_right(run, traffic)


async def test_what_cannot_be_used_becomes_a_dead_letter_and_a_silent_stream_closes(broker: Broker) -> None:
    connection = Connection(call=b"a" * 16)
    async with WorkerRun.on(broker, tick_s=0.5, producer_silent_s=2, head_grace_s=1) as run:
        worker = run.start()
        for frame in (connection.open(), connection.head()):
            await run.send_raw(codec.encode(frame), partition=0)
        await run.send_raw(b"no frame", partition=0)
        await run.send_raw(codec.encode(Connection(call=b"b" * 16).head()), partition=0)
        await run.until(lambda: len(run.records) == 1 and len(run.dead) == 2)
        assert worker.terminate() == 0, worker.said
        assert sorted(letter["reason"] for letter in run.dead) == [b"headless", b"undecodable"]
        (record,) = (codec.decode_record(copies[0]) for copies in run.records.values())
        assert record.outcome == "lost"


async def test_what_keeps_a_worker_from_starting_is_one_line(broker: Broker) -> None:
    async with WorkerRun.on(broker) as run:
        nowhere = run.start(bootstrap_servers="127.0.0.1:1")
        missing = run.start(topic_records="records-that-are-not-there")
        for worker, line in (
            (nowhere, "streamgauge worker: no broker answers at '127.0.0.1:1'"),
            (missing, "streamgauge worker: topic 'records-that-are-not-there': it does not exist; 'streamgauge topics"),
        ):
            assert worker.process.wait(60) == 1
            assert worker.said.startswith(line)
            assert len(worker.said.splitlines()) == 1


async def test_a_fault_while_partitions_are_taken_ends_the_process(broker: Broker) -> None:
    """A hook that raised would leave Faust with partitions that nobody works."""
    async with WorkerRun.on(broker) as run:
        async with AIOKafkaProducer(bootstrap_servers=broker.bootstrap_servers) as producer:
            await producer.send_and_wait(run.settings.topic_ledger, b"not ours", partition=1)
        worker = run.start()
        assert worker.process.wait(60) == 1
        place = f"(topic {run.settings.topic_ledger!r}, partition 1, offset 0)"
        assert worker.said.splitlines()[-1].startswith(
            f"streamgauge worker: no ledger message of this version {place}: "
        )


async def test_an_offset_moved_by_hand_is_refused_until_both_are_reset(kafka: Broker) -> None:
    traffic = Traffic.of(20, seed=11)
    async with WorkerRun.on(kafka) as run:
        worker = run.start()
        await run.send(traffic.messages())
        await run.until(lambda: len(run.records) == len(run.contents) == 20)
        assert worker.terminate() == 0, worker.said
        await move_group(run.settings, to=1)
        refused = run.start()
        assert refused.process.wait(60) == 1
        assert "streamgauge topics reset --to group" in refused.said
        await reset(run.settings, "start")
        run.start()
        await run.until(lambda: raw(run) == 40)
        is_right(run, traffic)


async def test_a_group_at_work_cannot_be_reset(broker: Broker) -> None:
    async with WorkerRun.on(broker) as run:
        await until_said(run.start(), "assigned")
        with pytest.raises(RefusalError, match="has 1 members at work: stop all workers first"):
            await reset(run.settings, "start")


async def until_said(worker: Worker, word: str, *, times: int = 1) -> None:
    async with asyncio.timeout(60):
        while worker.said.count(word) < times:  # noqa: ASYNC110 - another process says it, into a file
            await asyncio.sleep(0.1)


async def move_group(settings: Settings, *, to: int) -> None:
    """What an operator does with Kafka's own tool."""
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.bootstrap_servers, group_id=settings.group)
    async with consumer:
        tps = [TopicPartition(settings.topic_chunks, partition) for partition in range(settings.partitions)]
        consumer.assign(tps)
        await consumer.commit(dict.fromkeys(tps, to))

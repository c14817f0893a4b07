"""Workers on a broker: started, killed, paused, joined and left, and what stands in the sinks afterwards."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from kafka_brokers import Broker
from streamgauge.schemas import codec
from traffic import Traffic
from worker_run import WorkerRun

STREAMS = 500


@pytest.fixture(params=["embedded", "kafka"])
def broker(request: pytest.FixtureRequest) -> Broker:
    """Each test on both: the embedded broker, and real Kafka where it can be had."""
    found: Broker = request.getfixturevalue("embedded_broker" if request.param == "embedded" else "kafka")
    return found


def is_right(run: WorkerRun, traffic: Traffic) -> None:
    """Every stream has one record and one contents, they say what was sent, and all copies of them are equal."""
    assert run.records.keys() == run.contents.keys() == traffic.truths.keys()
    for name, truth in traffic.truths.items():
        for copies in (run.records[name], run.contents[name]):
            assert len(set(copies)) == 1, f"unequal copies of {name}"
        record = codec.decode_record(run.records[name][0])
        assert (record.outcome, record.chunks, record.holes) == ("completed", truth.chunks, 0)
        assert (record.usage_output, record.finish_reasons) == (truth.output_tokens, ["stop"])
        (choice,) = codec.decode_contents(run.contents[name][0]).choices
        assert "".join(msgspec.to_builtins(part)["text"] for part in choice.parts) == truth.text


def raw(run: WorkerRun) -> int:
    return sum(map(len, run.records.values()))


async def test_500_streams_survive_a_worker_killed_twice(broker: Broker) -> None:
    """5 % of the frames come twice, 5 % late; the worker is killed with -9 at a third and at two thirds."""
    traffic = Traffic.of(STREAMS, seed=7)
    async with WorkerRun.on(broker) as run:
        worker = run.start()
        sending = asyncio.ensure_future(run.send(traffic.messages(copied=0.05, moved=0.05)))
        for share in (STREAMS // 3, 2 * STREAMS // 3):
            await run.until(lambda share=share: len(run.records) >= share)  # type: ignore[misc]
            worker.kill()
            worker = run.start()
        await sending
        await run.until(lambda: len(run.records) == STREAMS and len(run.contents) == STREAMS)
        assert worker.terminate() == 0, worker.said
        await run.read_all()
        is_right(run, traffic)
        repeats = raw(run) - STREAMS
        print(f"\n{broker.tier}: {STREAMS} distinct, {raw(run)} raw, {repeats} repeats, all equal byte for byte")  # noqa: T201

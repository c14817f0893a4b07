"""Kafka under the Protocols, as far as no broker is needed: what is waited for, and what is not."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError, UnknownTopicOrPartitionError

from streamgauge.processors.engine import kafka
from streamgauge.processors.engine.kafka import KafkaOutlet, patiently


@pytest.fixture(autouse=True)
def _no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka, "_AGAIN_S", 0)


class Faults:
    """Fails so many times, then answers."""

    def __init__(self, *faults: KafkaError) -> None:
        self.faults = list(faults)

    async def __call__(self) -> str:
        if self.faults:
            raise self.faults.pop(0)
        return "answer"


async def test_a_fault_that_passes_is_waited_for() -> None:
    assert await patiently(Faults(*[UnknownTopicOrPartitionError()] * 5), "send") == "answer"


async def test_a_fault_that_does_not_pass_is_raised_at_once() -> None:
    faults = Faults(TopicAuthorizationFailedError(), TopicAuthorizationFailedError())
    with pytest.raises(TopicAuthorizationFailedError):
        await patiently(faults, "send")
    assert len(faults.faults) == 1


async def test_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka, "PATIENCE_S", -1)
    with pytest.raises(UnknownTopicOrPartitionError):
        await patiently(Faults(UnknownTopicOrPartitionError()), "send")


async def test_an_outlet_that_is_stopped_while_it_connects_leaves_no_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Producer:
        made: list[Producer] = []

        def __init__(self, **_: Any) -> None:
            self.connecting, self.stopped = asyncio.Event(), False
            self.made.append(self)

        async def start(self) -> None:
            self.connecting.set()
            await asyncio.Event().wait()

        async def stop(self) -> None:
            self.stopped = True

    monkeypatch.setattr(kafka, "AIOKafkaProducer", Producer)
    starting = asyncio.ensure_future(KafkaOutlet({}, chunks="chunks", group=cast("Any", None)).start())
    await asyncio.sleep(0)
    await Producer.made[0].connecting.wait()
    starting.cancel()
    await asyncio.wait([starting])
    assert starting.cancelled()
    assert Producer.made[0].stopped

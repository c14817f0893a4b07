"""At least once: emissions, then the ledger, then the group's offset, each acknowledged before the next."""

from __future__ import annotations

import asyncio

import pytest

from memory_kafka import MemoryReceipt
from streamgauge.processors.engine.delivery import AtLeastOnce
from streamgauge.processors.engine.emissions import Sinks
from streamgauge.processors.engine.ledger import Draft, Mark
from streamgauge.processors.engine.ports import Committed, Message

SINKS = Sinks(chunks="c", records="r", contents="co", dead="d", ledger="l", worker="w")
MARK = Mark(5, 0, None)


class Outlet:
    """Keeps what it was asked; acknowledges when told to."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.open: list[asyncio.Future[MemoryReceipt]] = []

    async def send(self, message: Message) -> asyncio.Future[MemoryReceipt]:
        self.asked.append(f"send {message.topic} {(message.value or b'').decode('latin-1')[:4]}".strip())
        future: asyncio.Future[MemoryReceipt] = asyncio.get_running_loop().create_future()
        self.open.append(future)
        return future

    async def commit(self, partition: int, offset: int, *, generation: int) -> Committed:
        self.asked.append(f"commit {partition} {offset} {generation}")
        return Committed.DONE

    def acknowledge(self) -> None:
        for number, future in enumerate(self.open):
            future.set_result(MemoryReceipt(number))
        self.open.clear()


def draft() -> Draft:
    return Draft([], position=MARK, low_water=MARK, deadlines={}, back=None, committed=None)


def message(value: str) -> Message:
    return Message("r", 0, None, value.encode(), [])


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.fixture
def outlet() -> Outlet:
    return Outlet()


@pytest.fixture
def delivery(outlet: Outlet) -> AtLeastOnce:
    return AtLeastOnce(outlet, sinks=SINKS, partition=0, generation=3)


async def test_each_step_waits_for_the_acknowledgements_of_the_one_before(
    outlet: Outlet, delivery: AtLeastOnce
) -> None:
    delivery.emit(message("a"))
    await delivery.push()
    delivery.emit(message("b"))
    flushing = asyncio.ensure_future(delivery.flush(draft()))
    await turns()
    assert outlet.asked == ["send r a", "send r b"]
    outlet.acknowledge()
    await turns()
    assert [step[:6] for step in outlet.asked[2:]] == ["send l"]
    outlet.acknowledge()
    assert (await flushing).committed is Committed.DONE
    assert outlet.asked[-1] == "commit 0 5 3"


async def test_an_emission_that_fails_fails_the_flush_before_the_ledger(outlet: Outlet, delivery: AtLeastOnce) -> None:
    delivery.emit(message("a"))
    delivery.emit(message("b"))
    flushing = asyncio.ensure_future(delivery.flush(draft()))
    await turns()
    outlet.open.pop(0).set_exception(OSError("gone"))
    outlet.acknowledge()
    with pytest.raises(OSError, match="gone"):
        await flushing
    assert outlet.asked == ["send r a", "send r b"]


async def test_a_flush_that_failed_leaves_no_acknowledgement_behind(outlet: Outlet, delivery: AtLeastOnce) -> None:
    """Nobody would look at it any more: what fails later would be a warning of the loop's, far from its cause."""
    delivery.emit(message("a"))
    delivery.emit(message("b"))
    flushing = asyncio.ensure_future(delivery.flush(draft()))
    await turns()
    outlet.open.pop(0).set_exception(OSError("gone"))
    await turns()
    assert not flushing.done()
    outlet.acknowledge()
    with pytest.raises(OSError, match="gone"):
        await flushing


async def test_emissions_keep_their_order_whoever_pushes(outlet: Outlet, delivery: AtLeastOnce) -> None:
    for value in "abcdef":
        delivery.emit(message(value))
    await asyncio.gather(delivery.push(), delivery.push(), delivery.push())
    assert outlet.asked == [f"send r {value}" for value in "abcdef"]

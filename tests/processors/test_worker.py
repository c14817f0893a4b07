"""A worker that is told to stop. Faust is put by hand here; brokers come in `integration/test_worker.py`."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import pytest
from faust.types import TP

from engine_run import CHUNKS
from streamgauge.processors import worker
from streamgauge.processors.app import WorkerApp, create_app
from streamgauge.processors.engine.engine import Engine
from streamgauge.processors.engine.errors import RefusalError
from streamgauge.processors.record import Measures
from streamgauge.processors.settings import Settings, load


class ProcessEndedError(Exception):
    """Where the process would be gone."""


Then = Callable[["Rebalance"], None]
Play = Callable[[Then], Awaitable["Rebalance"]]


class Rebalance:
    """Faust as far as a rebalance goes: one of its tasks takes the partitions, and whoever stops it cancels that."""

    def __init__(self, app: WorkerApp, then: Then) -> None:
        self.engine: Engine = app.engine
        self.taking: asyncio.Task[None] | None = None
        self.begun = asyncio.Event()
        self.then = then
        self.stays = False  # a thread of Faust's waits for the broker, whatever it is told
        self.ended_by: BaseException = asyncio.CancelledError()
        self.engine.assignment.take = self.take  # type: ignore[method-assign]
        app.start = self.start  # type: ignore[method-assign]
        app.stop = self.stop  # type: ignore[method-assign]

    async def take(self, partitions: Iterable[int], generation: int) -> None:
        self.begun.set()
        try:
            await asyncio.Event().wait()  # the ledger is read, and the broker takes its time
        except asyncio.CancelledError:
            raise self.ended_by from None

    async def start(self) -> None:
        self.taking = asyncio.ensure_future(self.engine.take([TP(CHUNKS, 0)], 1))
        await self.begun.wait()
        asyncio.get_running_loop().call_soon(self.then, self)

    async def stop(self) -> None:
        """The consumer's thread ends with what it was asked, or Faust cancels the task: the same for who awaits it."""
        await self.engine.release()
        if self.stays:
            await asyncio.Event().wait()
        if self.taking is not None and self.taking.cancel():
            await asyncio.wait([self.taking])
        await self.engine.stop()


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Play:
    """Run a worker whose Faust is this one, to its end; `then`: what happens in the middle of the rebalance."""

    async def right(*_: Any) -> bool:
        return True

    async def run(then: Then) -> Rebalance:
        made: list[Rebalance] = []

        def create(settings: Settings) -> WorkerApp:
            app = create_app(settings, Measures())
            made.append(Rebalance(app, then))
            return app

        monkeypatch.setattr(worker, "create_app", create)
        monkeypatch.setattr(worker, "_topics_are_right", right)
        monkeypatch.setattr(worker, "_leave_out_of_collection", lambda: None)
        await worker._run(load())
        return made[0]

    return run


def told_to_stop(_: Rebalance) -> None:
    os.kill(os.getpid(), signal.SIGTERM)


async def test_a_worker_told_to_stop_in_a_rebalance_ends_as_any_other(play: Play) -> None:
    rebalance = await play(told_to_stop)
    assert rebalance.engine.fault is None


async def test_what_a_consumer_that_is_gone_says_to_a_rebalance_is_no_fault_of_who_leaves(
    play: Play,
) -> None:
    def told_and_closed(rebalance: Rebalance) -> None:
        rebalance.ended_by = RuntimeError("Event loop is closed")
        told_to_stop(rebalance)

    rebalance = await play(told_and_closed)
    assert rebalance.engine.fault is None


async def test_a_rebalance_that_is_cancelled_while_the_worker_stays_ends_it(play: Play) -> None:
    """It would hold partitions for ever that nobody works."""

    def cancelled(rebalance: Rebalance) -> None:
        assert rebalance.taking is not None
        rebalance.taking.cancel()

    with pytest.raises(RefusalError, match="was cancelled"):
        await play(cancelled)


async def test_a_fault_while_the_worker_stays_is_the_one_it_ends_with(play: Play) -> None:
    def failed(rebalance: Rebalance) -> None:
        rebalance.engine.fail(OSError("gone"))

    with pytest.raises(OSError, match="gone"):
        await play(failed)


async def test_who_leaves_takes_nothing_any_more(play: Play) -> None:
    rebalance = await play(told_to_stop)
    rebalance.begun.clear()
    await rebalance.engine.take([TP(CHUNKS, 0)], 2)
    assert not rebalance.begun.is_set()


@pytest.mark.parametrize(("fault", "code"), [(None, 0), (OSError("gone"), 1)])
async def test_who_has_brought_everything_home_does_not_wait_for_a_goodbye(
    play: Play, monkeypatch: pytest.MonkeyPatch, fault: OSError | None, code: int
) -> None:
    """aiokafka's consumer does not leave before a rebalance is over, for which a broker may take a minute."""
    codes: list[int] = []

    def end(code: int) -> None:
        codes.append(code)
        raise ProcessEndedError

    monkeypatch.setattr(worker, "GOODBYE_WITHIN_S", 0.01)
    monkeypatch.setattr(worker, "_end_now", end)
    played: list[Rebalance] = []

    def told_and_kept(rebalance: Rebalance) -> None:
        played.append(rebalance)
        rebalance.stays = True
        if fault is not None:
            rebalance.engine.fail(fault)
        told_to_stop(rebalance)

    with pytest.raises(ProcessEndedError):
        await play(told_and_kept)
    assert codes == [code]
    assert played[0].engine.released.is_set()
    assert played[0].taking is not None
    played[0].taking.cancel()
    await asyncio.wait([played[0].taking])
    await played[0].engine.stop()

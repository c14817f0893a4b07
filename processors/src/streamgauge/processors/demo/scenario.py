"""The show's application side: all acts at the same time, several a thread pool and several an event loop, one killed.

    async with Scenario(acts, simulator, servers=…, seed=…, watches=…) as scenario:
        await scenario.over()          everything has ended but what hangs at a silent provider
        …                              its record comes while it still hangs

Leaving the block breaks what hangs, ends the killed process if it is still there, and closes the gauge.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Final, Self

from streamgauge.processors import children
from streamgauge.processors.demo.act import Act, Client, Conduct
from streamgauge.processors.demo.clients import clients, close
from streamgauge.processors.demo.host import GAUGE
from streamgauge.processors.demo.playing import Player
from streamgauge.processors.demo.simulator import Simulator
from streamgauge.processors.demo.watch import State, Watches
from streamgauge.producers import Gauge

__all__ = ["Scenario", "ScenarioError"]

THREADS: Final = 8
TASKS: Final = 5
KILLED_AFTER: Final = 15  # pieces of each of its streams
KILLED_LATER_S: Final = 0.5
LOOK_EVERY_S: Final = 0.05
HOST_WITHIN_S: Final = 30.0
GAUGE_CLOSES_WITHIN_S: Final = 3.0

_TASKS: Final = (Client.ASYNC_OPENAI, Client.ASYNC_ANTHROPIC, Client.ASYNC_TOGETHER)


class ScenarioError(RuntimeError):
    """The show cannot go on: its own fault, not the river's."""


class Scenario:
    """All acts, played once."""

    def __init__(self, acts: Sequence[Act], simulator: Simulator, *, servers: str, seed: int, watches: Watches) -> None:
        self.killed_at: float | None = None  # on the monotonic clock
        self._acts = acts
        self._simulator = simulator
        self._servers = servers
        self._seed = seed
        self._watches = watches
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="demo-client")
        self._room = asyncio.Semaphore(TASKS)
        self._gauge = Gauge(bootstrap_servers=servers, **GAUGE)
        self._clients = clients(self._gauge, simulator.url)
        self._player = Player(self._gauge, self._clients, watches)
        self._host: subprocess.Popen[bytes] | None = None
        self._watcher: subprocess.Popen[bytes] | None = None
        self._playing: list[asyncio.Future[None]] = []
        self._hanging: list[asyncio.Future[None]] = []

    async def __aenter__(self) -> Self:
        self._start_host([act for act in self._acts if act.client is Client.HOST])
        for act in self._acts:
            if act.client is not Client.HOST:
                ends = self._hanging if act.conduct is Conduct.HANG else self._playing
                ends.append(asyncio.ensure_future(self._play(act)))
        return self

    async def over(self) -> None:
        """Return when every act has ended but those that hang."""
        await asyncio.gather(*self._playing, self._kill_host())

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self._stop)
        for playing in (*self._playing, *self._hanging):
            playing.cancel()
        await asyncio.gather(*self._playing, *self._hanging, return_exceptions=True)
        await close(self._clients.values())

    def _stop(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        if self._host is not None:
            children.end(self._host, self._watcher)
        self._simulator.stop()  # whoever still reads, reads no more
        self._pool.shutdown(wait=True)
        self._gauge.close(GAUGE_CLOSES_WITHIN_S)

    async def _play(self, act: Act) -> None:
        loop = asyncio.get_running_loop()
        match act.client:
            case Client.MANUAL:
                await loop.run_in_executor(self._pool, self._player.play_by_hand, act, self._simulator.truths)
            case client if client in _TASKS:
                async with self._room:
                    await self._player.play_async(act)
            case _:
                await loop.run_in_executor(self._pool, self._player.play, act)

    # ------------------------------------------------------------------ the process that is killed

    def _start_host(self, acts: Sequence[Act]) -> None:
        command = [sys.executable, "-m", "streamgauge.processors.demo.host", self._simulator.url, self._servers]
        self._host = subprocess.Popen(  # noqa: S603 - ourselves
            [*command, str(self._seed), *(act.name for act in acts)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._watcher = children.watch(self._host.pid)

    async def _kill_host(self) -> None:
        """Wait until its streams are under way, then kill it."""
        host = self._host
        if host is None:
            return
        acts = [act for act in self._acts if act.client is Client.HOST]
        deadline = time.monotonic() + HOST_WITHIN_S
        while not all(self._spoken(act) >= KILLED_AFTER for act in acts):
            if host.poll() is not None or time.monotonic() > deadline:
                raise ScenarioError(f"the process that is to be killed did not stream (exit code {host.poll()})")
            await asyncio.sleep(LOOK_EVERY_S)
        await asyncio.sleep(KILLED_LATER_S)
        self.killed_at = time.monotonic()
        host.kill()
        await asyncio.to_thread(children.end, host, self._watcher)
        self._host = self._watcher = None
        for act in acts:
            self._watches[act.name].end("killed")

    def _spoken(self, act: Act) -> int:
        """How far a stream of the other process is, as the simulator knows; for the table too."""
        truth = self._simulator.truths.of(act.name, 0)
        if truth is None:
            return 0
        watch = self._watches[act.name]
        watch.state, watch.pieces = State.STREAMING, len(truth.said)
        return watch.pieces

"""The show: raise the curtain, let everything play, read the records back, judge, and put everything away.

    River (broker, worker)   Simulator        Scenario (SDKs, gauge, a process that dies)
             │                   │                │
             └───── Gathering ───┴──── Judge ─────┘

Exit codes: 0 if every record agrees with the truth, 1 if one does not, 130 if interrupted. However it ends, no process
and no thread of it is left.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections.abc import Sequence
from typing import Final

from streamgauge.processors.demo.act import Act
from streamgauge.processors.demo.audience import Audience, audience
from streamgauge.processors.demo.cast import cast
from streamgauge.processors.demo.clients import load
from streamgauge.processors.demo.gathering import Gathering
from streamgauge.processors.demo.judge import Judge, key_of
from streamgauge.processors.demo.river import River
from streamgauge.processors.demo.scenario import Scenario
from streamgauge.processors.demo.simulator import Simulator
from streamgauge.processors.demo.summary import Summary, summarise
from streamgauge.processors.demo.watch import Watches
from streamgauge.processors.following import Emitted
from streamgauge.schemas.topics import SETTINGS_PREFIX

__all__ = ["run"]

# Deadlines that fit a show: what takes minutes in earnest takes seconds here.
DEADLINES: Final[dict[str, object]] = {
    "tick_s": 0.5,
    "commit_interval_s": 0.2,
    "head_grace_s": 5,
    "hole_grace_s": 3,
    "resume_grace_s": 8,
    "producer_silent_s": 5,
    "provider_silent_s": 6,
    "total_age_s": 60,
    "late_horizon_s": 60,
}
RECORDS_WITHIN_S: Final = 25.0  # after the last stream has ended
LOOKS_PER_S: Final = 8
LOOK_EVERY_S: Final = 0.05  # at a worker that starts
INTERRUPTED: Final = "chat-cut"  # the stream whose record is shown closely


def run(*, as_json: bool, seed: int) -> int:
    """Play the show and return the exit code."""
    _be_alone()
    began = time.monotonic()
    acts = cast(seed)
    watchers = audience(as_json=as_json)
    watchers.say("starting broker, worker and clients")
    with watchers, River(given=DEADLINES) as river, Simulator([act.script for act in acts]) as simulator:
        load()  # here, where Ctrl-C strikes at once, and while the worker starts
        show = _Show(acts, river, simulator, watchers, seed)
        try:
            emissions, summary = asyncio.run(show.play(began))
        except asyncio.CancelledError as ended:
            raise KeyboardInterrupt from ended
        watchers.end(summary, _closely(emissions))
    return 1 if summary.disagreements else 0


class _Show:
    def __init__(self, acts: Sequence[Act], river: River, simulator: Simulator, watchers: Audience, seed: int) -> None:
        self._acts = acts
        self._river = river
        self._simulator = simulator
        self._watchers = watchers
        self._seed = seed
        self._watches = Watches()

    async def play(self, began: float) -> tuple[list[Emitted], Summary]:
        """Play everything; what was read back, and what is to be said of it."""
        _end_on_sigterm()
        for act in self._acts:
            self._watches.add(act)
        settings = self._river.settings
        scenario = Scenario(
            self._acts, self._simulator, servers=settings.bootstrap_servers, seed=self._seed, watches=self._watches
        )
        while not self._river.started():  # noqa: ASYNC110 - a process that starts has no event to wait for
            await asyncio.sleep(LOOK_EVERY_S)
        looking = asyncio.create_task(self._look())
        try:
            async with Gathering(settings, self._watchers.record) as gathering, scenario:
                await scenario.over()
                await gathering.until(self._due(), within_s=RECORDS_WITHIN_S, look=self._river.look)
        finally:
            looking.cancel()
        judge = Judge(self._acts, self._simulator.truths.all(), self._watches, killed_at=scenario.killed_at)
        disagreements = judge.judge(gathering.emissions, gathering.unreadable)
        return gathering.emissions, summarise(gathering.emissions, disagreements, seconds=time.monotonic() - began)

    def _due(self) -> set[tuple[str, int]]:
        return {(truth.name, truth.attempt) for truth in self._simulator.truths.all()}

    async def _look(self) -> None:
        while True:
            self._watchers.look(self._watches)
            await asyncio.sleep(1 / LOOKS_PER_S)


def _closely(emissions: Sequence[Emitted]) -> Emitted | None:
    return next((emitted for emitted in emissions if key_of(emitted.record)[0] == INTERRUPTED), None)


def _be_alone() -> None:
    """The show is the same whatever is set for real work, and libraries keep their worries to themselves: most of them
    are part of the show."""
    for name in [name for name in os.environ if name.startswith(SETTINGS_PREFIX)]:
        del os.environ[name]
    logging.basicConfig(level=logging.CRITICAL)


def _end_on_sigterm() -> None:
    """SIGTERM ends the show as Ctrl-C does, and not by an exception that strikes anywhere in the event loop."""
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)

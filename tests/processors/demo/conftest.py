from collections.abc import Iterator

import pytest

from played import Play, Played
from streamgauge.processors.demo.script import Script
from streamgauge.processors.demo.simulator import Simulator


@pytest.fixture
def play() -> Iterator[Play]:
    """Start a simulator with these scripts; everything is gone when the test ends."""
    started: list[Played] = []

    def start(*scripts: Script) -> Played:
        started.append(Played(Simulator(scripts).__enter__()))
        return started[-1]

    yield start
    for played in started:
        played.close()
        played.simulator.stop()

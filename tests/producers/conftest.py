"""A gauge whose frames stay in memory, whose clock stands still, and whose ids are counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar

import pytest

from streamgauge.producers import Gauge
from streamgauge.producers.testing import CountingIds, FakeClock, MemorySink
from streamgauge.schemas.frames import Frame

F = TypeVar("F")


class Rig(NamedTuple):
    """A gauge and what it is made of."""

    gauge: Gauge
    sink: MemorySink
    clock: FakeClock

    def frames(self) -> list[Frame]:
        """Everything sent so far."""
        assert self.gauge.flush(5.0), "the gauge did not get rid of its frames"
        return self.sink.frames

    def all_of(self, kind: type[F]) -> list[F]:
        """The frames of one kind."""
        return [frame for frame in self.frames() if isinstance(frame, kind)]

    def only(self, kind: type[F]) -> F:
        """The only frame of its kind."""
        (frame,) = self.all_of(kind)
        return frame


@pytest.fixture
def rigged() -> Iterator[Callable[..., Rig]]:
    """Make rigs; at the end each is closed, and has swallowed as many errors of ours as it was told (null: any)."""
    rigs: list[Rig] = []

    def make(*, sink: MemorySink | None = None, errors: int | None = 0, **settings: Any) -> Rig:
        sink, clock = sink or MemorySink(), FakeClock()
        settings = {"tenant": "acme", "raise_internal_errors": errors == 0, **settings}
        gauge = Gauge(sink=sink, clock=clock, ids=CountingIds(), **settings)
        rigs.append(Rig(gauge, sink, clock))
        expected[id(gauge)] = errors
        return rigs[-1]

    expected: dict[int, int | None] = {}
    yield make
    for rig in rigs:
        rig.gauge.close(5.0)
        assert expected[id(rig.gauge)] in {None, rig.gauge.counters.internal_errors}


@pytest.fixture
def rig(rigged: Callable[..., Rig]) -> Rig:
    """A rig with the default settings."""
    return rigged()

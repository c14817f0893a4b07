"""What a tap costs the host."""

from __future__ import annotations

import statistics
import time
from typing import Any

from streamgauge.producers.gauge import Gauge
from streamgauge.producers.tap import instrument
from streamgauge.producers.testing import MemorySink

CHUNKS = [b"data: " + b"x" * 100 + b"\n\n"] * 1_000
ROUNDS = 9
COST_MAX_S = 20e-6


def test_a_chunk_costs_the_host_at_most_twenty_microseconds(host: Any) -> None:
    """Runs with and without a tap take turns, so that what else the machine does hits both."""
    source = host.streaming(lambda: iter(CHUNKS))
    with Gauge(tenant="test", sink=MemorySink()) as gauge:

        def seconds_a_chunk(tap: bool) -> float:
            client = host.answering(source)
            if tap:
                instrument(gauge, client)
            begun = time.perf_counter()
            host.posts(client)
            return (time.perf_counter() - begun) / len(CHUNKS)

        pairs = [(seconds_a_chunk(tap=False), seconds_a_chunk(tap=True)) for _ in range(ROUNDS)]
    assert statistics.median(tapped - plain for plain, tapped in pairs) <= COST_MAX_S

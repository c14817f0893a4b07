"""What a tap costs the host."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from typing import Any

from streamgauge.producers.gauge import Gauge
from streamgauge.producers.tap import instrument
from streamgauge.producers.testing import MemorySink

CHUNK = b"data: " + b"x" * 100 + b"\n\n"
CHUNKS = 200
ROUNDS = 3
PAUSE_S = 200e-6  # a provider that is far faster than any
ADDED_MAX_S = 20e-6


def test_a_chunk_comes_at_most_twenty_microseconds_later(host: Any) -> None:
    """From the network's hand into the host's, at the median; runs with and without a tap take turns."""
    left: list[float] = []

    def network() -> Iterator[bytes]:
        for _ in range(CHUNKS):
            time.sleep(PAUSE_S)
            left.append(time.perf_counter())
            yield CHUNK

    def reads(client: Any) -> list[float]:
        left.clear()
        url = "http://provider/v1/chat/completions"

        def threads() -> list[float]:
            with client, client.stream("POST", url, json={}) as response:
                return [time.perf_counter() for _ in response.iter_raw()]

        async def tasks() -> list[float]:
            async with client, client.stream("POST", url, json={}) as response:
                return [time.perf_counter() async for _ in response.aiter_raw()]

        came = host.run(threads, tasks)
        return [there - here for here, there in zip(left, came, strict=True)]

    plain: list[float] = []
    tapped: list[float] = []
    with Gauge(tenant="test", sink=MemorySink()) as gauge:
        for _ in range(ROUNDS):
            plain += reads(host.answering(host.streaming(network)))
            client = host.answering(host.streaming(network))
            instrument(gauge, client)
            tapped += reads(client)
    assert statistics.median(tapped) - statistics.median(plain) <= ADDED_MAX_S

"""What a tap costs the host."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from typing import Any

import pytest

from streamgauge.producers.gauge import Gauge
from streamgauge.producers.tap import instrument
from streamgauge.producers.tap.body import Tee
from streamgauge.producers.tap.transport import Watch
from streamgauge.producers.testing import MemorySink
from streamgauge.schemas.frames import Close, Data
from streamgauge.schemas.words import How

CHUNK = b"data: " + b"x" * 100 + b"\n\n"
CHUNKS = 100
URL = "http://provider/v1/chat/completions"
EXCHANGES = 40  # of each kind; the first of them warm up
WARM = 5
ADDED_MAX_S = 20e-6
TOO_SLOW_S = 3e-3  # of something that happens once an exchange: 30 µs a chunk


def test_a_chunk_costs_the_host_at_most_twenty_microseconds(host: Any) -> None:
    """Of the whole way on the host's thread: request, headers, every read from asking to having it, close."""
    sink = MemorySink()
    with Gauge(tenant="test", sink=sink) as gauge:
        added = added_s(host, gauge)
    assert added <= ADDED_MAX_S
    closes = [frame for frame in sink.frames if isinstance(frame, Close)]
    assert [close.how for close in closes] == [How.EOF] * EXCHANGES, "all of the way was tapped"
    assert sum(len(frame.got) for frame in sink.frames if isinstance(frame, Data)) == CHUNKS * EXCHANGES
    assert (gauge.counters.chunks_dropped, gauge.counters.internal_errors) == (0, 0)


@pytest.mark.parametrize(
    ("owner", "step"),
    [(Watch, "opened"), (Tee, "answered"), (Tee, "ask"), (Tee, "got"), (Tee, "failed"), (Tee, "closing")],
)
def test_no_step_of_the_way_is_left_out_of_what_is_measured(
    newer: Any, monkeypatch: pytest.MonkeyPatch, owner: type, step: str
) -> None:
    """Else the test above would not notice that it has become slow."""
    real = getattr(owner, step)
    slow_s = 2 * ADDED_MAX_S if step in {"ask", "got"} else TOO_SLOW_S

    def slow(*arguments: Any) -> Any:
        until = time.perf_counter() + slow_s
        while time.perf_counter() < until:
            pass
        return real(*arguments)

    monkeypatch.setattr(owner, step, slow)
    with Gauge(tenant="test", sink=MemorySink()) as gauge:
        assert added_s(newer, gauge, exchanges=WARM + 5) > ADDED_MAX_S


def added_s(host: Any, gauge: Gauge, *, exchanges: int = EXCHANGES) -> float:
    """What a gauge adds to a chunk, in seconds: exchanges with and without one take turns; medians."""

    def network() -> Iterator[bytes]:
        for _ in range(CHUNKS):
            yield CHUNK

    plain, tapped = (host.answering(host.streaming(network)) for _ in range(2))
    instrument(gauge, tapped)
    added: list[float] = []

    def threads() -> None:
        def exchange(client: Any) -> float:
            began = time.perf_counter()
            with client.stream("POST", URL, json={}) as response:
                for _ in response.iter_raw():
                    pass
            return time.perf_counter() - began

        for _ in range(exchanges):
            added.append(-exchange(plain) + exchange(tapped))
            gauge.flush(5.0)

    async def tasks() -> None:
        async def exchange(client: Any) -> float:
            began = time.perf_counter()
            async with client.stream("POST", URL, json={}) as response:
                async for _ in response.aiter_raw():
                    pass
            return time.perf_counter() - began

        for _ in range(exchanges):
            added.append(-await exchange(plain) + await exchange(tapped))
            gauge.flush(5.0)

    host.run(threads, tasks)
    return statistics.median(added[WARM:]) / CHUNKS

"""What the shim costs its host, per chunk: interleaved runs with and without a gauge, on one client.

Two questions, two set-ups, each with `httpx` in threads and in tasks, publishing to the embedded broker:

* full speed   a body of 500 chunks of about 300 bytes from memory, read as fast as Python can. Per stream the time is
               divided by its chunks, so opening and closing are in it, and so is what the gauge's own thread takes of
               the interpreter's lock. This is the worst case: no network ever delivers that fast.
* human pace   20 streams at a time from a server of its own process on loopback, a chunk every 10 ms. Compared are the
               CPU time of the host's thread, which has cold caches here as in life, and the delay until the host has a
               chunk that tells when it was sent. In the delay is what the machine does besides: on few cores, to see
               its noise, compare the column `without` of several runs.

With and without alternate stream by stream (full speed) or round by round (human pace), so that whatever else the
machine does strikes both alike. Medians, and the difference of medians. The goal is for what the host's thread does.

    python bench/shim_overhead.py            prints the table
    python bench/shim_overhead.py --write    and keeps it in bench/results/shim_overhead.md
"""

from __future__ import annotations

import asyncio
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx

from streamgauge.processors.broker import EmbeddedBroker
from streamgauge.producers import Gauge

CHUNKS: Final = 500
STREAMS: Final = 150  # of each kind, at full speed
WARM: Final = 5
ROUNDS: Final = 40  # of each kind, at human pace
SIDE_BY_SIDE: Final = 20
PACED_CHUNKS: Final = 40
PACE_S: Final = 0.01
GOAL_US: Final = 20.0
EVENT: Final = b'data: {"choices":[{"index":0,"delta":{"content":" river"}}],"pad":"' + b"x" * 220 + b'"}\n\n'
URL: Final = "http://127.0.0.1/v1/chat/completions"
REQUEST: Final = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "x" * 2000}]}
RESULTS: Final = Path(__file__).parent / "results" / "shim_overhead.md"


class Row(NamedTuple):
    """One comparison: medians and 99th percentiles of both kinds, in µs."""

    name: str
    without: list[float]
    with_gauge: list[float]
    is_goal: bool = True

    @property
    def added(self) -> float:
        """What the gauge adds to the median."""
        return statistics.median(self.with_gauge) - statistics.median(self.without)

    def __str__(self) -> str:
        cells = [statistics.median(self.without), statistics.median(self.with_gauge), self.added]
        tails = [_p99(self.without), _p99(self.with_gauge)]
        return f"| {self.name} | " + " | ".join(f"{value:.1f}" for value in [*cells, *tails]) + " |"


class Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body from memory."""

    def __iter__(self) -> Iterator[bytes]:
        for _ in range(CHUNKS):
            yield EVENT

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for _ in range(CHUNKS):
            yield EVENT


def full_speed_threads(gauge: Gauge) -> Row:
    """Read from memory with `httpx.Client`."""

    def stream(client: httpx.Client) -> float:
        began = time.perf_counter_ns()
        with client.stream("POST", URL, json=REQUEST) as response:
            for _ in response.iter_raw():
                pass
        return (time.perf_counter_ns() - began) / CHUNKS / 1000

    plain, tapped = (httpx.Client(transport=httpx.MockTransport(_answer)) for _ in range(2))
    gauge.instrument(tapped)
    times = _alternate(lambda: stream(plain), lambda: stream(tapped), settle=gauge.flush)
    return Row("full speed, threads", *times)


def full_speed_tasks(gauge: Gauge) -> Row:
    """Read from memory with `httpx.AsyncClient`."""

    async def stream(client: httpx.AsyncClient) -> float:
        began = time.perf_counter_ns()
        async with client.stream("POST", URL, json=REQUEST) as response:
            async for _ in response.aiter_raw():
                pass
        return (time.perf_counter_ns() - began) / CHUNKS / 1000

    plain, tapped = (httpx.AsyncClient(transport=httpx.MockTransport(_answer)) for _ in range(2))
    gauge.instrument(tapped)
    with asyncio.Runner() as runner:
        times = _alternate(lambda: runner.run(stream(plain)), lambda: runner.run(stream(tapped)), settle=gauge.flush)
    return Row("full speed, tasks", *times)


def human_pace(gauge: Gauge, url: str) -> list[Row]:
    """Read paced streams side by side with `httpx.AsyncClient`."""

    async def stream(client: httpx.AsyncClient) -> list[float]:
        found: list[float] = []
        async with client.stream("POST", url, json=REQUEST, timeout=30) as response:
            async for chunk in response.aiter_raw():
                got = time.perf_counter_ns()  # CLOCK_MONOTONIC: one clock for both processes
                found += [(got - int(line[6:26])) / 1000 for line in chunk.split(b"\n") if line.startswith(b"data: ")]
        return found

    delays: tuple[list[float], list[float]] = ([], [])
    costs: tuple[list[float], list[float]] = ([], [])

    async def rounds() -> None:
        async with httpx.AsyncClient() as plain, httpx.AsyncClient() as tapped:
            gauge.instrument(tapped)
            for number in range(ROUNDS):
                order = [(0, plain), (1, tapped)]
                for kind, client in order if number % 2 else reversed(order):
                    began = time.thread_time_ns()
                    of_streams = await asyncio.gather(*[stream(client) for _ in range(SIDE_BY_SIDE)])
                    costs[kind].append((time.thread_time_ns() - began) / (SIDE_BY_SIDE * PACED_CHUNKS) / 1000)
                    delays[kind].extend(delay for of_one in of_streams for delay in of_one)

    asyncio.run(rounds())
    return [Row("human pace, host's CPU", *costs), Row("human pace, delay", *delays, is_goal=False)]


async def serve() -> None:
    """Answer every request with a paced stream; the first line of output is the port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await _request(reader):
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
            for _ in range(PACED_CHUNKS):
                await asyncio.sleep(PACE_S)
                event = b"data: %020d %s\n\n" % (time.perf_counter_ns(), b"x" * 200)
                writer.write(b"%x\r\n%s\r\n" % (len(event), event))
            writer.write(b"0\r\n\r\n")
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


async def _request(reader: asyncio.StreamReader) -> bool:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
    except (asyncio.IncompleteReadError, ConnectionError):
        return False
    length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
    await reader.readexactly(length)
    return True


def _answer(request: httpx.Request) -> httpx.Response:  # noqa: ARG001 - the signature is httpx's
    return httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=Body())


def _alternate(
    one: Callable[[], float], other: Callable[[], float], *, settle: Callable[[], object]
) -> tuple[list[float], list[float]]:
    """Run both in turns; in between, untimed, the gauge gets rid of what it has: it never drops for lack of room."""
    of_one: list[float] = []
    of_other: list[float] = []
    for number in range(-WARM, STREAMS):
        for run, found in [(one, of_one), (other, of_other)][:: 1 if number % 2 else -1]:
            took = run()
            settle()
            if number >= 0:
                found.append(took)
    return of_one, of_other


def _p99(values: list[float]) -> float:
    return statistics.quantiles(values, n=100)[98]


def _paced(gauge: Gauge) -> list[Row]:
    server = subprocess.Popen([sys.executable, __file__, "--serve"], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        return human_pace(gauge, f"http://127.0.0.1:{port}/v1/chat/completions")
    finally:
        server.kill()
        server.wait()


def main(*, write: bool) -> int:
    """Measure, print, and say whether the goal is met."""
    with EmbeddedBroker() as broker, Gauge(bootstrap_servers=broker.bootstrap_servers, tenant="bench") as gauge:
        rows = [full_speed_threads(gauge), full_speed_tasks(gauge), *_paced(gauge)]
        gauge.flush(20)
        counters = gauge.counters
    text = _report(rows, counters)
    sys.stdout.write(text)
    if write:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(text, encoding="utf-8")
    return 0 if _worst(rows) <= GOAL_US else 1


def _worst(rows: list[Row]) -> float:
    return max(row.added for row in rows if row.is_goal)


def _report(rows: list[Row], counters: Any) -> str:
    where = f"Python {platform.python_version()}, httpx {metadata.version('httpx')}, {platform.machine()}"
    lines = [
        "# What the shim costs its host",
        "",
        *(line.rstrip() for line in (__doc__ or "").strip().splitlines()[2:]),
        "",
        f"Measured with {where}, on two shared cores. µs per chunk; the goal is at most {GOAL_US:g} added.",
        "",
        "| set-up | median without | median with | added | p99 without | p99 with |",
        "|---|---|---|---|---|---|",
        *map(str, rows),
        "",
        (
            f"Median added on the host's thread, at worst: {_worst(rows):.1f} µs a chunk. "
            f"Chunks: {counters.chunks}, dropped for a full buffer: {counters.chunks_dropped}, "
            f"errors of ours: {counters.internal_errors}."
        ),
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    if "--serve" in sys.argv:
        asyncio.run(serve())
    else:
        sys.exit(main(write="--write" in sys.argv))

"""`make bench`: chunks a second and CPU seconds per million chunks, ours beside a plain Faust agent, in one run.

    core      the pure core alone, messages in memory
    worker    `streamgauge worker` draining a topic
    faust     an ordinary Faust agent draining the same messages (see plain_faust.py)

All three get the same single-chunk messages (see load.py). Topics are full before a process starts. A process is
measured from its first record in the sink to its last, by its own CPU time: these machines are shared, so the CPU
figures are the ones to compare. The embedded broker is used, or the one named by STREAMGAUGE_BENCH_BOOTSTRAP. Rounds
alternate; the table shows the median. The result is kept in bench/results/river.md.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from load import TENANT, chunks_in, messages

from streamgauge.processors.broker import EmbeddedBroker
from streamgauge.processors.engine.admin import create_topics
from streamgauge.processors.settings import Settings, load
from streamgauge.schemas import codec

HERE: Final = Path(__file__).parent
RESULT: Final = HERE / "results" / "river.md"
WITHIN_S: Final = 300.0
LOOK_EVERY_S: Final = 0.05
TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")

Figures = dict[str, float]


def main() -> int:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--goal", type=float, default=10, help="times a plain agent, by rate and by CPU; below it: exit 1"
    )
    arguments = parser.parse_args()
    found: dict[str, list[Figures]] = {"core": [], "worker": [], "faust": []}
    with _bootstrap() as bootstrap:
        for number in range(arguments.rounds):
            print(f"round {number + 1} of {arguments.rounds}", file=sys.stderr)
            found["core"].append(_core(arguments.streams))
            found["worker"].append(asyncio.run(_drain(bootstrap, "worker", arguments.streams)))
            found["faust"].append(asyncio.run(_drain(bootstrap, "faust", arguments.streams)))
    missed = _missed(found, arguments.goal)
    text = f"{_table(found, arguments.streams)}\n\ngoal: {arguments.goal:g} times a plain agent; {missed or 'met'}"
    print(text)
    RESULT.write_text(f"# Core and worker beside a plain Faust agent\n\n{__doc__}\n\n{text}\n")
    return 1 if missed else 0


@contextlib.contextmanager
def _bootstrap() -> Iterator[str]:
    given = os.environ.get("STREAMGAUGE_BENCH_BOOTSTRAP")
    if given:
        yield given
    else:
        with EmbeddedBroker() as broker:
            yield broker.bootstrap_servers


def _core(streams: int) -> Figures:
    done = subprocess.run([sys.executable, HERE / "core.py", str(streams)], check=True, capture_output=True, text=True)
    figures: Figures = json.loads(done.stdout)
    return figures


async def _drain(bootstrap: str, who: str, streams: int) -> Figures:
    """Fill fresh topics, start a process on them, and watch its sink fill."""
    settings = _settings(bootstrap, f"{who}-{time.time_ns()}")
    await create_topics(settings)
    await _fill(settings, streams)
    with tempfile.TemporaryDirectory() as folder, _process(who, settings, streams, Path(folder)) as process:
        return await _watch(settings, process, streams)


def _settings(bootstrap: str, name: str) -> Settings:
    topics = {f"topic_{kind}": f"{name}.{kind}" for kind in ("chunks", "records", "contents", "dead", "ledger")}
    given: dict[str, Any] = {"bootstrap_servers": bootstrap, "group": name, "time": "producer", "partitions": 4}
    return load(None, replication=1, **given, **topics)


async def _fill(settings: Settings, streams: int) -> None:
    headers = codec.tenant_headers(TENANT)
    producer = AIOKafkaProducer(**settings.client(), linger_ms=5)
    await producer.start()
    try:
        for message in messages(streams):
            await producer.send(settings.topic_chunks, message.value, message.key, headers=headers)
        await producer.flush()
    finally:
        await producer.stop()


@contextlib.contextmanager
def _process(who: str, settings: Settings, streams: int, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    log = (folder / "log").open("wb")
    env = {**os.environ, "DATADIR": str(folder), "STREAMS": str(streams), "GROUP": settings.group}
    env |= {"BOOTSTRAP": settings.bootstrap_servers, "CHUNKS": settings.topic_chunks, "RECORDS": settings.topic_records}
    if who == "worker":
        names: tuple[str, ...] = ("bootstrap_servers", "group", "time", "partitions", "replication")
        names += ("topic_chunks", "topic_records", "topic_contents", "topic_dead", "topic_ledger")
        options = [f"--set={name}={getattr(settings, name)}" for name in names]
        command = [sys.executable, "-m", "streamgauge.processors.cli", "worker", *options]
    else:
        command = [sys.executable, str(HERE / "plain_faust.py"), "worker", "-l", "info", "--without-web"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env)
    try:
        yield process
    except BaseException:
        sys.stderr.write((folder / "log").read_text(errors="replace")[-2000:])
        raise
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(15)
        process.kill()
        process.wait()
        log.close()


async def _watch(settings: Settings, process: subprocess.Popen[bytes], streams: int) -> Figures:
    began = first = None
    async with _sink(settings) as count:
        deadline = time.monotonic() + WITHIN_S
        while True:
            done = await count()
            now = (time.monotonic(), _cpu_s(process.pid), done)
            if done and first is None:
                first, began = done, now
            if done >= streams:
                break
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{done} of {streams} records came from {process.args!r}")
            await asyncio.sleep(LOOK_EVERY_S)
    if began is None or now[2] == began[2]:
        raise RuntimeError("the sink filled between two looks: give it more --streams")
    share = (now[2] - began[2]) / streams
    chunks = chunks_in(streams) * share
    seconds, cpu = now[0] - began[0], now[1] - began[1]
    return {"chunks": chunks, "seconds": seconds, "rate": chunks / seconds, "cpu_s_per_million": cpu / chunks * 1e6}


@contextlib.asynccontextmanager
async def _sink(settings: Settings) -> AsyncIterator[Any]:
    """Counts by reading: the embedded broker's end offsets leave out its last batch."""
    consumer = AIOKafkaConsumer(**settings.client(), auto_offset_reset="earliest")
    await consumer.start()
    consumer.assign([TopicPartition(settings.topic_records, number) for number in range(settings.partitions)])
    read = 0

    async def count() -> int:
        nonlocal read
        read += sum(map(len, (await consumer.getmany()).values()))
        return read

    try:
        yield count
    finally:
        await consumer.stop()


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def _median(found: dict[str, list[Figures]], who: str, name: str) -> float:
    return statistics.median(figures[name] for figures in found[who])


def _times(found: dict[str, list[Figures]], who: str) -> tuple[float, float]:
    """How many times a plain agent, by rate and by CPU."""
    rate = _median(found, who, "rate") / _median(found, "faust", "rate")
    return rate, _median(found, "faust", "cpu_s_per_million") / _median(found, who, "cpu_s_per_million")


def _missed(found: dict[str, list[Figures]], goal: float) -> str:
    """Who misses the goal, and by what."""
    looks = ((who, *_times(found, who)) for who in ("core", "worker"))
    missed = [
        f"{who} {by}"
        for who, *times in looks
        for by, value in zip(("by rate", "by CPU"), times, strict=True)
        if value < goal
    ]
    return f"missed: {', '.join(missed)}" if missed else ""


def _table(found: dict[str, list[Figures]], streams: int) -> str:
    lines = [
        f"{streams} streams, {chunks_in(streams)} chunks, medians of {len(found['core'])} rounds",
        "",
        "| who | chunks/s | CPU s per million chunks | times a plain agent (rate) | (CPU) |",
        "|---|---|---|---|---|",
    ]
    for who in found:
        rate, cpu = _median(found, who, "rate"), _median(found, who, "cpu_s_per_million")
        by_rate, by_cpu = _times(found, who)
        lines.append(f"| {who} | {rate:,.0f} | {cpu:.1f} | {by_rate:.1f} | {by_cpu:.1f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())

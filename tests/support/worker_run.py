"""Workers as processes of their own, on a broker: topics, traffic, sinks, signals.

    async with WorkerRun.on(broker) as run:        topics and a group of the test's own
        worker = run.start()                       a process; `worker.kill()`, `.terminate()`, `.pause()`
        await run.send(wires)
        await run.until(lambda: len(run.records) == 500)
        run.records["acme/…"]                      every copy that stands in the sink, in order

All processes are ended with the run.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import uuid
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from frames_build import TENANT
from kafka_brokers import Broker
from streamgauge.processors.engine.admin import create_topics
from streamgauge.processors.engine.kafka import Readback
from streamgauge.processors.engine.ledger import Memory
from streamgauge.processors.engine.restore import recall
from streamgauge.processors.settings import Settings, load
from streamgauge.schemas import codec
from streamgauge.schemas.topics import SETTINGS_PREFIX
from traffic import Wire

__all__ = ["Worker", "WorkerRun", "environment"]

PARTITIONS = 4
PACED = 20  # messages between two breaths of a sender that keeps a pace
WITHIN_S = 120.0  # generous: two shared cores
RUN = """
import sys
from streamgauge.processors.settings import load
from streamgauge.processors.worker import run_worker
sys.exit(run_worker(load()))
"""


def environment(settings: Settings) -> dict[str, str]:
    """The environment that gives a process these settings, and none of ours."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(SETTINGS_PREFIX)}
    chosen = {
        SETTINGS_PREFIX + name.upper(): str(value)
        for name, value in settings
        if value is not None and value != Settings.model_fields[name].default
    }
    return {**inherited, **chosen}


class Worker:
    """One worker process."""

    def __init__(self, settings: Settings, log: Path) -> None:
        self.log = log
        with log.open("wb") as sink:
            self.process = subprocess.Popen(
                [sys.executable, "-c", RUN], env=environment(settings), stdout=sink, stderr=sink
            )

    @property
    def said(self) -> str:
        return self.log.read_text("utf-8", "replace")

    def kill(self) -> None:
        """-9: no flush, no goodbye."""
        self.process.kill()
        self.process.wait()

    def terminate(self) -> int:
        """SIGTERM; the exit code."""
        self.process.terminate()
        return self.process.wait(WITHIN_S)

    def pause(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)


class WorkerRun:
    """A set of topics with the workers on it."""

    def __init__(self, settings: Settings, folder: Path, producer: AIOKafkaProducer, sink: AIOKafkaConsumer) -> None:
        self.settings = settings
        self.workers: list[Worker] = []
        self.records: defaultdict[str, list[bytes]] = defaultdict(list)
        self.contents: defaultdict[str, list[bytes]] = defaultdict(list)
        self.dead: list[dict[str, bytes]] = []
        self._folder, self._producer, self._sink = folder, producer, sink

    @classmethod
    @asynccontextmanager
    async def on(cls, broker: Broker, **settings: Any) -> AsyncGenerator[WorkerRun]:
        """Topics and a group of the test's own, with short waits."""
        name = uuid.uuid4().hex[:8]
        topics = {f"topic_{topic}": f"{topic}-{name}" for topic in ("chunks", "records", "contents", "dead", "ledger")}
        chosen: dict[str, Any] = {
            "bootstrap_servers": broker.bootstrap_servers,
            "group": f"group-{name}",
            **topics,
            "partitions": PARTITIONS,
            "replication": 1,
            "time": "broker" if broker.transactions else "producer",
            "session_timeout_s": 6,  # the least Kafka allows unless told otherwise
            "commit_interval_s": 0.2,
            **settings,
        }
        loaded = load(**chosen)
        await create_topics(loaded)
        servers = broker.bootstrap_servers
        with tempfile.TemporaryDirectory() as folder:
            async with (
                AIOKafkaProducer(bootstrap_servers=servers, acks="all", linger_ms=2) as producer,
                AIOKafkaConsumer(bootstrap_servers=servers, auto_offset_reset="earliest") as sink,
            ):
                await asyncio.sleep(0)  # a consumer stopped in the turn it was started in raises CancelledError
                sink.assign(
                    [
                        TopicPartition(topic, partition)
                        for topic in (loaded.topic_records, loaded.topic_contents, loaded.topic_dead)
                        for partition in range(PARTITIONS)
                    ]
                )
                run = cls(loaded, Path(folder), producer, sink)
                try:
                    yield run
                finally:
                    for worker in run.workers:
                        worker.kill()

    def start(self, **settings: Any) -> Worker:
        """One more worker."""
        changed = self.settings.model_copy(update=settings)
        worker = Worker(changed, self._folder / f"worker-{len(self.workers)}.log")
        self.workers.append(worker)
        return worker

    async def send(self, wires: Iterable[Wire], *, a_second: int | None = None) -> None:
        """Send frames as they come, or so many a second."""
        for number, wire in enumerate(wires, 1):
            await self.send_raw(wire.value, key=wire.key, partition=wire.partition(PARTITIONS))
            if a_second is not None and number % PACED == 0:
                await asyncio.sleep(PACED / a_second)
        await self._producer.flush()

    async def send_raw(
        self, value: bytes, *, partition: int, key: bytes | None = None, tenant: str | None = TENANT
    ) -> None:
        headers = codec.tenant_headers(tenant) if tenant is not None else []
        await self._producer.send(self.settings.topic_chunks, value, key=key, partition=partition, headers=headers)

    async def read(self) -> None:
        """Take in what has come to the sinks."""
        for tp, records in (await self._sink.getmany(timeout_ms=100)).items():
            for record in records:
                match tp.topic:
                    case self.settings.topic_records:
                        self.records[record.key.decode()].append(record.value)
                    case self.settings.topic_contents:
                        self.contents[record.key.decode()].append(record.value)
                    case _:
                        self.dead.append(dict(record.headers))

    async def until(self, reached: Callable[[], bool]) -> None:
        """Read the sinks until this is so."""
        try:
            async with asyncio.timeout(WITHIN_S):
                while not reached():
                    await self.read()
        except TimeoutError:
            said = "\n".join(f"--- worker {number}\n{worker.said}" for number, worker in enumerate(self.workers))
            raise AssertionError(
                f"not reached in {WITHIN_S} s: {len(self.records)} records, {len(self.dead)} dead letters\n{said}"
            ) from None

    async def remembered(self) -> list[Memory | None]:
        """What the ledger of each partition says: where a worker begins that is started now."""
        ledger = Readback(self.settings.client())
        await ledger.start()
        try:
            return [(await recall(ledger, self.settings.topic_ledger, number))[0] for number in range(PARTITIONS)]
        finally:
            await ledger.stop()

    async def read_all(self) -> None:
        """Read the sinks to their ends as they are now."""
        ends = await self._sink.end_offsets(list(self._sink.assignment()))
        for tp, end in ends.items():
            while await self._sink.position(tp) < end:
                await self.read()

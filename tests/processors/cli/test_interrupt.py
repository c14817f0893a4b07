"""Ctrl-C ends what runs on and on: soon, in silence, and with everything that was started."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, NamedTuple

import pytest
from aiokafka import AIOKafkaProducer

from streamgauge.processors.broker import EmbeddedBroker
from streamgauge.processors.engine.admin import create_topics
from streamgauge.processors.settings import Settings, load
from streamgauge.schemas import codec
from streamgauge.schemas.records import Record

pytestmark = [
    pytest.mark.broker,
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="what is left is looked for in /proc"),
]

MARK = "STREAMGAUGES_TEST_OF_INTERRUPTS"  # a variable that every process of a run inherits
ENDS_WITHIN_S = 20  # generous: two shared cores; a rebalance may take five


class Run(NamedTuple):
    """A command in a group of its own, as a shell would start it."""

    process: subprocess.Popen[str]
    mark: str

    def interrupt(self) -> str:
        """Ctrl-C reaches the whole group. What was said at the end."""
        os.killpg(self.process.pid, signal.SIGINT)
        out, err = self.process.communicate(timeout=ENDS_WITHIN_S)
        assert "Traceback" not in out + err
        return err

    def left(self) -> list[str]:
        """The processes of this run that still live."""
        return [entry.name for entry in Path("/proc").glob("[0-9]*") if self._is_ours(entry)]

    def _is_ours(self, entry: Path) -> bool:
        try:
            return self.mark.encode() in (entry / "environ").read_bytes()
        except OSError:  # it ended, or is somebody else's
            return False


Start = Callable[..., Run]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start commands; one that a failing test leaves behind is ended."""
    runs: list[Run] = []

    def started(*arguments: str) -> Run:
        runs.append(_started(*arguments))
        return runs[-1]

    yield started
    for run in runs:
        if run.process.poll() is None:
            os.killpg(run.process.pid, signal.SIGKILL)  # its children end with it
            run.process.communicate()


def _started(*arguments: str) -> Run:
    mark = uuid.uuid4().hex
    process = subprocess.Popen(
        [sys.executable, "-m", "streamgauge.processors.cli", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, MARK: mark},
        start_new_session=True,
    )
    return Run(process, mark)


def await_line(stream: IO[str] | None, holding: str) -> None:
    assert stream is not None
    seen = []
    for line in stream:
        seen.append(line)
        if holding in line:
            return
    raise AssertionError(f"{holding!r} was not said, but {seen}")


@pytest.fixture(scope="module")
def settings() -> Iterator[Settings]:
    """A broker with topics and one record."""
    with EmbeddedBroker() as broker:
        made = load(None, bootstrap_servers=broker.bootstrap_servers, replication=1, partitions=1, time="producer")
        asyncio.run(_fill(made))
        yield made


async def _fill(settings: Settings) -> None:
    await create_topics(settings)
    async with AIOKafkaProducer(bootstrap_servers=settings.bootstrap_servers) as producer:
        record = Record(id="acme/a.0", tenant="acme", call_id="a", attempt=0)
        await producer.send_and_wait(settings.topic_records, codec.encode_record(record))


def test_ctrl_c_ends_tail(start: Start, settings: Settings) -> None:
    run = start("tail", "--from-beginning", "-b", settings.bootstrap_servers)
    await_line(run.process.stdout, "acme/a.0")
    assert run.interrupt() == ""
    assert (run.process.returncode, run.left()) == (0, [])


def test_ctrl_c_ends_a_worker(start: Start, settings: Settings) -> None:
    run = start("worker", "-b", settings.bootstrap_servers, "-s", "time=producer", "-s", "session_timeout_s=4")
    await_line(run.process.stderr, " started ")
    run.interrupt()
    assert (run.process.returncode, run.left()) == (0, [])


def test_ctrl_c_ends_dev_with_its_broker_and_its_worker(start: Start, unused_tcp_port: int) -> None:
    run = start("dev", "--port", str(unused_tcp_port))
    await_line(run.process.stdout, "broker and worker run")
    assert len(run.left()) > 1
    assert run.interrupt() == ""
    assert (run.process.returncode, run.left()) == (0, [])


def test_ctrl_c_ends_a_demo_with_all_that_plays_in_it(start: Start) -> None:
    run = start("demo", "--json")
    await_line(run.process.stdout, '"id"')  # the first record: everything runs
    assert len(run.left()) > 1
    assert run.interrupt().endswith("streamgauge: interrupted\n")
    assert (run.process.returncode, run.left()) == (130, [])

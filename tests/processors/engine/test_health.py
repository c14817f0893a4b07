"""Progress and its watch."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from engine_run import CHUNKS, EngineRun
from fake_core import frame
from memory_kafka import MemoryKafka
from streamgauge.processors.app import create_app
from streamgauge.processors.engine.errors import RefusalError
from streamgauge.processors.engine.health import Progress, Status, Watch, progress_of, save
from streamgauge.processors.record import Measures
from streamgauge.processors.settings import load


def progress(position: int, low_water: int, *, lag: int | None) -> Progress:
    end = None if lag is None else position + lag
    return Progress(partition=0, position=position, low_water=low_water, end=end, lag=lag, resumed=True, counters={})


@pytest.fixture
def watch() -> Watch:
    return Watch(position_rests_s=60, low_water_rests_s=4000)


def test_a_position_that_rests_while_there_is_something_to_read_has_stalled(watch: Watch) -> None:
    assert watch.look([progress(5, 5, lag=9)], now_s=0) == []
    assert watch.look([progress(5, 5, lag=99)], now_s=60) == []
    assert watch.look([progress(5, 5, lag=99)], now_s=61) == ["partition 0: position 5 rests for 61 s"]
    assert watch.look([progress(6, 5, lag=98)], now_s=62) == []


def test_nothing_to_read_is_no_stall(watch: Watch) -> None:
    for now_s in (0, 100, 10_000):
        assert watch.look([progress(5, 5, lag=0)], now_s=now_s) == []
        assert watch.look([progress(5, 5, lag=None)], now_s=now_s) == []


def test_a_low_water_may_rest_as_long_as_a_stream_may_run(watch: Watch) -> None:
    for now_s in range(0, 4060, 30):
        assert watch.look([progress(now_s, 5, lag=1)], now_s=now_s) == []
    assert watch.look([progress(9000, 5, lag=1)], now_s=4070) == ["partition 0: low water 5 rests for 4070 s"]


async def test_progress_tells_position_low_water_end_and_lag() -> None:
    kafka = MemoryKafka()
    for verb, name in (("open", "a"), ("open", "b"), ("end", "a"), ("data", "b")):
        kafka.append(CHUNKS, 0, value=frame(verb, name))
    run = EngineRun(kafka)
    await run.take(0)
    await run.assignment.work(run.worker.fetch_slice(0, 3))
    (found,) = progress_of(run.assignment.partitions.values(), run.worker)
    assert (found.position, found.low_water, found.end, found.lag, found.resumed) == (3, 1, 4, 1, True)
    assert found.counters["finished"] == 1


def test_the_status_file_is_whole_or_not_there(tmp_path: Path) -> None:
    file = tmp_path / "status.json"
    status = Status(worker="w", stalled=[], partitions=[progress(5, 4, lag=1)])
    for _ in range(2):
        save(status, file)
        assert msgspec.json.decode(file.read_bytes(), type=Status) == status
    assert [path.name for path in tmp_path.iterdir()] == ["status.json"]


def test_a_device_or_a_pipe_is_not_replaced_by_a_status_file(tmp_path: Path) -> None:
    """`/dev/stdout`, say, which root may rename over."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for file in (pipe, tmp_path):
        with pytest.raises(OSError, match="no regular file"):
            save(Status(worker="w", stalled=[], partitions=[]), file)
    assert pipe.is_fifo()


async def test_a_status_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    file = tmp_path / "missing" / "status.json"
    app = create_app(load(status_file=file), Measures())
    try:
        with pytest.raises(RefusalError, match=f"status_file '{file}' cannot be written: No such file"):
            await app.engine.report()
    finally:
        await app.engine.stop()

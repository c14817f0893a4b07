"""The river: a broker and a worker that end with their block, and say why if they do not run."""

import os
from pathlib import Path

import pytest

from streamgauge.processors.demo.river import River, RiverError
from streamgauge.processors.settings import SettingsError


def processes_marked(mark: str) -> list[str]:
    """Command lines of processes that inherited this mark in their environment."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            marked = f"SG_TEST_MARK={mark}".encode() in (entry / "environ").read_bytes()
            found += [(entry / "cmdline").read_text()] if marked else []
        except OSError:  # it ended, or is not ours to look at
            continue
    return [line for line in found if line]


@pytest.mark.broker
def test_broker_and_worker_run_for_the_block_and_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    mark = f"river-{os.getpid()}"
    monkeypatch.setenv("SG_TEST_MARK", mark)
    with River(given={"tick_s": 0.5}) as river:
        river.await_worker()
        assert river.settings.time == "producer"
        assert any("worker" in line for line in processes_marked(mark))
    assert processes_marked(mark) == []


@pytest.mark.broker
def test_a_worker_that_ends_leaves_its_last_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamgauge.processors.demo.river.create_topics", _nothing)
    with River() as river, pytest.raises(RiverError, match="does not exist"):
        river.await_worker()


def test_wrong_settings_are_refused_before_anything_runs() -> None:
    with pytest.raises(SettingsError, match="tick_s"), River(given={"tick_s": 0}):
        pass


def test_a_river_that_does_not_run_has_no_settings() -> None:
    with pytest.raises(RiverError, match="not running"):
        _ = River().settings


async def _nothing(_: object) -> list[str]:
    return []

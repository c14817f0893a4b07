"""The programs of the bench run, on loads too small to measure anything: so that they cannot rot unseen.

They run on a copy of the folder, since they keep their results beside themselves.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kafka_brokers import Broker

BENCH = Path(__file__).parents[2] / "bench"
WITHIN_S = 240  # generous: two shared cores
SMALL = """
import sys
import shim_overhead as it
it.STREAMS, it.WARM, it.ROUNDS, it.SIDE_BY_SIDE, it.GOAL_US = 2, 1, 2, 2, float("inf")
sys.exit(it.main(write=True))
"""

Run = Callable[..., str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy without results."""
    return shutil.copytree(BENCH, tmp_path / "bench", ignore=shutil.ignore_patterns("results", "__pycache__"))


@pytest.fixture
def run(folder: Path) -> Run:
    """Run Python in it; what it prints. What goes wrong there shows in the captured output."""
    (folder / "results").mkdir()

    def run(*arguments: str, **environment: str) -> str:
        env = {**os.environ, **environment}
        done = subprocess.run(
            [sys.executable, *arguments],
            check=False,
            cwd=folder,
            env=env,
            capture_output=True,
            text=True,
            timeout=WITHIN_S,
        )
        sys.stderr.write(done.stderr)
        assert done.returncode == 0, done.stdout
        return done.stdout

    return run


def test_the_core_takes_a_load(run: Run) -> None:
    figures = json.loads(run("core.py", "20"))
    assert figures["chunks"] > 20
    assert figures["rate"] > 0


def test_core_worker_and_plain_agent_take_the_same_load(run: Run, folder: Path, any_broker: Broker) -> None:
    small = ("--streams", "400", "--rounds", "1", "--goal", "0")
    said = run("run.py", *small, STREAMGAUGE_BENCH_BOOTSTRAP=any_broker.bootstrap_servers)
    for who in ("core", "worker", "faust"):
        assert re.search(rf"^\| {who} \| [1-9][\d,]* \| [1-9]", said, re.MULTILINE), said
    (kept,) = (folder / "results").iterdir()
    assert said.strip() in kept.read_text()


def test_the_overhead_of_the_shim_is_measured(run: Run, folder: Path) -> None:
    said = run("-c", SMALL)
    for row in ("full speed, threads", "full speed, tasks", "human pace, host's CPU", "human pace, delay"):
        assert f"| {row} |" in said
    assert "errors of ours: 0." in said
    (kept,) = (folder / "results").iterdir()
    assert kept.read_text() == said

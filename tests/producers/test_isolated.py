"""What an application takes into its own environment with the shim: little, and nothing of the service."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DISTRIBUTIONS_MAX = 8
FOREIGN = ["faust", "tiktoken", "httpx", "httpx2", "requests", "urllib3", "openai", "pydantic"]

pytestmark = pytest.mark.isolated


def run(*command: str | Path, cwd: Path | None = None, **environ: str) -> str:
    """Run a command to its end; its output, or a failure that shows it."""
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=cwd,
        env={**os.environ, **environ},
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that holds the two wheels and what they need."""
    base = tmp_path_factory.mktemp("isolated")
    uv = Path(sys.executable).parent / "uv"
    for name in ("schemas", "producers"):
        run(uv, "build", "--quiet", "--wheel", "--no-build-isolation", "--out-dir", base / "wheels", ROOT / name)
    run(uv, "venv", "--quiet", "--python", sys.executable, base / "env")
    python = base / "env" / "bin" / "python"
    wheels = sorted((base / "wheels").glob("*.whl"))
    run(uv, "pip", "install", "--quiet", "--python", python, *wheels, VIRTUAL_ENV=str(base / "env"))
    return python


def test_it_brings_at_most_eight_distributions_itself_included(python: Path) -> None:
    script = "import importlib.metadata as m, json; print(json.dumps([d.metadata['Name'] for d in m.distributions()]))"
    names = json.loads(run(python, "-I", "-c", script))
    assert {"streamgauge-schemas", "streamgauge-producers", "aiokafka"} <= set(names)
    assert len(names) <= DISTRIBUTIONS_MAX, sorted(names)


def test_it_works_there_without_faust_tiktoken_or_an_http_client(python: Path) -> None:
    script = f"""
import importlib.util, sys
from streamgauge.producers import Gauge
from streamgauge.producers.testing import MemorySink
import streamgauge.producers.kafka, streamgauge.producers.tap
sink = MemorySink()
with Gauge(tenant="acme", sink=sink, raise_internal_errors=True) as gauge, gauge.stream() as stream:
    stream.chunk({{"a": 1}})
assert [type(frame).__name__ for frame in sink.frames] == ["Open", "Data", "Close"]
assert not [name for name in {FOREIGN!r} if importlib.util.find_spec(name)]
assert not importlib.util.find_spec("streamgauge.processors")
from aiokafka.codec import has_zstd
assert has_zstd()
"""
    run(python, "-I", "-W", "error", "-c", script)


def test_it_is_typed(python: Path) -> None:
    script = (
        "import streamgauge.producers as p, pathlib; print(pathlib.Path(p.__file__).with_name('py.typed').exists())"
    )
    assert run(python, "-I", "-c", script).strip() == "True"

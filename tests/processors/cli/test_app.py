"""The command line as a whole: what it offers, and how little it loads to say so."""

import subprocess
import sys
from importlib.metadata import version

import pytest

from streamgauge.processors.cli.app import app
from streamgauge.processors.cli.boundary import run

COMMANDS = ("demo", "dev", "worker", "topics", "tail", "inspect")
HEAVY = (
    "aiokafka",
    "faust",
    "openai",
    "pydantic",
    "tiktoken",
    "streamgauge.producers",
    "streamgauge.processors.settings",
)


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(app, ["--help"]) == 0
    said = capsys.readouterr().out
    assert all(command in said for command in COMMANDS)


def test_nothing_asked_is_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(app, []) == 0
    assert "tail" in capsys.readouterr().out


@pytest.mark.parametrize("command", [*COMMANDS, "topics create", "topics verify"])
def test_every_command_has_help(capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert run(app, [*command.split(), "--help"]) == 0
    assert "Usage" in capsys.readouterr().out


def test_the_version_is_the_distributions(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(app, ["--version"]) == 0
    assert capsys.readouterr().out.split() == ["streamgauge", version("streamgauge-processors")]


def test_help_loads_nothing_heavy() -> None:
    """A command's own libraries are loaded when it runs: help answers at once."""
    program = (
        "import sys\n"
        "from streamgauge.processors.cli.app import app\n"
        "from streamgauge.processors.cli.boundary import run\n"
        "run(app, ['--help'])\n"
        f"sys.stderr.write(' '.join(name for name in {HEAVY!r} if name in sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, timeout=60)
    assert done.stderr == b""

"""A process has the streams it was given: they may be closed, full, or know few letters."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from recorded_bodies import chat

COMMAND = f"{sys.executable} -m streamgauge.processors.cli"
SAID = "Der Fluß führt Wasser — 水"


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    file = tmp_path / "answer.sse"
    file.write_bytes(chat(SAID))
    return file


def ran(arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """What the shell says of it: redirections are its affair."""
    return subprocess.run(
        ["/bin/sh", "-c", f"{COMMAND} {arguments}"],
        capture_output=True,
        env={**os.environ, **environment},
        timeout=60,
        check=False,
    )


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="no device that is always full")
@pytest.mark.parametrize("arguments", ["--version", "inspect {file}", "inspect --json {file}"])
def test_a_disk_that_is_full_is_one_line(recorded: Path, arguments: str) -> None:
    done = ran(f"{arguments.format(file=recorded)} > /dev/full")
    assert done.returncode == 1
    assert done.stderr == b"streamgauge: cannot write any more: No space left on device\n"


def test_what_is_said_to_a_closed_stream_goes_nowhere(recorded: Path) -> None:
    done = ran(f"inspect {recorded} >&-")
    assert (done.returncode, done.stderr) == (0, b"")
    done = ran(f"inspect {recorded.parent / 'missing'} 2>&-")
    assert (done.returncode, done.stdout) == (1, b"")


def test_a_closed_standard_input_is_empty() -> None:
    done = ran("inspect - <&-")
    assert (done.returncode, done.stderr) == (1, b"streamgauge: 'standard input': it is empty\n")


def test_a_letter_the_terminal_does_not_have_is_shown_as_its_number(recorded: Path) -> None:
    done = ran(f"inspect {recorded}", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, b"")
    assert rb"Der Flu\xdf f\xfchrt Wasser" in done.stdout


def test_json_is_utf_8_whatever_the_terminal_is(recorded: Path) -> None:
    done = ran(f"inspect --json {recorded}", PYTHONIOENCODING="latin-1")
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout.decode("utf-8"))["contents"]["choices"][0]["parts"][0]["text"] == SAID

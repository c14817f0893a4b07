"""Standard streams as they come: closed, full, or of an encoding that knows few letters.

* A process may be started without one (`>&-`): what is said there goes nowhere, what is read there is empty.
* What an encoding has no letter for is shown as its number, since a model writes in any script.
* JSON lines are UTF-8, whatever the terminal's encoding is.
"""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

__all__ = ["give_up_output", "prepare", "write_json"]


def prepare() -> None:
    """Make the streams of this process usable."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - kept as long as the process
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def write_json(line: str) -> None:
    """One JSON object as one line of standard output."""
    sys.stdout.flush()
    sys.stdout.buffer.write(line.encode() + b"\n")
    sys.stdout.buffer.flush()


def give_up_output() -> None:
    """Nobody takes any more of it: let what is still buffered go nowhere, without a second error."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

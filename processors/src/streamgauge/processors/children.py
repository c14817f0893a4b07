"""Child processes that end with their owner, whatever happens to the owner.

A child runs in a session of its own, so that Ctrl-C reaches the owner alone, which ends its children in the order it
wants. Should the owner die without a word (`kill -9`), a watching shell ends the child.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
from pathlib import Path
from typing import Final

__all__ = ["end", "watch"]

END_WITHIN_S: Final = 5.0


def watch(pid: int) -> subprocess.Popen[bytes] | None:
    """A shell that reads from a pipe only we hold: when we die, however, it reads the end and ends the child."""
    shell = shutil.which("sh")
    if shell is None or not Path("/proc/self").exists():
        return None  # not Linux: what the owner does at its end remains
    return subprocess.Popen(  # noqa: S603 - a number is all that varies
        [shell, "-c", f"read _; kill -9 {pid}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def end(
    process: subprocess.Popen[bytes],
    watcher: subprocess.Popen[bytes] | None,
    *,
    asked: signal.Signals = signal.SIGTERM,
    within_s: float = END_WITHIN_S,
) -> None:
    """End a child politely, by the signal it obeys, then for good; then its watcher: as long as the child lives,
    somebody watches."""
    _end(process, asked, within_s)
    if watcher is not None:
        _end(watcher, signal.SIGTERM, within_s)
        if watcher.stdin is not None:
            watcher.stdin.close()


def _end(process: subprocess.Popen[bytes], asked: signal.Signals, within_s: float) -> None:
    if process.poll() is not None:
        return
    process.send_signal(asked)
    try:
        process.wait(within_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()

"""The river on this machine: an embedded broker, the topics, and `streamgauge worker` as a process of its own.

    with River(DEADLINES) as river:
        Gauge(bootstrap_servers=river.settings.bootstrap_servers, …)

What it starts ends with the block, and with us should we die without a word. The worker says what it has to say into a
temporary file; if it ends before its time, its last words are the error.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

from streamgauge.processors import children
from streamgauge.processors.broker import EmbeddedBroker
from streamgauge.processors.engine.admin import create_topics
from streamgauge.processors.settings import Settings, load
from streamgauge.schemas.topics import SETTINGS_PREFIX

__all__ = ["River", "RiverError"]

START_WITHIN_S: Final = 60.0
LOOK_EVERY_S: Final = 0.05
STARTED: Final = b" started"  # what the worker logs when it holds its partitions
# What the embedded broker is: one node, unguarded, and the times of records are their producers'.
EMBEDDED: Final[Mapping[str, object]] = {
    "replication": 1,
    "partitions": 4,
    "time": "producer",
    "security_protocol": "PLAINTEXT",
    "session_timeout_s": 4,  # this broker lets half of it pass before a group forms
}


class RiverError(RuntimeError):
    """The worker did not start, or ended: its last words."""


class River:
    """Broker, topics and worker, for as long as the `with` block lasts."""

    def __init__(self, *, port: int | None = None, file: Path | None = None, given: Mapping[str, object] = {}) -> None:
        """`given` settings go before the environment's and the file's; `port`: where the broker listens."""
        self._broker = EmbeddedBroker(port=port)
        self._file = file
        self._given = {**EMBEDDED, **given}
        self._settings: Settings | None = None
        self._worker: subprocess.Popen[bytes] | None = None
        self._watcher: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None
        self._deadline = 0.0

    @property
    def settings(self) -> Settings:
        """The settings of the worker; any client reaches the river with them."""
        if self._settings is None:
            raise RiverError("the river is not running: use it in a with statement")
        return self._settings

    def __enter__(self) -> Self:
        load(self._file, **self._given)  # what is wrong is said before anything runs
        try:
            self._broker.start()
            self._given["bootstrap_servers"] = self._broker.bootstrap_servers
            self._settings = load(self._file, **self._given)
            asyncio.run(create_topics(self._settings))
            self._start_worker()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End the worker, then the broker. Harmless where nothing runs."""
        worker, self._worker = self._worker, None
        if worker is not None:
            children.end(worker, self._watcher)
        self._broker.stop()
        if self._log is not None:
            self._log.close()
            self._log = None

    def await_worker(self) -> None:
        """Return when the worker has started; raise `RiverError` if it does not."""
        while not self.started():
            time.sleep(LOOK_EVERY_S)

    def started(self) -> bool:
        """Whether the worker has started; raise `RiverError` if it does not, or has ended."""
        self.look()
        if STARTED in self._words():
            return True
        if time.monotonic() > self._deadline:
            raise RiverError(f"the worker did not start within {START_WITHIN_S:g} s: {self._last_words()}")
        return False

    def look(self) -> None:
        """Raise `RiverError` if broker or worker have ended."""
        if self._worker is not None and self._worker.poll() is not None:
            raise RiverError(f"the worker ended with exit code {self._worker.returncode}: {self._last_words()}")
        if not self._broker.running:
            raise RiverError("the embedded broker has ended")

    def _start_worker(self) -> None:
        options = [f"--set={name}={value}" for name, value in self._given.items()]
        if self._file is not None:
            options.append(f"--settings={self._file}")
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop
        self._worker = subprocess.Popen(  # noqa: S603 - ourselves
            [sys.executable, "-m", "streamgauge.processors.cli", "worker", *options],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, f"{SETTINGS_PREFIX}STATUS_FILE": ""},
        )
        self._watcher = children.watch(self._worker.pid)
        self._deadline = time.monotonic() + START_WITHIN_S

    def _words(self) -> bytes:
        if self._log is None:
            return b""
        self._log.seek(0)
        return self._log.read()

    def _last_words(self) -> str:
        lines = self._words().decode(errors="replace").splitlines()
        return " / ".join(lines[-3:]) or "it said nothing"

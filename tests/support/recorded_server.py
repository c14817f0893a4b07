"""A local server that answers with recorded responses, split into reads by a seed.

`Rerouted` is an inner transport: the client (and a tap in front of it) sees the recorded URL, the bytes come from the
local server. What a recording says about its transfer is dropped from its headers (content-encoding, content-length,
transfer-encoding), since bodies are stored decoded; the server sends them chunked.
"""

from __future__ import annotations

import contextlib
import http.server
import random
import threading
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Final, Self

import httpx

from corpus_file import Recording

__all__ = ["RecordedServer", "Rerouted"]

HEADER_RECORDING: Final = "x-recording"
DROPPED: Final = frozenset({"content-encoding", "content-length", "transfer-encoding", "connection"})
READ_SIZES: Final = (1, 7, 64, 200, 512, 1400, 4096)


class RecordedServer:
    """Serves `recordings` (by id) on a free port of the loopback interface while the `with` block lasts."""

    def __init__(self, recordings: Mapping[str, Recording]) -> None:
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(recordings))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(recordings: Mapping[str, Recording]) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            self.rfile.read(length)
            recording = recordings[self.headers[HEADER_RECORDING]]
            self.send_response_only(recording.status)
            for name, value in (recording.response_headers or {}).items():
                if name.lower() not in DROPPED:
                    self.send_header(name, _one_line(value))
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            with contextlib.suppress(ConnectionError):  # the client may close early
                for piece in split(recording.body, seed=recording.id):
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                    self.wfile.flush()
                self.wfile.write(b"0\r\n\r\n")

        do_GET = do_POST = answer  # noqa: N815 - the names http.server looks for

        def log_message(self, *_: Any) -> None:
            """Say nothing: the paths are recorded, and many."""

    return Handler


def _one_line(value: object) -> str:
    return str(value).replace("\r", " ").replace("\n", " ").encode("latin-1", "replace").decode("latin-1")


def split(body: bytes, *, seed: str) -> Iterator[bytes]:
    """The body in reads whose sizes are drawn by this seed."""
    rng = random.Random(seed)
    largest = rng.choice(READ_SIZES)
    if len(body) > 2000 * largest:
        largest = len(body) // 2000  # a megabyte in single bytes proves nothing more
    at = 0
    while at < len(body):
        size = rng.randint(1, largest)
        yield body[at : at + size]
        at += size


class Rerouted(httpx.BaseTransport):
    """Sends every request to the local server, whatever host its URL names."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._inner = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        local = httpx.Request(
            request.method,
            f"http://127.0.0.1:{self._port}/",
            headers=[(HEADER_RECORDING, request.headers[HEADER_RECORDING])],
            content=request.content,
            extensions=request.extensions,
        )
        return self._inner.handle_request(local)

    def close(self) -> None:
        self._inner.close()

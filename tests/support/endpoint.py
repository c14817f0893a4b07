"""A provider on loopback that answers what it is told, byte for byte, and can stop anywhere.

    with Endpoint() as provider:
        provider.answers(Answer(chunks=[b"data: 1\\n\\n", b"data: [DONE]\\n\\n"]))
        client.post(provider.url + "/v1/chat/completions", ...)
        assert provider.requests[0].body == ...

Plain HTTP/1.1, one thread a connection, kept alive between answers. A body goes out chunked, each chunk written by
itself, so the reader finds the same borders.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, Literal, Self

__all__ = ["Answer", "Endpoint", "Seen"]

WAIT_S = 10.0  # for what never takes that long; a test that waits so long has failed

End = Literal["eof", "cut", "reset", "hang"]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What to answer. `end`: finish the body, break off without its end, reset the connection, or fall silent."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: {"content-type": "text/event-stream"})
    chunks: Sequence[bytes] = ()
    end: End = "eof"
    before: Literal["answer", "nothing"] = "answer"  # "nothing": the connection ends before any status


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A request as it came."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


class Endpoint:
    """Answers requests in the order the answers were given."""

    def __init__(self) -> None:
        self.requests: list[Seen] = []
        self._answers: deque[Answer] = deque()
        self._let_go = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []
        self._start(self._listen)

    @property
    def netloc(self) -> str:
        """Where it listens."""
        host, port = self._listener.getsockname()[:2]
        return f"{host}:{port}"

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"http://{self.netloc}"

    def answers(self, *answers: Answer) -> None:
        """Give these answers next."""
        self._answers.extend(answers)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of everything that hangs and wait until all threads are gone."""
        self._let_go.set()
        for one in [self._listener, *self._sockets]:
            _shut(one)
        for thread in self._threads:
            thread.join(WAIT_S)
            assert not thread.is_alive(), "the endpoint's thread hangs"

    def _start(self, work: object, *args: object) -> None:
        thread = threading.Thread(target=work, args=args, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._sockets.append(connection)
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection, connection.makefile("rb") as reader:
                while (request := _request(reader)) is not None:
                    self.requests.append(request)
                    if not self._answer(connection, self._answers.popleft()):
                        return
        except OSError:  # the client is gone, which is often the point
            return

    def _answer(self, connection: socket.socket, answer: Answer) -> bool:
        """Send it; return whether the connection lives on."""
        if answer.before == "nothing":
            _shut(connection)
            return False
        lines = [f"HTTP/1.1 {answer.status} -", *(f"{name}: {value}" for name, value in answer.headers.items())]
        connection.sendall("\r\n".join([*lines, "transfer-encoding: chunked", "", ""]).encode())
        for chunk in answer.chunks:
            connection.sendall(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        match answer.end:
            case "eof":
                connection.sendall(b"0\r\n\r\n")
            case "cut":
                _shut(connection)
            case "reset":
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.close()
            case "hang":
                self._let_go.wait(WAIT_S)
        return answer.end == "eof"


def _request(reader: BinaryIO) -> Seen | None:
    line = reader.readline().decode().split()
    if len(line) < 2:
        return None
    headers: dict[str, str] = {}
    while field_line := reader.readline().decode().strip():
        name, _, value = field_line.partition(":")
        headers[name.lower()] = value.strip()
    body = _chunked(reader) if "chunked" in headers.get("transfer-encoding", "") else _sized(reader, headers)
    return Seen(method=line[0], target=line[1], headers=headers, body=body)


def _sized(reader: BinaryIO, headers: Mapping[str, str]) -> bytes:
    return reader.read(int(headers.get("content-length", 0)))


def _chunked(reader: BinaryIO) -> bytes:
    body = b""
    while size := int(reader.readline(), 16):
        body += reader.read(size)
        reader.readline()
    reader.readline()
    return body


def _shut(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()

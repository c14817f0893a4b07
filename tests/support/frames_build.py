"""Frames for tests, as a shim would make them: a connection that counts and times itself, and a log that keeps offsets.

link = Connection()
log = Log()
log.add(link.open(), link.head(), link.data(b"data: [DONE]\\n\\n"), link.close())
emissions = feed(Partition(deadlines=...), log.arrivals)
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import msgspec

from streamgauge.processors.reassembly.finished import Arrival
from streamgauge.schemas import codec
from streamgauge.schemas.frames import Close, Data, Frame, Head, Note, Open, Pulse, Tick, UnknownFrame
from streamgauge.schemas.words import How, Resumable, WaitingFor

__all__ = [
    "CALL",
    "TENANT",
    "WALL_US",
    "Connection",
    "Log",
    "anthropic_events",
    "begun",
    "chat",
    "chat_events",
    "responses_events",
    "sent",
    "sse",
]

TENANT = "acme"
CALL = bytes(range(16))
WALL_US = 1_760_000_000_000_000
SECOND = 1_000_000
SSE = "text/event-stream; charset=utf-8"


class Connection:
    """One link: numbers its frames and chunks and moves its own clock on, 10 ms a frame unless told otherwise."""

    def __init__(
        self,
        link: bytes = b"link-0--",
        *,
        call: bytes = CALL,
        attempt: int = 0,
        tenant: str = TENANT,
        link_no: int = 0,
        after: bytes | None = None,
        wall_us: int = WALL_US,
        path: str = "/v1/chat/completions",
        host: str = "api.openai.com",
        method: str = "POST",
        **opening: Any,
    ) -> None:
        self.link, self.call, self.attempt, self.tenant = link, call, attempt, tenant
        self.n = 0
        self.seq = 0
        self.time_us = 0
        self.bytes = 0
        self.dropped = 0
        self._opening: dict[str, Any] = {
            "tenant": tenant,
            "wall_us": wall_us,
            "link_no": link_no,
            "after": after,
            "method": method,
            "host": host,
            "path": path,
            **opening,
        }

    def open(self) -> Open:
        return Open(**self._prefix(), **self._opening)

    def head(self, status: int = 200, content_type: str | None = SSE, **headers: str) -> Head:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if content_type is not None:
            named["content-type"] = content_type
        return Head(**self._prefix(), time_us=self._later(), status=status, http_version="HTTP/1.1", headers=named)

    def data(self, *chunks: bytes, got: list[int] | None = None, asked: list[int] | None = None) -> Data:
        """A segment of these chunks; times are absolute."""
        times = got if got is not None else [self._later() for _ in chunks]
        self.time_us = times[-1] if times else self.time_us
        seq, self.seq = self.seq, self.seq + len(chunks)
        self.bytes += sum(map(len, chunks))
        asked = None if asked is None else deltas(asked)
        return Data(**self._prefix(), seq=seq, got=deltas(times), asked=asked, chunks=list(chunks))

    def sizes(self, *sizes: int) -> Data:
        """A segment of which only the sizes travel."""
        times = [self._later() for _ in sizes]
        seq, self.seq = self.seq, self.seq + len(sizes)
        self.bytes += sum(sizes)
        return Data(**self._prefix(), seq=seq, got=deltas(times), sizes=list(sizes))

    def drop(self, chunks: int = 1) -> None:
        """The shim had no room: these chunks get numbers and nothing else."""
        self.seq += chunks
        self.dropped += chunks

    def lose(self, frames: int = 1) -> None:
        """Frames that leave and never arrive."""
        self.n += frames

    def pulse(self, waiting_for: WaitingFor = WaitingFor.PROVIDER, **fields: Any) -> Pulse:
        counts = {"chunks": self.seq, "byte_count": self.bytes, "dropped": self.dropped}
        return Pulse(**self._prefix(), time_us=self._later(), waiting_for=waiting_for, **{**counts, **fields})

    def close(self, how: How = How.EOF, *, resumable: Resumable = Resumable.NO, **fields: Any) -> Close:
        totals = {
            "time_us": self._later(),
            "frames": self.n + 1,
            "chunks": self.seq,
            "byte_count": self.bytes,
            "dropped": self.dropped,
            "consumer_wait_us": 0,
            "reading": False,
        }
        return Close(**self._prefix(), how=how, resumable=resumable, **{**totals, **fields})

    def rescued(self, **fields: Any) -> Close:
        """What a rescuer publishes for a dead process: it knows no totals."""
        return Close(self.call, self.attempt, self.link, None, how=How.CRASHED, **fields)

    def note(self, link: bytes = b"note-0--", n: int = 0, wall_us: int = WALL_US, **fields: Any) -> Note:
        return Note(self.call, self.attempt, link, n, wall_us, **fields)

    def unknown(self, tag: int = 42) -> bytes:
        """A frame of a tag nobody knows yet."""
        prefix = self._prefix()
        return msgspec.msgpack.encode([tag, prefix["call"], prefix["attempt"], prefix["link"], prefix["n"], "news"])

    def _prefix(self) -> dict[str, Any]:
        n, self.n = self.n, self.n + 1
        return {"call": self.call, "attempt": self.attempt, "link": self.link, "n": n}

    def _later(self) -> int:
        self.time_us += 10_000
        return self.time_us


class Log:
    """The chunk topic's partition: gives offsets and append times."""

    def __init__(self, *, first_offset: int = 100, append_us: int = WALL_US + 50_000) -> None:
        self.arrivals: list[Arrival] = []
        self.offset = first_offset
        self.append_us = append_us

    def add(self, *frames: Frame | bytes, step_us: int = 10_000, tenant: str | None = TENANT) -> list[Arrival]:
        """Append frames, each so much later than the record before."""
        return [self._append(frame, step_us, tenant) for frame in frames]

    def wait(self, seconds: float, *, tick_s: float = 5) -> list[Arrival]:
        """Let time pass in a silent log: Ticks carry it."""
        count = round(seconds / tick_s)
        return [self._append(Tick(), round(tick_s * SECOND), None) for _ in range(count)]

    def _append(self, frame: Frame | UnknownFrame | bytes, step_us: int, tenant: str | None) -> Arrival:
        self.append_us += step_us
        value = frame if isinstance(frame, bytes) else codec.encode(frame)  # type: ignore[arg-type]
        key = None if isinstance(frame, bytes | Tick) else frame.call  # type: ignore[union-attr]
        headers = codec.tenant_headers(tenant) if tenant is not None and not isinstance(frame, Tick) else []
        arrival = Arrival(self.offset, self.append_us, key, value, headers)
        self.offset += 1
        self.arrivals.append(arrival)
        return arrival


def deltas(times: Iterable[int]) -> list[int]:
    """The first value, then the distance of each to the one before."""
    before = 0
    coded: list[int] = []
    for time in times:
        coded.append(time - before)
        before = time
    return coded


def sse(document: Any, *, name: str | None = None) -> bytes:
    """One server-sent event."""
    payload = document if isinstance(document, str) else json.dumps(document, ensure_ascii=False)
    lead = f"event: {name}\n" if name else ""
    return f"{lead}data: {payload}\n\n".encode()


def chat_events(
    *texts: str, finish: str | None = "stop", done: bool = True, response_id: str = "chatcmpl-1", usage: bool = True
) -> list[bytes]:
    """A chat completion, one event each."""

    def chunk(choices: list[Any], **more: Any) -> bytes:
        return sse(
            {"id": response_id, "object": "chat.completion.chunk", "model": "gpt-4o-mini", "choices": choices, **more}
        )

    def choice(delta: dict[str, Any], reason: str | None = None) -> list[Any]:
        return [{"index": 0, "delta": delta, "finish_reason": reason}]

    events = [chunk(choice({"role": "assistant", "content": ""}))]
    events += [chunk(choice({"content": text})) for text in texts]
    if finish is not None:
        events.append(chunk(choice({}, finish)))
        if usage:
            count = len(texts)
            events.append(chunk([], usage={"prompt_tokens": 9, "completion_tokens": count, "total_tokens": 9 + count}))
    if done:
        events.append(sse("[DONE]"))
    return events


def responses_events(*texts: str, done: bool = True, response_id: str = "resp_1", numbered: bool = True) -> list[bytes]:
    """A Responses stream, one event each, numbered from 0."""
    response: dict[str, Any] = {
        "id": response_id,
        "object": "response",
        "status": "in_progress",
        "model": "gpt-5",
        "output": [],
    }
    item: dict[str, Any] = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "status": "in_progress",
        "content": [],
    }
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    part = {"type": "output_text", "text": "", "annotations": []}
    bodies: list[dict[str, Any]] = [
        {"type": "response.created", "response": response},
        {"type": "response.in_progress", "response": response},
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        {"type": "response.content_part.added", **place, "part": part},
        *({"type": "response.output_text.delta", **place, "delta": text, "logprobs": []} for text in texts),
    ]
    if done:
        whole = "".join(texts)
        part = {**part, "text": whole}
        item = {**item, "content": [part]}
        usage = {"input_tokens": 9, "output_tokens": len(texts), "total_tokens": 9 + len(texts)}
        bodies += [
            {"type": "response.output_text.done", **place, "text": whole, "logprobs": []},
            {"type": "response.content_part.done", **place, "part": part},
            {"type": "response.output_item.done", "output_index": 0, "item": item},
            {
                "type": "response.completed",
                "response": {**response, "status": "completed", "output": [item], "usage": usage},
            },
        ]
    return [
        sse({**body, "sequence_number": number} if numbered else body, name=body["type"])
        for number, body in enumerate(bodies)
    ]


def anthropic_events(*texts: str, done: bool = True, response_id: str = "msg_1") -> list[bytes]:
    """A message of Anthropic, one event each."""
    usage = {"input_tokens": 9, "output_tokens": 1}
    message = {
        "id": response_id,
        "type": "message",
        "role": "assistant",
        "model": "claude-4",
        "content": [],
        "usage": usage,
    }
    bodies: list[dict[str, Any]] = [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}} for text in texts),
    ]
    if done:
        bodies += [
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": len(texts)}},
            {"type": "message_stop"},
        ]
    return [sse(body, name=body["type"]) for body in bodies]


def chat(connection: Connection, *texts: str) -> list[Frame]:
    """A whole chat completion but for its Close."""
    return [connection.open(), connection.head(), *map(connection.data, chat_events(*texts))]


def begun(connection: Connection, *texts: str) -> list[Frame]:
    """A chat completion whose end did not come."""
    events = chat_events(*texts, finish=None, done=False)
    return [connection.open(), connection.head(), *map(connection.data, events)]


def sent(connection: Connection, *chunks: bytes, status: int = 200, content_type: str | None = SSE) -> list[Frame]:
    """A response of these chunks, all but its Close."""
    return [connection.open(), connection.head(status, content_type), *map(connection.data, chunks)]

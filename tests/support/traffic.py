"""Streams whose truth is known, as shims would send them: for tests that ask what came out at the other end.

traffic = Traffic.of(500, seed=1)
traffic.messages(copied=0.05, moved=0.05)      frames of all streams, interleaved, some twice, some late
traffic.truths["acme/<call>.0"]                what its record must say

Half of the streams complete, the others end in all ways that streams end in.
"""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from frames_build import TENANT, Connection, chat_events, sse
from streamgauge.schemas import codec
from streamgauge.schemas.frames import Frame
from streamgauge.schemas.identity import record_id
from streamgauge.schemas.words import How

__all__ = ["CLOSED", "LOST", "Ending", "Traffic", "Truth", "Wire"]

WORDS = (" the", " stream", " of", " a", " river", "ing", " naïve", " 数据", ".\n", ' "quoted"', " 🙂")
INTERLEAVED = 40
LATE_BY = 60  # messages; far less than the graces, whatever the pace


class Wire(NamedTuple):
    """One Kafka message."""

    key: bytes
    value: bytes

    def partition(self, partitions: int) -> int:
        """Where a shim would send it: all frames of a call to one partition."""
        return self.key[-1] % partitions


class Ending(NamedTuple):
    """How a stream ends, and what its record must make of it."""

    outcome: str
    how: How | None  # of its Close; null: none comes, only a deadline ends it
    cause: str | None = None
    tail: bytes | None = None  # what comes where the text was cut


ERROR = {"error": {"message": "The server had an error", "type": "server_error", "param": None, "code": None}}
COMPLETED = Ending("completed", How.EOF)
REJECTED = Ending("rejected", How.EOF)
UNANSWERED = Ending("failed", How.SEND_ERROR, cause="ConnectError")
CUT = (
    Ending("failed", How.EOF, tail=sse(ERROR)),
    Ending("truncated", How.EOF),
    Ending("truncated", How.EOF, tail=b'data: {"id":"chatcmpl-1","object":"chat.comp'),
    Ending("truncated", How.READ_ERROR, cause="ReadError"),
    Ending("timed_out", How.READ_ERROR, cause="ReadTimeout"),
    Ending("cancelled", How.CLOSED_EARLY),
    Ending("abandoned", How.COLLECTED),
    Ending("lost", How.SHUTDOWN),
)
LOST = Ending("lost", None)  # closes when the producer has been silent for long enough
CLOSED = (REJECTED, UNANSWERED, *CUT)


class Truth(NamedTuple):
    """What the record and the contents of a stream must say."""

    text: str
    chunks: int
    outcome: str
    output_tokens: int | None  # null: the provider stated none


class Traffic(NamedTuple):
    """Streams by their record id, and the frames of each in order."""

    truths: dict[str, Truth]
    frames: list[list[Wire]]
    rng: random.Random

    @classmethod
    def of(cls, streams: int, *, seed: int, others: Sequence[Ending] = CLOSED) -> Traffic:
        """So many streams: every second one completes, the `others` take turns at the rest."""
        rng = random.Random(seed)
        truths: dict[str, Truth] = {}
        frames: list[list[Wire]] = []
        for number in range(streams):
            call = uuid.UUID(int=rng.getrandbits(128), version=4).bytes
            texts = [rng.choice(WORDS) for _ in range(rng.randrange(3, 30))]
            ending = others[number // 2 % len(others)] if number % 2 else COMPLETED
            truths[record_id(TENANT, call, 0)], sent = _stream(rng, call, texts, ending)
            frames.append([Wire(call, codec.encode(frame)) for frame in sent])
        return cls(truths, frames, rng)

    def messages(self, *, copied: float = 0.0, moved: float = 0.0) -> Iterator[Wire]:
        """All frames, interleaved: of each stream in order, but for the share that is copied or moved back."""
        late: list[tuple[int, Wire]] = []
        for number, wire in enumerate(self._interleaved()):
            while late and late[0][0] <= number:
                yield late.pop(0)[1]
            copies = 2 if self.rng.random() < copied else 1
            for copy in range(copies):
                if copy > 0 or self.rng.random() < moved:
                    late.append((number + self.rng.randrange(1, LATE_BY), wire))
                    late.sort(key=lambda it: it[0])
                else:
                    yield wire
        yield from (wire for _, wire in late)

    def _interleaved(self) -> Iterator[Wire]:
        waiting, running = iter(self.frames), list[Iterator[Wire]]()
        while True:
            while len(running) < INTERLEAVED and (fresh := next(waiting, None)) is not None:
                running.append(iter(fresh))
            if not running:
                return
            index = self.rng.randrange(len(running))
            wire = next(running[index], None)
            if wire is None:
                running.pop(index)
            else:
                yield wire


def _stream(rng: random.Random, call: bytes, texts: list[str], ending: Ending) -> tuple[Truth, list[Frame]]:
    """What is true of a stream, and its frames."""
    connection = Connection(rng.randbytes(8), call=call)
    opening: Frame = connection.open()
    if ending is UNANSWERED:
        return Truth("", 0, ending.outcome, None), [opening, *_close(connection, ending)]
    if ending is REJECTED:
        body = connection.head(429, "application/json"), connection.data(json.dumps(ERROR).encode())
        return Truth("", 1, ending.outcome, None), [opening, *body, *_close(connection, ending)]
    kept = len(texts) if ending is COMPLETED else rng.randrange(len(texts))
    events = chat_events(*texts)
    if ending is not COMPLETED:
        events = events[: 1 + kept] + ([ending.tail] if ending.tail is not None else [])
    tokens = len(texts) if ending is COMPLETED else None
    truth = Truth("".join(texts[:kept]), len(events), ending.outcome, tokens)
    return truth, [opening, connection.head(), *_segments(rng, connection, events), *_close(connection, ending)]


def _segments(rng: random.Random, connection: Connection, events: list[bytes]) -> Iterator[Frame]:
    while events:
        count = rng.randrange(1, 4)
        yield connection.data(*events[:count])
        events = events[count:]


def _close(connection: Connection, ending: Ending) -> list[Frame]:
    return [connection.close(ending.how, cause=ending.cause)] if ending.how is not None else []

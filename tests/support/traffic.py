"""Streams whose truth is known, as shims would send them: for tests that ask what came out at the other end.

traffic = Traffic.of(500, seed=1)
traffic.messages(copied=0.05, moved=0.05)      frames of all streams, interleaved, some twice, some late
traffic.truths["acme/<call>.0"]                what its record must say
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from typing import NamedTuple

from frames_build import TENANT, Connection, chat_events
from streamgauge.schemas import codec
from streamgauge.schemas.frames import Frame
from streamgauge.schemas.identity import record_id

__all__ = ["Traffic", "Truth", "Wire"]

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


class Truth(NamedTuple):
    """What the record and the contents of a stream must say."""

    text: str
    chunks: int
    output_tokens: int


class Traffic(NamedTuple):
    """Streams by their record id, and the frames of each in order."""

    truths: dict[str, Truth]
    frames: list[list[Wire]]
    rng: random.Random

    @classmethod
    def of(cls, streams: int, *, seed: int) -> Traffic:
        rng = random.Random(seed)
        truths: dict[str, Truth] = {}
        frames: list[list[Wire]] = []
        for _ in range(streams):
            call = uuid.UUID(int=rng.getrandbits(128), version=4).bytes
            texts = [rng.choice(WORDS) for _ in range(rng.randrange(3, 30))]
            events = chat_events(*texts)
            truths[record_id(TENANT, call, 0)] = Truth("".join(texts), len(events), len(texts))
            frames.append([Wire(call, codec.encode(frame)) for frame in _connection(rng, call, events)])
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


def _connection(rng: random.Random, call: bytes, events: list[bytes]) -> list[Frame]:
    connection = Connection(rng.randbytes(8), call=call)
    frames: list[Frame] = [connection.open(), connection.head()]
    while events:
        count = rng.randrange(1, 4)
        frames.append(connection.data(*events[:count]))
        events = events[count:]
    return [*frames, connection.close()]

"""A core in forty lines, for tests of the engine: streams are counted, nothing is parsed.

A value is `<verb> <stream>`: `open`, `data`, `end`, or a Tick; anything else is undecodable. A stream closes with its
`end`, or `producer_silent_us` of partition time after its last frame. `data` without `open` is headless at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from streamgauge.processors.reassembly.closed import ClosedStream
from streamgauge.processors.reassembly.deadlines import Deadlines
from streamgauge.processors.reassembly.finished import Arrival, Dead, Emission, Finished, Logged, StreamId
from streamgauge.processors.reassembly.partition_time import START, PartitionTime
from streamgauge.schemas import codec
from streamgauge.schemas.frames import Tick
from streamgauge.schemas.records import Contents, Record

__all__ = ["TICK", "FakeCore", "frame", "stream_id", "write"]

TICK: Final = codec.encode(Tick())


class Counted(NamedTuple):
    """Stands for a `FinishedStream`."""

    id: StreamId
    first_offset: int
    last_offset: int
    closing_offset: int
    closed_at_us: int
    chunks: int


class _Open:
    def __init__(self, first_offset: int) -> None:
        self.first_offset = self.last_offset = first_offset
        self.chunks = 0
        self.heard_us = 0


class FakeCore:
    """Satisfies `core.Core`."""

    def __init__(
        self,
        *,
        deadlines: Deadlines,
        time: PartitionTime = START,
        closed: Mapping[StreamId, ClosedStream] | None = None,
    ) -> None:
        self.deadlines = deadlines
        self.time = time
        self.closed = dict(closed or {})
        self._fresh: dict[StreamId, ClosedStream] = {}
        self._open: dict[StreamId, _Open] = {}

    def low_water(self, position: int) -> int:
        return min((stream.first_offset for stream in self._open.values()), default=position)

    def take_closed(self) -> Mapping[StreamId, ClosedStream]:
        fresh, self._fresh = self._fresh, {}
        return fresh

    def skim(self, letters: Sequence[Logged], *, append_us: int, out: list[Emission]) -> int:
        return 0

    def feed(self, arrival: Arrival) -> list[Emission]:
        self.time = self.time.after(arrival.append_us, step_max_us=self.deadlines.step_max_us)
        horizon_us = self.time.now_us - self.deadlines.late_horizon_us
        self.closed = {key: it for key, it in self.closed.items() if it.closed_partition_us >= horizon_us}
        silent_us = self.time.now_us - self.deadlines.producer_silent_us
        expired = sorted((it.heard_us, key) for key, it in self._open.items() if it.heard_us <= silent_us)
        emissions: list[Emission] = [self._close(key, arrival) for _, key in expired]
        return emissions + self._read(arrival)

    def _read(self, arrival: Arrival) -> list[Emission]:
        verb, _, name = (arrival.value or b"").partition(b" ")
        if arrival.value == TICK:
            return []
        if verb == b"break":
            raise ValueError("a fault of the core")
        if verb not in (b"open", b"data", b"end"):
            return [Dead(arrival, "undecodable", "no verb")]
        key = stream_id(name)
        if (known := self.closed.get(key)) is not None:
            return [] if arrival.offset <= known.last_offset else [Dead(arrival, "late", "")]
        if verb == b"open":
            self._open.setdefault(key, _Open(arrival.offset))
        elif key not in self._open:
            return [Dead(arrival, "headless", "")]
        stream = self._open[key]
        stream.last_offset = arrival.offset
        stream.chunks += verb == b"data"
        stream.heard_us = self.time.now_us
        return [self._close(key, arrival)] if verb == b"end" else []

    def _close(self, key: StreamId, cause: Arrival) -> Finished:
        stream = self._open.pop(key)
        self.closed[key] = self._fresh[key] = ClosedStream(
            stream.first_offset, stream.last_offset, cause.offset, self.time.now_us
        )
        counted = Counted(key, stream.first_offset, stream.last_offset, cause.offset, cause.append_us, stream.chunks)
        return Finished(counted, self.time.now_us, False)  # type: ignore[arg-type]  # stands for it


def frame(verb: str, name: str) -> bytes:
    return f"{verb} {name}".encode()


def stream_id(name: str | bytes) -> StreamId:
    text = name.decode() if isinstance(name, bytes) else name
    return StreamId("acme", text.encode().rjust(16, b"-"), 0)


def write(stream: object, partition: int, rules: str) -> list[tuple[Record, Contents]]:
    """Stands for `record.write`."""
    assert isinstance(stream, Counted)
    if stream.id == stream_id("unwritable"):
        raise ValueError("a fault of the record")
    name = f"acme/{stream.id.call.decode().strip('-')}.0"
    record = Record(
        id=name,
        tenant="acme",
        call_id=name,
        attempt=0,
        chunks=stream.chunks,
        partition=partition,
        first_offset=stream.first_offset,
        last_offset=stream.last_offset,
        closed_at_us=stream.closed_at_us,
        rules=rules,
    )
    return [(record, Contents(id=name, tenant="acme"))]

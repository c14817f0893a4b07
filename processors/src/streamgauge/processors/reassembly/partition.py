"""One partition of the chunk topic: arrivals in, finished streams and dead letters out.

    arrival ─▶ time ─▶ deadlines that have passed ─▶ tenant, decode, bounds ─▶ its stream ─▶ closed? ─▶ emissions

Everything goes through `feed`, one message after the other, in offset order. What comes out depends on the messages,
their append times and the deadlines alone, so feeding the same log again gives the same emissions.

* Per message: advance the time, fire the deadlines that have passed in order of (deadline, id), then feed.
* No Open, no stream. A frame under another tenant's header names another stream.
* What cannot be used becomes a dead letter with the reason; nothing is dropped silently but copies and, of streams that
  are closed, what is known to be in their record.
* An id is remembered for the late horizon after closing (see `closed`). `late` says there what cannot be a copy.
* After a restart the log is fed again from the low water, with the time as it stood there and the closed streams as the
  ledger knows them. Their frames up to the last offset are passed over by header and prefix; so the open streams come
  to be exactly as they were.
* A mistake of ours in one stream costs that stream alone: it is given up, and the message that showed it is a dead
  letter `internal`.

Streams that are open or wait for their Open stand in one dict, in order of their first offset, so the low water is that
of the first. A stream has one entry in the heap of deadlines, which may be too early: then it is looked at and armed
again, which costs less than moving it with every frame.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from heapq import heappop, heappush
from typing import Final
from zlib import crc32

from streamgauge.processors.reassembly.closed import LINKS_REMEMBERED, ClosedStream
from streamgauge.processors.reassembly.deadlines import Deadlines, Lapse
from streamgauge.processors.reassembly.finish import finish, give_up
from streamgauge.processors.reassembly.finished import (
    Arrival,
    Dead,
    Emission,
    Finished,
    FinishedStream,
    Logged,
    StreamId,
)
from streamgauge.processors.reassembly.partition_time import START, PartitionTime, step_us
from streamgauge.processors.reassembly.states import OUT, State
from streamgauge.processors.reassembly.stream import NEVER_US, Stream
from streamgauge.schemas import bounds, codec
from streamgauge.schemas.frames import Close, Data, Head, Note, Open, Prefix, Pulse, Tick, UnknownFrame
from streamgauge.schemas.identity import is_tenant
from streamgauge.schemas.topics import HEADER_TENANT

__all__ = ["Partition"]

_TENANTS_CACHED: Final = 4096
_Frame = Open | Head | Data | Pulse | Note | Close | UnknownFrame
_Place = Prefix | Open | Head | Data | Pulse | Note | Close  # what says where a frame belongs


class Partition:
    """The open streams of one partition, its clock, and the memory of those that have closed."""

    def __init__(
        self,
        *,
        deadlines: Deadlines,
        time: PartitionTime = START,
        closed: Mapping[StreamId, ClosedStream] | None = None,
    ) -> None:
        self.late_copies = 0  # frames of closed streams that came again
        self.passed_over = 0  # frames of closed streams that were read again
        self.unknown_frames = 0  # of tags nobody knows, that belong to no stream
        self._deadlines = deadlines
        self._now_us = time.now_us
        self._append_us = time.append_us
        self._streams: dict[StreamId, Stream] = {}  # in order of their first offset
        self._heap: list[tuple[int, StreamId]] = []
        self._wake_us = NEVER_US  # nothing is due before
        self._closed: dict[StreamId, ClosedStream] = dict(closed or {})
        self._forgetting = sorted((one.closed_partition_us, id_) for id_, one in self._closed.items())  # a heap
        self._fresh: dict[StreamId, ClosedStream] = {}  # closed since they were last taken
        self._tenants: dict[bytes, str | None] = {}
        self._step_max_us = deadlines.step_max_us
        # Messages up to here may belong to streams that are closed already: the log is being read again.
        self._reread_through = max((one.last_offset for one in self._closed.values()), default=-1)
        self._forget()  # what the late horizon has passed by the time we begin with
        self._wake()

    # ------------------------------------------------------------------ what the engine asks

    @property
    def time(self) -> PartitionTime:
        """The clock behind the last arrival."""
        return PartitionTime(self._now_us, self._append_us)

    @property
    def closed(self) -> Mapping[StreamId, ClosedStream]:
        """The closed streams that are remembered."""
        return self._closed

    @property
    def deadlines(self) -> Deadlines:
        """The settings that count. New ones count from the next arrival on, for streams that are open too."""
        return self._deadlines

    @deadlines.setter
    def deadlines(self, deadlines: Deadlines) -> None:
        self._deadlines = deadlines
        self._step_max_us = deadlines.step_max_us
        self._heap.clear()
        for stream in self._streams.values():
            stream.armed_us = NEVER_US
            self._arm(stream)
        self._wake()

    def low_water(self, position: int) -> int:
        """The first offset of the oldest stream that is open or waits for its Open; without one, the position."""
        for stream in self._streams.values():
            return stream.first_offset
        return position

    def take_closed(self) -> Mapping[StreamId, ClosedStream]:
        """The streams closed since this was last asked."""
        fresh, self._fresh = self._fresh, {}
        return fresh

    def __len__(self) -> int:
        """How many streams are open or wait for their Open."""
        return len(self._streams)

    # ------------------------------------------------------------------ the funnel

    def feed(self, arrival: Arrival) -> list[Emission]:
        """Take the next message of the log; give what it causes."""
        out: list[Emission] = []
        if arrival.append_us != self._append_us:
            self._now_us += step_us(self._append_us, arrival.append_us, self._step_max_us)
            self._append_us = arrival.append_us
            if self._now_us >= self._wake_us:
                self._expire(arrival, out)
        tenant = self._tenant(arrival.headers)
        if arrival.offset <= self._reread_through and self._passes_over(tenant, arrival):
            return out
        try:
            frame = codec.decode(arrival.value or b"")
        except codec.UndecodableFrame as error:
            out.append(Dead(arrival, "undecodable", str(error)))
            return out
        if isinstance(frame, UnknownFrame):
            self._take(frame, frame.prefix, tenant, arrival, out)
        elif not isinstance(frame, Tick):
            self._take(frame, frame, tenant, arrival, out)
        return out

    def skim(self, letters: Sequence[Logged], *, append_us: int, out: list[Emission]) -> int:
        """Take the first of these messages, as long as each is no more than the next segment of a link that nothing is
        missing of, as nearly all are; say how many. They share their time with the arrival before them.

        Does to each what `feed` does, at half the cost, since all that cannot be is left out.
        """
        if append_us != self._append_us or letters[0].offset <= self._reread_through:
            return 0
        for count, letter in enumerate(letters):
            value = letter.value or b""
            try:
                data = codec.decode(value)
            except codec.UndecodableFrame:
                return count
            if type(data) is not Data or bounds.check(data, frame_bytes=len(value)) is not None:
                return count
            # The plain tuple is equal to the named one, and costs a third of it.
            id_ = (self._tenant(letter.headers), data.call, data.attempt)
            stream = self._streams.get(id_)  # type: ignore[call-overload]
            if stream is None:
                return count
            try:
                if not stream.skim(data, crc32(value), letter.offset, self._now_us):
                    return count
            except Exception as error:  # noqa: BLE001 - our mistake, see the rules above
                arrival = Arrival(letter.offset, append_us, letter.key, letter.value, letter.headers)
                self._give_up(stream, arrival, out, error)
                return count + 1
        return len(letters)

    def _take(self, frame: _Frame, place: _Place, tenant: str | None, arrival: Arrival, out: list[Emission]) -> None:
        """Bring a frame to its stream."""
        call, attempt, link = place.call, place.attempt, place.link
        if call is None or attempt is None or link is None:  # only a tag from the future can be without
            self.unknown_frames += 1
            return
        value = arrival.value or b""
        if tenant is None:
            out.append(Dead(arrival, "no_tenant", f"the header {HEADER_TENANT!r} names no tenant"))
            return
        if (fault := bounds.check(frame, frame_bytes=len(value))) is not None:
            out.append(Dead(arrival, "out_of_bounds", fault))
            return
        if isinstance(frame, Open) and frame.tenant != tenant:
            out.append(Dead(arrival, "tenant_mismatch", f"the header {HEADER_TENANT!r} names another tenant"))
            return
        id_ = StreamId(tenant, call, attempt)
        stream = self._streams.get(id_)
        if stream is None:
            if self._is_closed(id_, frame, place, arrival, out):
                return
            stream = self._streams[id_] = Stream(id_, arrival, now_us=self._now_us)
        try:
            if stream.feed(frame, link, place.n, crc32(value), arrival, self._now_us):
                stream.settle(now_us=self._now_us)
                self._after(stream, arrival, out)
        except Exception as error:  # noqa: BLE001 - our mistake, see the rules above
            self._give_up(stream, arrival, out, error)

    def _tenant(self, headers: Sequence[tuple[str, bytes]]) -> str | None:
        """The tenant these headers name, if it is a tenant's name."""
        for name, value in headers:
            if name == HEADER_TENANT:
                try:
                    return self._tenants[value]
                except KeyError:
                    return self._learn(value)
        return None

    def _learn(self, value: bytes | None) -> str | None:
        """Look at a tenant's name for the first time."""
        if value is None:
            return None
        name = value.decode("utf-8", "replace")
        tenant = name if is_tenant(name) else None
        if len(self._tenants) < _TENANTS_CACHED:
            self._tenants[value] = tenant
        return tenant

    def _passes_over(self, tenant: str | None, arrival: Arrival) -> bool:
        """Whether this is read again for others: its stream is closed, and it is in its record."""
        if tenant is None:
            return False
        try:
            place = codec.decode_prefix(arrival.value or b"")
        except codec.UndecodableFrame:
            return False
        if place.call is None or place.attempt is None:
            return False
        closed = self._closed.get(StreamId(tenant, place.call, place.attempt))
        if closed is None or arrival.offset > closed.last_offset:
            return False
        self.passed_over += 1
        return True

    def _is_closed(self, id_: StreamId, frame: _Frame, place: _Place, arrival: Arrival, out: list[Emission]) -> bool:
        """Whether the frame's stream is closed; then the frame is a copy of what is in the record, or a dead letter."""
        closed = self._closed.get(id_)
        if closed is None:
            return False
        tells = isinstance(frame, Close | Note) or not (closed.aged or isinstance(frame, UnknownFrame))
        if tells and not closed.has_read(place.link or b"", place.n):
            detail = f"the stream closed at offset {closed.closing_offset}, this frame is not in its record"
            out.append(Dead(arrival, "late", detail))
        else:
            self.late_copies += 1
        return True

    # ------------------------------------------------------------------ deadlines

    def _expire(self, arrival: Arrival, out: list[Emission]) -> None:
        """Fire what has passed, in order of (deadline, id)."""
        heap = self._heap
        while heap and heap[0][0] <= self._now_us:
            at_us, id_ = heappop(heap)
            stream = self._streams.get(id_)
            if stream is None or stream.armed_us != at_us:
                continue
            stream.armed_us = NEVER_US
            due_us, lapse = stream.due(self._deadlines)
            if due_us > at_us:
                self._arm(stream)
                continue
            try:
                stream.expire(lapse, self._deadlines, now_us=self._now_us)
                self._after(stream, arrival, out)
            except Exception as error:  # noqa: BLE001 - our mistake, see the rules above
                self._give_up(stream, arrival, out, error)
        self._forget()
        self._wake()

    def _after(self, stream: Stream, arrival: Arrival, out: list[Emission]) -> None:
        """The stream was settled: is it over, and if not, when is it looked at next?"""
        if stream.state in OUT:
            self._close(stream, arrival, out, finish(stream, arrival))
        elif stream.state is State.UNKNOWN:
            del self._streams[stream.id]
            detail = "no Open of its stream came within head_grace"
            out.extend(Dead(held.arrival, "headless", detail) for held in stream.held)
        else:
            self._arm(stream)

    def _arm(self, stream: Stream) -> None:
        """Look at the stream when its next deadline comes, if nothing looks earlier."""
        due_us, _ = stream.due(self._deadlines)
        if due_us < stream.armed_us:
            stream.armed_us = due_us
            heappush(self._heap, (due_us, stream.id))
            self._wake_us = min(self._wake_us, due_us)

    def _wake(self) -> None:
        """Say when there is something to do next."""
        due_us = self._heap[0][0] if self._heap else NEVER_US
        if self._forgetting:
            due_us = min(due_us, self._forgetting[0][0] + self._deadlines.late_horizon_us)
        self._wake_us = due_us

    def _forget(self) -> None:
        """Let go of the ids that closed a late horizon ago."""
        since_us = self._now_us - self._deadlines.late_horizon_us
        while self._forgetting and self._forgetting[0][0] <= since_us:
            _, id_ = heappop(self._forgetting)
            self._closed.pop(id_, None)

    # ------------------------------------------------------------------ closing

    def _close(self, stream: Stream, arrival: Arrival, out: list[Emission], finished: FinishedStream) -> None:
        """Emit the stream and remember it."""
        revisable = stream.state is State.CLOSED
        del self._streams[stream.id]
        self._closed[stream.id] = self._fresh[stream.id] = ClosedStream(
            first_offset=stream.first_offset,
            last_offset=stream.last_offset,
            closing_offset=arrival.offset,
            closed_partition_us=self._now_us,
            revisable=revisable,
            aged=stream.lapse is Lapse.TOTAL_AGE,
            links=tuple(stream.seen()[:LINKS_REMEMBERED]),
        )
        heappush(self._forgetting, (self._now_us, stream.id))
        self._wake_us = min(self._wake_us, self._now_us + self._deadlines.late_horizon_us)
        out.append(Finished(finished, self._now_us, revisable))

    def _give_up(self, stream: Stream, arrival: Arrival, out: list[Emission], error: Exception) -> None:
        """Something of ours failed on this stream: say what is certain of it, and go on with the others."""
        out.append(Dead(arrival, "internal", type(error).__name__))
        if stream.id in self._streams and stream.opening is not None:
            self._close(stream, arrival, out, give_up(stream, stream.opening, arrival))
        else:
            self._streams.pop(stream.id, None)

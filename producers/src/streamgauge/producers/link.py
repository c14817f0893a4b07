"""One connection on the gauge's thread: what came, cut into frames.

Events go in (`opens`, `answered`, `chunk`, `ends`), `cut` takes out what is due, in order:

    Open ─ Head ─ Data … Pulse … Data ─ Close

Rules:

* `n` is given by `cut`, so to what leaves only: what was dropped before has no `n`, but its `seq` is missing.
* A segment holds consecutive chunks; it ends at a jump of `seq`, at `segment_bytes`, and where pulled and pushed chunks
  meet.
* Nothing precedes the Open and nothing follows the Close.
* Times are microseconds since the Open, never negative, taken from nanoseconds each, so that no rounding adds up.

The host's thread writes three fields and draws from `seqs`: `asked_ns`, `dropped_bytes`, `unseen`. It reads no other.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Collection, Iterator
from typing import Final, NamedTuple, TypeVar

import msgspec

from streamgauge.producers.calls import Place
from streamgauge.producers.events import Closed, HeadCame
from streamgauge.producers.redact import Mask
from streamgauge.producers.scan import Scan
from streamgauge.schemas.frames import Close, Data, Frame, Head, Open, Pulse
from streamgauge.schemas.limits import CHUNK_BYTES_MAX
from streamgauge.schemas.words import Resumable, WaitingFor

__all__ = ["CHUNK_COST", "CHUNK_FRAMING", "EVENT_COST", "OPEN_COST", "Link", "Piece", "chunks_of"]

CHUNK_COST: Final = 256  # what a chunk costs in memory beside its bytes
CHUNK_FRAMING: Final = 16  # at most what a chunk costs in a frame beside its bytes
EVENT_COST: Final = 1024  # what a Head or a Note costs beside its content
OPEN_COST: Final = 4096  # what an Open costs beside its request; its Close is paid with it

F = TypeVar("F", Open, Head, Data, Pulse, Close)


class Piece(NamedTuple):
    """A chunk that waits to be cut."""

    seq: int
    got_us: int
    asked_us: int | None
    data: bytes | None  # null: only the size may travel
    size: int
    kept: int  # bytes of it that are kept: none, or `size`


class Link:
    """One connection. Times are nanoseconds where they come in, microseconds in frames."""

    def __init__(self, serial: int, call: bytes, *, opened_ns: int, pulled: bool) -> None:
        self.serial = serial
        self.call = call
        self.opened_ns = opened_ns
        self.pulled = pulled  # the consumer asks for every chunk; else chunks are pushed
        # The host's thread:
        self.seqs = itertools.count()
        self.asked_ns: int | None = None  # since when a read is outstanding
        self.dropped_bytes = 0
        self.unseen = 0  # bytes since the gauge's thread was last woken for this link
        # The gauge's thread:
        self.place: Place | None = None
        self.record_id: str | None = None
        self.sizes_only = False
        self.whole = False  # a chunk is one document, and not to be split
        self.resumable = Resumable.UNKNOWN
        self.scan: Scan | None = None
        self.mask: Mask | None = None  # over the body of a refusal
        self.open: Open | None = None
        self.head: Head | None = None
        self.close: Closed | None = None
        self.closed = False  # the Close is cut
        self.pending: deque[Piece] = deque()
        self.pending_bytes = 0  # as framed
        self.n = 0
        self.next_seq = 0
        self.bytes = 0
        self.dropped = 0
        self.consumer_wait_us = 0
        self.last_us: int | None = None  # when the consumer last got something: it has been its turn since
        self.sent_us = 0

    def opens(self, frame: Open) -> int:
        """Take in the Open; say what it costs."""
        self.open = frame
        return OPEN_COST + len(frame.request or b"")

    def answered(self, came: HeadCame, headers: dict[str, str]) -> int:
        """Take in the response headers; say what they cost."""
        time_us = self.since_open(came.time_ns)
        self.last_us = time_us
        self.head = Head(*self._prefix(), time_us, came.status, came.http_version, headers)
        return EVENT_COST

    def chunk(self, seq: int, got_ns: int, asked_ns: int | None, data: bytes) -> int:
        """Take in a chunk, in parts with equal times if it is long; say what it costs."""
        got_us = self.since_open(got_ns)
        asked_us = None if asked_ns is None else self.since_open(asked_ns)
        if asked_us is not None:
            self._consumer_took(asked_us)
        self.last_us = got_us
        if seq != self.next_seq:
            self.missed(seq)
        self.bytes += len(data)
        if len(data) <= CHUNK_BYTES_MAX or self.whole:
            return self._keep(got_us, asked_us, data)
        return sum(self._keep(got_us, asked_us, part) for part in _parts(data))

    def missed(self, seq: int) -> None:
        """All chunks before `seq` that did not come never will: they were dropped."""
        self.dropped += seq - self.next_seq
        self.next_seq = seq

    def ends(self, closed: Closed) -> None:
        """Take in the end."""
        self.close = closed
        self.missed(closed.chunks)
        if self.pulled:
            self._consumer_took(self.since_open(closed.time_ns if closed.asked_ns is None else closed.asked_ns))

    def waits(self, now_ns: int, *, pulse_us: int) -> bool:
        """Whether `cut` would give anything."""
        something = self.pending or self.close is not None or self.open is not None or self.head is not None
        return bool(something) or self.since_open(now_ns) - self.sent_us >= pulse_us

    def cut(self, now_ns: int, *, segment_bytes: int, pulse_us: int) -> Iterator[tuple[Frame, int]]:
        """Give up all that waits as frames, each with what it frees of the buffer; or a Pulse where it is time."""
        now_us = self.since_open(now_ns)
        if self.open is not None:
            frame, self.open = self.open, None
            yield self._leaves(frame, now_us), len(frame.request or b"")
        if self.head is not None:
            head, self.head = self.head, None
            yield self._leaves(head, now_us), EVENT_COST
        while self.pending:
            pieces = self._consecutive(segment_bytes)
            yield self._leaves(self._data(pieces), now_us), _cost(pieces)
        if self.close is not None:
            self.closed = True
            yield self._leaves(self._close(self.close), now_us), OPEN_COST
        elif now_us - self.sent_us >= pulse_us:
            yield self._leaves(self._pulse(now_us), now_us), 0

    def takes_back(self, frame: Frame) -> None:
        """The frame just cut cannot be encoded: its number is free again, its chunks are lost."""
        self.n -= 1
        if isinstance(frame, Data):
            self.dropped += len(frame.got)

    def abandoned(self) -> int:
        """Nothing of this link is published; say what that frees."""
        freed = OPEN_COST + (EVENT_COST if self.head is not None else 0) + _cost(self.pending)
        self.place = self.head = None
        self.pending.clear()
        return freed

    def since_open(self, at_ns: int) -> int:
        """Microseconds since the Open; a time before it counts as the Open's."""
        return int(max(0, at_ns - self.opened_ns)) // 1000  # a host may count in broken numbers

    def _keep(self, got_us: int, asked_us: int | None, data: bytes) -> int:
        size = len(data)
        if self.sizes_only:
            piece = Piece(self.next_seq, got_us, asked_us, None, size, 0)
        else:
            piece = Piece(self.next_seq, got_us, asked_us, data, size, size)
        self.pending.append(piece)
        self.pending_bytes += CHUNK_FRAMING + piece.kept
        self.next_seq += 1
        return CHUNK_COST + piece.kept

    def _prefix(self) -> tuple[bytes, int, bytes, int]:
        """The fields every frame begins with."""
        assert self.place is not None, "a link is placed before it has frames"  # noqa: S101
        attempt = self.place.attempt
        return attempt.call.id, attempt.number, self.place.link, self.n

    def _leaves(self, frame: F, now_us: int) -> F:
        self.sent_us = now_us
        if frame.n != self.n:  # Open and Head were written before their time
            frame = msgspec.structs.replace(frame, n=self.n)
        self.n += 1
        return frame

    def _consecutive(self, segment_bytes: int) -> list[Piece]:
        pieces: list[Piece] = []
        size = 0
        while self.pending and (not pieces or _continues(pieces[-1], self.pending[0])):
            framed = CHUNK_FRAMING + self.pending[0].kept
            if pieces and size + framed > segment_bytes:
                break
            pieces.append(self.pending.popleft())
            size += framed
        self.pending_bytes -= size
        return pieces

    def _data(self, pieces: list[Piece]) -> Data:
        asked = [piece.asked_us for piece in pieces if piece.asked_us is not None]
        return Data(
            *self._prefix(),
            seq=pieces[0].seq,
            got=_deltas([piece.got_us for piece in pieces]),
            asked=_deltas(asked) if asked else None,
            chunks=None if self.sizes_only else [piece.data for piece in pieces if piece.data is not None],
            sizes=[piece.size for piece in pieces] if self.sizes_only else None,
        )

    def _pulse(self, now_us: int) -> Pulse:
        asks = not self.pulled or self.asked_ns is not None or self.last_us is None
        idle_us = 0 if asks or self.last_us is None else max(0, now_us - self.last_us)
        return Pulse(
            *self._prefix(),
            time_us=now_us,
            waiting_for=WaitingFor.PROVIDER if asks else WaitingFor.CONSUMER,
            chunks=self.next_seq,
            byte_count=self.bytes + self.dropped_bytes,
            dropped=self.dropped,
            consumer_wait_us=self.consumer_wait_us + idle_us,
        )

    def _close(self, closed: Closed) -> Close:
        return Close(
            *self._prefix(),
            time_us=self.since_open(closed.time_ns),
            frames=self.n + 1,
            chunks=self.next_seq,
            byte_count=self.bytes + self.dropped_bytes,
            dropped=self.dropped,
            consumer_wait_us=self.consumer_wait_us if self.pulled else None,
            how=closed.how,
            reading=closed.reading,
            cause=closed.cause,
            message=closed.message,
            resumable=self._can_resume(),
        )

    def _consumer_took(self, until_us: int) -> None:
        """The consumer asks again, or ends: what passed since it last got something was its own time."""
        if self.last_us is not None:
            self.consumer_wait_us += max(0, until_us - self.last_us)

    def _can_resume(self) -> Resumable:
        if self.scan is not None and self.scan.event_ids:
            return Resumable.MAYBE
        if self.resumable is Resumable.NO and self.scan is not None and not self.scan.readable:
            return Resumable.UNKNOWN
        return self.resumable


def chunks_of(size: int) -> int:
    """How many chunks a read of so many bytes becomes."""
    return max(1, -(-size // CHUNK_BYTES_MAX))


def _parts(data: bytes) -> Iterator[bytes]:
    return (data[begin : begin + CHUNK_BYTES_MAX] for begin in range(0, len(data), CHUNK_BYTES_MAX))


def _cost(pieces: Collection[Piece]) -> int:
    return CHUNK_COST * len(pieces) + sum([piece.kept for piece in pieces])


def _continues(last: Piece, piece: Piece) -> bool:
    return piece.seq == last.seq + 1 and (piece.asked_us is None) == (last.asked_us is None)


def _deltas(times: list[int]) -> list[int]:
    """The first value, then each distance to the value before it."""
    return [time - before for time, before in zip(times, [0, *times], strict=False)]

"""The chunks of one connection: counted, timed and read.

    chunk ─▶ seq, times, gaps ─▶ body ─▶ pieces ─▶ reading ─▶ answers, moments

Segments come in order, without copies. All that is known here depends on them alone.

* Chunks are numbered by `seq`. A jump of `seq` is a loss the shim declares: it dropped chunks. A jump behind a hole
  that was passed may be either; the totals in the Close tell how many were dropped.
* The events of an answer's first link are read at once. Those of a later link, and those behind a loss, may repeat or
  continue others: where they are numbered they are `kept`, and merged in order when the stream closes. Until then a
  reading of their own, the `scout`, tells whether the end is among them.
* An event that is the same but for its text as the one before is read at sight. What else it means (it counts, its
  bytes have passed) is told to everybody when the first other chunk comes, or the end.
* A parser that fails on some bytes is our mistake and costs no more than the rest of this body: reading stops, chunks
  are counted on.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate, islice, repeat
from typing import Final, NamedTuple

from streamgauge.processors.measures.timing import Gaps
from streamgauge.processors.providers.answer import Answer, Output
from streamgauge.processors.providers.json_values import decode
from streamgauge.processors.providers.reading import Reading
from streamgauge.processors.providers.refrain import Refrain
from streamgauge.processors.providers.registry import recognise
from streamgauge.processors.reassembly.body import Body, Room
from streamgauge.processors.reassembly.moments import TIME_US_MAX, Moments
from streamgauge.processors.reassembly.sessions import ResponseMoments
from streamgauge.processors.reassembly.verdict import Blind
from streamgauge.schemas.frames import Close, Data, Head, Open
from streamgauge.schemas.framing.events import Event, Piece
from streamgauge.schemas.framing.kinds import Framing
from streamgauge.schemas.limits import MASKING_WAIT_US

__all__ = ["Flow", "Kept"]

_NOTHING: Final = Output.NOTHING


class Kept(NamedTuple):
    """A piece that waits to be merged: its event's number, or that of the event before it."""

    number: int
    piece: Event
    at_us: int | None
    torn: bool = False  # bytes were lost right before it


class Flow:
    """What came over one connection."""

    __slots__ = (
        "_behind_hole",
        "_gaps",
        "_keeps",
        "_known",
        "_known_bytes",
        "_known_bytes_max",
        "_known_us",
        "_next_seq",
        "_refrain",
        "_room",
        "_tears",
        "_torn",
        "body",
        "body_bytes",
        "chunks",
        "declared",
        "duplicates",
        "events",
        "failed",
        "head",
        "hidden",
        "kept",
        "last_got_us",
        "missing",
        "moments",
        "opening",
        "reading",
        "responses",
        "scout",
        "timeless",
        "whole",
    )

    def __init__(self, gaps: Gaps, room: Room | None = None) -> None:
        self.opening: Open | None = None
        self.head: Head | None = None
        self.body: Body | None = None
        self.reading: Reading | None = None
        self.scout: Reading | None = None
        self.kept: list[Kept] = []
        self.moments = Moments()
        self.responses: dict[Answer, ResponseMoments] = {}  # of a session
        self.last_got_us: int | None = None
        self.chunks = 0
        self.body_bytes = 0
        self.events = 0
        self.duplicates = 0  # chunks that came twice, in different segments
        self.declared = 0  # chunks the shim dropped, by jumps of `seq`
        self.whole = True  # every byte was read
        self.missing = False  # bytes were sent that never came
        self.hidden: str | None = None  # why the deciding bytes may be among those that were not read
        self.timeless = False  # a chunk came without a time that can be
        self.failed = False  # reading failed on some bytes
        self._gaps = gaps
        self._room = room
        self._next_seq = 0
        self._torn = False  # the chunk before the next one is missing
        self._behind_hole = False  # a hole was passed, and no chunk came since
        self._keeps = False
        self._tears = False  # bytes are missing before the next piece
        self._refrain: Refrain | None = None  # what the next chunk can be read by, at sight
        self._known = 0  # events read at sight that are not counted yet, and their bytes
        self._known_bytes = 0
        self._known_bytes_max = 0
        self._known_us: int | None = None  # when the last of them came

    @property
    def last_reading(self) -> Reading | None:
        """The reading that has seen the latest events."""
        return self.scout or self.reading

    def begin(self, opening: Open) -> None:
        """The connection is opened."""
        self._count_known()
        self.opening = opening
        self._keeps = opening.link_no > 0 or opening.after is not None

    def read(self, data: Data) -> None:
        """Take the next segment. Bounds have seen to it that it has a time for every chunk."""
        chunks, askeds, seq = data.chunks, data.asked, data.seq
        if seq == self._next_seq and chunks is not None and len(chunks) == 1:  # as nearly all are
            self._read_chunk(chunks[0], data.got[0], None if askeds is None else askeds[0])
            self._next_seq = seq + 1
            self._behind_hole = False
            return
        copied = 0 if data.seq == self._next_seq else self._jump(data.seq)
        if chunks is None:
            self._read_sizes(data, copied)
            return
        got_us = asked_us = 0
        for at, chunk in enumerate(chunks):
            got_us += data.got[at]
            if askeds is not None:
                asked_us += askeds[at]
            if at >= copied:
                self._read_chunk(chunk, got_us, None if askeds is None else asked_us)
        self._read_through(data.seq, len(chunks))

    def pass_hole(self) -> None:
        """Frames are lost here; whether chunks were among them shows with the next one."""
        self._behind_hole = True

    def end(self, close: Close | None) -> None:
        """The body is over: by this Close, or because nobody waits for it any longer."""
        total = close.chunks if close is not None else None
        if total is not None and total > self._next_seq:
            self._jump(total)
        elif total is None and self._behind_hole:
            self._lose(Blind.NOT_SEEN)
        self._take_all(self._body().finish)
        reading = self.reading or self._begin_reading()
        if reading.damaged:
            self.whole = False

    # ------------------------------------------------------------------ chunks

    def _read_chunk(self, chunk: bytes, got_us: int, asked_us: int | None) -> None:
        at_us = self._count(len(chunk), got_us, asked_us)
        if self.failed or (self._refrain is not None and self._read_at_sight(chunk, at_us)):
            return
        self._count_known()
        body = self._body()
        try:
            pieces = body.feed(chunk)
            if pieces:
                self._take(pieces, at_us)
            self._refrain = self._present_refrain(body)
        except Exception:  # noqa: BLE001 - our mistake, see the rules above
            self._fail()

    def _present_refrain(self, body: Body) -> Refrain | None:
        """What the next chunk can be read by, if it is one event and the same but for its text as the last one."""
        refrain = self.reading.refrain if self.reading is not None else None
        if refrain is None or self._keeps or not body.at_border or self.moments.kinds is not refrain.output:
            return None
        self._known_bytes_max = body.room
        return refrain

    def _read_at_sight(self, chunk: bytes, at_us: int | None) -> bool:
        """Read a chunk that is one event, the same but for its text as the one before; say whether it is that.

        Nearly every chunk is. This spares it the way through body, framer and reading: they learn later, and at once,
        what has passed them by.
        """
        refrain = self._refrain
        text = refrain.block.text_in(chunk) if refrain is not None and at_us is not None else None
        if refrain is None or not text or self._known_bytes + len(chunk) > self._known_bytes_max:
            return False
        refrain.pieces.append(text)
        self._known += 1
        self._known_bytes += len(chunk)
        self._known_us = at_us
        return True

    def _count_known(self) -> None:
        """Let everybody know of the events read at sight."""
        refrain, self._refrain = self._refrain, None
        if refrain is None or self.reading is None or self.body is None or not self._known:
            return
        self.events += self._known
        self.reading.count_known(refrain, self._known, end=self.body.pass_events(self._known_bytes))
        self.moments.output(refrain.output, self._known_us)
        self._known = self._known_bytes = 0

    def _read_sizes(self, data: Data, copied: int) -> None:
        """Chunks of which only the sizes travelled."""
        sizes = data.sizes or []
        gots = accumulate(data.got)
        askeds = accumulate(data.asked) if data.asked is not None else repeat(None)
        for size, got_us, asked_us in islice(zip(sizes, gots, askeds, strict=False), copied, None):
            self._count(size, got_us, asked_us)
        if len(sizes) > copied:
            self._lose(Blind.NOT_SEEN, missing=False)
            self._torn = False  # the bytes were not seen, the chunks were
        self._read_through(data.seq, len(sizes))

    def _read_through(self, seq: int, count: int) -> None:
        if seq < self._next_seq:
            self.duplicates += min(count, self._next_seq - seq)
        self._next_seq = max(self._next_seq, seq + count)
        self._behind_hole = False

    def _count(self, size: int, got_us: int, asked_us: int | None) -> int | None:
        """Count and time a chunk; give its time, if it can be one."""
        self.chunks += 1
        self.body_bytes += size
        if got_us > TIME_US_MAX:
            self.timeless = True
            return None
        last_us = self.last_got_us
        if last_us is not None:
            if self._torn:
                self._gaps.mask()
            elif got_us != last_us:  # equal times are one read, sent as several chunks
                self._add_gap(last_us, got_us, asked_us)
        self._torn = False
        self.last_got_us = got_us
        if size and self.body_bytes == size:
            self.moments.first_byte_us = got_us
        return got_us

    def _add_gap(self, last_us: int, got_us: int, asked_us: int | None) -> None:
        """The provider's gap begins when it is the provider's turn."""
        if asked_us is None or asked_us <= last_us:
            self._gaps.add(got_us - last_us)
        elif asked_us - last_us > MASKING_WAIT_US:
            self._gaps.mask()
        else:
            self._gaps.add(got_us - asked_us)

    def _jump(self, seq: int) -> int:
        """Chunks are missing before `seq`, or so many from `seq` on were read before."""
        missing = seq - self._next_seq
        if missing <= 0:
            return -missing
        if self._behind_hole:
            self._lose(Blind.NOT_SEEN)
        else:
            self.declared += missing
            self._lose(Blind.DROPPED)
        self._next_seq = seq
        return 0

    def _lose(self, why: str, *, missing: bool = True) -> None:
        """Bytes are missing here, or were kept back on purpose: nothing is joined across."""
        self._count_known()
        self.whole = False
        self.missing = self.missing or missing
        self._torn = True
        if self.body is not None:
            self._take_all(self.body.skip)
        self.hidden = why
        self._keeps = self._tears = True

    # ------------------------------------------------------------------ pieces

    def _take(self, pieces: list[Event], at_us: int | None) -> None:
        reading = self.reading or self._begin_reading()
        for piece in pieces:
            if self._keeps:
                if self._keep(reading, piece, at_us):
                    continue
                if self._tears:
                    reading.tear()
                    self._tears = piece.piece is Piece.COMMENT  # which has no number to tell that the loss is known
            events = reading.events
            kinds = reading.read(piece)
            if (answer := reading.current) is not None:
                moments = self.responses.get(answer) or self.responses.setdefault(answer, ResponseMoments())
                moments.event(answer, kinds, len(piece.data), at_us)
            if reading.events > events:
                self._saw_events(reading.events - events, at_us)
            if kinds is not _NOTHING:
                self.moments.output(kinds, at_us)

    def _saw_events(self, count: int, at_us: int | None) -> None:
        self.events += count
        self.hidden = None  # what decides comes last: it was not among what was lost before
        if self.moments.first_event_us is None:
            self.moments.first_event_us = at_us

    def _keep(self, reading: Reading, piece: Event, at_us: int | None) -> bool:
        """Put a piece aside, if events are numbered here."""
        number = _number(reading, piece)
        if number is None and not self.kept:
            return False
        if number is None:
            self.kept.append(Kept(self.kept[-1].number, piece, at_us))
        else:
            self.kept.append(Kept(number, piece, at_us, self._tears))
            self._tears = False
        if self.scout is None:
            self.scout = Reading(reading.api, provider=reading.provider, status=self._status, framing=self._framing)
        events = self.scout.events
        self.scout.read(piece)
        if self.scout.events > events:
            self._saw_events(self.scout.events - events, at_us)
        return True

    def _take_all(self, find: Callable[[], list[Event]]) -> None:
        """Take what the body still gives."""
        self._count_known()
        if self.failed:
            return
        try:
            self._take(find(), self.last_got_us)
        except Exception:  # noqa: BLE001 - our mistake, see the rules above
            self._fail()

    def _fail(self) -> None:
        self.failed = True
        self.whole = False
        self.hidden = Blind.NOT_SEEN

    @property
    def _status(self) -> int | None:
        return self.head.status if self.head is not None else None

    @property
    def _framing(self) -> Framing:
        detected = self._body().detected
        return detected.framing if detected is not None else Framing.SSE

    def _body(self) -> Body:
        if self.body is None:
            self.body = Body(self.opening, self.head, self._room)
        return self.body

    def _begin_reading(self) -> Reading:
        detected = self._body().detected
        self.reading = Reading(
            detected.api if detected is not None else None,
            provider=detected.provider if detected is not None else None,
            status=self._status,
            framing=self._framing,
        )
        return self.reading


def _number(reading: Reading, piece: Event) -> int | None:
    """The event's number, where its API numbers events."""
    if piece.piece is Piece.TAIL:  # it may be an event that is whole but for its line end: reading it shows
        trial = Reading(reading.api)
        trial.read(piece)
        return trial.last_number
    document = decode(piece.data) if piece.piece is Piece.EVENT else None
    if type(document) is not dict:
        return None
    api = reading.api or recognise(document)
    return api.event_key(document) if api is not None else None

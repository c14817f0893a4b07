"""The buffer between the host's threads and Kafka, bounded in bytes.

Host's threads append, the gauge's thread takes out; a deque does that without a lock. On the gauge's thread `collect`
hands what came to its link, and `due` gives up the frames whose time has come:

* Open, Close and Notes at once, and whatever of their link came before them;
* a link's chunks when they fill a segment;
* everything there is once every `segment_ms`, the beat, so that no chunk waits longer, and a Pulse for who was silent.

Rules:

* The level is what waits or is on its way, until it is acknowledged. A chunk that would raise it above the chunks'
  share is dropped, its number with it; the rest is left to Open and Close. A stream whose Open found no room is never
  published. What comes is refused, never what is here thrown out: the beginnings of streams are worth more than their
  middles.
* Host's threads add to `queued` without a lock: in CPython no thread switch falls between reading and writing an
  attribute, and where one does (free threading) the error is wiped out whenever the deque runs empty.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import msgspec

from streamgauge.producers import redact
from streamgauge.producers.calls import Call, Calls
from streamgauge.producers.clock import Clock
from streamgauge.producers.counters import Tally
from streamgauge.producers.events import Closed, Event, HeadCame, Noted, Opened
from streamgauge.producers.given import Given
from streamgauge.producers.guard import Guard
from streamgauge.producers.ids import Ids
from streamgauge.producers.json_text import json_text, size_of
from streamgauge.producers.link import CHUNK_COST, CHUNK_FRAMING, EVENT_COST, OPEN_COST, Link, chunks_of
from streamgauge.producers.opening import allowed_headers, note_frame, open_frame, request_of, resumable_of
from streamgauge.producers.scan import Scan
from streamgauge.producers.settings import Settings
from streamgauge.producers.sink import Message
from streamgauge.schemas import codec, identity
from streamgauge.schemas.bounds import check
from streamgauge.schemas.frames import Data, Frame, Note, Open
from streamgauge.schemas.limits import KIB, MIB
from streamgauge.schemas.words import ContentMode, How

__all__ = ["Outbox", "Packet"]

RESERVED_MAX: Final = MIB  # at most what is kept free of chunks
CHUNK_FIELDS: Final = 5  # of a chunk's tuple; an event's has three
COLLECTED_MAX: Final = 2000  # items taken in between two looks at the network
STATUS_MAX: Final = 999
REFUSED_FROM: Final = 400  # a status; the body then tells what was wrong, and may repeat what was asked with
DOCUMENT_BYTES_MAX: Final = 900 * KIB  # a chunk that is one document must fit into a frame

_SERIALS: Final = itertools.count()  # of all gauges: a context remembers links by number alone

Partitioner = Callable[[bytes], int]


class Packet(NamedTuple):
    """A frame ready to leave, and what its leaving frees."""

    partition: int
    message: Message
    cost: int


class _WaitingNote(NamedTuple):
    call: Call
    attempt: int
    noted: Noted
    cost: int


class Outbox:
    """All open links of a gauge and what waits of them."""

    def __init__(self, settings: Settings, *, clock: Clock, ids: Ids, guard: Guard, tally: Tally, calls: Calls) -> None:
        self.settings = settings
        self.clock = clock
        self.guard = guard
        self.items: deque[tuple[Any, ...]] = deque()
        self.shut = False  # nothing is taken any more
        self.wake: Callable[[], None] = _nobody  # wakes the gauge's thread
        self.queued = 0  # cost of what is in the deque
        self.held = 0  # cost of what the gauge's thread holds, until it is acknowledged
        self.given = Given(guard)
        self._ids = ids
        self._tally = tally
        self._calls = calls
        self._room = settings.buffer_bytes
        self._chunk_room = settings.buffer_bytes - min(RESERVED_MAX, settings.buffer_bytes // 4)
        self._segment_bytes = settings.segment_bytes
        self._pulse_us = round(settings.pulse_s * 1_000_000)
        self._links: dict[int, Link] = {}
        self._urgent: dict[int, Link] = {}
        self._notes: deque[_WaitingNote] = deque()
        self._headers = codec.tenant_headers(settings.tenant)

    # On the host's threads.

    def link(self, call: bytes, *, opened_ns: int, pulled: bool) -> Link:
        """Make a link; for the reader it exists once its Open is put."""
        return Link(next(_SERIALS), call, opened_ns=opened_ns, pulled=pulled)

    def open(self, link: Link, opened: Opened) -> bool:
        """Append an Open, without its request where there is no room for that; false if there is none at all."""
        size = size_of(opened.said.request) if opened.asked.body is None else len(opened.asked.body)
        if self.put(link, opened, cost=OPEN_COST + size, wake=True):
            return True
        asked = msgspec.structs.replace(opened.asked, body=None)
        opened = opened._replace(asked=asked, said=opened.said._replace(request=None), body_bytes=size)
        if self.put(link, opened, cost=OPEN_COST, wake=True):
            return True
        self._tally.add("links_dropped")
        return False

    def note(self, link: Link | None, noted: Noted) -> None:
        """Append a Note, or count it as dropped."""
        said = [noted.error, *noted.tags.values(), *(noted.tool_event or {}).values()]
        if not self.put(link, noted, cost=EVENT_COST + sum(map(size_of, said)), wake=True):
            self._tally.add("notes_dropped")

    def admits(self, link: Link, size: int) -> bool:
        """Charge a chunk to the buffer if there is room; wake the gauge's thread where a segment is full."""
        cost = size + CHUNK_COST
        if self.shut or self.queued + self.held + cost > self._chunk_room:
            return False
        self.queued += cost
        link.unseen += size + CHUNK_FRAMING
        if link.unseen > self._segment_bytes:
            link.unseen = 0
            self.wake()
        return True

    def refused(self, link: Link, size: int, *, chunks: int = 1) -> None:
        """Count a read that found no room or no gauge, or failed in our hands; its numbers are drawn."""
        link.dropped_bytes += size
        self._tally.add("chunks", chunks)
        self._tally.add("chunks_dropped", chunks)

    def put(self, link: Link | None, event: Event, *, cost: int = 0, wake: bool = False) -> bool:
        """Append an event if there is room; what costs nothing always has."""
        if self.shut or (cost and self.queued + self.held + cost > self._room):
            return False
        self.queued += cost
        self.items.append((link, event, cost))
        if wake:
            self.wake()
        return True

    # On the gauge's thread.

    @property
    def level(self) -> int:
        """Bytes that wait or are on their way."""
        return self.queued + self.held

    @property
    def empty(self) -> bool:
        """No link is open and nothing waits: nobody will have anything to say at the next beat."""
        return not (self._links or self._notes or self.items)

    def collect(self) -> bool:
        """Take in what the host's threads appended; false if there is more."""
        for _ in range(COLLECTED_MAX):
            try:
                item = self.items.popleft()
            except IndexError:
                self.queued = 0
                return True
            try:
                self._take(item)
            except Exception as error:  # noqa: BLE001 - one bad item must not stop the others
                if len(item) == CHUNK_FIELDS:
                    self._tally.add("chunks_dropped")
                self.guard.caught(error, "collect", raises=False)
        return False

    def due(self, now_ns: int, *, beat: bool, partition: Partitioner, clear: Callable[[int], bool]) -> Iterator[Packet]:
        """Give up what is due, for every partition that is `clear`; the others' waits."""
        for link in list((self._links if beat else self._urgent).values()):
            if link.place is not None and link.waits(now_ns, pulse_us=self._pulse_us):
                where = _partition_of(link.place.attempt.call, partition)
                if clear(where):
                    yield from self._cut(link, now_ns, where)
        for _ in range(len(self._notes)):  # behind the Open of their stream, if that is here too
            note = self._notes.popleft()
            where = _partition_of(note.call, partition)
            if clear(where):
                yield from self._noted(note, where)
            else:
                self._notes.append(note)

    def release(self, cost: int) -> None:
        """What was on its way has arrived, or was given up."""
        self.held -= cost

    def end_links(self, how: How) -> int:
        """Close every link that is still open, and say how many: the gauge goes before its streams."""
        still_open = [link for link in self._links.values() if link.close is None]
        for link in still_open:
            closed = Closed(self.clock.now_ns(), how, next(link.seqs), link.asked_ns, None, None, None)
            self._ended(link, closed)
        return len(still_open)

    def _take(self, item: tuple[Any, ...]) -> None:
        if len(item) == CHUNK_FIELDS:
            link, seq, got_ns, asked_ns, data = item
            self.queued -= CHUNK_COST + size_of(data)
            chunks = 1 if link.whole else chunks_of(size_of(data))
            self._tally.add("chunks", chunks)
            if link.place is None or link.close is not None or not self._chunk(link, seq, got_ns, asked_ns, data):
                self._tally.add("chunks_dropped", chunks)
        else:
            link, event, cost = item
            self.queued -= cost
            self._event(link, event, cost)

    def _chunk(self, link: Link, seq: int, got_ns: int, asked_ns: int | None, data: object) -> bool:
        """Take in a chunk; false if it is lost."""
        body = json_text(data) if link.whole else data
        if isinstance(body, bytes) and not (link.whole and len(body) > DOCUMENT_BYTES_MAX):
            if link.scan is not None and not link.scan.done:
                self._look(link, link.scan, body)
            kept = body if link.mask is None else link.mask.over(body)
            self.held += link.chunk(seq, got_ns, asked_ns, kept)
        else:  # its number will be missing
            self._tally.add("chunks_unusable")
            return False
        if link.pending_bytes >= self._segment_bytes:
            self._urgent[link.serial] = link
        return True

    def _look(self, link: Link, scan: Scan, data: bytes) -> None:
        scan.feed(data)
        if scan.response_id is not None and link.place is not None:
            self._calls.responds(scan.response_id, link.place.attempt)

    def _event(self, link: Link | None, event: Event, cost: int) -> None:
        match event:
            case Noted():
                self._note(link, event, cost)
            case _ if link is None or link.close is not None:
                pass  # a second Close, or something after it
            case Opened():
                self._opened(link, event)
            case HeadCame() if link.place is not None:
                self._answered(link, event)
            case Closed() if link.place is not None:
                self._ended(link, event)
            case _:
                pass  # its Open could not be taken in: nothing of this link is published

    def _opened(self, link: Link, opened: Opened) -> None:
        asked, said, settings = opened.asked, opened.said, self.settings
        request = request_of(opened, self._tally)
        place = self._calls.place(link.serial, asked, said, call=link.call, digest=request.sha256, before=opened.before)
        frame = open_frame(opened, place, request, settings, self.given, self._tally)
        link.call = place.attempt.call.id
        link.record_id = identity.record_id(settings.tenant, link.call, place.attempt.number)
        link.sizes_only = settings.content is ContentMode.SIZES_ONLY
        link.resumable = resumable_of(opened, request)
        link.scan = None if link.whole else Scan(names=asked.is_of_responses)
        self.held += link.opens(frame)
        link.place = place
        self._links[link.serial] = self._urgent[link.serial] = link
        self._tally.add("links")

    def _answered(self, link: Link, came: HeadCame) -> None:
        headers = self._headers_of(came)
        coding = headers.get("content-encoding")
        if link.scan is not None:
            link.scan.decodes(coding)
        came = came._replace(
            status=self.given.number(came.status, "status", most=STATUS_MAX),
            http_version=self.given.text(came.http_version, "http_version"),
            location=self.given.uncut(came.location, "location"),
        )
        if came.status is not None and came.status >= REFUSED_FROM and coding in {None, "", "identity"}:
            link.mask = redact.Mask()
        self.held += link.answered(came, headers)
        self._calls.answered(link.serial, came.status, came.location)

    def _headers_of(self, came: HeadCame) -> dict[str, str]:
        try:
            return allowed_headers(came.headers)
        except Exception:  # noqa: BLE001 - whatever it is, it is no reason to lose the status
            self.guard.unusable("headers")
            return allowed_headers(_text_pairs(came.headers))

    def _ended(self, link: Link, closed: Closed) -> None:
        given = self.given
        message = given.uncut(closed.message, "message")
        link.ends(
            closed._replace(
                reading=given.flag(closed.reading, "reading"),
                cause=given.text(closed.cause, "cause"),
                message=None if message is None else redact.message(message),
            )
        )
        self._urgent[link.serial] = link

    def _note(self, link: Link | None, noted: Noted, cost: int) -> None:
        if link is None and noted.call is not None:
            call, attempt = self._calls.known(noted.call) or Call(noted.call), noted.attempt
        elif link is not None and link.place is not None:
            call, attempt = link.place.attempt.call, link.place.attempt.number
        else:
            self._tally.add("notes_dropped")
            return
        self.held += cost
        self._notes.append(_WaitingNote(call, attempt, noted, cost))

    def _noted(self, note: _WaitingNote, where: int) -> Iterator[Packet]:
        frame = note_frame(note.noted, note.call.id, note.attempt, self._ids.link(), self.given, self._tally)
        message = self._message(frame, note.call.id)
        if message is None:
            self._tally.add("notes_dropped")
            self.release(note.cost)
        else:
            yield Packet(where, message, note.cost)

    def _cut(self, link: Link, now_ns: int, where: int) -> Iterator[Packet]:
        for frame, freed in link.cut(now_ns, segment_bytes=self._segment_bytes, pulse_us=self._pulse_us):
            message = self._message(frame, link.call)
            if message is not None:
                yield Packet(where, message, freed)
                continue
            self.release(freed)
            if isinstance(frame, Data):
                self._tally.add("chunks_dropped", len(frame.got))
            if isinstance(frame, Open):
                self._abandon(link)
                return
            link.takes_back(frame)
        self._urgent.pop(link.serial, None)
        if link.closed:
            del self._links[link.serial]

    def _abandon(self, link: Link) -> None:
        """Its Open cannot be encoded: nothing of this link is published."""
        self._tally.add("chunks_dropped", len(link.pending))
        self.release(link.abandoned())
        self._urgent.pop(link.serial, None)
        del self._links[link.serial]
        self._tally.add("links_dropped")

    def _message(self, frame: Frame, key: bytes) -> Message | None:
        """Encode a frame; null, and counted as an error of ours, where that cannot be done."""
        try:
            value = codec.encode(frame)
        except Exception as error:  # noqa: BLE001 - it may hold a stranger's values
            self.guard.caught(error, "encode", raises=False)
            return None
        fault = check(frame, frame_bytes=len(value))
        if fault is not None:
            if not isinstance(frame, Note):  # which is as large as the user made it
                self.guard.caught(ValueError(fault), f"{type(frame).__name__}: {fault}", raises=False)
            return None
        return Message(key, value, self._headers)


def _text_pairs(headers: object) -> list[tuple[str | bytes, str | bytes]]:
    """Those of a list that are pairs of texts."""
    pairs = [pair for pair in headers if isinstance(pair, tuple)] if isinstance(headers, list) else []
    return [pair for pair in pairs if len(pair) == 2 and all(isinstance(part, str | bytes) for part in pair)]


def _partition_of(call: Call, partition: Partitioner) -> int:
    """Where all frames of a call go: decided once, so that new partitions tear nothing."""
    if call.partition is None:
        call.partition = partition(call.id)
    return call.partition


def _nobody() -> None:
    """Nobody is there to be woken yet."""

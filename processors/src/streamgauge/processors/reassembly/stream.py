"""One stream: its links and notes, where it stands, what it waits for.

    frame ─▶ link ─▶ what became of the stream (a turn) ─▶ state ─▶ deadlines

* A stream is judged after every frame that may have changed something: an Open, an end, a hole. A frame that is next on
  a running link changes nothing, which is what nearly all frames do.
* Frames that come before the Open wait, headless, and are then read in the order and with the times they came.
* Notes travel on links of their own. Nothing waits for them, and copies of them are dropped like those of any frame.
* What a stream waits for follows from its state and from when things came. A deadline is only ever moved to an earlier
  time by a change of state.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from streamgauge.processors.measures.timing import Gaps
from streamgauge.processors.reassembly.body import Room
from streamgauge.processors.reassembly.closed import SeenLink
from streamgauge.processors.reassembly.deadlines import Deadlines, Lapse
from streamgauge.processors.reassembly.finished import Arrival, StreamId
from streamgauge.processors.reassembly.link import Link
from streamgauge.processors.reassembly.states import WAITS, State, Turn, step
from streamgauge.schemas.frames import Close, Data, Frame, Note, Open, UnknownFrame
from streamgauge.schemas.words import Resumable

__all__ = ["LINKS_MAX", "NEVER_US", "Held", "Stream"]

NEVER_US: Final = 2**63
LINKS_MAX: Final = 1024  # of one stream: it is judged link by link, and no answer takes so many connections

_CLOSING: Final[dict[Lapse, Turn]] = {
    Lapse.HEAD_GRACE: Turn.NEVER_OPENED,
    Lapse.PRODUCER_SILENT: Turn.LINK_SILENT,
    Lapse.PROVIDER_SILENT: Turn.LINK_SILENT,
    Lapse.RESUME_GRACE: Turn.NOT_RESUMED,
    Lapse.TOTAL_AGE: Turn.TOO_OLD,
}


class Held(NamedTuple):
    """A frame that waits for its stream's Open, or its link's."""

    frame: Frame | UnknownFrame
    link: bytes
    n: int | None
    checksum: int
    arrival: Arrival
    now_us: int


class Stream:
    """One stream, from its first frame to its close."""

    __slots__ = (
        "_begun_us",
        "_given_up",
        "_missing_links",
        "_notes",
        "_rested_us",
        "_room",
        "_strays",
        "armed_us",
        "conflicts",
        "duplicates",
        "first_append_us",
        "first_offset",
        "gaps",
        "held",
        "id",
        "lapse",
        "last_offset",
        "links",
        "opening",
        "refused",
        "state",
    )

    def __init__(self, id_: StreamId, first: Arrival, *, now_us: int) -> None:
        self.id = id_
        self.state = State.UNKNOWN
        self.first_offset = self.last_offset = first.offset
        self.first_append_us = first.append_us
        self.opening: Open | None = None  # the one that opened it
        self.links: dict[bytes, Link] = {}
        self.gaps = Gaps()
        self._room = Room()
        self.duplicates = 0  # of frames that belong to no link
        self.conflicts = 0
        self.refused = 0  # frames of links beyond the bound
        self.held: list[Held] = []
        self.lapse: Lapse | None = None  # the deadline that closed it, if one did
        self.armed_us = NEVER_US  # when its deadline is looked at next
        self._begun_us = now_us
        self._rested_us = now_us  # when every link had ended
        self._missing_links: dict[bytes, int] = {}  # named by an Open and not seen: since when
        self._given_up: set[bytes] = set()  # of those, waited for long enough
        self._notes: dict[tuple[bytes, int], tuple[int, Note]] = {}
        self._strays: dict[bytes, list[Held]] = {}  # frames of unknown tags, on links that are not known yet

    # ------------------------------------------------------------------ frames

    def feed(
        self, frame: Frame | UnknownFrame, link: bytes, n: int | None, checksum: int, arrival: Arrival, now_us: int
    ) -> bool:
        """Take a frame; say whether the stream must be settled."""
        self.last_offset = arrival.offset
        known = self.links.get(link)
        if known is not None and n is not None and type(frame) is not Note:
            return known.feed(frame, n, checksum, now_us=now_us)
        held = Held(frame, link, n, checksum, arrival, now_us)
        if self.links:
            self._feed_apart(held)
            return True
        self.held.append(held)
        if type(frame) is Open:
            self.opening = frame
            self._open()
            return True
        self.state = step(self.state, Turn.FRAME)
        return True

    def skim(self, data: Data, checksum: int, offset: int, now_us: int) -> bool:
        """Take a segment if it is the next of a link that nothing is missing of; say whether it was."""
        link = self.links.get(data.link)
        if link is None or not link.skim(data, checksum, now_us=now_us):
            return False
        self.last_offset = offset
        return True

    def _open(self) -> None:
        """The Open is here: read all that waited for it."""
        held, self.held = self.held, []
        for frame in held:
            known = self.links.get(frame.link)
            if known is not None and frame.n is not None and type(frame.frame) is not Note:
                known.feed(frame.frame, frame.n, frame.checksum, now_us=frame.now_us)
            else:
                self._feed_apart(frame)

    def _feed_apart(self, held: Held) -> None:
        """Take a frame that is not simply one more of a known link."""
        frame, link, n = held.frame, held.link, held.n
        match frame:
            case Note():
                self._note(held, frame)
            case _ if link not in self.links and len(self.links) >= LINKS_MAX:
                self.refused += 1
            case UnknownFrame() if link not in self.links:
                self._strays.setdefault(link, []).append(held)
            case Close() if n is None:
                self._link(link, held.now_us).feed_rescue(frame, now_us=held.now_us)
            case _:
                self._link(link, held.now_us).feed(frame, n or 0, held.checksum, now_us=held.now_us)

    def _link(self, link: bytes, now_us: int) -> Link:
        """The link of this id, begun if it is new."""
        known = self.links.get(link)
        if known is None:
            known = self.links[link] = Link(link, self.gaps, self._room, now_us=now_us)
            self._missing_links.pop(link, None)
            for stray in self._strays.pop(link, []):
                known.feed(stray.frame, stray.n or 0, stray.checksum, now_us=stray.now_us)
        return known

    def _note(self, held: Held, note: Note) -> None:
        key = (held.link, held.n or 0)
        first = self._notes.setdefault(key, (held.checksum, note))
        if first[1] is note:
            return
        if first[0] == held.checksum:
            self.duplicates += 1
        else:
            self.conflicts += 1

    # ------------------------------------------------------------------ where it stands

    def settle(self, *, now_us: int) -> None:
        """Judge where the stream stands now."""
        if not self.links:  # headless
            return
        for link in self.links.values():
            after = link.opening.after if link.opening is not None else None
            if after is not None and after not in self.links and after not in self._given_up:
                self._missing_links.setdefault(after, now_us)
        self._move(self._turn(), now_us=now_us)

    def expire(self, lapse: Lapse, deadlines: Deadlines, *, now_us: int) -> None:
        """A deadline has passed."""
        if lapse is not Lapse.HOLE_GRACE:
            self.lapse = lapse
            self._move(_CLOSING[lapse], now_us=now_us)
            return
        self._pass_holes(now_us - deadlines.hole_grace_us)
        turn = self._turn()
        self._move(Turn.PASSED if turn is Turn.FILLED else turn, now_us=now_us)

    def _move(self, turn: Turn, *, now_us: int) -> None:
        before, self.state = self.state, step(self.state, turn)
        if self.state is State.RESUMABLE and before is not State.RESUMABLE:
            self._rested_us = now_us

    def _turn(self) -> Turn:
        """What has become of the stream."""
        if self._hole_since_us() is not None:
            return Turn.HOLE
        if any(link.close is None for link in self.links.values()):
            return Turn.FILLED if self.state is State.HOLED else Turn.OPENED
        if self._may_be_resumed():
            return Turn.LEFT_OPEN
        return Turn.ENDED_HOLED if self.lost else Turn.ENDED

    def _may_be_resumed(self) -> bool:
        """Whether another link may carry the answer on: nothing says how it ended, and the last link hopes so."""
        links = self.in_order()
        last = links[-1].close
        if last is None or last.resumable is not Resumable.MAYBE:
            return False
        return not any(link.decided for link in links) and not all(link.refused for link in links)

    def in_order(self) -> list[Link]:
        """The links in order of (link_no, link)."""
        return sorted(self.links.values(), key=lambda link: link.place)

    @property
    def lost(self) -> bool:
        """Whether frames or links count as lost, so that they could still come and change something."""
        return bool(self._given_up) or any(link.incomplete for link in self.links.values())

    @property
    def lost_links(self) -> int:
        return len(self._given_up - self.links.keys())

    # ------------------------------------------------------------------ what it waits for

    def due(self, deadlines: Deadlines) -> tuple[int, Lapse]:
        """The next deadline."""
        return min(((self._when(lapse, deadlines), lapse) for lapse in WAITS[self.state]), key=lambda due: due[0])

    def _when(self, lapse: Lapse, deadlines: Deadlines) -> int:
        match lapse:
            case Lapse.HEAD_GRACE:
                return self._begun_us + deadlines.head_grace_us
            case Lapse.HOLE_GRACE:
                since_us = self._hole_since_us()
                return NEVER_US if since_us is None else since_us + deadlines.hole_grace_us
            case Lapse.PRODUCER_SILENT | Lapse.PROVIDER_SILENT:
                at_us, which = max(link.silent_at(deadlines) for link in self.links.values() if link.close is None)
                return at_us if which is lapse else NEVER_US
            case Lapse.RESUME_GRACE:
                return self._rested_us + deadlines.resume_grace_us
            case Lapse.TOTAL_AGE:
                return self._begun_us + deadlines.total_age_us

    def _hole_since_us(self) -> int | None:
        """Since when something is known to be missing."""
        if len(self.links) == 1 and not self._missing_links:
            return next(iter(self.links.values())).hole_since_us
        since = [link.hole_since_us for link in self.links.values()]
        return min((us for us in [*since, *self._missing_links.values()] if us is not None), default=None)

    def _pass_holes(self, since_us: int) -> None:
        """Give up what has been missing since then or longer."""
        for link in self.links.values():
            link.give_up_holes(since_us)
        gone = [link for link, missing_us in self._missing_links.items() if missing_us <= since_us]
        for link_id in gone:
            del self._missing_links[link_id]
            self._given_up.add(link_id)

    # ------------------------------------------------------------------ the end

    def wind_up(self) -> list[Link]:
        """Wait for nothing any longer: read what stands behind holes, end every link. Gives the links in order."""
        self._pass_holes(NEVER_US)
        if self.opening is not None and (link := self.links[self.opening.link]).opening is None:
            link.opening = self.opening  # another frame had its number, and came first
        links = self.in_order()
        for link in links:
            link.give_up()
        return links

    def seen(self) -> list[SeenLink]:
        """What was read, by link: the links in their order, then those of the notes."""
        notes: dict[bytes, int] = {}
        for link, n in sorted(self._notes):
            if n == notes.get(link, 0):
                notes[link] = n + 1
        links = [SeenLink(link.link, link.order.seen_through) for link in self.in_order()]
        return links + [SeenLink(link, through) for link, through in notes.items()]

    def notes(self) -> list[Note]:
        """The notes in order of (time, link, n)."""
        return sorted((note for _, note in self._notes.values()), key=lambda note: (note.wall_us, note.link, note.n))

    def stray_frames(self) -> int:
        """Frames of unknown tags that belong to no link."""
        return len({(stray.link, stray.n) for strays in self._strays.values() for stray in strays})

"""One connection: its frames in order, its signs of life, its end.

    frame ─▶ order ─▶ Open  Head  Data ─▶ flow
                      Pulse Close

What a link knows depends on the set of its frames alone: all that is read is read in order of `n`, and copies are
dropped before. Only what the deadlines need (when the last frame came) follows the arrival.

A Close without totals comes from a rescuer, who publishes what a dead process had spooled. It has no number and proves
no completeness, so it waits like a hole does, and counts if nothing better came.
"""

from __future__ import annotations

from typing import Final

from streamgauge.processors.measures.timing import Gaps
from streamgauge.processors.reassembly.body import Room
from streamgauge.processors.reassembly.deadlines import Deadlines, Lapse
from streamgauge.processors.reassembly.flow import Flow
from streamgauge.processors.reassembly.moments import TIME_US_MAX
from streamgauge.processors.reassembly.order import Order
from streamgauge.processors.reassembly.verdict import Blind
from streamgauge.schemas.frames import Close, Data, Frame, Head, Note, Open, Pulse, Tick, UnknownFrame
from streamgauge.schemas.words import Format, How, WaitingFor

__all__ = ["Link"]

_UNOPENED_NO: Final = 2**53  # where a link stands whose Open was lost: behind all others
_REFUSED_STATUS: Final = 400
_DIGITS_MAX: Final = 19  # of a length; longer is no length


class Link:
    """One connection, as far as its frames were read."""

    __slots__ = (
        "close",
        "flow",
        "last_frame_us",
        "last_time_us",
        "link",
        "opening",
        "order",
        "pulse",
        "rescue",
        "rescue_since_us",
        "rescued",
        "silent_since_us",
        "unknown_frames",
        "warnings",
    )

    def __init__(self, link: bytes, gaps: Gaps, room: Room | None = None, *, now_us: int) -> None:
        self.link = link
        self.order: Order[Frame | UnknownFrame] = Order()
        self.flow = Flow(gaps, room)
        self.opening: Open | None = None
        self.pulse: Pulse | None = None  # the last one
        self.close: Close | None = None
        self.rescue: Close | None = None
        self.rescued = False  # the rescuer's word counts: whether more was sent is not known
        self.last_time_us: int | None = None  # since the Open, of anything
        self.unknown_frames = 0
        self.warnings: set[str] = set()
        # Partition time, for the deadlines:
        self.last_frame_us = now_us
        self.silent_since_us: int | None = None  # the provider's last sign of life, once a Pulse waits for it
        self.rescue_since_us: int | None = None

    # ------------------------------------------------------------------ frames

    def feed(self, frame: Frame | UnknownFrame, n: int, checksum: int, *, now_us: int) -> bool:
        """Take a frame as it arrives; say whether the link may have begun, ended, or got another hole."""
        self._note_life(frame, now_us)
        order = self.order
        if order.take(n, checksum):
            self._read(frame)
            return (order.hole_since_us is not None and self._filled()) or type(frame) is not Data
        order.set_aside(n, checksum, frame, now_us=now_us)
        return True

    def skim(self, data: Data, checksum: int, *, now_us: int) -> bool:
        """Take a segment if it is the next one, nothing is missing and the link has not ended; say whether it was."""
        order = self.order
        if self.close is not None or order.hole_since_us is not None or not order.take(data.n, checksum):
            return False
        self.last_frame_us = now_us
        self.silent_since_us = None
        self.flow.read(data)
        return True

    def feed_rescue(self, close: Close, *, now_us: int) -> None:
        """Take a Close without a number."""
        self.last_frame_us = now_us
        known = self.rescue
        if known is None:
            self.rescue = close
            self.rescue_since_us = now_us if self.close is None else None
        elif known == close:
            self.order.duplicates += 1
        else:  # which of two counts may not depend on their order, and there is no number to go by
            self.order.conflicts += 1
            self.rescue = min(known, close, key=repr)

    def give_up_holes(self, since_us: int) -> None:
        """Wait no longer for what has been missing since then: read on behind it, and believe a rescuer."""
        order = self.order
        while order.hole_since_us is not None and order.hole_since_us <= since_us:
            order.pass_hole()
            self.flow.pass_hole()
            self._read_ready()
        if self.rescue is not None and self.rescue_since_us is not None and self.rescue_since_us <= since_us:
            self.rescued = True
            self._end(self.rescue)

    def give_up(self) -> None:
        """Nobody waits for the Close any longer."""
        if self.close is None:
            self.flow.end(None)

    def _filled(self) -> bool:
        """The frame just read filled a hole, or its beginning."""
        self._read_ready()
        return True

    def _read_ready(self) -> None:
        for frame in self.order.ready():
            self._read(frame)

    def _note_life(self, frame: Frame | UnknownFrame, now_us: int) -> None:
        """A Pulse may say that the provider is silent; anything else of the link says that it is not."""
        if type(frame) is not Pulse or frame.waiting_for is not WaitingFor.PROVIDER:
            self.silent_since_us = None
        elif self.silent_since_us is None:
            self.silent_since_us = self.last_frame_us
        self.last_frame_us = now_us

    def _read(self, frame: Frame | UnknownFrame) -> None:
        match frame:
            case Data():
                self._read_data(frame)
            case UnknownFrame():
                self.unknown_frames += 1
            case _ if self.close is not None:
                self.warnings.add("frames_after_close")
            case Open():
                self._read_open(frame)
            case Head():
                self._read_head(frame)
            case Pulse():
                self.pulse = frame
                self._saw(frame.time_us)
            case Close():
                self._end(frame)
            case Note() | Tick():  # neither belongs to a connection: neither comes here
                pass

    def _read_data(self, data: Data) -> None:
        if self.close is None:
            self.flow.read(data)
        else:
            self.warnings.add("frames_after_close")

    def _read_open(self, opening: Open) -> None:
        if self.opening is not None:
            self.warnings.add("opened_twice")
            return
        self.opening = opening
        self.flow.begin(opening)

    def _read_head(self, head: Head) -> None:
        if self.flow.head is not None:
            self.warnings.add("headed_twice")
            return
        self.flow.head = head
        self.flow.moments.headers_us = self._saw(head.time_us)

    def _end(self, close: Close) -> None:
        self.close = close
        self.rescue_since_us = None
        self._saw(close.time_us)
        self.flow.end(close)

    def _saw(self, time_us: int | None) -> int | None:
        """The time, if it can be one."""
        if time_us is None:
            return None
        if not 0 <= time_us <= TIME_US_MAX:
            self.warnings.add("times_unknown")
            return None
        self.last_time_us = max(time_us, self.last_time_us or 0)
        return time_us

    # ------------------------------------------------------------------ what it comes to

    @property
    def place(self) -> tuple[int, bytes]:
        """Where the link stands among those of its stream."""
        return self.opening.link_no if self.opening is not None else _UNOPENED_NO, self.link

    @property
    def hole_since_us(self) -> int | None:
        """Since when a frame is known, or feared, to be missing."""
        holed, rescued = self.order.hole_since_us, self.rescue_since_us
        if holed is None or rescued is None:
            return rescued if holed is None else holed
        return min(holed, rescued)

    @property
    def incomplete(self) -> bool:
        """Whether frames count as lost."""
        return self.order.holes > 0 or self.rescued

    def silent_at(self, deadlines: Deadlines) -> tuple[int, Lapse]:
        """When nobody waits for this link any longer, if nothing more comes."""
        producer = self.last_frame_us + deadlines.producer_silent_us, Lapse.PRODUCER_SILENT
        if self.silent_since_us is None:
            return producer
        return min(producer, (self.silent_since_us + deadlines.provider_silent_us, Lapse.PROVIDER_SILENT))

    @property
    def status(self) -> int | None:
        return self.flow.head.status if self.flow.head is not None else None

    @property
    def responded(self) -> bool:
        """Whether headers or bytes came."""
        return self.flow.head is not None or self.flow.chunks > 0

    @property
    def refused(self) -> bool:
        """Whether the response was an error before it was anything else."""
        return self.status is not None and self.status >= _REFUSED_STATUS

    @property
    def short(self) -> bool:
        """Whether the body, now over, ended before the length it announced."""
        flow = self.flow
        announced = flow.head.headers.get("content-length", "") if flow.head is not None else ""
        if not announced.isdecimal() or (self.opening is not None and self.opening.format is not Format.HTTP):
            return False
        counted = self.close.byte_count if self.close is not None else None
        return int(announced[:_DIGITS_MAX]) > max(flow.body_bytes, counted or 0)

    @property
    def cut_in_coding(self) -> bool:
        """Whether the body, now over, ended inside its content coding."""
        return self.flow.body is not None and self.flow.body.cut_in_coding

    @property
    def ended_properly(self) -> bool:
        return self.close is not None and self.close.how is How.EOF and not (self.short or self.cut_in_coding)

    @property
    def decided(self) -> bool:
        """Whether the bytes say how the answer ended."""
        reading = self.flow.last_reading
        if reading is None:
            return False
        return reading.ending is not None or (self.ended_properly and reading.ends_well())

    @property
    def blind(self) -> str | None:
        """Why the deciding bytes may be among those that were not read."""
        flow = self.flow
        if flow.hidden is not None or flow.body is None:
            return flow.hidden
        if flow.body.capped:
            return Blind.CAPPED
        if flow.body.damaged or flow.body.unreadable:
            return Blind.NOT_SEEN
        if flow.body_bytes and (flow.reading is None or flow.reading.api is None):
            return Blind.UNKNOWN_API
        return None

    @property
    def unread(self) -> bool:
        """Whether bytes behind the last event are missing, or could not be read."""
        return self.blind not in (None, Blind.UNKNOWN_API)

    @property
    def dropped(self) -> int | None:
        """How many chunks the shim says it dropped; at least those that are missing under contiguous `n`."""
        said = self.close.dropped if self.close is not None else None
        if said is None and self.pulse is not None:
            said = self.pulse.dropped
        return self.flow.declared or None if said is None else max(said, self.flow.declared)

    @property
    def missing_chunks(self) -> int | None:
        """How many chunks were lost on the way; null where that cannot be known."""
        if not self.incomplete:
            return 0
        total = self.close.chunks if self.close is not None else None
        if total is None:
            return None
        return max(0, total - self.flow.chunks - (self.dropped or 0))

    @property
    def consumer_wait_us(self) -> int | None:
        said = self.close.consumer_wait_us if self.close is not None else None
        return said if said is not None or self.pulse is None else self.pulse.consumer_wait_us

    @property
    def ended_us(self) -> int | None:
        """When it ended, or was last heard of, since its Open."""
        times = [time for time in (self.last_time_us, self.flow.last_got_us) if time is not None]
        return max(times, default=None)

    def oddities(self) -> set[str]:
        """What is worth a warning."""
        flow = self.flow
        found = set(self.warnings)
        if flow.missing:
            found.add("bytes_missing")
        if flow.timeless:
            found.add("times_unknown")
        if flow.failed:
            found.add("parser_error")
        if flow.body is not None and flow.body.damaged:
            found.add("content_coding_damaged")
        if self.rescued:
            found.add("completeness_unknown")
        if self.opening is None:
            found.add("link_without_open")
        if self.order.late:
            found.add("frames_late")
        return found

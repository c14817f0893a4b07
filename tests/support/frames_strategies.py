"""Hypothesis strategies for frames: connections as shims make them, logs as Kafka delivers them, and plain nonsense.

A `Script` is what happened at the shims: connections, each a list of frames in order. `logs` turns one into a log, with
frames delayed, repeated and mixed with those of other streams, the disorder bounded as the contract bounds it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import msgspec
from hypothesis import strategies as st

from frames_build import (
    CALL,
    SECOND,
    TENANT,
    WALL_US,
    Connection,
    Log,
    anthropic_events,
    chat_events,
    responses_events,
)
from streamgauge.processors.reassembly.finished import Arrival
from streamgauge.schemas import codec
from streamgauge.schemas.frames import Close, Data, Frame, Head, Note, Open, Pulse, Tick
from streamgauge.schemas.words import How, Resumable, WaitingFor

__all__ = [
    "ADDRESSES",
    "Script",
    "arrivals_of",
    "chunked",
    "disordered",
    "nonsense",
    "resumed_scripts",
    "scripts",
    "segmented",
]

Draw = Callable[[st.SearchStrategy[Any]], Any]

WORDS = st.sampled_from(["the", " river", " naïve", " 数据", "\n", ' "quoted"', "🙂", " data: x", ""])
APIS: dict[str, tuple[Callable[..., list[bytes]], str, str]] = {
    "openai.chat": (chat_events, "/v1/chat/completions", "api.openai.com"),
    "openai.responses": (responses_events, "/v1/responses", "api.openai.com"),
    "anthropic.messages": (anthropic_events, "/v1/messages", "api.anthropic.com"),
}
ADDRESSES = {name: (path, host) for name, (_, path, host) in APIS.items()}
HOWS = st.sampled_from(How)


class Script(NamedTuple):
    """What happened at the shims, connection by connection."""

    api: str
    events: list[bytes]  # the whole answer, event by event
    seen: int  # how many bytes of it were sent
    connections: list[list[Frame]]

    def __repr__(self) -> str:
        shown = [[_shown(frame) for frame in connection] for connection in self.connections]
        return f"Script({self.api}, {self.seen} bytes, {shown})"

    @property
    def frames(self) -> list[Frame]:
        return [frame for connection in self.connections for frame in connection]


def _shown(frame: Frame) -> str:
    match frame:
        case Data():
            return f"Data({frame.n}, {frame.chunks or frame.sizes})"
        case Open():
            return f"Open({frame.link!r}, no={frame.link_no}, after={frame.after!r})"
        case Close():
            return f"Close({frame.n}, {frame.how.value}, {frame.resumable.value})"
        case _:
            return f"{type(frame).__name__}({frame.n})"


def chunked(draw: Draw, body: bytes) -> list[bytes]:
    """The body cut anywhere, as reads cut it."""
    cuts = draw(st.lists(st.integers(0, len(body)), max_size=12)) if body else []
    borders = [0, *sorted(set(cuts)), len(body)]
    return [body[begin:end] for begin, end in pairwise(borders) if end > begin]


def segmented(draw: Draw, chunks: list[bytes]) -> list[list[bytes]]:
    """Chunks gathered into segments."""
    segments: list[list[bytes]] = []
    for chunk in chunks:
        if segments and draw(st.booleans()):
            segments[-1].append(chunk)
        else:
            segments.append([chunk])
    return segments


@st.composite
def scripts(draw: st.DrawFn, *, apis: Sequence[str] = tuple(APIS), call: bytes = CALL, whole: bool = False) -> Script:
    """One connection: an answer of one of the APIs, cut at some byte, ended in some way."""
    api = draw(st.sampled_from(list(apis)))
    make, path, host = APIS[api]
    events = make(*draw(st.lists(WORDS, max_size=5)))
    body = b"".join(events)
    seen = len(body) if whole or draw(st.booleans()) else draw(st.integers(0, len(body)))
    link = draw(st.binary(min_size=8, max_size=8))
    connection = Connection(link, call=call, path=path, host=host)
    frames: list[Frame] = [connection.open(), connection.head()]
    for segment in segmented(draw, chunked(draw, body[:seen])):
        if draw(st.integers(0, 9)) == 0:
            frames.append(connection.pulse(draw(st.sampled_from([WaitingFor.PROVIDER, WaitingFor.CONSUMER]))))
        frames.append(connection.data(*segment))
    frames.append(connection.close(How.EOF if whole else draw(HOWS)))
    return Script(api, events, seen, [frames])


@st.composite
def resumed_scripts(draw: st.DrawFn) -> Script:
    """A Responses answer over two or three connections, each taking up where one before it stood or earlier."""
    events = responses_events(*draw(st.lists(WORDS, min_size=1, max_size=6)))
    count = draw(st.integers(2, 3))
    ends = sorted(draw(st.lists(st.integers(1, len(events) - 1), min_size=count - 1, max_size=count - 1)))
    connections: list[list[Frame]] = []
    after: bytes | None = None
    reached = 0
    for number, end in enumerate([*ends, len(events)]):
        begin = draw(st.integers(0, reached))
        link = bytes([number]) + draw(st.binary(min_size=7, max_size=7))
        connection = Connection(
            link,
            link_no=number,
            after=after,
            path="/v1/responses" if number == 0 else "/v1/responses/resp_1",
            method="POST" if number == 0 else "GET",
            wall_us=WALL_US + number * 5 * SECOND,
        )
        cut = draw(st.integers(0, 20)) if number < count - 1 else 0
        body = b"".join(events[begin:end])
        frames: list[Frame] = [connection.open(), connection.head()]
        frames += [connection.data(*segment) for segment in segmented(draw, chunked(draw, body[: len(body) - cut]))]
        last = number == count - 1
        frames.append(connection.close(How.EOF if last else How.READ_ERROR, resumable=Resumable.MAYBE))
        connections.append(frames)
        after = link
        reached = max(reached, end - 1 if cut else end)
    return Script("openai.responses", events, len(b"".join(events)), connections)


def arrivals_of(frames: Sequence[Frame | bytes], *, step_us: int = 10_000, tenant: str = TENANT) -> list[Arrival]:
    """The frames in this order, as a log."""
    log = Log()
    log.add(*frames, step_us=step_us, tenant=tenant)
    return log.arrivals


@st.composite
def disordered(
    draw: st.DrawFn, frames: Sequence[Frame], *, late_max_us: int = 20 * SECOND, gap_us: int = 100_000
) -> list[Frame]:
    """The frames as they may arrive: each delayed by less than the graces, some of them twice.

    A copy comes after the first of its kind, or before it, since both are delayed on their own. The very last frame to
    arrive is no copy: what comes after the close is another matter.
    """
    sent = [(index * gap_us, frame) for index, frame in enumerate(frames)]
    due = [(at_us + draw(st.integers(0, late_max_us)), frame) for at_us, frame in sent]
    last_us = max(at_us for at_us, _ in due)
    copied = draw(st.lists(st.sampled_from(sent), max_size=4)) if sent else []
    due += [(min(at_us + draw(st.integers(0, late_max_us)), last_us), frame) for at_us, frame in copied]
    due.sort(key=lambda pair: pair[0])
    return [frame for _, frame in due]


_SMALL = st.integers(-2, 12)
_SMALL_OR_NONE: st.SearchStrategy[int | None] = st.none() | _SMALL
_TIMES = st.lists(st.integers(-10, 2**40) | st.integers(0, 5000), max_size=4)
_LINKS = st.sampled_from([b"link-A--", b"link-B--", b"short"])
_TEXT = st.none() | st.sampled_from(["", "gzip", "text/event-stream", "application/json", "12", "/v1/messages", "acme"])
_VALUES: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    _SMALL,
    st.integers(-(2**63), 2**64 - 1),
    _TEXT,
    st.binary(max_size=24),
    st.lists(_SMALL, max_size=4),
    st.lists(st.binary(max_size=30), max_size=4),
    st.dictionaries(st.sampled_from(["content-type", "content-encoding", "content-length"]), st.text(max_size=9)),
)


def nonsense() -> st.SearchStrategy[bytes]:
    """Values of messages: bytes, msgpack arrays of any shape, and frames with fields that cannot be."""
    return st.one_of(st.binary(max_size=60), _arrays(), _odd_frames())


@st.composite
def _arrays(draw: st.DrawFn) -> bytes:
    lead = [draw(st.integers(0, 9)), draw(st.sampled_from([CALL, b"", None])), draw(_SMALL), draw(_LINKS), draw(_SMALL)]
    return msgspec.msgpack.encode([*lead, *draw(st.lists(_VALUES, max_size=8))])


@st.composite
def _odd_frames(draw: st.DrawFn) -> bytes:
    """Frames that decode, with numbers and orders no shim would send."""
    place = (CALL, draw(st.integers(0, 1)), draw(_LINKS), draw(st.integers(0, 6)))
    bodies = st.sampled_from([b"", b"data: [DONE]\n\n", b'{"error":{"message":"no"}}', *chat_events("a"), b"\xff\r"])
    match draw(st.sampled_from("OHDPNCX")):
        case "O":
            after, path, api = draw(st.none() | _LINKS), draw(_TEXT), draw(_TEXT)
            wall_us, link_no = draw(st.integers(0, 2**50)), draw(_SMALL)
            frame: Any = Open(*place, TENANT, wall_us, link_no, after, path=path, api=api)
        case "H":
            headers = {"content-type": draw(_TEXT) or "", "content-encoding": draw(_TEXT) or "", "content-length": "7"}
            frame = Head(*place, draw(_SMALL), draw(st.sampled_from([None, 200, 404, 0])), None, headers)
        case "D":
            chunks = draw(st.lists(bodies, max_size=3))
            got = draw(_TIMES) if draw(st.booleans()) else [5] * len(chunks)
            frame = Data(*place, draw(_SMALL), got, draw(st.none() | _TIMES), chunks)
        case "P":
            frame = Pulse(*place, draw(_SMALL), draw(st.sampled_from(list(WaitingFor))), dropped=draw(_SMALL))
        case "N":
            frame = Note(*place, draw(st.integers(0, 2**50)), {"a": "b"})
        case "C":
            n = draw(st.none() | st.just(place[3]))
            total, time_us, count = None if n is None else n + 1, draw(_SMALL_OR_NONE), draw(_SMALL_OR_NONE)
            frame = Close(*place[:3], n, time_us, total, count, how=draw(st.sampled_from(list(How))))
        case _:
            frame = Tick(n=draw(st.integers(0, 1)))
    return codec.encode(frame)


def interleaved(streams: Sequence[Sequence[Frame]], order: Iterator[int]) -> list[Frame]:
    """Several streams' frames in one log, each in its own order."""
    rest = [list(frames) for frames in streams]
    mixed: list[Frame] = []
    while any(rest):
        waiting = [frames for frames in rest if frames]
        mixed.append(waiting[next(order) % len(waiting)].pop(0))
    return mixed


@st.composite
def busy_logs(draw: st.DrawFn) -> list[Arrival]:
    """A partition at work: several streams mixed, frames lost, late and twice, silences, ids given again, nonsense."""
    calls = [bytes([number]) * 16 for number in range(draw(st.integers(1, 4)))]
    messages: list[tuple[int, Frame | bytes]] = []
    for call in calls:
        for life in range(draw(st.integers(1, 2))):
            script = draw(st.one_of(scripts(call=call), scripts(call=call, whole=True)))
            start_us = life * draw(st.integers(0, 900)) * SECOND + draw(st.integers(0, 20)) * SECOND
            for index, frame in enumerate(script.frames):
                fate = draw(st.sampled_from(["sent", "sent", "sent", "sent", "lost", "late", "twice"]))
                at_us = start_us + index * draw(st.sampled_from([1000, SECOND]))
                if fate != "lost":
                    messages.append((at_us, frame))
                if fate in ("late", "twice"):
                    messages.append((at_us + draw(st.integers(0, 100)) * SECOND, frame))
            if draw(st.booleans()):
                note = Connection(call=call).note(wall_us=WALL_US + start_us, tags={"a": "b"})
                messages.append((start_us + draw(st.integers(0, 60)) * SECOND, note))
    messages += [(draw(st.integers(0, 100)) * SECOND, value) for value in draw(st.lists(nonsense(), max_size=4))]
    messages.sort(key=lambda message: message[0])
    return _with_silences(messages)


def _with_silences(messages: Sequence[tuple[int, Frame | bytes]]) -> list[Arrival]:
    """The messages as a log, with a Tick for every five seconds in which nothing came."""
    log = Log()
    now_us = 0
    for at_us, frame in messages:
        log.wait((at_us - now_us) // (5 * SECOND) * 5)
        log.add(frame, step_us=(at_us - now_us) % (5 * SECOND))
        now_us = at_us
    log.wait(800)
    return log.arrivals

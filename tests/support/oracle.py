"""The oracle: what a stream comes to, worked out the slow and simple way, from all of its frames at once.

Sort each connection's frames by number, drop copies, join the bytes, cut the body with one call, read it with one
reading. It shares the providers' modules with the product and nothing else: no order, no flow, no stream, no partition.
It knows streams whose frames all came; holes and deadlines have examples of their own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from frames_facts import answer_facts
from streamgauge.processors.providers.reading import Reading
from streamgauge.processors.providers.registry import detect
from streamgauge.schemas.frames import Close, Data, Frame, Head, Note, Open
from streamgauge.schemas.framing.events import Event, Piece
from streamgauge.schemas.framing.kinds import Framing, framer
from streamgauge.schemas.words import Format, How

__all__ = ["Truth", "fold"]

_ENDS = {
    How.EOF: "truncated",
    How.CLOSED_EARLY: "cancelled",
    How.READ_ERROR: "truncated",
    How.SEND_ERROR: "failed",
    How.COLLECTED: "abandoned",
    How.SHUTDOWN: "lost",
    How.CRASHED: "lost",
    How.UNKNOWN: None,
}


class Truth(NamedTuple):
    """What the oracle says of a stream."""

    outcome: str | None
    evidence: str | None
    answers: list[dict[str, Any]]
    chunks: int
    body_bytes: int
    replayed: list[int]  # by link
    notes: list[tuple[int, bytes, int]]


class _Connection(NamedTuple):
    opening: Open
    head: Head | None
    close: Close | None
    body: bytes
    chunks: int


def fold(frames: Iterable[Frame]) -> Truth:
    """The truth about one stream."""
    unique = {(frame.link, frame.n): frame for frame in frames}
    notes = sorted((f.wall_us, f.link, f.n) for f in unique.values() if isinstance(f, Note))
    links = {frame.link for frame in unique.values() if isinstance(frame, Open)}
    connections = sorted(
        (_connection([f for f in unique.values() if f.link == link]) for link in links),
        key=lambda c: (c.opening.link_no, c.opening.link),
    )
    reading, replayed = _read(connections)
    last = connections[-1]
    how = last.close.how if last.close is not None else None
    reading.finish(proper_eof=how is How.EOF)
    outcome, evidence = _outcome(reading, how, responded=any(c.head is not None for c in connections))
    return Truth(
        outcome=outcome,
        evidence=evidence,
        answers=[answer_facts(answer) for answer in reading.answers if answer.events or answer.ending or answer.error],
        chunks=sum(connection.chunks for connection in connections),
        body_bytes=sum(len(connection.body) for connection in connections),
        replayed=replayed,
        notes=notes,
    )


def _connection(frames: list[Frame]) -> _Connection:
    ordered = sorted(frames, key=lambda frame: frame.n or 0)
    chunks = [chunk for frame in ordered if isinstance(frame, Data) for chunk in frame.chunks or []]
    heads = [frame for frame in ordered if isinstance(frame, Head)]
    closes = [frame for frame in ordered if isinstance(frame, Close)]
    opening = next(frame for frame in ordered if isinstance(frame, Open))
    return _Connection(
        opening, heads[0] if heads else None, closes[0] if closes else None, b"".join(chunks), len(chunks)
    )


def _read(connections: list[_Connection]) -> tuple[Reading, list[int]]:
    """All connections into one reading; of a later one, only events whose number is new. One without events is void."""
    numbers: set[int] = set()
    replayed: list[int] = []
    reading: Reading | None = None
    told = [any(_tells(piece) for piece in _pieces(connection)) for connection in connections]
    for connection, tells in zip(connections, told, strict=True):
        pieces = _pieces(connection) if tells or not any(told) else []
        if reading is None:
            detected = _detect(connection)
            status = connection.head.status if connection.head is not None else None
            framing = Framing.OBJECTS if connection.opening.format is Format.OBJECTS else detected.framing
            reading = Reading(detected.api, provider=detected.provider, status=status, framing=framing)
        again = 0
        for piece in pieces:
            number = _number(piece)
            if number is not None and number in numbers:
                again += 1
                if piece.piece is Piece.EVENT:
                    continue  # a tail is read all the same: that it is one is worth a warning
            if number is not None:
                numbers.add(number)
            reading.read(piece)
        replayed.append(again)
    assert reading is not None
    return reading, replayed


def _pieces(connection: _Connection) -> list[Event]:
    cutter = framer(_detect(connection).framing)
    return [*cutter.feed(connection.body), *cutter.finish()]


def _detect(connection: _Connection) -> Any:
    opening, head = connection.opening, connection.head
    return detect(
        api=opening.api,
        provider=opening.provider,
        method=opening.method,
        host=opening.host,
        path=opening.path,
        content_type=head.headers.get("content-type") if head is not None else None,
        body_start=connection.body,
    )


def _tells(piece: Event) -> bool:
    return piece.piece is Piece.EVENT or _number(piece) is not None


def _number(piece: Event) -> int | None:
    if piece.piece not in (Piece.EVENT, Piece.TAIL):
        return None
    tail = re.search(rb"^data: (.*)$", piece.data, re.MULTILINE)  # one that is whole but for its line end is an event
    try:
        number = json.loads(tail[1] if tail is not None else piece.data).get("sequence_number")
    except (ValueError, AttributeError):
        return None
    return number if isinstance(number, int) else None


def _outcome(reading: Reading, how: How | None, *, responded: bool) -> tuple[str | None, str | None]:
    if reading.ending is not None:
        return reading.ending.kind, reading.ending.evidence
    if not responded and how in (How.EOF, How.READ_ERROR):
        return "failed", "no_response"
    if how is None:
        return None, None
    return _ENDS[how], "not_seen" if how is How.UNKNOWN else how.value

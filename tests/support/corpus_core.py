"""Recordings played through the core, without a network and without Kafka: frames → partition → record.

    recording, damaged ──▶ Open, Head, Data…, Close ──▶ Partition ──▶ write ──▶ record and contents

What crosses is what a shim would have published, so everything but tap, broker and engine is in it, and a second of it
plays some thousand streams.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from corpus_file import Recording, url_of
from frames_build import Connection, Log
from frames_feed import feed, partition
from streamgauge.processors.reassembly.finished import Arrival, Finished
from streamgauge.processors.record import Measures, write
from streamgauge.schemas.frames import Frame
from streamgauge.schemas.records import Contents, Record
from streamgauge.schemas.words import How

__all__ = ["Told", "called", "frames", "reads_of", "tell", "tell_each", "told_by"]

READ_BYTES: Final = 32 * 1024
CHUNKS_A_FRAME: Final = 4096  # of which all are small
READS_A_FRAME: Final = 16
OF_THE_UNDAMAGED: Final = ("content-length", "content-encoding", "transfer-encoding")  # bodies are stored decoded
MEASURES: Final = Measures()


class Told(NamedTuple):
    """What the log says in the end of one stream."""

    record: Record
    contents: Contents


def tell(recording: Recording, body: bytes | Sequence[bytes], *, how: How = How.EOF) -> Told:
    """What is told of this body, or of its reads, if it comes in the place of the recording's. The stream must make
    exactly one record, and no dead letter."""
    [told] = told_by(Log().add(*frames(recording, body, how=how)))
    return told


def tell_each(log: Iterable[Arrival]) -> dict[str, Told]:
    """By call, what is told of the streams of a log."""
    return {told.record.call_id: told for told in told_by(log)}


def told_by(log: Iterable[Arrival]) -> list[Told]:
    """What is told of the streams of a log, in the order they close."""
    found: list[Told] = []
    for emission in feed(log, partition()):
        assert isinstance(emission, Finished), emission.reason
        found.append(Told(*write(emission.stream, topic=None, partition=None, rules=None, measures=MEASURES)))
    return found


def called(recording: Recording, **opening: Any) -> Connection:
    """The connection a recording was asked for on."""
    url = urlsplit(url_of(recording))
    asked = recording.request or {}
    method = str(asked.get("method") or "POST").upper()
    given = {"host": url.netloc, "path": url.path, "method": method, **opening}
    return Connection(call=hashlib.sha256(recording.id.encode()).digest()[:16], **given)


def frames(
    recording: Recording, body: bytes | Sequence[bytes], *, how: How = How.EOF, on: Connection | None = None
) -> list[Frame]:
    """The frames of a connection that brought these bytes and ended so."""
    connection = on or called(recording)
    reads = reads_of(body) if isinstance(body, bytes) else body
    headers = {name.lower(): value for name, value in (recording.response_headers or {}).items()}
    kept = {name: value for name, value in headers.items() if name not in (*OF_THE_UNDAMAGED, "content-type")}
    told: list[Frame] = [connection.open(), connection.head(recording.status, recording.content_type, **kept)]
    a_frame = CHUNKS_A_FRAME if len(max(reads, key=len, default=b"")) < READ_BYTES else READS_A_FRAME
    told += [connection.data(*reads[at : at + a_frame]) for at in range(0, len(reads), a_frame)]
    broken = how is How.READ_ERROR
    return [*told, connection.close(how, reading=broken, cause="httpx.RemoteProtocolError" if broken else None)]


def reads_of(body: bytes, size: int = READ_BYTES) -> list[bytes]:
    """The body in reads of this size."""
    return [body[at : at + size] for at in range(0, len(body), size)]

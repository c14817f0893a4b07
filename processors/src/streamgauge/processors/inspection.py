"""A recorded response body, reassembled without Kafka: its bytes in, its record out.

The body becomes the frames a shim would have sent, and these go through the very same core and the very same writing of
the record as live ones: what `inspect` shows of a file is what a worker would have recorded.

A file is less than a stream. It has no times, so every figure of timing is null. Where it ends, the body is taken to
have ended properly: that a connection broke there, no file tells. Without a status nothing is refused, and without an
address the API must show itself in the bytes. Prices are those of the moment that is given.

An address is somebody's word, and a file may be another's. So where it names an API and not one event can be of it, the
word is not taken for the file's: the body is read as if only the host were known, its events tell the API or none
(`unknown_api`), and the record warns of `api_contradicts_url`. The provider is the host's all the same.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from streamgauge.processors.providers.json_values import Document, decode
from streamgauge.processors.providers.registry import by_name, recognise
from streamgauge.processors.reassembly.body import Body
from streamgauge.processors.reassembly.deadlines import Deadlines
from streamgauge.processors.reassembly.finished import Arrival, Finished, FinishedStream
from streamgauge.processors.reassembly.inflate import Inflater
from streamgauge.processors.reassembly.partition import Partition
from streamgauge.processors.record import Measures, write
from streamgauge.schemas import codec
from streamgauge.schemas.frames import Close, Data, Frame, Head, Open
from streamgauge.schemas.limits import BODY_BYTES_MAX, CHUNK_BYTES_MAX
from streamgauge.schemas.records import GROUPS, Contents, Record
from streamgauge.schemas.routes import route
from streamgauge.schemas.words import How, Outcome, Resumable

__all__ = ["API_CONTRADICTED", "Source", "UninspectableError", "api_at", "inspect_body"]

TENANT: Final = "inspect"
API_CONTRADICTED: Final = "api_contradicts_url"
_METHOD: Final = "POST"
_LINK: Final = bytes(8)
_CODINGS: Final = (  # by the bytes such a body begins with; brotli has none of its own
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x78\x01", "deflate"),
    (b"\x78\x9c", "deflate"),
    (b"\x78\xda", "deflate"),
)
_LOOKED_AT: Final = 64 * 1024  # bytes that show whether a body is text at all
# What a file cannot tell, and how it was fed, which is of no interest.
_UNKNOWN: Final[dict[str, Any]] = dict.fromkeys((*GROUPS["timing"], *GROUPS["source"][:-1]))


class UninspectableError(ValueError):
    """The bytes are no response. The message says what they are instead, without content."""


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a body beside its bytes."""

    url: str | None = None
    status: int | None = None
    content_type: str | None = None
    content_encoding: str | None = None  # null: as its first bytes say


def inspect_body(body: bytes, source: Source, *, at_us: int, measures: Measures) -> tuple[Record, Contents]:
    """The record and the contents of this body, priced as of `at_us` (epoch). Raises `UninspectableError`."""
    coding = source.content_encoding or _coding(body)
    if not body.strip():
        raise UninspectableError("it is empty")
    if len(body) > BODY_BYTES_MAX:
        raise UninspectableError(f"it has more than {BODY_BYTES_MAX} bytes, and no response is that long")
    frames = _frames(body, source, coding=coding, at_us=at_us)
    record, contents = _written(frames, measures)
    if _is_contradicted(record, source, frames):
        record, contents = _written([_without_path(frames[0]), *frames[1:]], measures)
        record = msgspec.structs.replace(record, warnings=sorted({*record.warnings, API_CONTRADICTED}))
    if record.api is None and record.error_kind is None:
        _demand_text(body, coding)
    return _without_times(record), contents


def api_at(url: str | None) -> str | None:
    """The API an address names."""
    found = route(_METHOD, urlsplit(url or "").path)
    return found.api if found is not None else None


def _is_contradicted(record: Record, source: Source, frames: list[Frame]) -> bool:
    """Whether not one event can be of the API the address names: nothing was found, and they are of another or of none
    that is known."""
    named = by_name(api_at(source.url))
    if named is None or record.choices or record.outcome in (Outcome.COMPLETED, Outcome.REJECTED):
        return False
    documents = _documents(frames)
    if any(named.recognises(document) for document in documents):
        return False
    return record.unknown_events == record.events > 0 or any(map(recognise, documents))


def _documents(frames: list[Frame]) -> list[Document]:
    """The JSON objects among the events of the body."""
    opening = next(frame for frame in frames if isinstance(frame, Open))
    body = Body(opening, next(frame for frame in frames if isinstance(frame, Head)))
    chunks = [chunk for frame in frames if isinstance(frame, Data) for chunk in frame.chunks or ()]
    events = [event for chunk in chunks for event in body.feed(chunk)] + body.finish()
    values = (decode(event.data) for event in events)
    return [value for value in values if isinstance(value, dict)]


def _without_path(opening: Frame) -> Frame:
    return msgspec.structs.replace(opening, method=None, path=None)


def _written(frames: list[Frame], measures: Measures) -> tuple[Record, Contents]:
    """What a worker would write of these frames."""
    return write(_reassemble(frames), topic=None, partition=None, rules=None, measures=measures)


def _reassemble(frames: list[Frame]) -> FinishedStream:
    """Feed the frames of one stream that closes with the last of them."""
    partition = Partition(deadlines=Deadlines.of_seconds())
    headers = codec.tenant_headers(TENANT)
    for offset, frame in enumerate(frames):
        for emission in partition.feed(Arrival(offset, 0, None, codec.encode(frame), headers)):
            if isinstance(emission, Finished):
                return emission.stream
            raise UninspectableError(emission.detail)
    raise UninspectableError("the stream in it has no end")


def _frames(body: bytes, source: Source, *, coding: str | None, at_us: int) -> list[Frame]:
    """The body as one connection that sent it all and ended."""
    call = hashlib.sha256(body).digest()[:16]  # the same file is the same call
    chunks = [body[at : at + CHUNK_BYTES_MAX] for at in range(0, len(body), CHUNK_BYTES_MAX)]
    address = urlsplit(source.url or "")
    headers = {"content-length": str(len(body))}
    if coding:
        headers["content-encoding"] = coding
    if source.content_type:
        headers["content-type"] = source.content_type
    data = [Data(call, 0, _LINK, 2 + at, at, [0], None, [chunk]) for at, chunk in enumerate(chunks)]
    return [
        Open(
            call,
            0,
            _LINK,
            0,
            TENANT,
            at_us,
            method=_METHOD if source.url else None,
            host=address.netloc.rpartition("@")[2] or None,
            path=address.path or None,
        ),
        Head(call, 0, _LINK, 1, 0, source.status, headers=headers),
        *data,
        Close(
            call,
            0,
            _LINK,
            len(data) + 2,
            frames=len(data) + 3,
            chunks=len(data),
            byte_count=len(body),
            how=How.EOF,
            resumable=Resumable.NO,
        ),
    ]


def _coding(body: bytes) -> str | None:
    return next((coding for magic, coding in _CODINGS if body.startswith(magic)), None)


def _demand_text(body: bytes, coding: str | None) -> None:
    """Refuse bytes in which nothing was found and nothing can be: a picture, an archive, a page of prose."""
    if coding is not None:
        body = Inflater(coding).feed(body)
    beginning = body[:_LOOKED_AT].decode("utf-8", "replace")
    strange = sum(1 for one in beginning if one == "\ufffd" or (one < " " and not one.isspace()))
    if strange * 50 > len(beginning):
        raise UninspectableError("it holds binary data, no response this version can read")
    if not beginning.lstrip("\ufeff \t\r\n").startswith(("{", "[", "data:", "event:", "id:", "retry:", ":")):
        raise UninspectableError("it holds neither events nor JSON")


def _without_times(record: Record) -> Record:
    links = [msgspec.structs.replace(link, opened_us=None, ended_us=None) for link in record.links]
    return msgspec.structs.replace(record, links=links, **_UNKNOWN)

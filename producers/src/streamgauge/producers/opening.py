"""From what was asked to the Open frame: scrubbed, allow-listed, within the contract's bounds. On the gauge's thread.

A request travels as JSON that was looked at (see `redact`), or as its size and hash where it is longer than 256 KiB or
does not parse, or as its size alone under `sizes_only`: a hash would let a short prompt be guessed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from importlib import metadata
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl

import msgspec

from streamgauge.producers import redact
from streamgauge.producers.calls import Place
from streamgauge.producers.context import FIELDS, trace_from_header
from streamgauge.producers.counters import Tally
from streamgauge.producers.events import Noted, Opened
from streamgauge.producers.given import Given
from streamgauge.producers.json_text import json_text
from streamgauge.producers.settings import Settings
from streamgauge.schemas.frames import NIL, Context, Note, Open, ToolEvent
from streamgauge.schemas.limits import REQUEST_BYTES_MAX, TAGS_BYTES_MAX, TAGS_MAX
from streamgauge.schemas.routes import QUERY_ALLOWED, header_travels
from streamgauge.schemas.words import ContentMode, Resumable, ToolEventKind

__all__ = ["Request", "allowed_headers", "note_frame", "open_frame", "request_of", "resumable_of"]

QUERY_VALUE_CHARACTERS_MAX: Final = 200
HEADER_CHARACTERS_MAX: Final = 1000
TIMEOUT_S_MAX: Final = 10**9


def _shim() -> str:
    try:
        return f"streamgauge-producers/{metadata.version('streamgauge-producers')}"
    except metadata.PackageNotFoundError:  # copied into an application without its metadata
        return "streamgauge-producers"


SHIM: Final = _shim()  # now: asked for later, it would import on the gauge's thread (see `courier`)


class Request(NamedTuple):
    """A request as it may travel, and what the shim itself needs of it."""

    kept: bytes | None = None
    size: int | None = None
    sha256: bytes | None = None
    background: bool = False


def request_of(opened: Opened, tally: Tally) -> Request:
    """Scrub, measure and hash a request."""
    body = json_text(opened.said.request) if opened.asked.body is None else opened.asked.body
    if body is None:
        if opened.said.request is not None or opened.body_bytes is not None:
            tally.add("requests_dropped")
        return Request(size=opened.body_bytes)
    sha256 = hashlib.sha256(body).digest()
    scrubbed = redact.request(body) if len(body) <= REQUEST_BYTES_MAX else None
    match scrubbed:
        case (kept, dict() as document) if len(kept) <= REQUEST_BYTES_MAX:
            return Request(kept, len(body), sha256, background=document.get("background") is True)
        case (kept, _) if len(kept) <= REQUEST_BYTES_MAX:
            return Request(kept, len(body), sha256)
        case _:
            tally.add("requests_dropped")
            return Request(None, len(body), sha256)


def open_frame(opened: Opened, place: Place, request: Request, settings: Settings, given: Given, tally: Tally) -> Open:
    """Write the Open frame of a link; its `n` is given when it leaves."""
    asked, said = opened.asked, opened.said
    call = place.attempt.call
    sizes_only = settings.content is ContentMode.SIZES_ONLY
    fields, more_tags = _fields(opened, settings, given)
    return Open(
        call.id,
        place.attempt.number,
        place.link,
        0,
        settings.tenant,
        opened.wall_us,
        link_no=place.link_no,
        after=place.after,
        attempt_kind=place.kind,
        parent_attempt=place.parent,
        cursor=given.text(place.cursor, "cursor"),
        method=given.text(asked.method, "method"),
        host=given.text(asked.host, "host"),
        path=given.text(asked.path, "path"),
        query=_allowed_query(asked.query),
        provider=given.text(said.provider, "provider"),
        api=given.text(said.api, "api"),
        format=said.format,
        content=settings.content,
        request=None if sizes_only else request.kept,
        request_bytes=request.size,
        request_sha256=None if sizes_only else request.sha256,
        client_timeout_us=_microseconds(asked.timeout_s),
        shim=SHIM,
        sdk=given.text(asked.sdk, "sdk"),
        context=Context(**fields),
        tags=_tags_of(given.tags({**more_tags, **opened.tags}), tally),
        call_ref=given.text(call.ref, "call_ref"),
        model=given.text(said.model, "model"),
    )


def resumable_of(opened: Opened, request: Request) -> Resumable:
    """Whether another connection may carry the answer on, as far as the request tells."""
    if opened.said.resumable is not None:
        return opened.said.resumable
    if opened.asked.path is None:
        return Resumable.UNKNOWN
    if not opened.asked.is_of_responses:
        return Resumable.NO
    if request.background or opened.asked.method == "GET":
        return Resumable.MAYBE
    return Resumable.UNKNOWN if request.kept is None else Resumable.NO


def note_frame(noted: Noted, call: bytes, attempt: int, link: bytes, given: Given, tally: Tally) -> Note:
    """Write a Note: alone on a link of its own."""
    fields, more_tags = _context_of(noted.context, given)
    error = given.uncut(noted.error, "error")
    return Note(
        call,
        attempt,
        link,
        0,
        noted.wall_us,
        tags=_tags_of(given.tags({**more_tags, **noted.tags}), tally),
        context=Context(**fields),
        model=given.text(noted.model, "model"),
        error=None if error is None else redact.message(error),
        tool_event=_tool_event(noted.tool_event, given) if noted.tool_event else None,
    )


def _tool_event(said: Mapping[str, Any], given: Given) -> ToolEvent:
    unsaid = ToolEventKind.TOOL if said.get("kind") is None else ToolEventKind.UNKNOWN
    return ToolEvent(
        kind=given.word(ToolEventKind, said.get("kind"), "tool_event kind") or unsaid,
        name=given.text(said.get("name"), "tool_event name"),
        input=_raw(said.get("input")),
        output=_raw(said.get("output")),
        duration_us=given.number(said.get("duration_us"), "tool_event duration_us"),
        ok=given.flag(said.get("ok"), "tool_event ok"),
    )


def _raw(value: Any) -> msgspec.Raw:
    """The msgpack of what JSON can hold of a value."""
    text = None if value is None else msgspec.json.encode(value) if isinstance(value, str) else json_text(value)
    return NIL if text is None else msgspec.Raw(msgspec.msgpack.encode(redact.document(msgspec.json.decode(text))))


def _context_of(fields: Mapping[str, Any], given: Given) -> tuple[dict[str, str | None], dict[str, Any]]:
    """Sort what the user said into the contract's fields and, where it has no such field, tags."""
    known = {name: given.text(value, name) for name, value in fields.items() if name in FIELDS}
    return known, {name: value for name, value in fields.items() if name not in FIELDS}


def _tags_of(tags: Mapping[str, str], tally: Tally) -> dict[str, str]:
    """Keep tags within the contract's bounds: 64 pairs, 8 KiB together; count the others."""
    kept: dict[str, str] = {}
    size = 0
    for name, value in tags.items():
        shown = redact.SECRET if redact.name_is_secret(name) else value
        pair_size = len(name.encode()) + len(shown.encode())
        if len(kept) < TAGS_MAX and size + pair_size <= TAGS_BYTES_MAX:
            kept[name] = shown
            size += pair_size
    if len(kept) < len(tags):
        tally.add("tags_dropped", len(tags) - len(kept))
    return kept


def allowed_headers(headers: Iterable[tuple[str | bytes, str | bytes]]) -> dict[str, str]:
    """Keep the headers the contract lists, by lower-case name; the values of repeated ones are joined."""
    kept: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name = _header_text(raw_name).lower()
        if header_travels(name):
            value = _header_text(raw_value)[:HEADER_CHARACTERS_MAX]
            kept[name] = f"{kept[name]}, {value}" if name in kept else value
    return kept


def _allowed_query(query: str) -> dict[str, str]:
    pairs = parse_qsl(query, keep_blank_values=True)
    return {name: redact.plain(value)[:QUERY_VALUE_CHARACTERS_MAX] for name, value in pairs if name in QUERY_ALLOWED}


def _fields(opened: Opened, settings: Settings, given: Given) -> tuple[dict[str, str | None], dict[str, Any]]:
    """The strongest first: what the user said here, the active trace, the gauge's settings."""
    trace = opened.trace or trace_from_header(opened.asked.traceparent)
    trace_id, span_id = trace or (None, None)
    said, more_tags = _context_of(opened.context, given)
    settled: dict[str, str | None] = {
        "service_name": given.text(settings.service_name, "service_name"),
        "service_version": given.text(settings.service_version, "service_version"),
        "environment": given.text(settings.environment, "environment"),
        "trace_id": trace_id,
        "span_id": span_id,
    }
    return {**settled, **{name: value for name, value in said.items() if value is not None}}, more_tags


def _microseconds(seconds: object) -> int | None:
    """A timeout as the client was told it; one without end is none."""
    if not isinstance(seconds, int | float) or not 0 <= seconds <= TIMEOUT_S_MAX:
        return None
    return round(seconds * 1_000_000)


def _header_text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else redact.plain(str(value))

"""Recordings read by the pure core, whole or damaged."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from corpus_check import CANONICAL, Seen
from corpus_file import Recording
from sse_play import choices, play
from streamgauge.processors.providers.reading import Reading

__all__ = ["events", "read", "seen"]


def read(recording: Recording, reads: list[bytes] | None = None, *, proper_eof: bool = True) -> Reading:
    """Read a recording's body, or these bytes as if they were its body."""
    url = urlsplit(recording.url or "")
    return play(
        [recording.body] if reads is None else reads,
        host=url.netloc,
        path=url.path or None,
        method=str((recording.request or {}).get("method") or "POST"),
        status=recording.status,
        content_type=recording.content_type,
        proper_eof=proper_eof,
    )


def seen(reading: Reading) -> Seen:
    """What was made of it: the last generation."""
    answer = reading.answer
    usage = reading.api.usage(answer.usage_raw or {}) if reading.api is not None else None
    return Seen(
        outcome=reading.ending.kind if reading.ending is not None else None,
        choices=choices(answer),
        usage_raw=answer.usage_raw,
        usage={name: getattr(usage, name) for name in CANONICAL},
        response_id=answer.response_id,
    )


def events(body: bytes) -> list[bytes]:
    """The body cut behind each event: an empty line, a line of NDJSON, a message of a binary stream."""
    if body.startswith(b"\x00"):
        return list(_messages(body))
    if body.startswith(b"{"):
        return body.splitlines(keepends=True)
    return [part for part in re.split(rb"(?<=\r\n\r\n)|(?<=\n\n)", body) if part]


def _messages(body: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(body):
        size = int.from_bytes(body[at : at + 4])
        yield body[at : at + size]
        at += size

"""What the shim must know of a response's bytes: its id, and whether its events are numbered. Nothing else is read.

A Responses stream names itself in its first event; whoever streams that id again resumes it. An SSE stream whose
events carry ids can be resumed with `Last-Event-ID`. Both are looked for on the gauge's thread, in the first bytes
only, and through gzip and deflate; other content codings are not looked into.
"""

from __future__ import annotations

import re
import zlib
from typing import Final, Protocol

__all__ = ["Scan"]

ID_WITHIN: Final = 16 * 1024  # the first event begins with the id; some gateways put much before it
EVENT_IDS_WITHIN: Final = 2 * 1024

# A response named inside its first event, or a response that is the whole body.
_NAME: Final = re.compile(rb'"id"\s*:\s*"(resp_[\w-]{1,200})"|"response"\s*:\s*\{\s*"id"\s*:\s*"([^"\\]{1,200})"')
_EVENT_ID: Final = re.compile(rb"(?:\A|[\r\n])(?:\xef\xbb\xbf)?id(?::|[\r\n])")


class Inflate(Protocol):
    """What zlib makes: its class has no public name."""

    def decompress(self, data: bytes, max_length: int = 0, /) -> bytes: ...


class Scan:
    """Looks through the beginning of one body."""

    def __init__(self, *, names: bool) -> None:
        """Look for event ids and, where the body `names` its response, for that name."""
        self._head = bytearray()
        self._inflate: Inflate | None = None
        self.readable = True
        self.done = False  # nothing more will be found
        self._within = ID_WITHIN if names else EVENT_IDS_WITHIN
        self._names = names
        self.response_id: str | None = None
        self.event_ids = False

    def decodes(self, coding: str | None) -> None:
        """The response headers named a content coding."""
        if coding in {"gzip", "x-gzip", "deflate"}:
            self._inflate = zlib.decompressobj(wbits=47)  # zlib or gzip, whichever it finds
        elif coding not in {None, "", "identity"}:
            self._give_up()

    def feed(self, data: bytes) -> None:
        """Look at the next bytes."""
        try:
            plain = data if self._inflate is None else self._inflate.decompress(data, self._within)
        except zlib.error:
            self._give_up()
            return
        self._head += plain[: self._within - len(self._head)]
        self.event_ids = self.event_ids or _EVENT_ID.search(self._head) is not None
        if self._names and self.response_id is None and (found := _NAME.search(self._head)) is not None:
            self.response_id = (found[1] or found[2]).decode("utf-8", "replace")
        named = self.response_id is not None and len(self._head) >= EVENT_IDS_WITHIN
        self.done = named or len(self._head) >= self._within

    def _give_up(self) -> None:
        self.readable = False
        self.done = True

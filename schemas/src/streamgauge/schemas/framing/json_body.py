"""A body that is one document: whole when it ends, nothing before.

The bytes are kept as they came and handed on as one `EVENT`, whether they are JSON or not: a gateway's HTML page under
`application/json` is for the reader to recognise. Beyond the contract's bound they are only counted.
"""

from __future__ import annotations

from streamgauge.schemas.framing.events import Event, Piece
from streamgauge.schemas.limits import BODY_BYTES_MAX

__all__ = ["JsonBody"]


class JsonBody:
    """Gathers a body up to `bytes_max`."""

    def __init__(self, *, bytes_max: int = BODY_BYTES_MAX) -> None:
        self._parts: list[bytes] = []
        self._end = 0
        self._bytes_max = bytes_max

    @property
    def capped(self) -> bool:
        return self._end > self._bytes_max

    def feed(self, data: bytes) -> list[Event]:
        """Nothing: the document is whole when the body ends."""
        room = self._bytes_max - self._end
        self._end += len(data)
        if room > 0 and data:
            self._parts.append(data[:room])
        return []

    def finish(self) -> list[Event]:
        """The body as one event; none if there was nothing but white space."""
        body = b"".join(self._parts)
        self._parts.clear()
        return [Event(Piece.EVENT, "", body, self._end)] if body.strip() else []

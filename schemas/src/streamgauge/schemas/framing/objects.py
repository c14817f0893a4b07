"""Chunks that are documents already: one chunk, one event.

Where a shim sees objects and not bytes (manual streams, content reduced to its structure) it publishes one JSON
document a chunk, so there is nothing to cut. Offsets count the bytes of the documents.
"""

from __future__ import annotations

from streamgauge.schemas.framing.events import Event, Piece

__all__ = ["ObjectsFramer"]


class ObjectsFramer:
    """Turns every chunk into one event."""

    def __init__(self) -> None:
        self._end = 0

    @property
    def capped(self) -> bool:
        """Never: a chunk is bounded by the frame that carries it."""
        return False

    def feed(self, data: bytes) -> list[Event]:
        """The chunk as an event; an empty chunk is none."""
        if not data:
            return []
        self._end += len(data)
        return [Event(Piece.EVENT, "", data, self._end)]

    def finish(self) -> list[Event]:
        """Nothing: no chunk is ever half."""
        return []

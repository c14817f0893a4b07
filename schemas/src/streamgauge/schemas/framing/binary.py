"""A body that is no text at all: sound, pictures. Nothing is in it to be cut, only where it begins and ends.

Its first byte is an event, so that the beginning has a time, and its end is one, whose offset is its length. Neither
carries anything.
"""

from __future__ import annotations

from streamgauge.schemas.framing.events import Event, Piece

__all__ = ["BinaryBody"]


class BinaryBody:
    """Counts the bytes of a body."""

    def __init__(self) -> None:
        self._end = 0

    @property
    def capped(self) -> bool:
        """Never: nothing is kept."""
        return False

    def feed(self, data: bytes) -> list[Event]:
        """The first byte, once."""
        begins = self._end == 0 and bool(data)
        self._end += len(data)
        return [Event(Piece.EVENT, "", b"", 1)] if begins else []

    def finish(self) -> list[Event]:
        """The end, where there was a beginning."""
        return [Event(Piece.EVENT, "", b"", self._end)] if self._end else []

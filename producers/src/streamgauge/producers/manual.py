"""A stream the application feeds itself, where there is no client to tap.

    with gauge.stream(provider="acme", model="x", request=question) as stream:
        for piece in answer:
            stream.chunk(piece)

Chunks are JSON documents by default: dicts, SDK objects, JSON text. With `format="http"` they are the raw bytes of a
body. How the block is left says how the connection ended, and an exception passes through it untouched:

    normally                                           eof
    GeneratorExit, cancellation, Ctrl-C                closed_early
    an exception before anything came                  send_error, with its status if it has one
    any other exception                                read_error

An object is encoded on the gauge's thread, a moment later: do not change it after handing it over.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from streamgauge.producers.guard import guarded
from streamgauge.producers.json_text import size_of
from streamgauge.producers.link import Link
from streamgauge.producers.outbox import Outbox
from streamgauge.producers.stream import Stream
from streamgauge.schemas.words import How

__all__ = ["ManualStream"]


class ManualStream(Stream):
    """One stream, fed by hand. Close it, or use it as a context manager: `with` or `async with`."""

    __slots__ = ("_begun",)

    def __init__(self, link: Link, outbox: Outbox) -> None:
        super().__init__(link, outbox)
        self._begun = False  # something came

    @guarded
    def chunk(self, data: object, *, asked_ns: int | None = None, got_ns: int | None = None) -> None:
        """Hand over the next piece: anything JSON can hold; with `format="http"` bytes or text of a body."""
        self._begun = True
        if isinstance(data, str):
            data = data.encode("utf-8", "replace")
        elif isinstance(data, bytearray | memoryview):
            data = bytes(data)  # it may be written to again
        self._push(data, size_of(data), asked_ns, got_ns)

    @guarded
    def head(self, status: int | None, headers: Any = (), **more: Any) -> None:
        """The response headers came, as pairs or as a mapping."""
        self._begun = True
        super().head(status, self._pairs(headers), **more)

    def _pairs(self, headers: Any) -> list[Any]:
        """A copy: they may change. Repeated names are kept."""
        try:
            return list(headers.items() if isinstance(headers, Mapping) else headers)
        except Exception:  # noqa: BLE001 - whatever it is, it is no reason to lose the status
            self._outbox.guard.unusable("headers")
            return []

    @guarded
    def __enter__(self) -> Self:
        return self

    @guarded
    async def __aenter__(self) -> Self:
        return self

    @guarded
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave(error)

    @guarded
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave(error)

    def _leave(self, error: BaseException | None) -> None:
        if isinstance(error, Exception) and not self._begun:
            self._answered_by(error)
        if error is None:
            self._end(self._now_ns(), How.EOF, reading=False, cause=None, message=None)
        elif not isinstance(error, Exception):
            self._end(self._now_ns(), How.CLOSED_EARLY, reading=None, cause=type(error).__name__, message=None)
        else:
            how = How.READ_ERROR if self._begun else How.SEND_ERROR
            self._end(self._now_ns(), how, reading=None, cause=type(error).__name__, message=str(error) or None)

    def _answered_by(self, error: Exception) -> None:
        """An SDK's exception tells which status the provider refused with: then there was an answer."""
        status = getattr(error, "status_code", None)
        if isinstance(status, int):
            response = getattr(error, "response", None)
            self.head(status, getattr(response, "headers", None) or ())

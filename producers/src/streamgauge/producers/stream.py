"""An open connection, as the host's thread sees it: what comes is stamped and put into the outbox, nothing more.

    stream = gauge.open(asked)              before the request leaves
    stream.head(status, headers)            the response headers came
    stream.ask()                            the consumer asks for the next chunk
    stream.chunk(data)                      it came
    stream.close(How.EOF)                   once; whoever comes second is ignored

Rules:

* No method raises, blocks or works: a chunk costs a look at the clock, a comparison and an append. Encoding, scrubbing,
  splitting and hashing happen on the gauge's thread (see `link`).
* A chunk's number is drawn in the same line that appends it. One that could not be appended has its number drawn
  alone: the numbers that arrive have a jump, and the reader knows what is missing.
* A stream that is garbage collected open is closed as `collected`.
"""

from __future__ import annotations

import itertools
import uuid
import weakref
from collections.abc import Iterable, Mapping
from typing import Any

from streamgauge.producers.events import Closed, HeadCame, Noted
from streamgauge.producers.guard import guarded
from streamgauge.producers.link import Link
from streamgauge.producers.outbox import Outbox
from streamgauge.schemas.limits import CHUNK_BYTES_MAX
from streamgauge.schemas.words import How

__all__ = ["Stream"]

HeaderPairs = Iterable[tuple[str | bytes, str | bytes]]


class Stream:
    """One open link. Made by `Gauge.open` and `Gauge.stream`."""

    __slots__ = ("__weakref__", "_finalizer", "_link", "_now_ns", "_outbox", "_seqs")

    def __init__(self, link: Link, outbox: Outbox) -> None:
        self._link = link
        self._outbox = outbox
        self._now_ns = outbox.clock.now_ns
        self._seqs = itertools.count()
        self._finalizer = weakref.finalize(self, _collected, link, outbox, self._seqs)
        self._finalizer.atexit = False  # what is still open then is closed as `shutdown`, by the gauge

    @property
    def call(self) -> str:
        """The call's id. A retry seen by a tap belongs to an earlier call, which is only known later."""
        return str(uuid.UUID(bytes=self._link.call))

    @property
    def record_id(self) -> str | None:
        """The id the finished record will have; null until the gauge's thread has decided it."""
        return self._link.record_id

    @guarded
    def ask(self, at_ns: int | None = None) -> None:
        """The consumer asks for the next chunk: from now on the provider is waited for."""
        self._link.asked_ns = self._now_ns() if at_ns is None else at_ns

    @guarded
    def head(
        self,
        status: int | None,
        headers: HeaderPairs = (),
        *,
        http_version: str | None = None,
        location: str | None = None,
        at_ns: int | None = None,
    ) -> None:
        """The response headers came; `headers` must not change any more. `location`: where a redirect leads."""
        time_ns = self._now_ns() if at_ns is None else at_ns
        self._outbox.put((self._link, HeadCame(time_ns, status, http_version, headers, location)))

    @guarded
    def chunk(
        self, data: bytes | bytearray | memoryview, *, asked_ns: int | None = None, got_ns: int | None = None
    ) -> None:
        """A read brought `data`. `asked_ns` and `got_ns` are of the gauge's clock; by default `ask` and now."""
        got = self._now_ns() if got_ns is None else got_ns
        link = self._link
        asked = link.asked_ns if asked_ns is None else asked_ns
        link.asked_ns = None
        if len(data) > CHUNK_BYTES_MAX:
            self._long(bytes(data), got, asked)
        elif self._outbox.admits(link, len(data)):
            self._outbox.items.append((link, next(self._seqs), got, asked, bytes(data)))
        else:
            self._lose(len(data))

    @guarded
    def note(
        self,
        *,
        tags: Mapping[str, str] | None = None,
        model: str | None = None,
        error: str | None = None,
        tool_event: Mapping[str, Any] | None = None,
        **context: str | None,
    ) -> None:
        """Add to the stream, running or ended: tags, context fields, another model, an error, a tool event."""
        wall_us = self._outbox.clock.wall_us()
        self._outbox.note(self._link, Noted(wall_us, dict(tags or {}), context, model, error, tool_event))

    @guarded
    def close(
        self,
        how: How | str,
        *,
        reading: bool | None = False,
        cause: str | None = None,
        message: str | None = None,
        at_ns: int | None = None,
    ) -> None:
        """The connection is over. `reading`: a read was outstanding; `cause`: the exception's class."""
        if self._finalizer.detach() is None:  # atomic: of two closers one gets the object
            return
        time_ns = self._now_ns() if at_ns is None else at_ns
        closed = Closed(time_ns, How(how), next(self._seqs), reading, cause, message)
        self._outbox.put((self._link, closed), wake=True)

    def _long(self, data: bytes, got: int, asked: int | None) -> None:
        """Number a read that the gauge's thread will split."""
        pieces = -(-len(data) // CHUNK_BYTES_MAX)
        admitted = self._outbox.admits(self._link, len(data))
        seqs = [next(self._seqs) for _ in range(pieces)]
        if admitted:
            self._outbox.items.append((self._link, seqs[0], got, asked, data))
        else:
            self._link.dropped_bytes += len(data)

    def _lose(self, size: int) -> None:
        next(self._seqs)
        self._link.dropped_bytes += size

    def _failed(self, error: Exception, where: str) -> None:
        if where == "chunk":  # it never reached the outbox: let its number be missing
            next(self._seqs)
        self._outbox.guard.caught(error, where)


def _collected(link: Link, outbox: Outbox, seqs: itertools.count[int]) -> None:
    """Close what nobody can close any more. Runs wherever the collector happens to run."""
    reading = link.asked_ns is not None
    outbox.put((link, Closed(outbox.clock.now_ns(), How.COLLECTED, next(seqs), reading, None, None)), wake=True)

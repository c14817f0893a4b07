"""An open connection, as the host's thread sees it: what comes is stamped and put into the outbox, nothing more.

    stream = gauge.open(asked)              before the request leaves
    stream.head(status, headers)            the response headers came
    stream.ask()                            the consumer asks for the next chunk
    stream.chunk(data)                      it came
    stream.close(How.EOF)                   the first counts; a second is ignored by the gauge's thread

Rules:

* No method raises, blocks or works: a chunk costs a look at the clock, a comparison and an append. Encoding, scrubbing,
  splitting and hashing happen on the gauge's thread (see `link`).
* A chunk's number is drawn in the same line that appends it. One that could not be appended has its number drawn
  alone: the numbers that arrive have a jump, and the reader knows what is missing.
* A stream that is garbage collected open is closed as `collected`.
"""

from __future__ import annotations

import uuid
import weakref
from collections.abc import Iterable, Mapping
from typing import Any, Final

from streamgauge.producers.events import Closed, HeadCame, Noted
from streamgauge.producers.guard import guarded
from streamgauge.producers.link import Link, chunks_of
from streamgauge.producers.outbox import Outbox
from streamgauge.schemas.limits import CHUNK_BYTES_MAX, NUMBER_MAX
from streamgauge.schemas.words import How

__all__ = ["HeaderPairs", "Stream"]

AT_NS_MAX: Final = NUMBER_MAX * 1000

HeaderPairs = Iterable[tuple[str | bytes, str | bytes]]


class Stream:
    """One open link. Made by `Gauge.open`."""

    __slots__ = ("__weakref__", "_finalizer", "_link", "_now_ns", "_outbox")

    def __init__(self, link: Link, outbox: Outbox) -> None:
        self._link = link
        self._outbox = outbox
        self._now_ns = outbox.clock.now_ns
        self._finalizer = weakref.finalize(self, _collected, link, outbox)
        self._finalizer.atexit = False  # what is open at the end of the process, the gauge closes as `shutdown`

    @property
    def call(self) -> str:
        """The call's id. A retry seen by a tap belongs to an earlier call: the gauge's thread sets that right."""
        return str(uuid.UUID(bytes=self._link.call))

    @property
    def serial(self) -> int:
        """The number of this link in this process."""
        return self._link.serial

    @property
    def record_id(self) -> str | None:
        """The id the finished record will have; null until the gauge's thread has decided it."""
        return self._link.record_id

    # The two that run for every chunk are doors of their own (see `guard`): a frame less.

    def ask(self, at_ns: int | None = None) -> None:
        """The consumer asks for the next chunk: from now on the provider is waited for."""
        try: self._link.asked_ns = self._now_ns() if at_ns is None else at_ns  # noqa: E701  # fmt: skip
        except Exception as error: self._failed(error, "ask")  # noqa: BLE001, E701  # fmt: skip

    def chunk(
        self, data: bytes | bytearray | memoryview, *, asked_ns: int | None = None, got_ns: int | None = None
    ) -> None:
        """A read brought `data`. `asked_ns` and `got_ns` are of the gauge's clock; by default `ask` and now."""
        try: self._push(bytes(data), len(data), asked_ns, got_ns)  # noqa: E701  # fmt: skip
        except Exception as error: self._failed(error, "chunk")  # noqa: BLE001, E701  # fmt: skip

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
        time_ns = self._at(at_ns)
        self._outbox.put(self._link, HeadCame(time_ns, status, http_version, headers, location))

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
        given = self._outbox.given
        said = (given.pairs(tags, "tags"), context, model, error, given.pairs(tool_event, "tool_event"))
        self._outbox.note(self._link, Noted(self._outbox.clock.wall_us(), *said))

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
        time_ns = self._at(at_ns)
        self._end(time_ns, self._outbox.given.word(How, how, "how") or How.UNKNOWN, reading, cause, message)

    def _at(self, at_ns: int | None) -> int:
        if isinstance(at_ns, int) and at_ns <= AT_NS_MAX:
            return at_ns
        if at_ns is not None:
            self._outbox.guard.unusable("at_ns")
        return self._now_ns()

    def _push(self, data: object, size: int, asked_ns: int | None, got_ns: int | None) -> None:
        got = self._now_ns() if got_ns is None else got_ns
        link = self._link
        asked = link.asked_ns if asked_ns is None else asked_ns
        link.asked_ns = None
        if size > CHUNK_BYTES_MAX and not link.whole:
            self._push_long(data, size, asked, got)
        elif self._outbox.admits(link, size):
            # The number is drawn by the very line that appends: see `_failed`.
            self._outbox.items.append((link, next(link.seqs), got, asked, data))
        else:
            next(link.seqs)
            self._outbox.refused(link, size)

    def _push_long(self, data: object, size: int, asked: int | None, got: int) -> None:
        """Hand over a read that the gauge's thread will split: each part needs a number."""
        link = self._link
        admitted = self._outbox.admits(link, size)
        numbers = [next(link.seqs) for _ in range(chunks_of(size))]
        if admitted:
            self._outbox.items.append((link, numbers[0], got, asked, data))
        else:
            self._outbox.refused(link, size, chunks=len(numbers))

    def _end(self, time_ns: int, how: How, reading: bool | None, cause: str | None, message: str | None) -> None:
        self._finalizer.detach()
        link = self._link
        self._outbox.put(link, Closed(time_ns, how, next(link.seqs), link.asked_ns, reading, cause, message), wake=True)

    def _failed(self, error: Exception, where: str) -> object:
        if where == "chunk":  # it did not reach the outbox: its number stays missing, so the loss is declared
            next(self._link.seqs)
            self._outbox.refused(self._link, 0)
        elif where in {"close", "__exit__", "__aexit__"}:
            self._finalizer.detach()
            _put_close(self._link, self._outbox, How.UNKNOWN)  # where the first Close did get through, it counts
        self._outbox.guard.caught(error, where)
        return self if where in {"__enter__", "__aenter__"} else None


def _collected(link: Link, outbox: Outbox) -> None:
    """Close what nobody can close any more. Runs wherever the collector happens to run; a door, see `guard`."""
    try: _put_close(link, outbox, How.COLLECTED)  # noqa: E701  # fmt: skip
    except Exception as error:  # noqa: BLE001
        _put_close(link, outbox, How.UNKNOWN)  # where the first did get through, it counts
        outbox.guard.caught(error, "collected", raises=False)


def _put_close(link: Link, outbox: Outbox, how: How) -> None:
    """Close a link of whose end nothing else is known."""
    asked_ns = link.asked_ns
    closed = Closed(outbox.clock.now_ns(), how, next(link.seqs), asked_ns, asked_ns is not None, None, None)
    outbox.put(link, closed, wake=True)

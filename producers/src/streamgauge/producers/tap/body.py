"""The body of a response, read through: the consumer gets every chunk as it came, the gauge's stream gets a copy.

One `Tee` watches one exchange. The bodies stand where the transport's own stream stood (see `through`).

How a connection ends, as seen here:

    exhausted                                        eof
    closed before that                               closed_early
    a read fails                                     read_error, with the exception's class
    a read is cancelled or interrupted               closed_early, with the exception's class
    nobody closes it, the collector finds it         collected
    we fail                                          unknown: what follows was not seen
"""

# ruff: noqa: BLE001, E701 - the guest's rule: whatever of ours fails, the host goes on; a door is one line (`through`)

from __future__ import annotations

import contextlib
import inspect
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from types import FrameType
from typing import Any, Final, NamedTuple

from streamgauge.producers.guard import Guard
from streamgauge.producers.stream import Stream
from streamgauge.producers.tap.through import Through
from streamgauge.schemas.words import How

__all__ = ["UNSEEN", "AsyncBody", "Bodies", "SyncBody", "Tee", "Unseen"]

_EXHAUSTED: Final = (StopIteration, StopAsyncIteration)
# Asking a body twice is a mistake of the asker and says nothing about the connection. openai's async stream does it to
# drain what follows `[DONE]`, and expects these.
_MISUSE: Final = frozenset({"StreamClosed", "StreamConsumed"})
_PLUMBING: Final = frozenset({"httpx", "httpx2", "streamgauge"})


class Bodies(NamedTuple):
    """The stream types of one HTTP package, which checks for them, and our bodies as subclasses of them."""

    sync_type: type[Any]
    async_type: type[Any]
    sync_body: type[Any]
    async_body: type[Any]
    both_body: type[Any]  # a body in memory is both

    def around(self, body: Any, tee: Tee) -> Any:
        """A body of the same kind, watched by `tee`."""
        match isinstance(body, self.sync_type), isinstance(body, self.async_type):
            case True, True:
                return self.both_body(body, tee)
            case True, False:
                return self.sync_body(body, tee)
            case False, True:
                return self.async_body(body, tee)
            case _:
                return body  # no stream at all: the client will say so


class Unseen:
    """Watches nothing: the request is none of ours, or we failed."""

    def refused(self, error: BaseException) -> None:
        """No response came."""

    def answered(self, response: Any) -> None:
        """The headers came."""

    def blind(self, error: Exception) -> None:
        """We failed."""


UNSEEN: Final = Unseen()


class Tee(Unseen):
    """Watches one exchange. Its callers hold every call in a `try`, and on failure call `blind`."""

    def __init__(self, stream: Stream, *, bodies: Bodies, guard: Guard) -> None:
        self._stream = stream
        self._bodies = bodies
        self._guard = guard
        self._reading = False
        self._over = False

    def refused(self, error: BaseException) -> None:
        """No response came: sending failed, or the caller gave up."""
        self._end(How.SEND_ERROR if isinstance(error, Exception) else How.CLOSED_EARLY, error=error, reading=True)

    def answered(self, response: Any) -> None:
        """The headers came; from here on the body is read through us."""
        if response.is_closed:
            self._answered_whole(response)
        else:
            self._head(response, response.headers.raw)
            response.stream = self._bodies.around(response.stream, self)

    def ask(self) -> None:
        """The consumer wants the next chunk."""
        self._reading = True
        self._stream.ask()

    def got(self, data: bytes) -> None:
        """It came."""
        self._reading = False
        if data:
            self._stream.chunk(data)

    def failed(self, error: BaseException) -> None:
        """Nothing came: the body is exhausted, the connection broke, or the reader was stopped."""
        if type(error).__name__ in _MISUSE:
            self._reading = False
        elif isinstance(error, _EXHAUSTED):
            self._end(How.EOF)
        else:
            how = How.READ_ERROR if isinstance(error, Exception) else How.CLOSED_EARLY
            self._end(how, error=error, reading=True)

    def closing(self) -> None:
        """Somebody closes the body, exhausted or not."""
        error = sys.exc_info()[1]
        if isinstance(error, GeneratorExit) and _closed_by_an_sdk_generator():
            self._end(How.COLLECTED)
        else:  # an ordinary exception may have been in flight for long, and have nothing to do with this
            error = None if isinstance(error, Exception) else error
            self._end(How.CLOSED_EARLY, error=error, reading=self._reading)

    def blind(self, error: Exception) -> None:
        """We failed: stop watching, so that what is missed is not taken for what there was."""
        self._over = True
        with contextlib.suppress(Exception):  # whatever is broken may be broken here too
            self._stream.close(How.UNKNOWN, reading=None)
        self._guard.caught(error, "tap")

    def _answered_whole(self, response: Any) -> None:
        """A transport below has read the body, and decoded it: the content coding no longer holds."""
        self._head(response, [pair for pair in response.headers.raw if pair[0].lower() != b"content-encoding"])
        if response.content:
            self._stream.chunk(response.content)
        self._end(How.EOF)

    def _head(self, response: Any, headers: list[tuple[bytes, bytes]]) -> None:
        version = response.extensions.get("http_version")
        self._stream.head(
            response.status_code,
            headers,
            http_version=version.decode("ascii") if version else None,
            location=response.headers.get("location") if 300 <= response.status_code < 400 else None,
        )

    def _end(self, how: How, *, error: BaseException | None = None, reading: bool = False) -> None:
        if self._over:
            return
        self._over = True
        self._stream.close(
            how,
            reading=reading,
            cause=None if error is None else type(error).__name__,
            message=str(error) or None if isinstance(error, Exception) else None,
        )


class _Watched(Through):
    """A body, or one pass over it. Either holds the tee: as long as somebody can read, nothing is collected."""

    def __init__(self, inner: Any, tee: Tee) -> None:
        super().__init__(inner)
        self._tee = tee


class SyncBody(_Watched):
    """A body read by a thread."""

    def __iter__(self) -> Iterator[bytes]:
        chunks: Iterator[bytes] = iter(self._inner)
        try: return _SyncReads(chunks, self._tee)  # fmt: skip
        except Exception as error: self._tee.blind(error)  # fmt: skip
        return chunks

    def close(self) -> None:
        """Let go of the connection."""
        try: self._tee.closing()  # fmt: skip
        except Exception as error: self._tee.blind(error)  # fmt: skip
        self._inner.close()


class AsyncBody(_Watched):
    """A body read by a task."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        chunks: AsyncIterator[bytes] = aiter(self._inner)
        try: return _async_reads(chunks, self._tee)  # fmt: skip
        except Exception as error: self._tee.blind(error)  # fmt: skip
        return chunks

    async def aclose(self) -> None:
        """Let go of the connection."""
        try: self._tee.closing()  # fmt: skip
        except Exception as error: self._tee.blind(error)  # fmt: skip
        await self._inner.aclose()


class _SyncReads(_Watched):
    """`yield from` looks for `close` and `throw`, and finds them where the iterator itself has them."""

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try: self._tee.ask()  # fmt: skip
        except Exception as error: self._tee.blind(error)  # fmt: skip
        try: chunk: bytes = next(self._inner)  # fmt: skip
        except BaseException as end:
            try: self._tee.failed(end)  # fmt: skip
            except Exception as error: self._tee.blind(error)  # fmt: skip
            raise
        try: self._tee.got(chunk)  # fmt: skip
        except Exception as error: self._tee.blind(error)  # fmt: skip
        return chunk


class _AsyncReads(_Watched):
    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try: self._tee.ask()  # fmt: skip
        except Exception as error: self._tee.blind(error)  # fmt: skip
        try: chunk: bytes = await anext(self._inner)  # fmt: skip
        except BaseException as end:
            try: self._tee.failed(end)  # fmt: skip
            except Exception as error: self._tee.blind(error)  # fmt: skip
            raise
        try: self._tee.got(chunk)  # fmt: skip
        except Exception as error: self._tee.blind(error)  # fmt: skip
        return chunk


class _GeneratorReads(_AsyncReads):
    """Where the iterator is an asynchronous generator, so are we: httpx2 closes one as soon as reading stops."""

    def asend(self, value: Any) -> Any:
        return self._inner.asend(value)

    def athrow(self, *error: Any) -> Any:
        return self._inner.athrow(*error)

    def aclose(self) -> Any:
        return self._inner.aclose()


def _async_reads(chunks: AsyncIterator[bytes], tee: Tee) -> _AsyncReads:
    return (_GeneratorReads if isinstance(chunks, AsyncGenerator) else _AsyncReads)(chunks, tee)


def _closed_by_an_sdk_generator() -> bool:
    """Whether the body is closed as a generator of an SDK is collected, and not because anybody wants it closed.

    The official SDKs read through a generator `__stream__` whose end closes the response. Nothing but the collector
    ends it early: a `break` leaves it alive, and `close()` goes to the response directly.
    """
    frame = inspect.currentframe()  # only the stack tells the two apart
    while frame is not None and _package(frame) in _PLUMBING:
        frame = frame.f_back
    return frame is not None and frame.f_code.co_name == "__stream__"


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]

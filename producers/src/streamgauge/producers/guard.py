"""The swallow-loudly rule: nothing of ours reaches the host, and nothing of ours vanishes unseen.

Every method the host calls goes through one door, `guarded`. An exception inside becomes a count (`internal_errors`), a
line in the log written by the gauge's own thread, and for the host a value that does no harm. Only `Exception` is
caught: Ctrl-C, `SystemExit`, `GeneratorExit` and cancellation belong to the host.

`raise_internal_errors`, a setting for our own tests, lets them through instead, so that no test passes over a bug.
Nothing else turns it on: under pytest, too, a guest breaks nobody's tests.
"""

from __future__ import annotations

import functools
import inspect
import logging
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple, Protocol, TypeVar, cast

from streamgauge.producers.counters import Tally

__all__ = ["Guard", "Guarded", "News", "guarded"]

REMEMBERED: Final = 100  # errors waiting to be logged; more are only counted


class News(NamedTuple):
    """A line for the log."""

    level: int
    line: str


class Guard:
    """Counts what was swallowed and keeps it for the log."""

    def __init__(self, tally: Tally, *, raises: bool = False) -> None:
        self._tally = tally
        self._raises = raises
        self._unlogged: deque[News] = deque(maxlen=REMEMBERED)
        self._logged: set[News] = set()

    def caught(self, error: Exception, where: str, *, raises: bool = True) -> None:
        """Take note of an error of ours. On the host's thread the settings may ask for it to be raised again."""
        self._tally.add("internal_errors")
        line = f"caught an error of its own: {type(error).__name__} in {where}, {_place(error)}"
        self._unlogged.append(News(logging.ERROR, line))
        if raises and self._raises:
            raise error

    def unusable(self, what: str) -> None:
        """Take note of a value that the application gave as `what`, and that was left out."""
        self._tally.add("values_unusable")
        self._unlogged.append(News(logging.WARNING, f"left out what cannot be used, given as {what!r}"))

    def news(self) -> Iterator[News]:
        """What happened since the last call, each kind once. For the gauge's thread: logging is I/O."""
        while self._unlogged:
            news = self._unlogged.popleft()
            if news not in self._logged and len(self._logged) < REMEMBERED:
                self._logged.add(news)
                yield news


class Guarded(Protocol):
    """Whatever the host calls has a way to fail: count, remember, and hand back what does no harm."""

    def _failed(self, error: Exception, where: str) -> Any: ...


W = TypeVar("W", bound=Callable[..., Any])


def guarded(work: W) -> W:
    """Let the host call `work`, a method: what it raises ends in `_failed`, whose answer the host gets."""
    name = work.__name__
    # A door is on one line: an exception at the line of a bare `try:` would not be inside it (CPython gives it a NOP of
    # its own), and this is the outermost frame of ours there is.

    @functools.wraps(work)
    async def async_door(self: Guarded, *args: Any, **kwargs: Any) -> Any:
        try: return await work(self, *args, **kwargs)  # noqa: E701  # fmt: skip
        except Exception as error: return self._failed(error, name)  # noqa: BLE001, E701  # pyright: ignore[reportPrivateUsage]  # fmt: skip

    @functools.wraps(work)
    def door(self: Guarded, *args: Any, **kwargs: Any) -> Any:
        try: return work(self, *args, **kwargs)  # noqa: E701  # fmt: skip
        except Exception as error: return self._failed(error, name)  # noqa: BLE001, E701  # pyright: ignore[reportPrivateUsage]  # fmt: skip

    return cast("W", async_door if inspect.iscoroutinefunction(work) else door)


def _place(error: Exception) -> str:
    """The line it came from: our code, never the host's values."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "nowhere"

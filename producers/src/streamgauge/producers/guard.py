"""The swallow-loudly rule: nothing of ours reaches the host, and nothing of ours vanishes unseen.

Every method the host calls goes through one door, `guarded`. An exception inside becomes a count
(`internal_errors`), a line in the log written by the gauge's own thread, and `None` for the host. Only `Exception` is
caught: Ctrl-C, `SystemExit`, `GeneratorExit` and cancellation belong to the host.

`raise_internal_errors` (a setting, for our own tests) lets them through instead, so that no test passes over a bug.
"""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable
from typing import Concatenate, ParamSpec, Protocol, TypeVar

__all__ = ["Guard", "Guarded", "guarded"]

P = ParamSpec("P")
R = TypeVar("R")

REMEMBERED = 100  # errors waiting to be logged; more are only counted


class Guard:
    """Counts what was swallowed and keeps it for the log."""

    def __init__(self, *, raises: bool = False) -> None:
        self.raises = raises
        self.count = 0
        self.unlogged: deque[tuple[str, Exception]] = deque(maxlen=REMEMBERED)

    def caught(self, error: Exception, where: str) -> None:
        """Take note of an error of ours; raise it again only where the settings ask for that."""
        self.count += 1
        self.unlogged.append((where, error))
        if self.raises:
            raise error


class Guarded(Protocol):
    """Whatever the host calls has a way to fail: count, remember, go on."""

    def _failed(self, error: Exception, where: str) -> None: ...


S = TypeVar("S", bound=Guarded)


def guarded(work: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R | None]:
    """Let the host call `work`: what it raises ends in `_failed`, and the host gets `None`."""
    name = work.__name__

    @functools.wraps(work)
    def door(self: S, *args: P.args, **kwargs: P.kwargs) -> R | None:
        # On one line: an exception at the line of a bare `try:` would not be inside it (CPython gives it a NOP of its
        # own), and this is the outermost frame of ours there is.
        try: return work(self, *args, **kwargs)  # noqa: E701  # fmt: skip
        except Exception as error: return self._failed(error, name)  # noqa: BLE001, E701, SLF001  # fmt: skip

    return door

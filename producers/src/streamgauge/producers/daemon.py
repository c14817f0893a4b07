"""An executor whose threads never hold up the end of the process.

asyncio resolves names in its default executor, whose threads are joined when the interpreter ends: a name server that
does not answer would keep the host alive for half a minute.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

__all__ = ["DaemonExecutor"]

P = ParamSpec("P")
R = TypeVar("R")


class DaemonExecutor(ThreadPoolExecutor):
    """One daemon thread a job. A `ThreadPoolExecutor` in name only: asyncio accepts nothing else."""

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Run `fn` on a thread of its own."""
        future: Future[R] = Future()

        def work() -> None:
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(fn(*args, **kwargs))
                except BaseException as error:  # noqa: BLE001 - it is the waiter's
                    future.set_exception(error)

        try:
            threading.Thread(target=work, name="streamgauge-resolver", daemon=True).start()
        except RuntimeError as error:  # no more threads; or the interpreter is ending, which since 3.12 starts none
            future.set_exception(OSError(str(error)))
        return future

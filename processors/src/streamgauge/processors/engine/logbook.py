"""What a worker says about itself: an event name with keys, one line each, never content.

    2026-11-24T15:19:07Z warning lost_by_retention partition=3 offsets=120

Everything goes through the standard `logging`, logger `streamgauge.worker`. `configure` adds one handler to the root,
so that the libraries' lines come out the same way, without tracebacks (at level debug with them). An outage of a broker
makes clients say the same hundreds of times: of equal lines two pass in ten seconds, the next one tells how many did
not.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import PurePath
from typing import Final

__all__ = ["configure", "error", "hushed", "info", "warning", "where"]

PASS_MAX: Final = 2
PASS_WINDOW_S: Final = 10.0
_LOUD: Final = ("aiokafka", "asyncio", "faust", "mode", "kafka")  # libraries: only what went wrong

_log: Final = logging.getLogger("streamgauge.worker")


def info(event: str, **keys: object) -> None:
    """Something normal that a reader of the log wants to know."""
    _log.info(event, extra={"keys": keys})


def warning(event: str, **keys: object) -> None:
    """Something to look at."""
    _log.warning(event, extra={"keys": keys})


def error(event: str, **keys: object) -> None:
    """Something is wrong."""
    _log.error(event, extra={"keys": keys})


def where(fault: BaseException) -> str:
    """An exception's class and the line that raised it; its message may hold content and is left out."""
    trace = fault.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return type(fault).__name__
    return f"{type(fault).__name__} at {PurePath(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"


class Lines(logging.Formatter):
    """One line a record, keys as `name=value`."""

    converter = staticmethod(time.gmtime)
    default_msec_format = None

    def __init__(self, *, traces: bool) -> None:
        super().__init__(datefmt="%Y-%m-%dT%H:%M:%SZ")
        self._traces = traces

    def format(self, record: logging.LogRecord) -> str:
        keys: dict[str, object] = getattr(record, "keys", {})
        message = " ".join(record.getMessage().split()) if not self._traces else record.getMessage()
        parts = [self.formatTime(record, self.datefmt), record.levelname.lower(), message]
        if record.name != _log.name:
            parts.append(f"logger={record.name}")
        parts += [f"{name}={_shown(value)}" for name, value in keys.items()]
        if suppressed := getattr(record, "suppressed", 0):
            parts.append(f"suppressed={suppressed}")
        line = " ".join(parts)
        if self._traces and record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


def _shown(value: object) -> str:
    text = str(value)
    return repr(text) if not text or any(character.isspace() or character == "=" for character in text) else text


class Pace(logging.Filter):
    """Lets few equal lines through in a while: equal by logger and by text before its arguments."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._passed: dict[tuple[str, str], tuple[float, int]] = {}  # since when, how many came since

    def filter(self, record: logging.LogRecord) -> bool:
        kind = (record.name, str(record.msg))
        now = self._clock()
        since, came = self._passed.get(kind, (now, 0))
        if now - since >= PASS_WINDOW_S:
            record.suppressed = max(came - PASS_MAX, 0)
            since, came = now, 0
        self._passed[kind] = (since, came + 1)
        return came < PASS_MAX


@contextmanager
def hushed(name: str) -> Generator[None]:
    """Keep a library quiet while it tries something whose failure we tell ourselves."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def configure(level: str) -> None:
    """Send all lines of this process to standard error, from this level on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines(traces=level == "debug"))
    handler.addFilter(Pace())
    logging.root.handlers[:] = [handler]
    logging.root.setLevel(logging.WARNING)
    _log.setLevel(level.upper())
    for name in _LOUD:
        logging.getLogger(name).setLevel(logging.WARNING if level != "debug" else logging.INFO)

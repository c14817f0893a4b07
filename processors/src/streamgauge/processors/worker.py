"""A worker as a process: check the topics, run the app until a signal or a fault, flush, leave.

`run_worker` blocks and returns the exit code: 0 after SIGTERM or SIGINT, 1 when it could not start or must not go on.
Then one line on standard error says why and what to do; there is no traceback. A worker that cannot be stopped within
`STOP_WITHIN_S` is ended all the same: what it had not flushed is worked again by the next one.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import sys
from typing import Any, Final

from aiokafka.errors import KafkaConnectionError

from streamgauge.processors.app import WorkerApp, create_app
from streamgauge.processors.engine import logbook
from streamgauge.processors.engine.admin import verify_topics
from streamgauge.processors.engine.errors import EngineError, RefusalError
from streamgauge.processors.engine.reach import unreachable
from streamgauge.processors.settings import Settings, SettingsError

__all__ = ["run_worker"]

STOP_WITHIN_S: Final = 30.0
FINDINGS_SHOWN: Final = 3
COLLECT_AFTER: Final = 20_000  # containers; Python's own default is 700


def run_worker(settings: Settings) -> int:
    """Run a worker until it is told to stop; the exit code."""
    logbook.configure(settings.log_level)
    try:
        asyncio.run(_run(settings))
    except (EngineError, SettingsError) as error:
        return _say(str(error))
    except KafkaConnectionError:
        return _say(str(unreachable(settings)))
    except Exception as error:  # noqa: BLE001 - the last line of defence: one line, no traceback
        return _say(f"stopped by {logbook.where(error)}: log_level='debug' shows more")
    return 0


def _say(line: str) -> int:
    sys.stderr.write(f"streamgauge worker: {line}\n")
    sys.stderr.flush()
    return 1


async def _run(settings: Settings) -> None:
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    if not await _topics_are_right(settings, told):
        return
    app = create_app(settings)
    _leave_out_of_collection()
    starting = asyncio.ensure_future(app.start())
    try:
        await _until_it_ends(app, starting, told)
    finally:
        await _stop(app, starting)
    fault = app.engine.fault or app.crash_reason
    if fault is not None and not isinstance(fault, asyncio.CancelledError):
        raise fault
    if fault is not None:
        raise RefusalError("a step for the group was cancelled, and its state with it; start the worker again")


def _leave_out_of_collection() -> None:
    """Modules, vocabularies and prices live as long as the process: the garbage collector need not look at them again
    and again. Parsing makes many containers that die at once, so it may also look less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)


async def _topics_are_right(settings: Settings, told: asyncio.Event) -> bool:
    """Look at the topics; false if we were told to stop meanwhile."""
    checking = asyncio.ensure_future(_check_topics(settings))
    telling = asyncio.ensure_future(told.wait())
    await asyncio.wait([checking, telling], return_when=asyncio.FIRST_COMPLETED)
    telling.cancel()
    if not checking.done():
        checking.cancel()
        return False
    checking.result()
    return True


async def _check_topics(settings: Settings) -> None:
    findings = await verify_topics(settings)
    for finding in findings:
        if not finding.wrong:
            logbook.warning("topic", finding=finding)
    wrong = [str(finding) for finding in findings if finding.wrong]
    if wrong:
        more = f"; and {len(wrong) - FINDINGS_SHOWN} more" if len(wrong) > FINDINGS_SHOWN else ""
        raise RefusalError("; ".join(wrong[:FINDINGS_SHOWN]) + more)


async def _until_it_ends(app: WorkerApp, starting: asyncio.Future[None], told: asyncio.Event) -> None:
    """Until a signal, a fault of the engine, or a crash of Faust."""
    ends: list[asyncio.Future[Any]] = [
        asyncio.ensure_future(told.wait()),
        asyncio.ensure_future(app.engine.faulted.wait()),
        asyncio.ensure_future(app.wait_until_stopped()),
    ]
    try:
        await asyncio.wait([starting, *ends], return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            logbook.info("started", delivery="at_least_once")
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for end in ends:
            end.cancel()


async def _stop(app: WorkerApp, starting: asyncio.Future[None]) -> None:
    """Stop Faust, which releases the partitions. Its threads hang where the broker does; then the process just ends."""
    app.engine.leave()
    watchdog = asyncio.get_running_loop().call_later(STOP_WITHIN_S, _end_now)
    with contextlib.suppress(Exception, asyncio.CancelledError):
        await app.stop()
    if not starting.done():
        starting.cancel()
    with contextlib.suppress(Exception, asyncio.CancelledError):
        await starting
    watchdog.cancel()


def _end_now() -> None:
    logbook.error("stop_unfinished")
    os._exit(1)

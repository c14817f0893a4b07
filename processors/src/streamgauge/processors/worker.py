"""A worker as a process: check the topics, run the app until a signal or a fault, flush, leave.

`run_worker` blocks and returns the exit code: 0 after SIGTERM or SIGINT, 1 when it could not start or must not go on.
Then one line on standard error says why and what to do; there is no traceback.

Stopping is prompt. Once all is brought home, only goodbyes are left, and aiokafka's wait for a rebalance that is under
way: a worker that takes longer than `GOODBYE_WITHIN_S` for them goes without. One that cannot bring everything home
within `STOP_WITHIN_S` is ended all the same: what it had not flushed is worked again by the next one.
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
GOODBYE_WITHIN_S: Final = 5.0  # a rebalance of healthy workers takes a heartbeat, 3 s at most
FINDINGS_SHOWN: Final = 3
COLLECT_AFTER: Final = 20_000  # containers; Python's own default is 700


def run_worker(settings: Settings) -> int:
    """Run a worker until it is told to stop; the exit code."""
    logbook.configure(settings.log_level)
    try:
        asyncio.run(_run(settings))
    except Exception as error:  # noqa: BLE001 - the last line of defence: one line, no traceback
        return _say(error, settings)
    return 0


def _say(error: Exception, settings: Settings) -> int:
    """Why the worker has ended, in one line; the exit code."""
    match error:
        case EngineError() | SettingsError():
            line = str(error)
        case KafkaConnectionError():
            line = str(unreachable(settings))
        case _:
            line = f"stopped by {logbook.where(error)}: log_level='debug' shows more"
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
    failure: Exception | None = None
    try:
        await _until_it_ends(app, starting, told)
    except Exception as error:  # noqa: BLE001 - raised below, when all is brought home
        failure = error
    ended = await _stop(app, starting)
    failure = failure or _fault_of(app)
    if not ended:  # Faust's threads would keep the process
        _end_now(_say(failure, settings) if failure is not None else 0)
    if failure is not None:
        raise failure


def _fault_of(app: WorkerApp) -> Exception | None:
    fault = app.engine.fault or app.crash_reason
    if fault is None or isinstance(fault, Exception):
        return fault
    return RefusalError("a step for the group was cancelled, and its state with it; start the worker again")


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


async def _stop(app: WorkerApp, starting: asyncio.Future[None]) -> bool:
    """Stop Faust, which releases the partitions; whether it came to its end. Its threads hang where the broker does."""
    app.engine.leave()
    watchdog = asyncio.get_running_loop().call_later(STOP_WITHIN_S, _give_up)
    going = asyncio.ensure_future(_go(app, starting))
    released = asyncio.ensure_future(app.engine.released.wait())
    await asyncio.wait([going, released], return_when=asyncio.FIRST_COMPLETED)
    released.cancel()
    done, _ = await asyncio.wait([going], timeout=GOODBYE_WITHIN_S)
    watchdog.cancel()
    return bool(done)


async def _go(app: WorkerApp, starting: asyncio.Future[None]) -> None:
    with contextlib.suppress(Exception, asyncio.CancelledError):
        await app.stop()
    if not starting.done():
        starting.cancel()
    with contextlib.suppress(Exception, asyncio.CancelledError):
        await starting


def _give_up() -> None:
    logbook.error("stop_unfinished")
    _end_now(1)


def _end_now(code: int) -> None:
    sys.stdout.flush()
    os._exit(code)

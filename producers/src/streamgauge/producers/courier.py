"""The gauge's own thread: it empties the outbox and hands the frames to the sink.

One daemon thread with one event loop of its own, started at the first Open. It sleeps until it is woken or, while links
are open, until the next beat. It never spins: every retry waits, longer each time.

    outbox ──▶ lane of partition 0: [batch on its way] [packets] ──▶ sink
           ──▶ lane of partition 1: …

Rules:

* A lane has one batch on its way at a time and sends it again until it is acknowledged, refused for good, or given up
  at the end. So frames of a partition never overtake each other. Copies this may make are dropped by the reader (`n`).
* Nothing is taken from the outbox for a lane that has enough, nor before the sink is reached: it stays in the buffer,
  where segments grow larger meanwhile.
* The end has a deadline. What is unsent then is counted as failed.
* The thread imports nothing while it runs. An application may fork at any moment, and a module whose import is under
  way on a thread that the child does not have is locked there: the child's gauge would wait for it for ever.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import logging
import random
import sys
import threading
import time
from collections import deque
from collections.abc import Collection, Iterator
from typing import Any, Final

from streamgauge.producers.counters import Tally
from streamgauge.producers.daemon import DaemonExecutor
from streamgauge.producers.guard import Guard
from streamgauge.producers.outbox import Outbox, Packet
from streamgauge.producers.sink import Message, Rejected, Sink, Unavailable
from streamgauge.schemas.limits import KIB
from streamgauge.schemas.words import How

__all__ = ["Courier"]

BATCH_BYTES_MAX: Final = 900 * KIB  # below Kafka's own default for a message set, headers included
MESSAGE_FRAMING: Final = 96  # at most what a message costs beside its value
LANE_BYTES_ENOUGH: Final = 512 * KIB  # packets waiting behind the batch on its way
RETRY_FIRST_S: Final = 0.1
RETRY_LAST_S: Final = 5.0
SINK_STOP_S: Final = 1.0  # what letting go of connections may take beyond the deadline

log = logging.getLogger("streamgauge.producers")


class _Lane:
    """The packets of one partition, in order."""

    def __init__(self, partition: int) -> None:
        self.partition = partition
        self.packets: deque[Packet] = deque()
        self.bytes = 0
        self.given = 0  # packets so far
        self.settled = 0  # of them, acknowledged or given up
        self.task: asyncio.Task[None] | None = None

    def add(self, packet: Packet) -> None:
        self.packets.append(packet)
        self.bytes += len(packet.message.value)
        self.given += 1

    def batch(self) -> list[Packet]:
        """Take as much from the front as goes into one batch."""
        batch: list[Packet] = []
        room = BATCH_BYTES_MAX
        while self.packets and (not batch or len(self.packets[0].message.value) + MESSAGE_FRAMING <= room):
            batch.append(self.packets.popleft())
            room -= len(batch[-1].message.value) + MESSAGE_FRAMING
            self.bytes -= len(batch[-1].message.value)
        return batch


class _Flush:
    """Somebody waits for everything that is here now."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.marks: dict[int, int] | None = None  # by partition, the packets to be settled; null: not yet taken up


class Courier:
    """Carries frames from the outbox to the sink."""

    def __init__(self, outbox: Outbox, sink: Sink, *, guard: Guard, tally: Tally) -> None:
        self._outbox = outbox
        self._sink = sink
        self._guard = guard
        self._tally = tally
        self.flush_s = outbox.settings.flush_s
        self._beat_ns = outbox.settings.segment_ms * 1_000_000
        self._last_beat_ns = outbox.clock.now_ns()
        self._unstarted = deque([True])  # who gets this may start the thread
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._awake = asyncio.Event()
        self._flushes: deque[_Flush] = deque()
        self._flushing: list[_Flush] = []
        self._lanes: dict[int, _Lane] = {}
        self._reached = False
        self._ends_at: float | None = None  # on `time.monotonic`; null: not yet told to end
        self._ended = threading.Event()
        self._complete = True  # nothing was given up at the end
        outbox.wake = self.wake

    # On the host's threads.

    def start(self) -> None:
        """Start the thread, once."""
        if self._thread is None and self._ends_at is None:
            self._start()

    def _start(self) -> None:
        # No lock: who is interrupted while it holds one (Ctrl-C strikes anywhere) would stop everybody else.
        try:
            self._unstarted.pop()
        except IndexError:
            return  # another thread is at it
        try:
            thread = threading.Thread(target=self._run, name="streamgauge", daemon=True)
            thread.start()
            self._thread = thread
        except BaseException:
            self._unstarted.append(True)
            raise
        _at_the_end_of_the_process(self)

    def wake(self) -> None:
        """Let the thread look at once."""
        loop = self._loop
        # Set, it will be cleared before the outbox is looked into: what the host has put there by now is seen.
        if loop is not None and not self._awake.is_set():
            with contextlib.suppress(RuntimeError):  # the loop has been closed: the thread has ended
                loop.call_soon_threadsafe(self._awake.set)

    def flush(self, timeout: float) -> bool:
        """Wait until what is here now has arrived; false if the time was too short."""
        if self._thread is None or self._thread is threading.current_thread():
            return self._outbox.level == 0
        flush = _Flush()
        self._flushes.append(flush)
        self.wake()
        if not self._ended.is_set() and not flush.done.wait(timeout):
            flush.done.set()  # nobody waits for it any more
            return False
        return self._complete  # at the end of the thread, too, all flushes are done

    def end(self, timeout: float) -> bool:
        """Close what is open, send what is here, stop the thread. False if something had to be given up."""
        self._outbox.shut = True
        if self._ends_at is None:
            self._ends_at = time.monotonic() + timeout
        if self._thread is None or self._thread is threading.current_thread():
            return self._thread is None
        self.wake()
        return self._ended.wait(timeout + SINK_STOP_S) and self._complete

    def disown(self) -> object:
        """In a forked child: the thread and its loop are the parent's. Gives up the loop: keep it, untouched."""
        loop, self._thread, self._loop = self._loop, None, None
        return loop

    # On the gauge's thread.

    def _run(self) -> None:
        # Not the loop of the host's policy, and not `asyncio.run`: at its end that starts a thread, which an
        # interpreter that is ending refuses (since Python 3.12).
        loop = asyncio.SelectorEventLoop()
        try:
            loop.set_debug(
                False
            )  # the host's debug mode (`-X dev`) is about its own tasks, and costs a stack a wake-up
            loop.set_default_executor(DaemonExecutor())
            loop.set_exception_handler(self._stray)
            loop.run_until_complete(self._live())
            loop.run_until_complete(_cancelled(asyncio.all_tasks(loop)))
        except Exception as error:  # noqa: BLE001 - there is nobody above
            self._guard.caught(error, "courier", raises=False)
        finally:
            loop.close()
            self._loop = None
            self._outbox.shut = True
            self._ended.set()
            for flush in [*self._flushes, *self._flushing]:
                flush.done.set()

    def _stray(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Something in the sink's own tasks failed and nobody asked for it; asyncio would log it, content and all."""
        error = context.get("exception")
        if isinstance(error, Exception):
            self._guard.caught(error, "sink", raises=False)

    async def _live(self) -> None:
        self._loop = asyncio.get_running_loop()
        reaching = asyncio.create_task(self._reach())
        while True:
            ends_at = self._ends_at  # read before the turn: what came before the end is then taken in by it
            wait_s = self._turn()
            if ends_at is not None:
                left_s = ends_at - time.monotonic()
                if left_s <= 0 or (wait_s != 0 and not self._end_links() and self._finished()):
                    break
                wait_s = left_s if wait_s is None else min(wait_s, left_s)
            await self._sleep(wait_s)
        while not self._outbox.collect():  # where the time is over, so that what is lost is counted
            pass
        self._end_links()
        await self._leave(reaching)

    def _end_links(self) -> bool:
        """Close what is still open, once all that came before the end is taken in: a Close may be among it."""
        if not self._outbox.end_links(How.SHUTDOWN):
            return False
        self._awake.set()  # their Closes are due at once
        return True

    async def _sleep(self, wait_s: float | None) -> None:
        if wait_s == 0:
            await asyncio.sleep(0)  # let the network, and the host, have their turn
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._awake.wait()

    def _turn(self) -> float | None:
        """Move what is due one step on; say how long nothing will be: null for until woken."""
        self._awake.clear()
        try:
            return self._step()
        except Exception as error:  # noqa: BLE001 - what failed is out of the way; the rest goes on
            self._guard.caught(error, "turn", raises=False)
            return RETRY_FIRST_S
        finally:
            for level, line in self._guard.news():
                log.log(level, "streamgauge %s", line)

    def _step(self) -> float | None:
        self._flushing = [flush for flush in self._flushing if not flush.done.is_set()]
        self._flushing += [self._flushes.popleft() for _ in range(len(self._flushes))]
        all_in = self._outbox.collect()
        now_ns = self._outbox.clock.now_ns()
        beat = self._is_beat(now_ns) or self._ends_at is not None or any(f.marks is None for f in self._flushing)
        if self._reached:
            kept_back = self._load(now_ns, beat=beat)
            if all_in and not kept_back and beat:
                self._mark_flushes()
        if not all_in:
            return 0
        return max(0.001, (self._last_beat_ns + self._beat_ns - now_ns) / 1e9) if not self._outbox.empty else None

    def _is_beat(self, now_ns: int) -> bool:
        if now_ns - self._last_beat_ns < self._beat_ns:
            return False
        self._last_beat_ns = now_ns
        return True

    def _load(self, now_ns: int, *, beat: bool) -> bool:
        """Give every lane what is due for it; true if some lane had enough and something stayed behind."""
        full: set[int] = set()

        def clear(partition: int) -> bool:
            lane = self._lanes.get(partition)
            if lane is None or lane.bytes < LANE_BYTES_ENOUGH:
                return True
            full.add(partition)
            return False

        for packet in self._outbox.due(now_ns, beat=beat, partition=self._sink.partition, clear=clear):
            lane = self._lanes.setdefault(packet.partition, _Lane(packet.partition))
            lane.add(packet)
            if lane.task is None:
                lane.task = asyncio.create_task(self._carry(lane))
        return bool(full)

    async def _reach(self) -> None:
        for delay_s in _delays():
            try:
                await self._sink.start()
            except Unavailable as error:
                self._tally.add("connects_failed")
                log.log(_level(delay_s), "streamgauge cannot reach its sink yet, chunks wait in memory: %s", error)
            except Exception as error:  # noqa: BLE001 - a sink may be anybody's
                self._tally.add("connects_failed")
                self._guard.caught(error, "sink", raises=False)
            else:
                self._reached = True
                self._awake.set()
                return
            await asyncio.sleep(delay_s)

    async def _carry(self, lane: _Lane) -> None:
        """Send what a lane holds, batch after batch."""
        while lane.packets:
            batch = lane.batch()
            await self._deliver(lane.partition, [packet.message for packet in batch])
            self._outbox.release(sum(packet.cost for packet in batch))
            lane.settled += len(batch)
            self._settle_flushes()
        lane.task = None
        self._awake.set()  # something may have stayed behind for this lane

    async def _deliver(self, partition: int, messages: list[Message]) -> None:
        """Send a batch until it is taken or refused for good."""
        for delay_s in _delays():
            try:
                await self._sink.send(partition, messages)
            except Rejected as error:
                self._tally.add("frames_failed", len(messages))
                log.error("streamgauge lost %d frames, refused: %s", len(messages), error)  # noqa: TRY400 - all it says
                return
            except Unavailable as error:
                self._tally.add("sends_retried")
                log.log(_level(delay_s), "streamgauge cannot send yet, chunks wait in memory: %s", error)
            except Exception as error:  # noqa: BLE001 - a sink may be anybody's
                self._tally.add("sends_retried")
                self._guard.caught(error, "sink", raises=False)
            else:
                self._tally.add("frames_sent", len(messages))
                self._tally.add("bytes_sent", sum(len(message.value) for message in messages))
                return
            await asyncio.sleep(delay_s)

    def _mark_flushes(self) -> None:
        for flush in self._flushing:
            if flush.marks is None:
                flush.marks = {lane.partition: lane.given for lane in self._lanes.values()}
        self._settle_flushes()

    def _settle_flushes(self) -> None:
        for flush in list(self._flushing):
            if flush.marks is not None and all(self._lanes[p].settled >= given for p, given in flush.marks.items()):
                self._flushing.remove(flush)
                flush.done.set()

    def _finished(self) -> bool:
        return self._outbox.empty and all(lane.settled == lane.given for lane in self._lanes.values())

    async def _leave(self, reaching: asyncio.Task[None]) -> None:
        """Give up what could not be sent, and let go of the sink."""
        lost = sum(lane.given - lane.settled for lane in self._lanes.values())
        lost += sum(1 for _ in self._outbox.due(self._outbox.clock.now_ns(), beat=True, partition=_any, clear=_always))
        if lost:
            self._complete = False
            self._tally.add("frames_failed", lost)
            log.error("streamgauge lost %d frames: they could not be sent before the end", lost)
        tasks = [reaching, *(lane.task for lane in self._lanes.values() if lane.task is not None)]
        await _cancelled(tasks)
        try:
            async with asyncio.timeout(SINK_STOP_S):
                await self._sink.stop()
        except Exception as error:  # noqa: BLE001 - it is over anyway
            log.debug("streamgauge's sink did not stop in time: %r", error)


async def _cancelled(tasks: Collection[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=SINK_STOP_S)


def _delays() -> Iterator[float]:
    """How long to wait after each failure: longer each time, and never in step with other processes."""
    delay_s = RETRY_FIRST_S
    while True:
        yield delay_s * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        delay_s = min(2 * delay_s, RETRY_LAST_S)


def _level(delay_s: float) -> int:
    """The first failure of a row is news, the others are not."""
    return logging.WARNING if delay_s <= RETRY_FIRST_S else logging.DEBUG


def _any(key: bytes) -> int:  # noqa: ARG001 - the signature is the sink's
    return 0


def _always(partition: int) -> bool:  # noqa: ARG001 - the signature is the lanes'
    return True


def _at_the_end_of_the_process(courier: Courier) -> None:
    """Send what is here before the process goes."""
    atexit.register(courier.end, courier.flush_s)
    # Children of multiprocessing leave by `os._exit`, past `atexit`, but run these.
    util: Any = sys.modules.get("multiprocessing.util")
    if util is not None:
        util.Finalize(None, courier.end, args=(courier.flush_s,), exitpriority=0)

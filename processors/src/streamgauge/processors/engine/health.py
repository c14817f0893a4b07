"""Whether the worker gets on: progress by partition, and a watch that notices when there is none.

A blocked loop is not evicted from its group and a hung worker looks healthy to Kafka, so liveness is progress: what
counts is that positions move while there is something to read, and that low waters follow. A low water may rest for as
long as a stream may run; a position may not.

The worker writes this to `status_file`, if set, every few seconds, whole or not at all::

    {"worker": "host-7-4711", "stalled": [], "partitions": [{"partition": 0, "position": 120, "low_water": 118, ...}]}

A probe fails when the file is old or `stalled` is not empty.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from streamgauge.processors.engine.ports import Log
from streamgauge.processors.engine.worked_partition import WorkedPartition

__all__ = ["POSITION_STALLED_S", "Progress", "Status", "Watch", "progress_of", "save"]

POSITION_STALLED_S: Final = 60.0


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """Where a partition stands."""

    partition: int
    position: int  # the first offset not yet worked
    low_water: int  # the first offset a restart would read; what lag tools see
    end: int | None  # of the log, as the last fetch knew it
    lag: int | None  # records not yet worked
    resumed: bool  # all that was worked before the last restart has been read again
    counters: dict[str, int]


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The whole worker."""

    worker: str
    stalled: list[str]
    partitions: list[Progress]


def progress_of(partitions: Iterable[WorkedPartition], log: Log) -> list[Progress]:
    """The progress of these partitions, in order of their numbers."""
    return [_progress(worked, log.end(worked.partition)) for worked in sorted(partitions, key=lambda it: it.partition)]


def _progress(worked: WorkedPartition, end: int | None) -> Progress:
    return Progress(
        partition=worked.partition,
        position=worked.position,
        low_water=worked.low_water,
        end=end,
        lag=max(end - worked.position, 0) if end is not None else None,
        resumed=worked.resumed,
        counters=worked.counters.as_dict(),
    )


class Watch:
    """Remembers when positions and low waters moved last."""

    def __init__(self, *, low_water_rests_s: float, position_rests_s: float = POSITION_STALLED_S) -> None:
        self._position_rests_s = position_rests_s
        self._low_water_rests_s = low_water_rests_s + position_rests_s
        self._positions: dict[int, tuple[int, float]] = {}
        self._low_waters: dict[int, tuple[int, float]] = {}

    def look(self, partitions: Iterable[Progress], *, now_s: float) -> list[str]:
        """Which partitions have stalled: lag, and nothing moves."""
        stalled: list[str] = []
        for progress in partitions:
            number, lags = progress.partition, bool(progress.lag)
            position_s = _rested(self._positions, number, progress.position, lags=lags, now_s=now_s)
            low_water_s = _rested(self._low_waters, number, progress.low_water, lags=lags, now_s=now_s)
            if position_s > self._position_rests_s:
                stalled.append(f"partition {number}: position {progress.position} rests for {position_s:.0f} s")
            elif low_water_s > self._low_water_rests_s:
                stalled.append(f"partition {number}: low water {progress.low_water} rests for {low_water_s:.0f} s")
        return stalled


def _rested(seen: dict[int, tuple[int, float]], partition: int, value: int, *, lags: bool, now_s: float) -> float:
    """For how long this value has not moved although there was lag."""
    before, since_s = seen.get(partition, (value, now_s))
    if before != value or not lags:
        since_s = now_s
    seen[partition] = (value, since_s)
    return now_s - since_s


def save(status: Status, file: Path) -> None:
    """Write the status so that a reader sees the old one or the new one, never half of one. Raises `OSError`."""
    if file.exists() and not file.is_file():  # what takes its place would end a device or a pipe for everybody
        raise OSError(errno.EINVAL, "it is no regular file")
    part = file.with_name(file.name + ".part")
    part.write_bytes(msgspec.json.encode(status))
    part.replace(file)

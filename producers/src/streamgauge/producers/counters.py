"""Everything the shim counts, in one list. What was lost is never only logged.

Host threads and the gauge's thread add to one `Tally`; `Gauge.counters` is a snapshot of it. It has no lock: a thread
interrupted while it holds one (Ctrl-C strikes anywhere) would stop everybody else. CPython switches no thread between
the reading and the writing of an addition to a dict, so nothing is lost; without its GIL a count could be.
"""

from __future__ import annotations

from typing import Literal, get_args

import msgspec

__all__ = ["Count", "Counters", "Tally"]

Count = Literal[
    "links",
    "links_dropped",
    "chunks",
    "chunks_dropped",
    "chunks_unusable",
    "requests_dropped",
    "values_unusable",
    "tags_dropped",
    "notes_dropped",
    "frames_sent",
    "bytes_sent",
    "frames_failed",
    "sends_retried",
    "connects_failed",
    "internal_errors",
]


class Counters(msgspec.Struct, frozen=True):
    """What happened since the gauge was made."""

    links: int = 0  # connections whose Open was taken
    links_dropped: int = 0  # connections never published: no room for their Open, or the gauge was closed
    chunks: int = 0  # chunks that came, the dropped ones included
    chunks_dropped: int = 0  # of them, in no frame: no room, an error of ours, after the end, of a link never published
    chunks_unusable: int = 0  # of those, given to a manual stream and nothing JSON can hold, or larger than a frame
    requests_dropped: int = 0  # requests named by size alone, or size and hash: too large, no room, not parseable
    values_unusable: int = 0  # what the application said of a stream and cannot be used: left out, the stream goes on
    tags_dropped: int = 0  # beyond 64 pairs or 8 KiB
    notes_dropped: int = 0  # no room, too large, or of a stream that was never published
    frames_sent: int = 0  # acknowledged by Kafka
    bytes_sent: int = 0  # of them, before compression
    frames_failed: int = 0  # given up: refused by Kafka, or still unsent at the deadline of the last flush
    sends_retried: int = 0  # batches sent again after an error
    connects_failed: int = 0  # attempts to reach Kafka that did not
    internal_errors: int = 0  # exceptions of ours, swallowed


assert set(get_args(Count)) == set(Counters.__struct_fields__)  # noqa: S101 - one list, written twice for the checkers


class Tally:
    """Adds up."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = dict.fromkeys(Counters.__struct_fields__, 0)

    def add(self, name: Count, amount: int = 1) -> None:
        """Count."""
        self._counts[name] += amount

    def snapshot(self) -> Counters:
        """What was counted so far."""
        return Counters(**self._counts)

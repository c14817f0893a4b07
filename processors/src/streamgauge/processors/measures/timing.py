"""Timing: gaps between chunks, and the figures made of them.

A provider gap runs from max(previous `got`, `asked`) to `got`: the time the consumer let pass before it asked is not
the provider's. A gap after a consumer wait above 5 ms is *masked*: the provider may have delivered meanwhile, so it
tells nothing and is left out of the percentiles, but counted (contract, "Facts").

Percentiles are by nearest rank: p95 is the smallest gap that at least 95 % of the gaps do not exceed, so it is always
a gap that happened. Up to 512 gaps they are exact. Beyond, the gaps are counted in the fixed buckets of a histogram: up
to 63 µs one bucket a value, above it 32 equal buckets in every octave, so that a bucket's middle is at most 1/64
(1.6 %) away from any gap in it. The maximum and the stalls stay exact. All of it is integer arithmetic on counts: the
figures do not depend on the order in which the gaps were added, nor on the machine.

A figure that is not known is null, and none is ever negative: a negative time is two clocks contradicting each other.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Final, NamedTuple, Protocol

import msgspec

from streamgauge.schemas.limits import GAPS_EXACT_MAX

__all__ = ["STALL_US", "GapFigures", "Gaps", "Moments", "Timing", "figures"]

# From here on a gap is a stall. The HTML standard lets a media element fire `stalled` after a stall timeout of "about
# three seconds" without data: the time after which a person watching notices that nothing comes.
STALL_US: Final = 3_000_000

_SUB_BITS: Final = 5  # 2^5 buckets an octave


class GapFigures(NamedTuple):
    """What the gaps of a stream come to; percentiles and maximum are null where no gap was counted."""

    p50_us: int | None
    p95_us: int | None
    p99_us: int | None
    max_us: int | None
    masked: int
    stalls: int


class Gaps:
    """The provider gaps of one stream.

    `add` runs once a chunk, so it only appends: the gaps stand in a list, and go into the histogram 513 at a time.
    """

    __slots__ = ("_append", "_counts", "_max_us", "_pending", "_stalls", "masked")

    def __init__(self) -> None:
        self._pending: list[int] = []
        self._append = self._pending.append
        self._counts: dict[tuple[int, int], int] = {}  # (shift, mantissa) -> gaps
        self._max_us = 0
        self._stalls = 0
        self.masked = 0

    def add(self, gap_us: int) -> None:
        """Count a gap. A negative one contradicts its clock, so it tells as little as a masked one."""
        if gap_us < 0:
            self.masked += 1
            return
        self._append(gap_us)
        if len(self._pending) > GAPS_EXACT_MAX:
            self._fold()

    def mask(self) -> None:
        """Count a gap that tells nothing."""
        self.masked += 1

    def figures(self) -> GapFigures:
        """The figures so far; more gaps may follow."""
        if self._counts:
            self._fold()
            return self._from_histogram()
        return self._exactly()

    def _exactly(self) -> GapFigures:
        gaps = sorted(self._pending)
        if not gaps:
            return GapFigures(None, None, None, None, self.masked, 0)
        count = len(gaps)
        p50, p95, p99 = (gaps[_rank(percent, count) - 1] for percent in (50, 95, 99))
        stalls = count - bisect_left(gaps, STALL_US)
        return GapFigures(p50, p95, p99, gaps[-1], self.masked, stalls)

    def _from_histogram(self) -> GapFigures:
        buckets = sorted(self._counts)  # shift first, then mantissa: in order of their gaps
        count = sum(self._counts.values())
        p50, p95, p99 = (self._at(_rank(percent, count), buckets) for percent in (50, 95, 99))
        return GapFigures(p50, p95, p99, self._max_us, self.masked, self._stalls)

    def _at(self, rank: int, buckets: list[tuple[int, int]]) -> int:
        """The middle of the bucket that holds the gap of this rank, never beyond the longest gap."""
        for bucket in buckets:
            rank -= self._counts[bucket]
            if rank <= 0:
                shift, mantissa = bucket
                return min((mantissa << shift) + (1 << shift >> 1), self._max_us)
        return self._max_us

    def _fold(self) -> None:
        counts = self._counts
        for gap in self._pending:
            shift = max(gap.bit_length() - _SUB_BITS - 1, 0)
            bucket = (shift, gap >> shift)
            counts[bucket] = counts.get(bucket, 0) + 1
            self._stalls += gap >= STALL_US
        self._max_us = max(self._max_us, *self._pending, 0)
        self._pending.clear()


class Moments(Protocol):
    """When things were first and last seen, in µs since the stream's first Open; null where not seen."""

    headers_us: int | None
    first_byte_us: int | None
    first_event_us: int | None
    first_output_us: int | None
    first_text_us: int | None
    first_reasoning_us: int | None
    first_tool_us: int | None
    last_output_us: int | None
    ended_us: int | None


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """The measured part of a record's timing group, under the record's names."""

    headers_us: int | None = None
    first_byte_us: int | None = None
    first_event_us: int | None = None
    ttft_us: int | None = None
    first_text_us: int | None = None
    first_reasoning_us: int | None = None
    first_tool_us: int | None = None
    last_token_us: int | None = None
    ended_us: int | None = None
    gap_p50_us: int | None = None
    gap_p95_us: int | None = None
    gap_p99_us: int | None = None
    gap_max_us: int | None = None
    masked_gaps: int | None = None
    stalls: int | None = None
    consumer_wait_us: int | None = None
    tokens_per_s: float | None = None
    tokens_per_s_after_first: float | None = None


def figures(
    moments: Moments,
    gaps: Gaps,
    *,
    chunks: int,
    consumer_wait_us: int | None,
    output: int | None,
    reasoning: int | None,
) -> Timing:
    """The timing of a stream that brought `chunks` chunks and `output` tokens, `reasoning` of them."""
    spread = gaps.figures()
    ttft_us = _elapsed(moments.first_output_us)
    last_us = _elapsed(moments.last_output_us)
    reasoning_us = _elapsed(moments.first_reasoning_us)
    hidden = (reasoning or 0) if reasoning_us is None else 0
    return Timing(
        headers_us=_elapsed(moments.headers_us),
        first_byte_us=_elapsed(moments.first_byte_us),
        first_event_us=_elapsed(moments.first_event_us),
        ttft_us=ttft_us,
        first_text_us=_elapsed(moments.first_text_us),
        first_reasoning_us=reasoning_us,
        first_tool_us=_elapsed(moments.first_tool_us),
        last_token_us=last_us,
        ended_us=_elapsed(moments.ended_us),
        gap_p50_us=spread.p50_us,
        gap_p95_us=spread.p95_us,
        gap_p99_us=spread.p99_us,
        gap_max_us=spread.max_us,
        masked_gaps=spread.masked if chunks else None,
        stalls=spread.stalls if chunks else None,
        consumer_wait_us=_elapsed(consumer_wait_us),
        tokens_per_s=_rate(output, last_us),
        tokens_per_s_after_first=_rate_after_first(output, hidden=hidden, ttft_us=ttft_us, last_us=last_us),
    )


def _rate(output: int | None, last_us: int | None) -> float | None:
    """All output tokens over the time from the request to the last of them: the speed a caller waits at."""
    if not output or not last_us:
        return None
    return round(output * 1e6 / last_us, 3)


def _rate_after_first(output: int | None, *, hidden: int, ttft_us: int | None, last_us: int | None) -> float | None:
    """The tokens after the first over the time after the first: the speed of decoding.

    Reasoning of which nothing was streamed was generated before the first token that was, so it is left out.
    """
    if output is None or ttft_us is None or last_us is None:
        return None
    after_first = output - hidden - 1
    span_us = last_us - ttft_us
    return round(after_first * 1e6 / span_us, 3) if after_first > 0 and span_us > 0 else None


def _rank(percent: int, count: int) -> int:
    return -(-percent * count // 100)


def _elapsed(us: int | None) -> int | None:
    return us if us is not None and us >= 0 else None

"""Gaps and rates: exact while they are few, within 2 % when they are many, null where nothing is known."""

from __future__ import annotations

import math
import random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.processors.measures.timing import STALL_US, Gaps, Timing, figures
from streamgauge.schemas.limits import GAPS_EXACT_MAX
from streamgauge.schemas.records import Record


def spread(seed: int, count: int, bits: int) -> list[int]:
    """Gaps of every magnitude up to `bits` bits: drawing them one by one would be slow."""
    draw = random.Random(seed)
    return [draw.getrandbits(draw.randint(0, bits)) for _ in range(count)]


FEW = st.lists(st.integers(0, 10**10), min_size=1, max_size=40)
MANY = st.builds(spread, st.integers(0, 2**32), st.integers(GAPS_EXACT_MAX + 1, 1500), st.integers(1, 40))
GAPS = FEW | MANY


class Moments(msgspec.Struct, kw_only=True):
    """Marks as reassembly leaves them."""

    headers_us: int | None = None
    first_byte_us: int | None = None
    first_event_us: int | None = None
    first_output_us: int | None = None
    first_text_us: int | None = None
    first_reasoning_us: int | None = None
    first_tool_us: int | None = None
    last_output_us: int | None = None
    ended_us: int | None = None


def gaps_of(values: list[int]) -> Gaps:
    gaps = Gaps()
    for value in values:
        gaps.add(value)
    return gaps


def nearest_rank(values: list[int], percent: int) -> int:
    return sorted(values)[math.ceil(percent * len(values) / 100) - 1]


def timing(moments: Moments, **known: Any) -> Timing:
    given: dict[str, Any] = {"chunks": 2, "consumer_wait_us": None, "output": None, "reasoning": None}
    return figures(moments, Gaps(), **(given | known))


def test_percentiles_are_gaps_that_happened() -> None:
    found = gaps_of([10, 20, 30, 40]).figures()
    assert (found.p50_us, found.p95_us, found.p99_us, found.max_us) == (20, 40, 40, 40)


def test_512_gaps_are_still_exact() -> None:
    values = [random.Random(7).randrange(10**7) for _ in range(GAPS_EXACT_MAX)]
    found = gaps_of(values).figures()
    assert [found.p50_us, found.p95_us, found.p99_us] == [nearest_rank(values, p) for p in (50, 95, 99)]


@given(MANY)
def test_more_gaps_stay_within_two_percent_of_the_exact_percentiles(values: list[int]) -> None:
    found = gaps_of(values).figures()
    for percent, got in ((50, found.p50_us), (95, found.p95_us), (99, found.p99_us)):
        exact = nearest_rank(values, percent)
        assert got is not None
        assert abs(got - exact) <= 0.02 * exact
    assert found.max_us == max(values)


@given(GAPS, st.randoms(use_true_random=False))
def test_the_order_of_the_gaps_never_shows(values: list[int], shuffled: random.Random) -> None:
    other = list(values)
    shuffled.shuffle(other)
    assert gaps_of(values).figures() == gaps_of(other).figures()


@given(MANY, st.integers(0, 1200))
def test_looking_at_the_figures_changes_nothing(values: list[int], at: int) -> None:
    looked_at = Gaps()
    for index, value in enumerate(values):
        looked_at.add(value)
        if index == at:
            looked_at.figures()
    assert looked_at.figures() == gaps_of(values).figures()


@given(GAPS)
def test_percentiles_never_fall_and_never_pass_the_maximum(values: list[int]) -> None:
    found = gaps_of(values).figures()
    assert None not in found
    assert 0 <= found.p50_us <= found.p95_us <= found.p99_us <= found.max_us  # type: ignore[operator]


@pytest.mark.parametrize("count", [3, 2 * GAPS_EXACT_MAX])
def test_stalls_are_the_gaps_of_three_seconds_and_more(count: int) -> None:
    found = gaps_of([STALL_US - 1] * count + [STALL_US] * count).figures()
    assert found.stalls == count


def test_no_gap_has_no_percentile_but_masked_gaps_count() -> None:
    gaps = Gaps()
    gaps.mask()
    assert gaps.figures() == (None, None, None, None, 1, 0)


def test_a_negative_gap_tells_nothing() -> None:
    found = gaps_of([-5, 7]).figures()
    assert (found.p50_us, found.max_us, found.masked) == (7, 7, 1)


def test_a_gap_of_zero_is_a_gap() -> None:
    assert gaps_of([0]).figures().p50_us == 0


def test_rates_count_from_the_request_and_from_the_first_token() -> None:
    found = timing(Moments(first_output_us=1_000_000, last_output_us=3_000_000), output=101)
    assert found.ttft_us == 1_000_000
    assert found.last_token_us == 3_000_000
    assert found.tokens_per_s == round(101 / 3, 3)
    assert found.tokens_per_s_after_first == 50.0


def test_reasoning_nobody_saw_came_before_the_first_token() -> None:
    moments = Moments(first_output_us=1_000_000, last_output_us=2_000_000)
    assert timing(moments, output=1101, reasoning=1000).tokens_per_s_after_first == 100.0
    moments.first_reasoning_us = 1_000_000
    assert timing(moments, output=1101, reasoning=1000).tokens_per_s_after_first == 1100.0


@pytest.mark.parametrize("output", [None, 0, 1])
def test_no_rate_after_the_first_token_without_a_second(output: int | None) -> None:
    moments = Moments(first_output_us=10, last_output_us=20)
    assert timing(moments, output=output).tokens_per_s_after_first is None


def test_output_in_one_piece_has_no_rate_after_its_first_token() -> None:
    found = timing(Moments(first_output_us=500_000, last_output_us=500_000), output=100)
    assert found.tokens_per_s == 200.0
    assert found.tokens_per_s_after_first is None


def test_times_that_contradict_the_clock_are_null() -> None:
    found = timing(Moments(headers_us=-1, first_output_us=-5, last_output_us=10), consumer_wait_us=-3, output=9)
    assert (found.headers_us, found.ttft_us, found.consumer_wait_us) == (None, None, None)
    assert found.tokens_per_s_after_first is None


def test_what_came_at_once_took_no_time_and_is_known() -> None:
    found = timing(Moments(headers_us=0, first_byte_us=0))
    assert (found.headers_us, found.first_byte_us, found.first_event_us) == (0, 0, None)


def test_a_stream_without_chunks_has_no_gap_counts() -> None:
    found = timing(Moments(), chunks=0)
    assert (found.masked_gaps, found.stalls) == (None, None)


@given(
    st.builds(
        Moments,
        first_output_us=st.none() | st.integers(-(10**9), 10**12),
        last_output_us=st.none() | st.integers(-(10**9), 10**12),
        first_reasoning_us=st.none() | st.integers(-10, 10**6),
    ),
    st.none() | st.integers(0, 10**7),
    st.none() | st.integers(0, 10**7),
)
def test_no_figure_is_ever_negative(moments: Moments, output: int | None, reasoning: int | None) -> None:
    found = timing(moments, output=output, reasoning=reasoning)
    assert all(value is None or value >= 0 for value in msgspec.structs.astuple(found))


def test_the_figures_carry_the_record_s_names() -> None:
    assert set(Timing.__struct_fields__) <= set(Record.__struct_fields__)

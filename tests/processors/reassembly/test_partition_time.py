"""The log's own clock."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streamgauge.processors.reassembly.partition_time import START, PartitionTime


def test_the_first_record_moves_nothing() -> None:
    assert START.after(1_000, step_max_us=10) == PartitionTime(0, 1_000)


def test_steps_add_up() -> None:
    time = START.after(1_000, step_max_us=10).after(1_004, step_max_us=10).after(1_009, step_max_us=10)
    assert time == PartitionTime(9, 1_009)


def test_a_step_back_counts_as_none_and_the_next_is_measured_from_there() -> None:
    time = START.after(1_000, step_max_us=10).after(990, step_max_us=10)
    assert time.now_us == 0
    assert time.after(995, step_max_us=10).now_us == 5


def test_a_long_step_is_capped() -> None:
    assert START.after(0, step_max_us=10).after(10_000_000, step_max_us=10).now_us == 10


@given(st.lists(st.integers(-(2**50), 2**50)), st.integers(0, 100))
def test_the_time_never_goes_back_and_never_jumps(append_times: list[int], step_max_us: int) -> None:
    time = START
    for append_us in append_times:
        before, time = time, time.after(append_us, step_max_us=step_max_us)
        assert 0 <= time.now_us - before.now_us <= step_max_us

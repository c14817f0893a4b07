"""The order of one link's frames."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streamgauge.processors.reassembly.order import Order
from streamgauge.schemas.limits import LINK_SEGMENTS_REMEMBERED


def offer(order: Order[int], n: int, *, checksum: int = 7, now_us: int = 0) -> list[int]:
    """Offer a frame; the numbers of the frames that can be read now."""
    if not order.take(n, checksum):
        order.set_aside(n, checksum, n, now_us=now_us)
        return []
    return [n, *order.ready()]


def test_frames_in_order_are_read_at_once() -> None:
    order: Order[int] = Order()
    assert [offer(order, n) for n in range(3)] == [[0], [1], [2]]
    assert (order.hole_since_us, order.reordered, order.duplicates) == (None, 0, 0)


def test_an_early_frame_waits_for_the_hole_before_it() -> None:
    order: Order[int] = Order()
    assert offer(order, 1, now_us=5) == []
    assert offer(order, 2, now_us=6) == []
    assert order.hole_since_us == 5
    assert offer(order, 0, now_us=9) == [0, 1, 2]
    assert order.hole_since_us is None


def test_a_second_hole_has_its_own_age() -> None:
    order: Order[int] = Order()
    offer(order, 1, now_us=5)
    offer(order, 3, now_us=6)
    offer(order, 5, now_us=9)
    assert order.hole_since_us == 5
    offer(order, 0)
    assert order.hole_since_us == 6
    assert offer(order, 2) == [2, 3]
    assert order.hole_since_us == 9, "the hole before 5 began when 5 came"


def test_a_frame_that_came_first_and_stands_last_dates_all_holes_before_it() -> None:
    order: Order[int] = Order()
    offer(order, 5, now_us=1)
    offer(order, 3, now_us=2)
    order.pass_hole()
    assert order.ready() == [3]
    assert order.hole_since_us == 1
    order.pass_hole()
    assert order.ready() == [5]
    assert order.hole_since_us is None
    assert order.holes == 2


def test_many_holes_cost_no_more_than_many_frames() -> None:
    order: Order[int] = Order()
    count = 100_000
    for n in range(1, count, 2):
        offer(order, n, now_us=n)
    while order.hole_since_us is not None:
        order.pass_hole()
        order.ready()
    for n in range(0, count, 2):
        offer(order, n)
    assert (order.holes, order.late, order.seen_through) == (count // 2, count // 2, 0)


def test_copies_are_counted_whether_read_or_waiting() -> None:
    order: Order[int] = Order()
    offer(order, 0)
    offer(order, 2)
    assert offer(order, 0) == offer(order, 2) == []
    assert (order.duplicates, order.conflicts) == (2, 0)


def test_an_unequal_copy_is_a_conflict_and_the_first_wins() -> None:
    order: Order[int] = Order()
    offer(order, 0, checksum=1)
    offer(order, 2, checksum=1)
    offer(order, 0, checksum=2)
    offer(order, 2, checksum=2)
    assert (order.duplicates, order.conflicts) == (0, 2)


def test_copies_older_than_the_memory_count_as_equal() -> None:
    order: Order[int] = Order()
    for n in range(3 * LINK_SEGMENTS_REMEMBERED):
        offer(order, n, checksum=n)
    offer(order, 0, checksum=99)
    offer(order, 3 * LINK_SEGMENTS_REMEMBERED - LINK_SEGMENTS_REMEMBERED, checksum=99)
    assert (order.duplicates, order.conflicts) == (1, 1)


def test_a_passed_hole_lets_what_is_beyond_it_be_read() -> None:
    order: Order[int] = Order()
    offer(order, 0)
    offer(order, 3)
    offer(order, 5, now_us=8)
    order.pass_hole()
    assert order.ready() == [3]
    assert (order.holes, order.hole_since_us, order.seen_through) == (1, 8, 1)


def test_what_comes_for_a_passed_hole_is_late_and_not_a_copy() -> None:
    order: Order[int] = Order()
    offer(order, 2)
    order.pass_hole()
    order.ready()
    offer(order, 1)
    assert (order.late, order.duplicates) == (1, 0)


def test_a_far_number_costs_no_memory_when_its_hole_is_passed() -> None:
    order: Order[int] = Order()
    offer(order, 2**52)
    order.pass_hole()
    assert order.ready() == [2**52]
    assert offer(order, 2**52 + 1) == [2**52 + 1]


@given(st.permutations(range(12)), st.lists(st.integers(0, 11), max_size=6))
def test_any_order_reads_every_frame_once_and_in_order(order_of_arrival: list[int], copies: list[int]) -> None:
    order: Order[int] = Order()
    read = [n for arrived in [*order_of_arrival, *copies] for n in offer(order, arrived)]
    overtaken = sum(n < max(order_of_arrival[: at + 1]) for at, n in enumerate(order_of_arrival))
    assert read == list(range(12))
    assert (order.duplicates, order.reordered) == (len(copies), overtaken)
    assert order.hole_since_us is None

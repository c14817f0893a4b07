"""The timeline: where a restart may begin, and the clock there."""

from hypothesis import given
from hypothesis import strategies as st

from streamgauge.processors.engine.ledger import Mark
from streamgauge.processors.engine.timeline import MARKS_MAX, Timeline


def mark(offset: int) -> Mark:
    return Mark(offset, offset * 10, offset * 10 + 1_000_000)


def test_a_low_water_between_two_marks_is_the_mark_before_it() -> None:
    timeline = Timeline(mark(0))
    for offset in (10, 20, 30):
        timeline.add(mark(offset))
    assert timeline.let_go(25) == mark(20)
    assert timeline.let_go(30) == mark(30)
    assert list(timeline) == [mark(30)]


def test_a_low_water_never_goes_back() -> None:
    timeline = Timeline(mark(5))
    timeline.add(mark(9))
    assert timeline.let_go(9) == mark(9)
    assert timeline.let_go(7) == mark(9)


def test_the_same_offset_twice_is_one_mark() -> None:
    timeline = Timeline(mark(5))
    timeline.add(Mark(5, 999, 999))
    assert list(timeline) == [mark(5)]


def test_too_many_marks_are_thinned_and_the_first_stays() -> None:
    timeline = Timeline(mark(0))
    for offset in range(1, 3 * MARKS_MAX):
        timeline.add(mark(offset))
    assert MARKS_MAX // 2 < len(list(timeline)) <= MARKS_MAX
    assert next(iter(timeline)) == mark(0)


@given(st.lists(st.integers(1, 50), max_size=60), st.lists(st.integers(0, 3000), max_size=20))
def test_each_low_water_is_a_mark_at_or_before_the_wanted_offset_and_never_falls(
    steps: list[int], wanted: list[int]
) -> None:
    timeline, offset, marks = Timeline(mark(0)), 0, [mark(0)]
    for step in steps:
        offset += step
        marks.append(mark(offset))
        timeline.add(mark(offset))
    highest = 0
    for low in sorted(wanted):
        found = timeline.let_go(low)
        highest = max(highest, *(known.offset for known in marks if known.offset <= low))
        assert found == mark(highest)

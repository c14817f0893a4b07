"""The ledger: what is written, what is still needed, what a reader learns from it."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.processors.engine.ledger import Closing, Entry, Head, Ledger, LedgerError, Mark, Memory, decode, unite
from streamgauge.processors.reassembly.closed import ClosedStream, SeenLink
from streamgauge.processors.reassembly.finished import StreamId
from streamgauge.schemas.limits import LEDGER_BYTES_MAX

HORIZON_US = 600
LINKS = tuple(SeenLink(bytes([number]) * 8, number) for number in range(32))
DEADLINES = {"late_horizon_us": HORIZON_US, "tick_us": 5}


def stream(number: int) -> StreamId:
    return StreamId("acme", number.to_bytes(16, "big"), 0)


def closed(
    last: int, *, at_us: int | None = None, first: int = 0, revision: int = 0, closing: int | None = None
) -> ClosedStream:
    closing = last if closing is None else closing
    return ClosedStream(first, last, closing, closing if at_us is None else at_us, revision)


def mark(offset: int, time_us: int | None = None) -> Mark:
    return Mark(offset, offset if time_us is None else time_us, 1000 + offset)


class Topic:
    """A ledger partition: a list of values."""

    def __init__(self) -> None:
        self.values: list[bytes] = []

    def append(self, value: bytes) -> int:
        assert len(value) <= LEDGER_BYTES_MAX
        self.values.append(value)
        return len(self.values) - 1

    def needed(self) -> list[tuple[int, Entry]]:
        """What a reader reads: from the `back` of the last message with a head to the end."""
        entries = [(offset, decode(value)) for offset, value in enumerate(self.values)]
        heads = [(offset, entry.head) for offset, entry in entries if entry.head is not None]
        if not heads:
            return []
        offset, head = heads[-1]
        back = offset if head.back is None else head.back
        return [(offset, entry) for offset, entry in entries if offset >= back]


def remembered(topic: Topic) -> Memory:
    memory = unite(topic.needed())
    assert memory is not None
    return memory


def flush(
    ledger: Ledger, topic: Topic, position: Mark, low_water: Mark, *, parts_only: bool = False, commit: bool = True
) -> None:
    draft = ledger.draft(position=position, low_water=low_water, deadlines=DEADLINES, horizon_us=HORIZON_US)
    offsets = [topic.append(part) for part in draft.parts]
    if parts_only:
        return
    offsets.append(topic.append(draft.last(offsets)))
    ledger.written(draft, offsets)
    if commit:
        ledger.committed(low_water.offset)


def test_a_reader_learns_position_low_water_deadlines_and_what_is_closed() -> None:
    topic, ledger = Topic(), Ledger(position=0, committed=None, end=0)
    ledger.close(stream(1), closed(7, first=3))
    flush(ledger, topic, mark(9), mark(5))
    memory = remembered(topic)
    assert memory.position == mark(9)
    assert memory.low_water == mark(5)
    assert memory.deadlines == DEADLINES
    assert memory.closed == {stream(1): closed(7, first=3)}


def test_nothing_new_is_nothing_to_write() -> None:
    ledger = Ledger(position=4, committed=None, end=0)
    assert not ledger.stale(4)
    assert ledger.stale(5)
    ledger.close(stream(1), closed(2))
    assert ledger.stale(4)


def test_an_empty_ledger_says_nothing() -> None:
    assert unite([]) is None
    assert unite([(0, Entry(1, [Closing("acme", b"x", 0, closed(3))], None))]) is None


def test_a_closing_is_kept_as_long_as_the_late_horizon_reaches_back() -> None:
    topic, ledger = Topic(), Ledger(position=0, committed=None, end=0)
    ledger.close(stream(1), closed(4, at_us=100))
    flush(ledger, topic, mark(5, 100), mark(5, 100))
    flush(ledger, topic, mark(6, 700), mark(6, 700))
    flush(ledger, topic, mark(7, 700), mark(7, 700))
    assert stream(1) in remembered(topic).closed
    flush(ledger, topic, mark(8, 701), mark(8, 701))
    flush(ledger, topic, mark(9, 701), mark(9, 701))
    assert stream(1) not in remembered(topic).closed


def test_a_closing_is_kept_while_its_frames_are_read_again() -> None:
    """A low water held back by an open stream keeps what closed beyond it, however long ago."""
    topic, ledger = Topic(), Ledger(position=0, committed=None, end=0)
    ledger.close(stream(1), closed(40, at_us=0))
    for position in range(50, 60):
        flush(ledger, topic, mark(position, 10_000 + position), mark(40, 10_000))
    assert stream(1) in remembered(topic).closed
    for position in range(60, 63):
        flush(ledger, topic, mark(position, 20_000), mark(41, 20_000))
    assert stream(1) not in remembered(topic).closed


def test_the_highest_position_and_the_latest_closing_win() -> None:
    """A stale worker's entry comes last in the topic, and says less."""
    older = Entry(1, [Closing(*stream(1), closed(5, closing=6))], Head(mark(10), mark(4), DEADLINES, 0, 2))
    newer = Entry(
        1, [Closing(*stream(1), closed(12, closing=13, revision=1))], Head(mark(20), mark(9), DEADLINES, 0, 4)
    )
    memory = unite([(0, newer), (1, older)])
    assert memory is not None
    assert memory.position == mark(20)
    assert memory.low_water == mark(9)
    assert memory.closed == {stream(1): closed(12, closing=13, revision=1)}


def test_another_life_of_a_forgotten_id_counts_though_its_revision_is_lower() -> None:
    first, second = closed(5, revision=2), closed(900, first=800)
    closings = [Closing(*stream(1), second), Closing(*stream(1), first)]
    memory = unite([(0, Entry(1, closings, Head(mark(1000), mark(3), DEADLINES, None, None)))])
    assert memory is not None
    assert memory.closed == {stream(1): second}


def test_what_a_stale_worker_writes_points_back_before_what_it_overlooked() -> None:
    topic = Topic()
    zombie = Ledger(position=0, committed=None, end=0)
    flush(zombie, topic, mark(10), mark(10))
    owner = Ledger(position=10, committed=10, end=len(topic.values), messages=topic.needed())
    for number in range(3):
        owner.close(stream(number), closed(20 + number))
        flush(owner, topic, mark(30 + number), mark(30 + number))
    zombie.close(stream(7), closed(11))
    flush(zombie, topic, mark(12), mark(12), commit=False)
    memory = remembered(topic)
    assert memory.position == mark(32)
    assert set(memory.closed) == {stream(0), stream(1), stream(2), stream(7)}


def test_a_stale_worker_that_had_written_nothing_yet_hides_nothing() -> None:
    """It was stopped before its first flush, and wakes up behind another owner's entries."""
    topic = Topic()
    zombie = Ledger(position=0, committed=None, end=0)
    owner = Ledger(position=0, committed=None, end=0)
    for number in range(3):
        owner.close(stream(number), closed(20 + number))
        flush(owner, topic, mark(30 + number, 9000), mark(30 + number, 9000))
    flush(zombie, topic, mark(12), mark(12), commit=False)
    assert remembered(topic).position == mark(32, 9000)
    assert set(remembered(topic).closed) == {stream(0), stream(1), stream(2)}


def test_every_offset_we_may_have_left_in_the_group_agrees_with_the_ledger() -> None:
    """Commits whose answer was lost, commits that failed: the group may stand at any of them."""
    topic, ledger = Topic(), Ledger(position=0, committed=3, end=0)
    flush(ledger, topic, mark(10, 10_000), mark(8, 10_000))
    for position in range(11, 15):
        flush(ledger, topic, mark(position, 20_000), mark(position, 20_000), commit=False)
    assert remembered(topic).shadows >= {8, 11, 12, 13, 14}
    flush(ledger, topic, mark(15, 20_000), mark(15, 20_000))
    flush(ledger, topic, mark(16, 20_000), mark(16, 20_000))
    assert remembered(topic).shadows.isdisjoint({11, 12, 13, 14})


def test_the_offset_found_in_the_group_agrees_until_the_first_commit() -> None:
    topic, ledger = Topic(), Ledger(position=0, committed=3, end=0)
    flush(ledger, topic, mark(10), mark(8), commit=False)
    assert remembered(topic).shadows == {3, 8}


def test_many_closings_become_several_messages_and_all_are_found_again() -> None:
    topic, ledger = Topic(), Ledger(position=0, committed=None, end=0)
    for number in range(5000):
        ledger.close(stream(number), ClosedStream(0, 1, 1, 1, links=LINKS))
    flush(ledger, topic, mark(2), mark(2))
    assert len(topic.values) > 1
    assert len(remembered(topic).closed) == 5000


def test_closings_share_a_message_while_they_fit() -> None:
    topic, ledger = Topic(), Ledger(position=0, committed=None, end=0)
    for number in range(50):
        ledger.close(stream(number), closed(1))
    flush(ledger, topic, mark(2), mark(2))
    assert len(topic.values) == 1


def test_parts_without_their_head_add_closings_and_move_nothing() -> None:
    """A crash between the parts and the head: what the parts list was acknowledged before them."""
    topic, ledger = Topic(), Ledger(position=0, committed=None, end=0)
    flush(ledger, topic, mark(10), mark(10))
    for number in range(5000):
        ledger.close(stream(number), ClosedStream(0, 11, 11, 11, links=LINKS))
    flush(ledger, topic, mark(12), mark(12), parts_only=True)
    memory = remembered(topic)
    assert memory.position == mark(10)
    assert 0 < len(memory.closed) < 5000


def test_a_restart_goes_on_where_the_ledger_was() -> None:
    topic, ledger = Topic(), Ledger(position=0, committed=None, end=0)
    ledger.close(stream(1), closed(4))
    flush(ledger, topic, mark(5), mark(2))
    again = Ledger(position=5, committed=2, end=len(topic.values), messages=topic.needed())
    again.close(stream(2), closed(8))
    flush(again, topic, mark(9), mark(2))
    assert set(remembered(topic).closed) == {stream(1), stream(2)}


@pytest.mark.parametrize("value", [None, b"", b"junk", msgspec.msgpack.encode([1, "no list", None])])
def test_what_is_no_ledger_message_is_an_error(value: bytes | None) -> None:
    with pytest.raises(LedgerError, match="no ledger message"):
        decode(value)


def test_a_ledger_of_another_version_is_an_error_that_names_it() -> None:
    with pytest.raises(LedgerError, match="ledger version 2, this worker reads 1"):
        decode(msgspec.msgpack.encode([2, [], None]))


def test_a_longer_entry_of_a_later_writer_is_read() -> None:
    head = [[9, 9, None], [5, 5, None], DEADLINES, None, None, "new"]
    entry = decode(msgspec.msgpack.encode([1, [], head, "new"]))
    assert entry.head is not None
    assert entry.head.position == Mark(9, 9, None)


steps = st.lists(
    st.tuples(
        st.integers(0, 300),  # how far time and position go on
        st.lists(st.integers(0, 40), max_size=3),  # how far back the closings of this flush reach
        st.integers(0, 60),  # how far the low water stays behind
        st.booleans(),  # whether the commit is acknowledged
        st.booleans(),  # whether the worker is started anew
    ),
    max_size=40,
)


@given(steps)
def test_what_a_reader_needs_is_never_let_go(steps: list[tuple[int, list[int], int, bool, bool]]) -> None:
    """Position is time here. After every flush a reader finds each closing that is still in the horizon or beyond the
    low water, the last position, and each group offset that may have been left behind."""
    topic, ledger = Topic(), Ledger(position=0, committed=None, end=0)
    position, low, number = 0, 0, 0
    everything: dict[StreamId, ClosedStream] = {}
    possible: set[int] = set()
    for advance, backs, behind, commit, restart in steps:
        if restart:
            committed = max(possible, default=None)  # what the group says now: no commit is under way any more
            possible = set() if committed is None else {committed}
            ledger = Ledger(position=position, committed=committed, end=len(topic.values), messages=topic.needed())
        position += advance + 1
        low = max(low, position - behind)
        for back in backs:
            number += 1
            everything[stream(number)] = closed(max(position - 1 - back, 0), at_us=position - 1)
            ledger.close(stream(number), everything[stream(number)])
        flush(ledger, topic, mark(position), mark(low), commit=commit)
        possible = {low} if commit else possible | {low}
        memory = remembered(topic)
        assert memory.position == mark(position)
        assert memory.low_water == mark(low)
        assert possible <= memory.shadows
        for key, closing in everything.items():
            if closing.closed_partition_us >= low - HORIZON_US or closing.last_offset >= low:
                assert memory.closed[key] == closing

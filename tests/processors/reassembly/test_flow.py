"""The chunks of one connection: counts, times, gaps, losses."""

from __future__ import annotations

import pytest

from event_stream_build import event
from frames_build import Connection, chat_events
from streamgauge.processors.measures.timing import Gaps
from streamgauge.processors.reassembly.flow import Flow
from streamgauge.processors.reassembly.verdict import Blind
from streamgauge.schemas.frames import Data
from streamgauge.schemas.words import ContentMode, How


class Run:
    """A flow with its connection and its gaps."""

    def __init__(self, **opening: object) -> None:
        self.link = Connection(**opening)  # type: ignore[arg-type]
        self.gaps = Gaps()
        self.flow = Flow(self.gaps)
        self.flow.begin(self.link.open())
        self.flow.head = self.link.head()

    def read(self, *chunks: bytes, got: list[int] | None = None, asked: list[int] | None = None) -> None:
        self.flow.read(self.link.data(*chunks, got=got, asked=asked))

    def text(self) -> str:
        assert self.flow.reading is not None
        return "".join("".join(part.pieces) for part in self.flow.reading.answer.choice().parts.values())  # type: ignore[union-attr]


@pytest.fixture
def run() -> Run:
    return Run()


def test_chunks_and_bytes_are_counted_before_decoding(run: Run) -> None:
    run.read(b"ab", b"", b"cde")
    assert (run.flow.chunks, run.flow.body_bytes) == (3, 5)


def test_the_first_byte_comes_with_the_first_chunk_that_has_one(run: Run) -> None:
    run.read(b"", b"a", b"b", got=[10, 20, 30])
    assert run.flow.moments.first_byte_us == 20


def test_an_event_has_the_time_of_the_chunk_that_completed_it(run: Run) -> None:
    role, word, *_ = chat_events("hi")
    run.read(role[:20], role[20:], word[:-1], word[-1:], got=[10, 20, 30, 40])
    moments = run.flow.moments
    assert (moments.first_event_us, moments.first_text_us, moments.last_output_us) == (20, 40, 40)


def test_a_gap_runs_from_the_chunk_before(run: Run) -> None:
    run.read(b"a", b"b", got=[1_000, 4_000])
    run.read(b"c", got=[9_000])
    assert run.gaps.figures().max_us == 5_000
    assert run.gaps.figures().p50_us == 3_000


def test_a_gap_begins_when_the_consumer_asked(run: Run) -> None:
    run.read(b"a", b"b", got=[1_000, 9_000], asked=[0, 4_000])
    assert run.gaps.figures().max_us == 5_000


def test_an_ask_before_the_chunk_before_shortens_nothing(run: Run) -> None:
    run.read(b"a", b"b", got=[1_000, 9_000], asked=[0, 500])
    assert run.gaps.figures().max_us == 8_000


def test_a_gap_behind_a_long_consumer_wait_is_masked(run: Run) -> None:
    run.read(b"a", b"b", b"c", got=[1_000, 9_000, 20_000], asked=[0, 6_001, 9_000])
    assert run.gaps.figures() == (11_000, 11_000, 11_000, 11_000, 1, 0)


def test_chunks_of_one_read_make_no_gap(run: Run) -> None:
    run.read(b"a", b"b", b"c", got=[1_000, 1_000, 1_000])
    assert run.gaps.figures().max_us is None


def test_a_dropped_chunk_is_declared_by_the_number_of_the_next(run: Run) -> None:
    events = chat_events("a", "b", "c")
    run.read(*events[:2], got=[10, 20])
    run.link.drop(1)
    run.read(events[3], got=[99])
    assert run.text() == "ac"
    assert (run.flow.declared, run.flow.whole, run.flow.hidden) == (1, False, None)
    assert run.gaps.figures() == (10, 10, 10, 10, 1, 0), "the gap across the loss tells nothing"


def test_a_chunk_dropped_at_the_end_hides_what_decides(run: Run) -> None:
    run.read(*chat_events("a")[:2])
    run.link.drop(2)
    run.flow.end(run.link.close())
    assert (run.flow.declared, run.flow.hidden) == (2, Blind.DROPPED)


def test_a_jump_behind_a_passed_hole_is_no_declared_loss(run: Run) -> None:
    events = chat_events("a", "b")
    run.read(*events[:2])
    run.link.data(events[2])
    run.flow.pass_hole()
    run.flow.end(run.link.close())
    assert (run.flow.declared, run.flow.hidden) == (0, Blind.NOT_SEEN)


def test_a_hole_before_a_close_without_totals_hides_what_decides(run: Run) -> None:
    run.read(*chat_events("a")[:2])
    run.flow.pass_hole()
    run.flow.end(run.link.close(How.EOF, chunks=None))
    assert run.flow.hidden == Blind.NOT_SEEN


def test_a_hole_without_chunks_hides_nothing(run: Run) -> None:
    run.read(*chat_events("a")[:2])
    run.flow.pass_hole()
    run.flow.end(run.link.close())
    assert (run.flow.whole, run.flow.hidden) == (True, None)


@pytest.mark.parametrize("damage", [b"", b"\x00\x00"])
def test_damaged_bytes_are_as_good_as_missing(damage: bytes) -> None:
    run = Run()
    run.flow.head = run.link.head(200, "application/vnd.amazon.eventstream")
    run.read(event("one"), damage, event("two"))
    run.flow.end(run.link.close())
    assert run.flow.whole is not bool(damage)
    assert run.flow.events == 2


def test_chunks_that_overlap_are_read_once(run: Run) -> None:
    events = chat_events("a", "b")
    run.read(*events[:3])
    again = run.link.data(*events[1:4])
    run.flow.read(Data(again.call, 0, again.link, again.n, 1, again.got, None, again.chunks))
    assert run.text() == "ab"
    assert (run.flow.chunks, run.flow.duplicates) == (4, 2)


def test_sizes_alone_are_counted_and_timed_and_hide_everything() -> None:
    run = Run(content=ContentMode.SIZES_ONLY)
    run.flow.read(run.link.sizes(100, 200))
    run.flow.read(run.link.sizes(50))
    run.flow.end(run.link.close())
    flow = run.flow
    assert (flow.chunks, flow.body_bytes, flow.events, flow.hidden) == (3, 350, 0, Blind.NOT_SEEN)
    assert flow.moments.first_byte_us == 20_000
    assert run.gaps.figures().max_us == 10_000
    assert run.gaps.masked == 0


def test_a_time_that_cannot_be_marks_nothing(run: Run) -> None:
    run.read(*chat_events("a")[:2], got=[2**50, 2**50 + 5])
    assert (run.flow.moments.first_byte_us, run.flow.moments.first_text_us) == (None, None)
    assert run.flow.timeless
    assert run.text() == "a"


def test_a_later_links_events_are_kept_where_they_are_numbered_and_read_where_not() -> None:
    run = Run(link_no=1)
    run.read(*chat_events("a"))
    assert (run.text(), run.flow.kept) == ("a", [])

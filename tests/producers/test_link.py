"""From what came to frames: numbered without gaps, nothing lost that is not declared, within the contract's bounds."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.producers.calls import Attempt, Call, Place
from streamgauge.producers.events import Closed, HeadCame
from streamgauge.producers.link import CHUNK_COST, EVENT_COST, OPEN_COST, Link
from streamgauge.producers.scan import Scan
from streamgauge.schemas import codec
from streamgauge.schemas.frames import Close, Data, Frame, Head, Open, Pulse
from streamgauge.schemas.limits import CHUNK_BYTES_MAX, FRAME_BYTES_MAX, KIB
from streamgauge.schemas.words import AttemptKind, How, Resumable, WaitingFor

MS = 1_000_000
BORN = 5_000 * MS
CALL, LINK = bytes(16), b"link1234"


def a_link(*, pulled: bool = True) -> Link:
    link = Link(0, CALL, opened_ns=BORN, pulled=pulled)
    link.place = Place(Attempt(Call(CALL), 3), LINK, 0, None, AttemptKind.FIRST)
    link.opens(Open(CALL, 3, LINK, 0, "acme", 1, request=b"{}"))
    return link


def ended(link: Link, *, at_ms: int = 0, **said: Any) -> None:
    fields = {"how": How.EOF, "asked_ns": None, "reading": False, "cause": None, "message": None, **said}
    fields.setdefault("chunks", link.next_seq)
    link.ends(Closed(time_ns=BORN + at_ms * MS, **fields))


def cut(link: Link, *, at_ms: int = 0, segment_bytes: int = 64 * KIB, pulse_ms: int = 15_000) -> list[Frame]:
    pieces = link.cut(BORN + at_ms * MS, segment_bytes=segment_bytes, pulse_us=pulse_ms * 1000)
    return [frame for frame, _ in pieces]


def only(frames: list[Frame], kind: type[Any]) -> Any:
    (frame,) = [frame for frame in frames if isinstance(frame, kind)]
    return frame


def times(deltas: list[int]) -> list[int]:
    return list(itertools.accumulate(deltas))


def test_frames_leave_in_order_and_are_numbered_as_they_leave() -> None:
    link = a_link()
    link.answered(HeadCame(BORN + 7 * MS, 200, "HTTP/2", (), None), {"server": "x"})
    link.chunk(0, BORN + 9 * MS, BORN + 8 * MS, b"one")
    first = cut(link, at_ms=10)
    link.chunk(1, BORN + 19 * MS, BORN + 9 * MS, b"two")
    ended(link, at_ms=20)
    frames = first + cut(link, at_ms=20)
    assert [type(frame) for frame in frames] == [Open, Head, Data, Data, Close]
    assert [frame.n for frame in frames] == [0, 1, 2, 3, 4]
    assert {(frame.call, frame.attempt, frame.link) for frame in frames} == {(CALL, 3, LINK)}
    assert only(frames, Head) == Head(CALL, 3, LINK, 1, 7000, 200, "HTTP/2", {"server": "x"})
    assert only(frames, Close).frames == 5


def test_a_segment_tells_when_each_chunk_was_asked_for_and_when_it_came() -> None:
    link = a_link()
    for seq, (asked, got) in enumerate([(1, 4), (4, 9), (10, 11)]):
        link.chunk(seq, BORN + got * MS, BORN + asked * MS, bytes([seq]))
    data = only(cut(link), Data)
    assert (times(data.asked), times(data.got)) == ([1000, 4000, 10_000], [4000, 9000, 11_000])
    assert (data.seq, data.chunks, data.sizes) == (0, [b"\0", b"\1", b"\2"], None)


def test_rounding_does_not_add_up() -> None:
    link = a_link()
    for seq in range(1000):
        link.chunk(seq, BORN + (seq + 1) * 1999, None, b"")
    assert times(only(cut(link), Data).got)[-1] == 1000 * 1999 // 1000


def test_a_time_before_the_open_counts_as_the_opens() -> None:
    link = a_link()
    link.chunk(0, BORN - 5 * MS, BORN - 9 * MS, b"x")
    data = only(cut(link), Data)
    assert (data.got, data.asked) == ([0], [0])


def test_chunks_nobody_asked_for_say_so() -> None:
    link = a_link(pulled=False)
    link.chunk(0, BORN, None, b"x")
    ended(link)
    frames = cut(link)
    assert only(frames, Data).asked is None
    assert only(frames, Close).consumer_wait_us is None


def test_pulled_and_pushed_chunks_do_not_share_a_segment() -> None:
    link = a_link()
    for seq, asked in enumerate([BORN, BORN, None, BORN]):
        link.chunk(seq, BORN, asked, b"x")
    assert [len(frame.got) for frame in cut(link) if isinstance(frame, Data)] == [2, 1, 1]


def test_a_long_read_becomes_chunks_with_equal_times() -> None:
    link = a_link()
    data = bytes(range(256)) * 2048  # 512 KiB
    link.chunk(0, BORN + MS, BORN, data + b"!")
    segments = [frame for frame in cut(link) if isinstance(frame, Data)]
    assert b"".join(chunk for frame in segments for chunk in frame.chunks or ()) == data + b"!"
    assert [frame.seq for frame in segments] == [0, 1, 2]
    assert {times(frame.got)[0] for frame in segments} == {1000}
    assert all(len(chunk) <= CHUNK_BYTES_MAX for frame in segments for chunk in frame.chunks or ())


def test_a_document_is_never_split() -> None:
    link = a_link()
    link.whole = True
    link.chunk(0, BORN, None, b"x" * 800 * KIB)
    (frame,) = [frame for frame in cut(link) if isinstance(frame, Data)]
    assert len(codec.encode(frame)) <= FRAME_BYTES_MAX


def test_a_jump_of_seq_ends_the_segment_and_counts_as_dropped() -> None:
    link = a_link()
    for seq in (0, 1, 4):
        link.chunk(seq, BORN, BORN, b"x")
    ended(link, chunks=7)
    frames = cut(link)
    assert [(frame.n, frame.seq, len(frame.got)) for frame in frames if isinstance(frame, Data)] == [
        (1, 0, 2),
        (2, 4, 1),
    ]
    close = only(frames, Close)
    assert (close.chunks, close.dropped, close.frames) == (7, 4, 4)


def test_sizes_only_sends_sizes_only() -> None:
    link = a_link()
    link.sizes_only = True
    link.chunk(0, BORN, BORN, b"secret")
    link.chunk(1, BORN, BORN, b"")
    ended(link)
    frames = cut(link)
    data = only(frames, Data)
    assert (data.chunks, data.sizes) == (None, [6, 0])
    assert only(frames, Close).byte_count == 6


def test_what_the_hosts_thread_dropped_stands_in_the_totals() -> None:
    link = a_link()
    link.chunk(0, BORN, BORN, b"abc")
    link.dropped_bytes = 100
    ended(link, chunks=2)
    close = only(cut(link), Close)
    assert (close.byte_count, close.chunks, close.dropped) == (103, 2, 1)


def test_the_consumers_own_time_is_summed() -> None:
    link = a_link()
    link.answered(HeadCame(BORN + 10 * MS, 200, None, (), None), {})
    link.chunk(0, BORN + 20 * MS, BORN + 12 * MS, b"x")  # 2 ms after the head
    link.chunk(1, BORN + 30 * MS, BORN + 25 * MS, b"x")  # 5 ms after the chunk
    ended(link, at_ms=60, asked_ns=BORN + 33 * MS)  # asked after 3 ms, and got the end
    assert only(cut(link), Close).consumer_wait_us == 10_000


def test_a_consumer_that_leaves_has_held_the_stream_until_then() -> None:
    link = a_link()
    link.chunk(0, BORN + 20 * MS, BORN + 10 * MS, b"x")
    ended(link, at_ms=50, how=How.CLOSED_EARLY)
    assert only(cut(link), Close).consumer_wait_us == 30_000


def test_a_silent_link_gives_a_pulse_when_it_is_time_and_not_before() -> None:
    link = a_link()
    assert [type(frame) for frame in cut(link)] == [Open]
    assert cut(link, at_ms=14_999) == []
    assert not link.waits(BORN + 14_999 * MS, pulse_us=15_000_000)
    assert link.waits(BORN + 15_000 * MS, pulse_us=15_000_000)
    pulse = only(cut(link, at_ms=15_000), Pulse)
    assert (pulse.n, pulse.time_us, pulse.waiting_for) == (1, 15_000_000, WaitingFor.PROVIDER)
    assert cut(link, at_ms=29_999) == []


def test_a_pulse_says_whom_the_link_waits_for_and_what_there_was() -> None:
    link = a_link()
    link.chunk(0, BORN + 5 * MS, BORN, b"abc")
    link.missed(3)
    cut(link, at_ms=5)
    pulse = only(cut(link, at_ms=20_005), Pulse)
    assert pulse == Pulse(CALL, 3, LINK, 2, 20_005_000, WaitingFor.CONSUMER, 3, 3, 2, 20_000_000)
    link.asked_ns = BORN + 20_005 * MS
    assert only(cut(link, at_ms=40_005), Pulse).waiting_for is WaitingFor.PROVIDER
    ended(link, at_ms=40_005)
    assert only(cut(link, at_ms=40_005), Close).n == 4, "Pulses are numbered like all"


def test_data_is_as_good_as_a_pulse() -> None:
    link = a_link()
    cut(link)
    link.chunk(0, BORN, BORN, b"x")
    assert [type(frame) for frame in cut(link, at_ms=15_000)] == [Data]
    assert cut(link, at_ms=16_000) == []


@pytest.mark.parametrize(
    ("begins", "event_ids", "readable", "ends"),
    [
        (Resumable.NO, False, True, Resumable.NO),
        (Resumable.NO, True, True, Resumable.MAYBE),
        (Resumable.NO, False, False, Resumable.UNKNOWN),
        (Resumable.MAYBE, False, False, Resumable.MAYBE),
        (Resumable.UNKNOWN, False, True, Resumable.UNKNOWN),
    ],
)
def test_what_was_seen_decides_whether_a_link_may_be_resumed(
    begins: Resumable,
    event_ids: bool,
    readable: bool,
    ends: Resumable,
) -> None:
    link = a_link()
    link.resumable, link.scan = begins, Scan(names=False)
    link.scan.event_ids, link.scan.readable = event_ids, readable
    ended(link)
    assert only(cut(link), Close).resumable is ends


def test_a_frame_that_cannot_be_encoded_leaves_no_hole() -> None:
    link = a_link()
    link.chunk(0, BORN, BORN, b"x")
    link.chunk(1, BORN, BORN, b"x")
    *_, data = cut(link)
    link.takes_back(data)
    ended(link)
    close = only(cut(link), Close)
    assert (close.n, close.frames, close.chunks, close.dropped) == (1, 2, 2, 2)


chunk_lists = st.lists(
    st.tuples(
        st.integers(0, 3),  # chunks dropped before this one
        st.binary(max_size=40) | st.integers(0, 700 * KIB).map(bytes),
        st.booleans(),  # asked for
        st.booleans(),  # cut behind it
    ),
    max_size=12,
)


@given(chunk_lists, st.integers(0, 3), st.integers(KIB, 512 * KIB), st.booleans())
def test_nothing_is_lost_that_is_not_declared(
    chunks: list[tuple[int, bytes, bool, bool]],
    dropped_last: int,
    segment_bytes: int,
    sizes_only: bool,
) -> None:
    link = a_link()
    link.sizes_only = sizes_only
    frames: list[Frame] = []
    sent: dict[int, bytes] = {}
    seq, cost, freed = 0, OPEN_COST + 2, 0
    for dropped, data, is_asked, is_cut in chunks:
        seq += dropped
        cost += link.chunk(seq, BORN + seq * MS, BORN if is_asked else None, data)
        for begin in range(0, len(data) or 1, CHUNK_BYTES_MAX):
            sent[seq] = data[begin : begin + CHUNK_BYTES_MAX]
            seq += 1
        if is_cut:
            pieces = list(link.cut(BORN, segment_bytes=segment_bytes, pulse_us=1 << 40))
            frames += [frame for frame, _ in pieces]
            freed += sum(part for _, part in pieces)
    seq += dropped_last
    ended(link, chunks=seq)
    pieces = list(link.cut(BORN, segment_bytes=segment_bytes, pulse_us=1 << 40))
    frames += [frame for frame, _ in pieces]
    freed += sum(part for _, part in pieces)

    assert [frame.n for frame in frames] == list(range(len(frames)))
    received: dict[int, Any] = {}
    for frame in frames:
        assert len(codec.encode(frame)) <= FRAME_BYTES_MAX
        if isinstance(frame, Data):
            parts = frame.sizes if sizes_only else frame.chunks
            assert parts is not None
            assert len(parts) == len(frame.got)
            received.update(enumerate(parts, start=frame.seq))
    assert received == ({at: len(data) for at, data in sent.items()} if sizes_only else sent)
    close = only(frames, Close)
    assert (close.frames, close.chunks, close.dropped) == (len(frames), seq, seq - len(sent))
    assert close.byte_count == sum(map(len, sent.values()))
    assert freed == cost, "what was charged to the buffer is freed, no more and no less"
    assert link.pending_bytes == 0


def test_a_head_and_an_abandoned_link_are_freed_too() -> None:
    link = a_link()
    cost = link.answered(HeadCame(BORN, 200, None, (), None), {}) + link.chunk(0, BORN, None, b"abc")
    assert cost == EVENT_COST + CHUNK_COST + 3
    pieces = link.cut(BORN, segment_bytes=KIB, pulse_us=1)
    _, freed = next(pieces)
    assert freed + link.abandoned() == cost + OPEN_COST + 2

"""The buffer: what is due when, what is dropped when it is full, and that everything charged is freed again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from streamgauge.producers.asked import Asked
from streamgauge.producers.calls import Calls
from streamgauge.producers.counters import Counters, Tally
from streamgauge.producers.events import Closed, HeadCame, Noted, Opened, Said
from streamgauge.producers.guard import Guard
from streamgauge.producers.link import CHUNK_COST, OPEN_COST, Link
from streamgauge.producers.outbox import Outbox, Packet
from streamgauge.producers.settings import load
from streamgauge.producers.testing import CountingIds, FakeClock
from streamgauge.schemas import codec
from streamgauge.schemas.frames import Close, Data, Frame, Head, Note, Open, Pulse
from streamgauge.schemas.limits import KIB, MIB
from streamgauge.schemas.topics import HEADER_TENANT
from streamgauge.schemas.words import How, Resumable


class Desk:
    """An outbox on one thread: the test plays the host and the courier."""

    def __init__(self, **settings: Any) -> None:
        self.clock, self.tally = FakeClock(), Tally()
        self.ids = CountingIds()
        self.settings = load({"tenant": "acme", **settings}, {}, own_sink=True)
        self.outbox = Outbox(
            self.settings,
            clock=self.clock,
            ids=self.ids,
            guard=Guard(self.tally),
            tally=self.tally,
            calls=Calls(self.ids),
        )
        self.wakes = 0
        self.outbox.wake = self._woken
        self.unacknowledged: list[Packet] = []
        self.blocked: set[int] = set()
        self.partitions: Iterator[int] = iter(lambda: 0, 1)

    def _woken(self) -> None:
        self.wakes += 1

    def opens(self, asked: Asked | None = None, **said: Any) -> Link | None:
        """The host opens a link."""
        link = self.outbox.link(said.get("call") or self.ids.call(), opened_ns=self.clock.now_ns(), pulled=True)
        opened = Opened(1, asked or Asked(), Said(**said), {}, {}, None, None, None)
        return link if self.outbox.open(link, opened) else None

    def gets(self, link: Link | None, data: object, *, size: int | None = None) -> bool:
        """A chunk comes."""
        assert link is not None
        size = len(data) if size is None else size  # type: ignore[arg-type]
        if admitted := self.outbox.admits(link, size):
            self.outbox.items.append((link, next(link.seqs), self.clock.now_ns(), None, data))
        else:
            next(link.seqs)
            self.outbox.refused(link, size)
        return admitted

    def ends(self, link: Link | None, how: How = How.EOF, message: str | None = None) -> None:
        """The host closes a link."""
        assert link is not None
        closed = Closed(self.clock.now_ns(), how, next(link.seqs), None, False, None, message)
        self.outbox.put(link, closed, wake=True)

    def sends(self, *, beat: bool = False) -> list[Frame]:
        """The courier takes what is due."""
        while not self.outbox.collect():
            pass
        due = self.outbox.due(
            self.clock.now_ns(),
            beat=beat,
            partition=lambda key: next(self.partitions),
            clear=lambda partition: partition not in self.blocked,
        )
        packets = list(due)
        self.unacknowledged += packets
        return [codec.decode(packet.message.value) for packet in packets]  # type: ignore[misc]

    def acknowledged(self) -> None:
        """Everything on its way has arrived."""
        for packet in self.unacknowledged:
            self.outbox.release(packet.cost)
        self.unacknowledged.clear()

    @property
    def counters(self) -> Counters:
        """What was counted."""
        return self.tally.snapshot()


@pytest.fixture
def desk() -> Desk:
    return Desk()


def kinds(frames: list[Frame]) -> list[str]:
    return [type(frame).__name__ for frame in frames]


def test_an_open_leaves_at_once_and_chunks_wait_for_the_beat(desk: Desk) -> None:
    link = desk.opens()
    assert desk.wakes == 1
    assert kinds(desk.sends()) == ["Open"]
    desk.gets(link, b"x")
    desk.outbox.put(link, HeadCame(0, 200, None, (), None))
    assert kinds(desk.sends()) == []
    assert desk.wakes == 1
    assert kinds(desk.sends(beat=True)) == ["Head", "Data"]


def test_a_close_takes_everything_before_it_along(desk: Desk) -> None:
    link = desk.opens()
    desk.gets(link, b"x")
    desk.ends(link)
    assert kinds(desk.sends()) == ["Open", "Data", "Close"]
    assert desk.outbox.empty


def test_a_full_segment_does_not_wait_for_the_beat() -> None:
    desk = Desk(segment_bytes=KIB)
    link = desk.opens()
    for _ in range(20):
        desk.gets(link, b"x" * 100)
    assert desk.wakes == 1 + 2
    assert kinds(desk.sends()) == ["Open", "Data", "Data", "Data"]


def test_every_message_has_its_calls_key_and_the_tenants_header(desk: Desk) -> None:
    desk.ends(desk.opens())
    desk.sends()
    assert {packet.message.key for packet in desk.unacknowledged} == {(1).to_bytes(16, "big")}
    assert [packet.message.headers for packet in desk.unacknowledged] == [[(HEADER_TENANT, b"acme")]] * 2


def test_everything_charged_is_freed_once_it_is_acknowledged(desk: Desk) -> None:
    for number in range(3):
        link = desk.opens(Asked(body=b'{"model": "m"}'))
        desk.outbox.put(link, HeadCame(0, 200, None, [(b"server", b"x")], None))
        desk.gets(link, b"x" * 1000)
        assert desk.outbox.level > 0
        if number == 1:
            desk.outbox.note(link, Noted(1, {"a": "b"}, {}, None, None, None))
        desk.ends(link)
    desk.sends()
    assert desk.outbox.level > 3000
    desk.acknowledged()
    assert desk.outbox.level == 0


def test_a_full_buffer_refuses_chunks_before_it_refuses_an_open() -> None:
    desk = Desk(buffer_bytes=64 * KIB)
    link = desk.opens()
    while desk.gets(link, b"x" * 1000):
        pass
    later = desk.opens()
    desk.gets(later, b"y")
    desk.ends(link)
    desk.ends(later)
    frames = desk.sends()
    closes = [frame for frame in frames if isinstance(frame, Close)]
    assert [close.dropped for close in closes] == [1, 1]
    assert desk.counters.chunks_dropped == 2
    assert desk.counters.links == 2
    received = sum(len(frame.got) for frame in frames if isinstance(frame, Data))
    assert received == desk.counters.chunks - 2


@pytest.mark.parametrize("buffer_bytes", [64 * KIB, 32 * MIB])
def test_what_comes_after_the_end_is_counted_as_lost_whether_there_is_room_or_not(buffer_bytes: int) -> None:
    """One thread closes the response, another still reads it."""
    desk = Desk(buffer_bytes=buffer_bytes)
    link = desk.opens()
    for _ in range(60):
        desk.gets(link, b"x" * 1000)
    desk.ends(link, How.CLOSED_EARLY)
    for _ in range(60):
        desk.gets(link, b"y" * 1000)
    frames = desk.sends()
    published = sum(len(frame.got) for frame in frames if isinstance(frame, Data))
    (close,) = [frame for frame in frames if isinstance(frame, Close)]
    assert (close.chunks, close.dropped) == (60, 60 - published)
    assert (desk.counters.chunks, desk.counters.chunks_dropped) == (120, 120 - published)


def test_data_that_cannot_be_encoded_is_counted_as_lost(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    link = desk.opens()
    desk.gets(link, b"x")
    encode = codec.encode
    with monkeypatch.context() as patch:
        patch.setattr(codec, "encode", lambda frame: 1 / 0 if isinstance(frame, Data) else encode(frame))
        desk.sends(beat=True)
    desk.ends(link)
    (close,) = desk.sends()
    assert isinstance(close, Close)
    assert (close.chunks, close.dropped) == (1, 1)
    assert (desk.counters.chunks, desk.counters.chunks_dropped) == (1, 1)


def test_where_there_is_no_room_for_a_request_its_size_is_sent() -> None:
    desk = Desk(buffer_bytes=64 * KIB)
    desk.ends(desk.opens(Asked(body=b"x" * 100 * KIB)))
    opened = desk.sends()[0]
    assert isinstance(opened, Open)
    assert (opened.request, opened.request_bytes, opened.request_sha256) == (None, 100 * KIB, None)
    assert desk.counters.requests_dropped == 1


def test_a_stream_whose_open_found_no_room_is_never_published() -> None:
    desk = Desk(buffer_bytes=64 * KIB)
    links = [link for _ in range(30) if (link := desk.opens()) is not None]
    assert len(links) == 64 * KIB // OPEN_COST
    assert desk.counters.links_dropped == 30 - len(links)
    for link in links:
        desk.ends(link)
    assert kinds(desk.sends()) == ["Open", "Close"] * len(links)
    desk.acknowledged()
    assert desk.outbox.level == 0


def test_what_a_thread_races_away_is_put_right_when_the_deque_is_empty(desk: Desk) -> None:
    desk.outbox.queued += 12345
    desk.sends()
    assert desk.outbox.level == 0


def test_a_blocked_partition_keeps_its_frames_and_loses_none(desk: Desk) -> None:
    link = desk.opens()
    desk.blocked.add(0)
    for number in range(5):
        desk.gets(link, b"%d" % number)
        desk.outbox.note(link, Noted(1, {}, {}, "m", None, None))
        assert desk.sends(beat=True) == []
    desk.blocked.clear()
    frames = desk.sends(beat=True)
    assert kinds(frames) == ["Open", "Data", *["Note"] * 5], "one segment, and the Notes behind their Open"
    assert [frame.chunks for frame in frames if isinstance(frame, Data)] == [[b"0", b"1", b"2", b"3", b"4"]]


def test_all_frames_of_a_call_go_where_its_first_open_went(desk: Desk) -> None:
    desk.partitions = iter([4, 1, 2, 3])
    call = b"named by a user."
    for _ in range(2):
        link = desk.opens(call=call)
        desk.sends()
        desk.ends(link)
        desk.outbox.note(None, Noted(1, {}, {}, "m", None, None, call=call))
        desk.sends()
    assert {packet.partition for packet in desk.unacknowledged} == {4}
    assert len(desk.unacknowledged) == 6


def test_a_pulse_is_due_only_at_a_beat(desk: Desk) -> None:
    desk.opens()
    desk.sends()
    desk.clock.advance(15)
    assert desk.sends() == []
    assert [type(frame) for frame in desk.sends(beat=True)] == [Pulse]


def test_a_second_close_and_what_comes_after_it_are_ignored(desk: Desk) -> None:
    link = desk.opens()
    desk.ends(link)
    desk.gets(link, b"x")
    desk.ends(link, How.COLLECTED)
    frames = desk.sends()
    assert kinds(frames) == ["Open", "Close"]
    assert isinstance(frames[1], Close)
    assert frames[1].how is How.EOF
    desk.acknowledged()
    assert desk.outbox.level == 0


def test_a_note_travels_on_a_link_of_its_own_and_may_come_after_the_end(desk: Desk) -> None:
    link = desk.opens()
    desk.ends(link)
    desk.sends()
    tool = {"kind": "vector_db", "name": "search", "input": {"q": 1}, "output": "text", "duration_us": 7.6, "ok": 1}
    noted = Noted(9, {"a": "b"}, {"user_id": "u", "team": "x"}, "m", "bad key sk-123456789012", tool)
    desk.outbox.note(link, noted)
    (note,) = desk.sends()
    assert isinstance(note, Note)
    assert (note.call, note.attempt, note.n, note.wall_us) == (link.call, 0, 0, 9)  # type: ignore[union-attr]
    assert (note.tags, note.context.user_id, note.model) == ({"a": "b", "team": "x"}, "u", "m")
    assert note.error == "bad key [secret]"
    assert note.tool_event is not None
    assert (note.tool_event.kind, note.tool_event.duration_us, note.tool_event.ok) == ("vector_db", 8, True)
    assert bytes(note.tool_event.input) == b"\x81\xa1q\x01"
    assert bytes(note.tool_event.output) == b"\xa4text"


def test_notes_that_cannot_travel_are_counted(desk: Desk) -> None:
    desk.outbox.note(None, Noted(1, {}, {}, None, None, None))
    desk.outbox.note(desk.outbox.link(b"", opened_ns=0, pulled=True), Noted(1, {}, {}, None, None, None))
    desk.outbox.note(desk.opens(), Noted(1, {}, {}, None, None, {"kind": "tool", "input": "x" * 2000 * KIB}))
    desk.outbox.note(desk.opens(), Noted(1, {}, {}, None, None, {"kind": "tool", "input": "x" * 40_000 * KIB}))
    assert kinds(desk.sends()) == ["Open", "Open"]
    assert (desk.counters.notes_dropped, desk.counters.internal_errors) == (4, 0)
    desk.acknowledged()
    assert desk.outbox.level == 2 * OPEN_COST, "of the two open links"


def test_one_bad_item_stops_no_other(desk: Desk) -> None:
    link = desk.opens()
    desk.outbox.items.append((link, 3, "not a time", None, b"x"))
    desk.gets(link, b"x")
    desk.ends(link)
    assert kinds(desk.sends()) == ["Open", "Data", "Close"]
    assert (desk.counters.internal_errors, desk.counters.chunks, desk.counters.chunks_dropped) == (1, 2, 1)


def test_without_an_open_that_can_be_encoded_nothing_is_published(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    link = desk.opens()
    desk.gets(link, b"x")
    desk.outbox.put(link, HeadCame(0, 200, None, (), None))
    desk.outbox.collect()
    with monkeypatch.context() as patch:
        patch.setattr(codec, "encode", lambda frame: 1 / 0)
        assert desk.sends() == []
    desk.gets(link, b"x")
    desk.ends(link)
    assert desk.sends(beat=True) == []
    assert (desk.counters.links_dropped, desk.outbox.level, desk.outbox.empty) == (1, 0, True)
    assert (desk.counters.chunks, desk.counters.chunks_dropped) == (2, 2)


def test_a_head_that_cannot_be_encoded_leaves_no_hole(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    link = desk.opens()
    desk.sends()
    desk.outbox.put(link, HeadCame(0, 200, None, (), None))
    encode = codec.encode
    with monkeypatch.context() as patch:
        patch.setattr(codec, "encode", lambda frame: 1 / 0 if isinstance(frame, Head) else encode(frame))
        assert desk.sends(beat=True) == []
    desk.gets(link, b"x")
    desk.ends(link)
    assert [frame.n for frame in desk.sends()] == [1, 2]
    desk.acknowledged()
    assert desk.outbox.level == 0


def test_what_is_no_json_is_a_chunk_lost_and_said_so(desk: Desk) -> None:
    link = desk.opens()
    assert link is not None
    link.whole = True
    desk.gets(link, {"a": 1}, size=512)
    desk.gets(link, object(), size=512)
    desk.gets(link, "x" * 1000 * KIB)
    desk.gets(link, '{"b": 2}')
    desk.ends(link)
    frames = desk.sends()
    assert [(frame.seq, frame.chunks) for frame in frames if isinstance(frame, Data)] == [
        (0, [b'{"a":1}']),
        (3, [b'{"b": 2}']),
    ]
    close = frames[-1]
    assert isinstance(close, Close)
    assert (close.chunks, close.dropped) == (4, 2)
    assert (desk.counters.chunks_unusable, desk.counters.chunks_dropped) == (2, 2)
    desk.acknowledged()
    assert desk.outbox.level == 0


def test_links_that_are_open_at_the_end_are_closed_as_shutdown(desk: Desk) -> None:
    link = desk.opens()
    desk.gets(link, b"x")
    assert link is not None
    next(link.seqs)  # one more was dropped
    desk.outbox.collect()
    desk.outbox.end_links(How.SHUTDOWN)
    close = desk.sends()[-1]
    assert isinstance(close, Close)
    assert (close.how, close.chunks, close.dropped) == (How.SHUTDOWN, 2, 1)


def test_nothing_is_taken_once_it_is_shut(desk: Desk) -> None:
    link = desk.opens()
    desk.outbox.shut = True
    assert not desk.gets(link, b"x")
    assert desk.opens() is None
    desk.ends(link)
    assert len(desk.outbox.items) == 1
    assert desk.counters.links_dropped == 1


CREATED = b'event: response.created\ndata: {"response": {"id": "resp_1"}}\n\n'


def test_a_responses_stream_that_is_resumed_becomes_a_link_of_its_attempt(desk: Desk) -> None:
    first = desk.opens(Asked(method="POST", path="/v1/responses", body=b'{"background": true}'))
    desk.gets(first, CREATED)
    desk.ends(first, How.CLOSED_EARLY)
    again = desk.opens(Asked(method="GET", path="/v1/responses/resp_1", query="stream=true&starting_after=4&key=x"))
    desk.ends(again)
    opens = [frame for frame in desk.sends() if isinstance(frame, Open)]
    assert (opens[1].call, opens[1].attempt) == (opens[0].call, opens[0].attempt)
    assert (opens[1].link_no, opens[1].after, opens[1].cursor) == (1, opens[0].link, "4")
    assert opens[1].query == {"stream": "true", "starting_after": "4"}
    assert again is not None
    assert again.record_id == first.record_id  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("asked", "resumable"),
    [
        (Asked(method="POST", path="/v1/responses", body=b'{"background": true}'), Resumable.MAYBE),
        (Asked(method="POST", path="/v1/responses", body=b'{"background": false}'), Resumable.NO),
        (Asked(method="POST", path="/v1/responses"), Resumable.UNKNOWN),
        (Asked(method="GET", path="/v1/responses/resp_1", query="stream=true"), Resumable.MAYBE),
        (Asked(method="POST", path="/v1/chat/completions", body=b'{"background": true}'), Resumable.NO),
        (Asked(), Resumable.UNKNOWN),
    ],
)
def test_what_was_asked_says_whether_it_may_be_resumed(desk: Desk, asked: Asked, resumable: Resumable) -> None:
    desk.ends(desk.opens(asked))
    close = desk.sends()[-1]
    assert isinstance(close, Close)
    assert close.resumable is resumable


def test_a_chunk_costs_more_than_its_bytes(desk: Desk) -> None:
    link = desk.opens()
    before = desk.outbox.level
    for _ in range(10):
        desk.gets(link, b"x")
    assert desk.outbox.level == before + 10 * (CHUNK_COST + 1)

"""What comes before a stream has its Open, and after it has closed."""

from __future__ import annotations

from frames_build import CALL, TENANT, Connection, Log, chat
from frames_facts import deads, finished, only, texts
from frames_feed import feed
from streamgauge.processors.reassembly.finished import StreamId
from streamgauge.processors.reassembly.partition import Partition

ID = StreamId(TENANT, CALL, 0)


# ---------------------------------------------------------------------- no Open, no stream


def test_frames_that_come_before_their_open_wait_for_it(log: Log, core: Partition) -> None:
    link = Connection()
    opening, *rest = chat(link, "a", "b")
    assert feed(log.add(*rest, link.close()), core) == []
    assert core.low_water(log.offset) == 100
    assert feed(log.wait(25), core) == []

    stream = only(feed(log.add(opening), core))

    assert texts(stream) == ["ab"]
    assert stream.first_offset == 100
    assert stream.reordered == 1


def test_frames_whose_open_never_comes_are_headless(log: Log, core: Partition) -> None:
    link = Connection()
    _, *rest = chat(link, "a")
    feed(log.add(*rest), core)
    assert feed(log.wait(25), core) == []

    emissions = feed(log.wait(5), core)

    assert deads(emissions) == [("headless", 100 + at) for at in range(len(rest))]
    assert (len(core), core.low_water(log.offset)) == (0, log.offset)


def test_a_note_waits_for_its_stream_too(log: Log, core: Partition) -> None:
    feed(log.add(Connection().note(tags={"a": "b"})), core)
    assert deads(feed(log.wait(30), core)) == [("headless", 100)]


def test_frames_under_another_tenant_are_of_another_stream(log: Log, core: Partition) -> None:
    link = Connection()
    opening, *rest = chat(link, "a")
    feed(log.add(opening), core)
    feed(log.add(*rest, link.close(), tenant="other"), core)
    assert len(core) == 2
    assert {reason for reason, _ in deads(feed(log.wait(30), core))} == {"headless"}


# ---------------------------------------------------------------------- after the close


def test_a_late_copy_cannot_reopen_a_sealed_stream(log: Log, core: Partition) -> None:
    link = Connection()
    frames = [*chat(link, "a"), link.close()]
    feed(log.add(*frames), core)

    assert feed(log.add(*frames), core) == []
    assert (len(core), core.late_copies) == (0, len(frames))


def test_what_a_sealed_stream_cannot_have_read_is_late(log: Log, core: Partition) -> None:
    link, another = Connection(), Connection(b"link-1--", link_no=1)
    feed(log.add(*chat(link, "a"), link.close()), core)
    assert deads(feed(log.add(another.open()), core)) == [("late", log.offset - 1)]
    assert deads(feed(log.add(link.data(b"more")), core)) == [("late", log.offset - 1)]


def test_a_late_note_is_a_dead_letter_and_a_copy_of_one_that_was_read_is_not(log: Log, core: Partition) -> None:
    link = Connection()
    early, late = link.note(tags={"a": "1"}), link.note(b"note-1--", tags={"a": "2"})
    frames = chat(link, "a")
    feed(log.add(frames[0], early, *frames[1:], link.close()), core)

    assert feed(log.add(early), core) == []
    assert deads(feed(log.add(late), core)) == [("late", log.offset - 1)]


def test_what_is_missing_in_a_closed_stream_is_late_when_it_comes(log: Log, core: Partition) -> None:
    link = Connection()
    frames = [*chat(link, "a", "b"), link.close()]
    missing = frames.pop(4)
    feed(log.add(*frames), core)
    feed(log.wait(30), core)

    assert deads(feed(log.add(missing), core)) == [("late", log.offset - 1)]
    assert feed(log.add(frames[0]), core) == []


def test_an_id_is_remembered_for_the_late_horizon(log: Log, core: Partition) -> None:
    link = Connection()
    frames = [*chat(link, "a"), link.close()]
    feed(log.add(*frames), core)
    feed(log.wait(595), core)
    assert list(core.closed) == [ID]

    feed(log.wait(5), core)
    assert not core.closed
    feed(log.add(frames[3]), core)
    assert deads(feed(log.wait(30), core)) == [("headless", frames_offset(log, 6))]


def frames_offset(log: Log, back: int) -> int:
    return log.offset - 1 - back


def test_an_id_given_again_after_it_was_forgotten_is_another_stream(log: Log, core: Partition) -> None:
    link = Connection()
    frames = [*chat(link, "a"), link.close()]
    emissions = feed(log.add(*frames), core)
    feed(log.wait(600), core)
    assert len(finished(emissions + feed(log.add(*frames), core))) == 2


def test_the_ledger_learns_of_each_close_once(log: Log, core: Partition) -> None:
    link = Connection()
    feed(log.add(*chat(link, "a"), link.close()), core)
    (closed,) = core.take_closed().values()
    assert (closed.first_offset, closed.last_offset, closed.closing_offset) == (100, log.offset - 1, log.offset - 1)
    assert closed.closed_partition_us == core.time.now_us
    assert closed.links[0].through == link.n
    assert core.take_closed() == {}

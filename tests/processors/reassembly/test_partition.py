"""A partition by example: when streams close, what is late, what is dead."""

from __future__ import annotations

import pytest

from frames_build import CALL, SECOND, TENANT, WALL_US, Connection, Log, chat_events, responses_events
from frames_facts import deads, finished, only, texts
from frames_feed import feed, partition
from streamgauge.processors.reassembly.finished import Arrival, Finished, StreamId
from streamgauge.processors.reassembly.partition import Partition
from streamgauge.schemas import codec
from streamgauge.schemas.frames import Frame, Tick
from streamgauge.schemas.words import EndedBy, How, Outcome, Resumable, WaitingFor

ID = StreamId(TENANT, CALL, 0)


def chat(connection: Connection, *texts: str) -> list[Frame]:
    """A whole chat completion but for its Close."""
    return [connection.open(), connection.head(), *map(connection.data, chat_events(*texts))]


def begun(connection: Connection, *texts: str) -> list[Frame]:
    """A chat completion whose end did not come."""
    events = chat_events(*texts, finish=None, done=False)
    return [connection.open(), connection.head(), *map(connection.data, events)]


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def core() -> Partition:
    return partition()


# ---------------------------------------------------------------------- closing


def test_a_stream_with_evidence_is_sealed_by_its_close_at_once(log: Log, core: Partition) -> None:
    link = Connection()
    assert feed(log.add(*chat(link, "Hello", " world")), core) == []

    (emission,) = feed(log.add(link.close()), core)

    assert isinstance(emission, Finished)
    assert not emission.revisable
    assert emission.stream.verdict.outcome is Outcome.COMPLETED
    assert emission.stream.verdict.evidence == "[DONE]"
    assert texts(emission.stream) == ["Hello world"]
    assert emission.stream.closing_offset == emission.stream.last_offset == log.offset - 1
    assert emission.stream.closed_at_us == log.append_us
    assert core.low_water(log.offset) == log.offset


def test_an_end_without_evidence_closes_and_seals_too(log: Log, core: Partition) -> None:
    link = Connection()
    (emission,) = feed(log.add(*begun(link, "Hel"), link.close(How.EOF)), core)

    assert isinstance(emission, Finished)
    assert not emission.revisable
    assert emission.stream.verdict.outcome is Outcome.TRUNCATED
    assert emission.stream.verdict.ended_by is EndedBy.PROVIDER


def test_an_end_that_may_be_resumed_waits_for_resume_grace(log: Log, core: Partition) -> None:
    link = Connection(path="/v1/responses")
    events = responses_events("a", "b")
    log.add(link.open(), link.head(), *map(link.data, events[:4]))
    log.add(link.close(How.READ_ERROR, resumable=Resumable.MAYBE))
    assert feed(log.arrivals, core) == []
    assert feed(log.wait(115), core) == []

    (emission,) = feed(log.wait(10), core)

    assert isinstance(emission, Finished)
    assert emission.revisable
    assert emission.stream.verdict.outcome is Outcome.TRUNCATED
    assert emission.stream.verdict.ended_by is EndedBy.NETWORK


def test_a_note_or_a_copy_does_not_prolong_the_wait_for_another_link(log: Log, core: Partition) -> None:
    link = Connection(path="/v1/responses")
    opening = link.open()
    log.add(opening, link.head(), *map(link.data, responses_events("a")[:4]))
    log.add(link.close(How.READ_ERROR, resumable=Resumable.MAYBE))
    feed([*log.arrivals], core)
    assert feed([*log.wait(100), *log.add(link.note(), opening)], core) == []
    assert len(finished(feed(log.wait(20), core))) == 1


def test_evidence_needs_no_hope_of_another_link(log: Log, core: Partition) -> None:
    link = Connection()
    stream = only(feed(log.add(*chat(link, "a"), link.close(resumable=Resumable.MAYBE)), core))
    assert stream.verdict.outcome is Outcome.COMPLETED


def test_a_resumed_answer_is_one_stream_without_repeated_text(log: Log, core: Partition) -> None:
    first = Connection(b"link-0--", path="/v1/responses")
    second = Connection(
        b"link-1--", link_no=1, after=b"link-0--", path="/v1/responses/resp_1", method="GET", wall_us=WALL_US + SECOND
    )
    events = responses_events("one", " two", " three")
    log.add(first.open(), first.head(), *map(first.data, events[:5]))
    log.add(first.close(How.READ_ERROR, resumable=Resumable.MAYBE))
    log.add(second.open(), second.head(), *map(second.data, events[3:]), second.close())

    stream = only(feed(log.arrivals, core))

    assert texts(stream) == ["one two three"]
    assert [link.replayed_events for link in stream.links] == [0, 2]
    assert [link.opened_us for link in stream.links] == [0, SECOND]
    assert stream.holes == 0
    assert stream.resume_gap_us == SECOND + 20_000 - 60_000
    assert stream.verdict.outcome is Outcome.COMPLETED


def test_a_resumed_answer_that_begins_too_late_has_a_hole(log: Log, core: Partition) -> None:
    first = Connection(b"link-0--", path="/v1/responses")
    second = Connection(b"link-1--", link_no=1, after=b"link-0--", path="/v1/responses/resp_1", method="GET")
    events = responses_events("one", " two", " three")
    log.add(first.open(), first.head(), *map(first.data, events[:5]))
    log.add(first.close(How.READ_ERROR, resumable=Resumable.MAYBE))
    log.add(second.open(), second.head(), *map(second.data, events[6:]), second.close())

    stream = only(feed(log.arrivals, core))

    assert (stream.holes, stream.missing_chunks) == (1, None)
    assert stream.verdict.outcome is Outcome.COMPLETED
    assert stream.verdict.stream_complete is False
    assert stream.verdict.content_complete is None


def test_a_repeated_event_that_differs_is_a_conflict_and_the_first_stays(log: Log, core: Partition) -> None:
    first = Connection(b"link-0--", path="/v1/responses")
    second = Connection(b"link-1--", link_no=1, after=b"link-0--", path="/v1/responses/resp_1", method="GET")
    events, others = responses_events("one", " two"), responses_events("ONE", " two")
    log.add(first.open(), first.head(), *map(first.data, events[:5]))
    log.add(first.close(How.READ_ERROR, resumable=Resumable.MAYBE))
    log.add(second.open(), second.head(), second.data(others[4]), *map(second.data, events[5:6]), second.close())

    stream = only([*feed(log.arrivals, core), *feed(log.wait(200), core)])

    assert texts(stream) == ["one two"]
    assert (stream.conflicts, stream.links[1].replayed_events) == (1, 0)


# ---------------------------------------------------------------------- holes


def test_a_hole_is_waited_for_and_filled(log: Log, core: Partition) -> None:
    link = Connection()
    frames = [*chat(link, "a", "b", "c"), link.close()]
    missing = frames.pop(3)
    assert feed(log.add(*frames), core) == []
    assert feed(log.wait(25), core) == []

    stream = only(feed(log.add(missing), core))

    assert texts(stream) == ["abc"]
    assert (stream.holes, stream.missing_chunks, stream.reordered) == (0, 0, 1)


def test_a_hole_that_stays_counts_as_lost_and_the_stream_can_be_revised(log: Log, core: Partition) -> None:
    link = Connection()
    frames = [*chat(link, "a", "b", "c"), link.close()]
    del frames[4]
    assert feed(log.add(*frames), core) == []
    assert feed(log.wait(25), core) == []

    (emission,) = feed(log.wait(5), core)

    assert isinstance(emission, Finished)
    assert emission.revisable
    stream = emission.stream
    assert texts(stream) == ["ac"]
    assert (stream.holes, stream.missing_chunks) == (1, 1)
    assert "bytes_missing" in stream.warnings
    assert stream.verdict.outcome is Outcome.COMPLETED
    assert (stream.verdict.stream_complete, stream.verdict.content_complete) == (False, None)


def test_a_hole_in_a_running_stream_is_passed_and_the_stream_goes_on(log: Log, core: Partition) -> None:
    link = Connection()
    frames = chat(link, "a", "b", "c", "d")
    last = frames.pop()
    del frames[4]
    feed(log.add(*frames), core)
    assert feed(log.wait(35), core) == []

    stream = only(feed(log.add(last, link.close()), core))

    assert texts(stream) == ["acd"]
    assert (stream.holes, stream.missing_chunks) == (1, 1)


def test_a_frame_that_comes_for_a_passed_hole_is_too_late(log: Log, core: Partition) -> None:
    link = Connection()
    frames = chat(link, "a", "b", "c")
    missing = frames.pop(4)
    feed(log.add(*frames), core)
    feed(log.wait(35), core)

    (emission,) = feed(log.add(missing, link.close()), core)

    assert isinstance(emission, Finished)
    assert emission.revisable
    assert texts(emission.stream) == ["ac"]
    assert "frames_late" in emission.stream.warnings


def test_a_lost_pulse_is_a_hole_without_missing_chunks(log: Log, core: Partition) -> None:
    link = Connection()
    frames = chat(link, "a")
    link.lose()
    stream = only([*feed(log.add(*frames, link.close()), core), *feed(log.wait(30), core)])
    assert (stream.holes, stream.missing_chunks) == (1, 0)
    assert stream.verdict.stream_complete is True


def test_a_link_that_is_named_and_not_seen_is_a_hole(log: Log, core: Partition) -> None:
    second = Connection(b"link-1--", link_no=1, after=b"link-0--", path="/v1/responses/resp_1", method="GET")
    events = responses_events("a")
    feed(log.add(second.open(), second.head(), *map(second.data, events), second.close()), core)
    assert feed(log.wait(25), core) == []

    (emission,) = feed(log.wait(5), core)

    assert isinstance(emission, Finished)
    assert emission.revisable
    stream = emission.stream
    assert (stream.holes, stream.missing_chunks) == (1, None)
    assert len(stream.links) == 1
    assert stream.verdict.outcome is Outcome.COMPLETED


def test_a_link_that_was_given_up_is_not_waited_for_again(log: Log, core: Partition) -> None:
    second = Connection(b"link-1--", link_no=1, after=b"link-0--", path="/v1/responses/resp_1", method="GET")
    feed(log.add(second.open(), second.head(), *map(second.data, responses_events("a"))), core)
    feed(log.wait(35), core)
    assert only(feed(log.add(second.close()), core)).holes == 1


def test_links_may_arrive_in_any_order(log: Log, core: Partition) -> None:
    first = Connection(b"zz-first", path="/v1/responses")
    second = Connection(b"aa-secnd", link_no=1, after=b"zz-first", path="/v1/responses/resp_1", method="GET")
    events = responses_events("one", " two")
    log.add(second.open(), second.head(), *map(second.data, events[4:]), second.close())
    log.add(first.open(), first.head(), *map(first.data, events[:5]), first.close(How.READ_ERROR))

    stream = only(feed(log.arrivals, core))

    assert texts(stream) == ["one two"]
    assert [link.opening.link for link in stream.links] == [b"zz-first", b"aa-secnd"]
    assert [link.replayed_events for link in stream.links] == [0, 1]


# ---------------------------------------------------------------------- silence and age


def test_a_silent_producer_is_lost(log: Log, core: Partition) -> None:
    link = Connection()
    feed(log.add(*begun(link, "Hel")), core)
    assert feed(log.wait(55), core) == []

    (emission,) = feed(log.wait(5), core)

    assert isinstance(emission, Finished)
    assert emission.revisable
    verdict = emission.stream.verdict
    assert (verdict.outcome, verdict.ended_by, verdict.evidence) == (Outcome.LOST, EndedBy.DEADLINE, "producer_silent")
    assert emission.stream.links[0].how is How.CRASHED
    assert texts(emission.stream) == ["Hel"]


def test_a_producer_that_dies_behind_the_end_has_completed(log: Log, core: Partition) -> None:
    feed(log.add(*chat(Connection(), "a")), core)
    stream = only(feed(log.wait(60), core))
    assert stream.verdict.outcome is Outcome.COMPLETED
    assert stream.links[0].how is How.CRASHED


def test_pulses_keep_a_stream_open_until_the_provider_was_silent_too_long(log: Log, core: Partition) -> None:
    link = Connection()
    feed(log.add(*begun(link, "Hel")), core)
    emissions = []
    for _ in range(62):
        emissions += feed([*log.wait(15), *log.add(link.pulse())], core)

    stream = only(emissions)

    assert stream.verdict.outcome is Outcome.TIMED_OUT
    assert stream.verdict.evidence == "provider_silent"
    assert stream.links[0].how is None
    assert stream.closed_at_us - stream.first_append_us <= 915 * SECOND


def test_a_slow_consumer_is_not_the_providers_silence(log: Log, core: Partition) -> None:
    link = Connection()
    feed(log.add(*begun(link, "Hel")), core)
    emissions = []
    for _ in range(150):
        emissions += feed([*log.wait(15), *log.add(link.pulse(WaitingFor.CONSUMER))], core)
    assert emissions == []


def test_a_stream_that_is_too_old_has_no_outcome(log: Log, core: Partition) -> None:
    link = Connection()
    feed(log.add(*begun(link, "Hel")), core)
    emissions = []
    for _ in range(370):
        emissions += feed([*log.wait(10), *log.add(link.pulse(WaitingFor.CONSUMER), link.data(b": ok\n\n"))], core)

    stream = only(emissions)

    assert (stream.verdict.outcome, stream.verdict.evidence) == (None, "total_age")
    assert stream.verdict.ended_by is EndedBy.DEADLINE
    assert stream.closed_at_us - stream.first_append_us >= 3600 * SECOND
    assert deads(emissions) == [], "chunks that go on after a close by age are only counted"
    assert core.late_copies > 0
    assert deads(feed(log.add(link.close()), core)) == [("late", log.offset - 1)]


def test_a_link_without_close_is_waited_for_once_a_later_one_brought_the_end(log: Log, core: Partition) -> None:
    first = Connection(b"link-0--", path="/v1/responses")
    second = Connection(b"link-1--", link_no=1, after=b"link-0--", path="/v1/responses/resp_1", method="GET")
    events = responses_events("one", " two")
    log.add(first.open(), first.head(), *map(first.data, events[:5]))
    log.wait(30)
    log.add(second.open(), second.head(), *map(second.data, events[5:]), second.close())
    assert feed(log.arrivals, core) == []
    assert feed(log.wait(25), core) == []

    stream = only(feed(log.wait(10), core))

    assert stream.verdict.outcome is Outcome.COMPLETED
    assert [link.how for link in stream.links] == [How.CRASHED, How.EOF]


def test_a_silent_link_ends_nothing_while_another_runs(log: Log, core: Partition) -> None:
    first = Connection(b"link-0--", path="/v1/responses")
    second = Connection(b"link-1--", link_no=1, after=b"link-0--", path="/v1/responses/resp_1", method="GET")
    events = responses_events(*"abcdefgh")
    feed(log.add(first.open(), first.head(), *map(first.data, events[:5]), second.open(), second.head()), core)
    for event in events[5:]:
        assert feed([*log.wait(40), *log.add(second.data(event))], core) == []
    assert only(feed(log.add(second.close()) + log.wait(60), core)).verdict.outcome is Outcome.COMPLETED


def test_an_outage_closes_nothing(log: Log, core: Partition) -> None:
    link = Connection()
    feed(log.add(*chat(link, "a")), core)

    stream = only(feed(log.add(link.close(), step_us=24 * 3600 * SECOND), core))

    assert stream.verdict.outcome is Outcome.COMPLETED
    assert stream.holes == 0


def test_a_deadline_that_has_passed_fires_before_the_frame_is_fed(log: Log, core: Partition) -> None:
    link = Connection()
    feed(log.add(*begun(link, "a")), core)
    log.wait(50)
    feed(log.arrivals[-10:], core)

    emissions = feed(log.add(link.data(b"data: [DONE]\n\n"), step_us=10 * SECOND), core)

    assert only(emissions).verdict.outcome is Outcome.LOST
    assert deads(emissions) == [("late", log.offset - 1)]


def test_deadlines_fire_in_order_of_time_and_id() -> None:
    log, core = Log(), partition(tick_s=60)
    late, b, a = Connection(call=b"0" * 16), Connection(call=b"b" * 16), Connection(call=b"a" * 16)
    feed(log.add(b.open(), a.open(), step_us=0), core)
    feed(log.add(late.open(), step_us=SECOND), core)

    emissions = feed(log.add(Tick(), step_us=100 * SECOND, tenant=None), core)

    assert [stream.id.call for stream in finished(emissions)] == [b"a" * 16, b"b" * 16, b"0" * 16]


def test_a_deadline_that_moved_on_fires_in_its_new_place() -> None:
    log, core = Log(), partition(tick_s=60)
    first, second = Connection(call=b"a" * 16), Connection(call=b"b" * 16)
    feed(log.add(first.open(), step_us=0), core)
    feed(log.add(second.open(), step_us=20 * SECOND), core)
    feed(log.add(first.head(), step_us=10 * SECOND), core)

    emissions = feed(log.add(Tick(), step_us=100 * SECOND, tenant=None), core)

    assert [stream.id.call for stream in finished(emissions)] == [b"b" * 16, b"a" * 16]


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


# ---------------------------------------------------------------------- what cannot be used


def test_what_is_no_frame_is_undecodable(log: Log, core: Partition) -> None:
    emissions = feed(log.add(b"\x93\x01", b"", b"\xc1"), core)
    assert [reason for reason, _ in deads(emissions)] == ["undecodable"] * 3
    nothing = Arrival(log.offset, log.append_us, None, None, codec.tenant_headers(TENANT))
    assert deads(core.feed(nothing)) == [("undecodable", log.offset)]


@pytest.mark.parametrize("headers", [[], [("sg-tenant", b"not a name")], [("other", b"acme")], [("sg-tenant", b"")]])
def test_a_frame_without_a_tenant_is_dead(log: Log, core: Partition, headers: list[tuple[str, bytes]]) -> None:
    (arrival,) = log.add(Connection().open())
    for _ in range(2):  # the second time the header is known
        assert deads(core.feed(arrival._replace(headers=headers))) == [("no_tenant", arrival.offset)]


def test_a_header_without_a_value_is_no_tenant(log: Log, core: Partition) -> None:
    (arrival,) = log.add(Connection().open())
    emissions = core.feed(arrival._replace(headers=[("sg-tenant", None)]))  # type: ignore[list-item]
    assert deads(emissions) == [("no_tenant", arrival.offset)]


def test_an_open_under_another_tenants_header_is_a_mismatch(log: Log, core: Partition) -> None:
    emissions = feed(log.add(Connection().open(), tenant="other"), core)
    assert deads(emissions) == [("tenant_mismatch", 100)]
    assert len(core) == 0


def test_a_frame_out_of_bounds_is_dead_and_opens_nothing(log: Log, core: Partition) -> None:
    emissions = feed(log.add(Connection(b"short").open()), core)
    assert deads(emissions) == [("out_of_bounds", 100)]
    assert len(core) == 0


def test_a_dead_letter_tells_no_content(log: Log, core: Partition) -> None:
    secret = b"sk-secret"
    emissions = feed(log.add(b"\x95\x01" + secret, Connection(tenant="other", request=secret).open()), core)
    assert emissions
    assert not [emission for emission in emissions if "secret" in str(emission[2])]


def test_unknown_tags_are_counted_on_their_stream_and_open_none(log: Log, core: Partition) -> None:
    link, other = Connection(), Connection(call=b"o" * 16)
    opening, *rest = chat(link, "a")
    news = link.unknown()
    stream = only(feed(log.add(opening, *rest, news, news, link.close()), core))
    assert (stream.unknown_frames, stream.duplicates_dropped) == (1, 1)

    feed(log.add(other.unknown()), core)
    assert deads(feed(log.wait(30), core)) == [("headless", 100 + len(rest) + 4)]


def test_an_unknown_tag_that_overtakes_its_links_open_leaves_no_hole(log: Log, core: Partition) -> None:
    first = Connection(b"link-0--", path="/v1/responses")
    second = Connection(b"link-1--", link_no=1, after=b"link-0--", path="/v1/responses/resp_1", method="GET")
    events = responses_events("a")
    opening, news = second.open(), second.unknown()
    log.add(first.open(), first.head(), *map(first.data, events[:5]))
    log.add(news, opening, second.head(), *map(second.data, events[5:]), second.close())
    stream = only(feed([*log.arrivals, *log.add(first.close(How.READ_ERROR))], core))
    assert (stream.holes, stream.unknown_frames) == (0, 1)


def test_an_unknown_tag_without_a_stream_is_only_counted(log: Log, core: Partition) -> None:
    assert feed(log.add(b"\x95\x2a\xc0\xc0\xc0\x00", tenant=None), core) == []
    assert core.unknown_frames == 1


def test_a_tick_moves_the_time_and_nothing_else(log: Log, core: Partition) -> None:
    feed(log.wait(10), core)
    assert core.time.now_us == 5 * SECOND  # the first record's step is 0
    assert len(core) == 0


# ---------------------------------------------------------------------- rescue


def test_a_rescuers_close_proves_no_completeness(log: Log, core: Partition) -> None:
    link = Connection()
    *frames, last = begun(link, "a", "b")
    feed(log.add(*frames, link.rescued(), last), core)
    assert feed(log.wait(25), core) == []

    (emission,) = feed(log.wait(5), core)

    assert isinstance(emission, Finished)
    assert emission.revisable
    assert texts(emission.stream) == ["ab"]
    assert emission.stream.verdict.outcome is Outcome.LOST
    assert emission.stream.verdict.ended_by is EndedBy.SHIM
    assert (emission.stream.holes, emission.stream.missing_chunks) == (0, None)
    assert "completeness_unknown" in emission.stream.warnings


def test_a_rescuers_close_is_news_of_a_stream_that_was_lost_and_a_copy_of_one_that_is_sealed(
    log: Log, core: Partition
) -> None:
    lost, sealed = Connection(), Connection(call=b"s" * 16)
    feed(log.add(*begun(lost, "a"), *chat(sealed, "b"), sealed.close()), core)
    assert len(finished(feed(log.wait(60), core))) == 1
    assert deads(feed(log.add(lost.rescued(), sealed.rescued()), core)) == [("late", log.offset - 2)]


def test_the_real_close_is_believed_before_a_rescuers(log: Log, core: Partition) -> None:
    link = Connection()
    frames = chat(link, "a")
    stream = only(feed(log.add(*frames, link.rescued(), link.close()), core))
    assert stream.links[0].how is How.EOF
    assert stream.missing_chunks == 0


# ---------------------------------------------------------------------- our own mistakes


def test_a_parser_that_fails_costs_the_rest_of_that_body(
    log: Log, core: Partition, monkeypatch: pytest.MonkeyPatch
) -> None:
    link, other = Connection(), Connection(call=b"o" * 16)
    feed(log.add(*begun(link, "a")), core)
    _break(monkeypatch, "streamgauge.processors.providers.reading.Reading.read")
    feed(log.add(link.data(b"data: {}\n\n")), core)
    monkeypatch.undo()

    another, stream = finished(feed(log.add(*chat(other, "b"), other.close(), link.close()), core))

    assert texts(another) == ["b"]
    assert texts(stream) == ["a"]
    assert stream.chunks == 3
    assert "parser_error" in stream.warnings
    assert (stream.verdict.outcome, stream.verdict.evidence) == (None, "not_seen")


def test_a_mistake_of_ours_costs_one_stream_and_leaves_a_record_of_it(
    log: Log, core: Partition, monkeypatch: pytest.MonkeyPatch
) -> None:
    link, other = Connection(), Connection(call=b"o" * 16)
    feed(log.add(*chat(link, "a"), *chat(other, "b")), core)
    _break(monkeypatch, "streamgauge.processors.reassembly.partition.finish")
    emissions = feed(log.add(link.close()), core)
    monkeypatch.undo()

    assert deads(emissions) == [("internal", log.offset - 1)]
    assert only(emissions).warnings == ["internal_error"]
    assert only(emissions).verdict.outcome is None
    assert texts(only(feed(log.add(other.close()), core))) == ["b"]


def test_a_mistake_at_a_deadline_costs_that_stream_alone(
    log: Log, core: Partition, monkeypatch: pytest.MonkeyPatch
) -> None:
    link, waiting = Connection(), Connection(call=b"w" * 16)
    feed(log.add(*begun(link, "a"), waiting.head()), core)
    _break(monkeypatch, "streamgauge.processors.reassembly.stream.Stream.expire")
    emissions = feed(log.wait(60), core)

    assert [reason for reason, _ in deads(emissions)] == ["internal", "internal"]
    assert only(emissions).warnings == ["internal_error"]
    assert len(core) == 0


def test_a_mistake_in_merging_costs_the_content_alone(
    log: Log, core: Partition, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = Connection()
    feed(log.add(*chat(link, "a")), core)
    _break(monkeypatch, "streamgauge.processors.reassembly.finish.gather")
    stream = only(feed(log.add(link.close()), core))

    assert (stream.answers, stream.warnings) == ([], ["parser_error"])
    assert (stream.verdict.outcome, stream.verdict.evidence) == (None, "not_seen")
    assert stream.chunks == len(chat_events("a"))


def test_tenants_beyond_the_cache_are_known_all_the_same(
    log: Log, core: Partition, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamgauge.processors.reassembly.partition._TENANTS_CACHED", 0)
    link = Connection()
    assert len(finished(feed(log.add(*chat(link, "a"), link.close()), core))) == 1


def _break(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr(name, fail)

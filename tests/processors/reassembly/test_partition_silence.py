"""Streams in which nothing happens any more: whom they wait for, how long, and in which order deadlines fire."""

from __future__ import annotations

from frames_build import SECOND, Connection, Log, begun, chat, responses_events
from frames_facts import deads, finished, only, texts
from frames_feed import feed, partition
from streamgauge.processors.reassembly.finished import Finished
from streamgauge.processors.reassembly.partition import Partition
from streamgauge.schemas.frames import Tick
from streamgauge.schemas.words import EndedBy, How, Outcome, WaitingFor


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

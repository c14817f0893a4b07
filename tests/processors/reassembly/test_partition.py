"""A partition by example: what a stream that goes well comes to, and when it closes."""

from __future__ import annotations

from frames_build import SECOND, WALL_US, Connection, Log, begun, chat, responses_events
from frames_facts import finished, only, texts
from frames_feed import feed
from streamgauge.processors.reassembly.finished import Finished
from streamgauge.processors.reassembly.partition import Partition
from streamgauge.schemas.words import EndedBy, How, Outcome, Resumable


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

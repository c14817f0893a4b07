"""Frames and links that are missing: waited for, filled, passed, lost."""

from __future__ import annotations

from frames_build import Connection, Log, chat, responses_events
from frames_facts import only, texts
from frames_feed import feed
from streamgauge.processors.reassembly.finished import Finished
from streamgauge.processors.reassembly.partition import Partition
from streamgauge.schemas.words import How, Outcome


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

"""Messages that cannot be used, a rescuer's word, and mistakes of ours: none of them stops a partition."""

from __future__ import annotations

import pytest

from frames_build import SECOND, TENANT, Connection, Log, begun, chat, chat_events, responses_events
from frames_facts import deads, finished, only, texts
from frames_feed import feed
from streamgauge.processors.reassembly.finished import Arrival, Finished
from streamgauge.processors.reassembly.partition import Partition
from streamgauge.schemas import codec
from streamgauge.schemas.words import EndedBy, How, Outcome

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

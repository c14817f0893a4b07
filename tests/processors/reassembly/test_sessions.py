"""A session of many responses: a record for each, and one more with the sums."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from frames_build import WALL_US, Connection, Log
from frames_facts import only
from frames_feed import feed
from streamgauge.processors.reassembly.finished import FinishedStream
from streamgauge.processors.reassembly.sessions import streams_of
from streamgauge.processors.record import Measures, write
from streamgauge.schemas.records import Contents, Record, Text
from streamgauge.schemas.words import EndedBy, Format, How, Outcome, RecordKind

SESSION = {"type": "session.created", "session": {"id": "s", "model": "gpt-realtime"}}
ID = "acme/00010203-0405-0607-0809-0a0b0c0d0e0f.0"


def created(response: str) -> dict[str, Any]:
    return {"type": "response.created", "response": {"id": response, "object": "realtime.response"}}


def said(response: str, words: str) -> dict[str, Any]:
    place = {"response_id": response, "output_index": 0, "content_index": 0}
    return {"type": "response.output_text.delta", "delta": words, **place}


def done(response: str, status: str = "completed", output: int = 5) -> dict[str, Any]:
    usage = {"input_tokens": 10, "output_tokens": output, "total_tokens": 10 + output}
    return {"type": "response.done", "response": {"id": response, "status": status, "usage": usage}}


WHOLE = [
    SESSION,
    created("r1"),
    said("r1", "Hello"),
    done("r1"),
    created("r2"),
    said("r2", "Bye"),
    done("r2", output=7),
]


def session(*documents: dict[str, Any], how: How = How.EOF, **opening: Any) -> FinishedStream:
    """One document a frame, 10 ms apart."""
    link, log = Connection(api="openai.realtime", provider="openai", format=Format.OBJECTS, path="", **opening), Log()
    log.add(link.open(), *(link.data(msgspec.json.encode(document)) for document in documents), link.close(how))
    return only(feed(log.arrivals))


def recorded(stream: FinishedStream) -> list[tuple[Record, Contents]]:
    measures = Measures()
    return [write(one, topic="t", partition=0, rules="r", measures=measures) for one in streams_of(stream)]


def outcomes(stream: FinishedStream) -> list[tuple[Outcome | None, str | None]]:
    return [(record.outcome, record.evidence) for record, _ in recorded(stream)]


def test_every_response_has_a_record_and_the_session_one_with_the_sums() -> None:
    records = [record for record, _ in recorded(session(*WHOLE))]
    assert [record.id for record in records] == [f"{ID}.0", f"{ID}.1", ID]
    kinds = [RecordKind.GENERATION, RecordKind.GENERATION, RecordKind.SESSION]
    assert [record.kind for record in records] == kinds
    assert [record.usage_output for record in records] == [5, 7, 12]
    assert [record.usage_total for record in records] == [15, 17, 32]
    assert [record.generations for record in records] == [1, 1, 2]
    assert [record.response_id for record in records[:2]] == ["r1", "r2"]
    assert {record.model for record in records} == {"gpt-realtime"}
    assert {(record.call_id, record.attempt) for record in records} == {(records[0].call_id, 0)}


def test_content_stands_with_its_response_alone() -> None:
    contents = [contents for _, contents in recorded(session(*WHOLE))]
    assert [one.id for one in contents] == [f"{ID}.0", f"{ID}.1", ID]
    assert [[part for choice in one.choices for part in choice.parts] for one in contents] == [
        [Text(text="Hello")],
        [Text(text="Bye")],
        [],
    ]


def test_what_the_records_of_responses_count_adds_up_to_the_session() -> None:
    first, second, whole = (record for record, _ in recorded(session(*WHOLE)))
    for name in ("chunks", "events", "bytes", "choices", "usage_input"):
        assert getattr(first, name) + getattr(second, name) == getattr(whole, name), name
    assert first.cost_usd is not None
    assert second.cost_usd is not None
    assert first.cost_usd + second.cost_usd == whole.cost_usd


def test_the_times_of_a_response_count_from_its_own_beginning() -> None:
    first, second, whole = (record for record, _ in recorded(session(*WHOLE)))
    assert (first.requested_at_us, first.ttft_us, first.ended_us) == (WALL_US + 10_000, 20_000, 30_000)
    assert (second.requested_at_us, second.ttft_us, second.ended_us) == (WALL_US + 50_000, 10_000, 20_000)
    assert (second.first_text_us, second.last_token_us, second.headers_us) == (10_000, 10_000, None)
    assert (second.gap_max_us, second.stalls, second.consumer_wait_us) == (None, None, None)
    assert (whole.requested_at_us, whole.ttft_us, whole.gap_max_us) == (WALL_US, 30_000, 10_000)


def test_responses_and_session_end_each_by_their_own_evidence() -> None:
    stream = session(*WHOLE[:4], created("r2"), done("r2", "cancelled"), created("r3"), done("r3", "failed"))
    assert outcomes(stream) == [
        (Outcome.COMPLETED, "response.done"),
        (Outcome.CANCELLED, "response.done"),
        (Outcome.FAILED, "response.done"),
        (Outcome.COMPLETED, "eof"),
    ]


@pytest.mark.parametrize(
    ("how", "outcome", "ended_by"),
    [
        (How.EOF, Outcome.TRUNCATED, EndedBy.PROVIDER),
        (How.CLOSED_EARLY, Outcome.CANCELLED, EndedBy.CLIENT),
        (How.READ_ERROR, Outcome.TRUNCATED, EndedBy.NETWORK),
    ],
)
def test_a_response_that_was_under_way_ended_as_the_session_did(how: How, outcome: Outcome, ended_by: EndedBy) -> None:
    (first, _), (second, contents), (whole, _) = recorded(session(*WHOLE[:-1], how=how))
    assert (first.outcome, first.content_complete, first.stream_complete) == (Outcome.COMPLETED, True, True)
    assert (second.outcome, second.ended_by, second.content_complete) == (outcome, ended_by, False)
    assert (whole.outcome, whole.ended_by, whole.evidence) == (outcome, ended_by, second.evidence)
    assert contents.choices[0].parts == [Text(text="Bye")]


def test_a_session_closed_by_its_client_between_responses_is_cancelled_and_they_are_not() -> None:
    assert [outcome for outcome, _ in outcomes(session(*WHOLE, how=How.CLOSED_EARLY))] == [
        Outcome.COMPLETED,
        Outcome.COMPLETED,
        Outcome.CANCELLED,
    ]


def test_responses_side_by_side_are_recorded_apart() -> None:
    stream = session(
        SESSION, created("a"), said("a", "1"), created("b"), said("b", "2"), said("a", "3"), done("a"), done("b")
    )
    (first, told), (second, _), _ = recorded(stream)
    assert told.choices[0].parts == [Text(text="13")]
    assert [record.ended_us for record in (first, second)] == [60_000, 40_000]


def test_a_session_without_a_response_is_its_own_record_alone() -> None:
    [(record, _)] = recorded(session(SESSION))
    assert (record.id, record.kind, record.outcome, record.evidence) == (
        ID,
        RecordKind.SESSION,
        Outcome.COMPLETED,
        "eof",
    )


def test_a_session_taken_up_on_another_connection_goes_on() -> None:
    """Whatever the first had begun stays; nobody knows where the second stands if the clocks contradict."""
    log = Log()
    first = Connection(api="openai.realtime", format=Format.OBJECTS, path="")
    second = Connection(
        b"link-1--", api="openai.realtime", format=Format.OBJECTS, path="", link_no=1, wall_us=WALL_US - 1_000_000
    )
    log.add(first.open(), *(first.data(msgspec.json.encode(one)) for one in WHOLE[:4]), second.open())
    log.add(first.close(How.READ_ERROR), *(second.data(msgspec.json.encode(one)) for one in WHOLE[4:]), second.close())
    records = [record for record, _ in recorded(only(feed(log.arrivals)))]
    assert [(record.outcome, record.response_id) for record in records[:2]] == [
        (Outcome.COMPLETED, "r1"),
        (Outcome.COMPLETED, "r2"),
    ]
    assert (records[1].requested_at_us, records[1].ttft_us) == (None, 10_000)
    assert (records[2].kind, records[2].outcome) == (RecordKind.SESSION, Outcome.COMPLETED)


def test_any_other_stream_is_recorded_as_itself() -> None:
    link, log = Connection(), Log()
    log.add(link.open(), link.head(), link.data(b"data: [DONE]\n\n"), link.close())
    stream = only(feed(log.arrivals))
    assert streams_of(stream) == [stream]
    assert stream.kind is RecordKind.GENERATION

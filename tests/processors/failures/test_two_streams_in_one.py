"""One body that holds more, or other, than one answer: told apart by what is in it, never by what it is called."""

from __future__ import annotations

from typing import Any

import pytest

from frames_build import Connection, anthropic_events, chat_events, responses_events, sse
from frames_record import said, shows, told
from streamgauge.schemas.records import Contents, Record
from streamgauge.schemas.words import Outcome


def body(*events: bytes, path: str, host: str = "api.openai.com") -> tuple[Record, Contents]:
    link = Connection(path=path, host=host)
    return told(link.open(), link.head(), *map(link.data, events), link.close())


SPLICES = {
    "/v1/messages": (anthropic_events("Half", done=False), anthropic_events("Whole", response_id="msg_2")),
    "/v1/chat/completions": (
        chat_events("Half", finish=None, done=False),
        chat_events("Whole", response_id="chatcmpl-2"),
    ),
    "/v1/responses": (responses_events("Half", done=False), responses_events("Whole", response_id="resp_2")),
}


@pytest.mark.parametrize("path", SPLICES)
def test_a_spliced_body_is_two_generations_and_ends_as_the_last_one(path: str) -> None:
    first, second = SPLICES[path]
    record, contents = body(*first, *second, path=path)
    shows(record, generations=2, outcome=Outcome.COMPLETED, content_complete=True, choices=2)
    assert record.evidence_offset == record.bytes
    assert said(contents) == ["Half", "Whole"]
    assert [bool(choice.finish_reason) for choice in contents.choices] == [False, True]


@pytest.mark.parametrize("path", SPLICES)
def test_a_spliced_body_whose_last_stream_breaks_off_is_truncated(path: str) -> None:
    first, second = SPLICES[path]
    record, contents = body(*first, *second[:-1], path=path)
    shows(record, generations=2, outcome=Outcome.TRUNCATED, stream_complete=False)
    assert len(said(contents)) == 2


def test_a_start_that_comes_twice_is_one_message() -> None:
    start, *rest = anthropic_events("Whole")
    record, contents = body(start, start, *rest, path="/v1/messages")
    shows(record, outcome=Outcome.COMPLETED, generations=1, duplicates_dropped=1, usage_input=9, usage_output=1)
    assert said(contents) == ["Whole"]


def test_a_numbered_event_that_comes_twice_is_dropped_and_counted() -> None:
    events = responses_events("Who", "le")
    record, contents = body(*events[:5], events[4], *events[5:], path="/v1/responses")
    shows(record, outcome=Outcome.COMPLETED, generations=1, duplicates_dropped=1, conflicts=0, stream_complete=True)
    assert said(contents) == ["Whole"]


def test_a_numbered_event_that_comes_twice_and_differs_is_a_conflict_and_the_first_counts() -> None:
    events = responses_events("Who", "le")
    other = events[4].replace(b'"Who"', b'"Not"')
    record, contents = body(*events[:5], other, *events[5:], path="/v1/responses")
    shows(record, outcome=Outcome.COMPLETED, duplicates_dropped=0, conflicts=1)
    assert said(contents) == ["Whole"]


def test_equal_deltas_without_numbers_are_no_copies() -> None:
    record, contents = body(*chat_events(" the", " the"), path="/v1/chat/completions")
    shows(record, duplicates_dropped=0, outcome=Outcome.COMPLETED)
    assert said(contents) == [" the the"]


def chunks(*ids: str) -> list[bytes]:
    """A chat completion each of whose chunks has another id."""

    def chunk(chunk_id: str, choices: list[Any]) -> bytes:
        model = "compound-beta" if chunk_id else ""
        return sse({"id": chunk_id, "object": "chat.completion.chunk", "model": model, "choices": choices})

    def delta(reason: str | None = None, **delta: str) -> list[Any]:
        return [{"index": 0, "delta": delta, "finish_reason": reason}]

    first, *others, last = ids
    started = [] if not first else delta(role="assistant", content="")
    return [
        chunk(first, started),
        *(chunk(one, delta(content=str(at))) for at, one in enumerate(others)),
        chunk(last, delta("stop")),
        sse("[DONE]"),
    ]


@pytest.mark.parametrize(("ids", "response_id"), [("abcd", "a"), (["", "b", "b", "b"], "b")])
def test_ids_that_rotate_or_begin_empty_are_one_answer(ids: list[str], response_id: str) -> None:
    """Groq's compound systems give every chunk an id of its own, Azure's first chunk has none."""
    record, contents = body(*chunks(*ids), path="/v1/chat/completions", host="api.groq.com")
    shows(record, generations=1, outcome=Outcome.COMPLETED, response_id=response_id, model="compound-beta")
    assert said(contents) == ["01"]

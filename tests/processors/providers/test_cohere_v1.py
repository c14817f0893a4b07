"""Cohere's first chat: lines of events, and a last one that holds the whole answer again."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from sse_play import carried, parts, play, play_body, said, tools
from streamgauge.processors.providers.answer import Output, Usage
from streamgauge.processors.providers.cohere_v1 import COHERE_V1
from streamgauge.processors.providers.reading import Reading
from streamgauge.schemas.records import Citation

API = "cohere.v1"
LINES = "application/stream+json"
META = {
    "billed_units": {"input_tokens": 7, "output_tokens": 3},
    "tokens": {"input_tokens": 70, "output_tokens": 4},
    "cached_tokens": 64,
}


def event(kind: str, **more: Any) -> dict[str, Any]:
    return {"is_finished": kind == "stream-end", "event_type": kind, **more}


def start(generation_id: str = "g1") -> dict[str, Any]:
    return event("stream-start", generation_id=generation_id)


def words(piece: str) -> dict[str, Any]:
    return event("text-generation", text=piece)


def end(whole: str = "Hello", reason: str = "COMPLETE", **more: Any) -> dict[str, Any]:
    response = {"generation_id": "g1", "text": whole, "finish_reason": reason, "meta": META, **more}
    return event("stream-end", finish_reason=reason, response=response)


def lines(*events: dict[str, Any]) -> bytes:
    return b"".join(msgspec.json.encode(one) + b"\n" for one in events)


def read(*events: dict[str, Any]) -> Reading:
    return play(lines(*events), content_type=LINES)


def test_a_stream_is_a_start_pieces_and_an_end() -> None:
    body = lines(start(), words("Hel"), words("lo"), end())
    reading, outputs = play_body(body, content_type=LINES)
    answer = reading.answer
    assert reading.api is COHERE_V1
    assert (answer.response_id, said(answer), answer.finish_reasons()) == ("g1", "Hello", ["COMPLETE"])
    assert reading.ending is not None
    assert (reading.ending.evidence, reading.ending.offset) == ("stream-end", len(body))
    assert outputs == [Output(value) for value in (0, 1, 1, 0)]
    assert (reading.unknown_events, answer.warnings) == (0, [])


def test_without_its_end_it_has_not_ended() -> None:
    reading = read(start(), words("Hel"))
    assert (reading.ending, reading.content_complete()) == (None, False)


def test_tokens_are_not_what_is_billed() -> None:
    answer = read(start(), end()).answer
    assert answer.usage_raw == {"input_tokens": 70, "output_tokens": 4, "cached_tokens": 64}
    assert COHERE_V1.usage(answer.usage_raw) == Usage(input=70, output=4, cache_read=64)
    assert answer.units == {"billed_input_tokens": 7.0, "billed_output_tokens": 3.0}
    older = read(start(), end(meta={"billed_units": {"input_tokens": 7}})).answer
    assert COHERE_V1.usage(older.usage_raw or {}) == Usage()


def test_the_copy_in_the_end_is_what_was_said() -> None:
    assert said(read(start(), end()).answer) == "Hello"
    other = read(start(), words("Help"), end()).answer
    assert (said(other), other.warnings) == ("Hello", ["snapshot_differs"])


def test_calls_come_in_pieces_and_whole() -> None:
    calls = [{"name": "f", "parameters": {"a": 1}}, {"name": "g", "parameters": {}}]
    events = [
        event("tool-calls-chunk", text="I will look."),
        event("tool-calls-chunk", tool_call_delta={"index": 0, "name": "f"}),
        event("tool-calls-chunk", tool_call_delta={"index": 0, "parameters": '{"a"'}),
    ]
    [cut] = tools(read(start(), *events).answer)
    assert (cut.name, cut.arguments, cut.complete) == ("f", '{"a"', False)
    grown = event("tool-calls-chunk", tool_call_delta={"index": 0, "parameters": ":1}"})
    for reason, complete in (("MAX_TOKENS", False), ("COMPLETE", True)):
        [tool] = tools(read(start(), *events, grown, end("I will look.", reason)).answer)
        assert (tool.json_valid, tool.complete) == (True, complete)
    whole = event("tool-calls-generation", tool_calls=calls)
    answer = read(start(), *events, whole, end("I will look.", tool_calls=calls)).answer
    assert [(tool.name, tool.arguments, tool.complete) for tool in tools(answer)] == [
        ("f", '{"a":1}', True),
        ("g", "{}", True),
    ]


def test_citations_and_searches_are_kept_once() -> None:
    citation = {"start": 0, "end": 5, "text": "Hello", "document_ids": ["d"]}
    results = event("search-results", documents=[{"id": "d"}])
    cited = event("citation-generation", citations=[citation])
    answer = read(start(), results, words("Hello"), cited, end(citations=[citation])).answer
    assert [msgspec.json.decode(part.citation) for part in parts(answer) if isinstance(part, Citation)] == [citation]
    assert carried(answer) == [("search_results", results)]


def test_a_generation_that_failed_says_so_in_its_finish() -> None:
    reading = read(start(), words("Hel"), end("", "ERROR"))
    assert reading.ending is not None
    assert (reading.ending.kind, said(reading.answer)) == ("failed", "Hel")


@pytest.mark.parametrize("begun", [[words("Hel")], [words("Hello"), end()]], ids=["in the middle", "behind the end"])
def test_another_start_is_another_answer(begun: list[Any]) -> None:
    reading = read(start(), *begun, start("g2"), words("Bye"), end("Bye"))
    assert [said(answer) for answer in reading.answers] == ["".join(one.get("text", "") for one in begun), "Bye"]


def test_text_behind_the_end_is_another_answer() -> None:
    assert [said(answer) for answer in read(start(), end(), words("Bye")).answers] == ["Hello", "Bye"]


def test_a_plain_body_is_the_response_alone() -> None:
    body = msgspec.json.encode(end()["response"])
    reading, [output] = play_body(body, content_type="application/json")
    assert (reading.api, said(reading.answer), output) == (COHERE_V1, "Hello", Output.TEXT)
    assert reading.ending is not None
    assert reading.ending.evidence == "json body"


def test_what_nobody_knows_is_counted() -> None:
    assert read(start(), event("hologram"), {"a": 1}).unknown_events == 2

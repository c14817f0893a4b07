"""Legacy completions: choices of several prompts interleave, and a marker ends them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from sse_play import DONE, choices, play, play_body, said, sse
from streamgauge.processors.providers.answer import Output, Usage
from streamgauge.processors.providers.openai_completions import OPENAI_COMPLETIONS

API = "openai.completions"
USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}


def chunk(piece: str, index: int = 0, *, finish: str | None = None, chunk_id: str = "cmpl-1", **more: Any) -> Any:
    choice = {"text": piece, "index": index, "logprobs": None, "finish_reason": finish}
    return {"id": chunk_id, "object": "text_completion", "created": 1, "model": "m", "choices": [choice], **more}


HELLO = [chunk("Hel"), chunk("lo")]
STOP = chunk("", finish="stop")


def test_a_completion_is_chunks_a_finish_and_a_marker() -> None:
    body = sse(*HELLO, STOP, DONE)
    reading, outputs = play_body(body, content_type="text/event-stream")
    answer = reading.answer
    assert (reading.api, answer.response_id, answer.model) == (OPENAI_COMPLETIONS, "cmpl-1", "m")
    assert (said(answer), answer.finish_reasons(), reading.unknown_events) == ("Hello", ["stop"], 0)
    assert reading.ending is not None
    assert (reading.ending.evidence, reading.ending.offset) == ("[DONE]", len(body))
    assert outputs == [Output.TEXT, Output.TEXT, Output.NOTHING, Output.NOTHING]


def test_a_finish_without_the_marker_is_content_without_an_ending() -> None:
    reading = play(sse(*HELLO, STOP), api=API)
    assert (reading.ending, reading.content_complete()) == (None, True)


def test_choices_of_several_prompts_interleave() -> None:
    events = [chunk("A"), chunk("X", 1), chunk("B", finish="stop"), chunk("Y", 1, finish="length")]
    answer = play(sse(*events, DONE), api=API).answer
    assert [(choice.index, choice.finish_reason) for choice in choices(answer)] == [(0, "stop"), (1, "length")]
    assert ["".join(answer.choices[index].text().pieces) for index in (0, 1)] == ["AB", "XY"]


def test_usage_in_a_chunk_of_its_own_is_the_last_word_and_a_running_count_is_not() -> None:
    last = {**chunk(""), "choices": [], "usage": USAGE}
    answer = play(sse(*HELLO, STOP, last, DONE), api=API).answer
    assert OPENAI_COMPLETIONS.usage(answer.usage_raw or {}) == Usage(input=5, output=2, total=7)
    assert answer.preliminary == frozenset()
    running = play(sse(chunk("a", usage=USAGE)), api=API).answer
    assert running.preliminary == {"output", "total"}


def test_a_plain_body_has_the_shape_of_a_chunk_and_is_whole() -> None:
    body = msgspec.json.encode(chunk("Hello", finish="stop", usage=USAGE))
    reading = play(body, content_type="application/json")
    assert (reading.api, said(reading.answer)) == (OPENAI_COMPLETIONS, "Hello")
    assert reading.ending is not None
    assert (reading.ending.evidence, reading.ending.offset) == ("json body", len(body))
    unfinished = play(msgspec.json.encode(chunk("Hello", usage=USAGE)), api=API, content_type="application/json")
    assert unfinished.answer.preliminary == frozenset()
    first = play(sse(chunk("Hello", finish="stop", usage=USAGE)), api=API)
    assert first.ending is None


def test_writers_values_end_with_the_body() -> None:
    """Written from the provider's documentation: no recording has values."""
    body = b'data:{"value":"Hel"}\n\ndata:{"value":"lo"}\n\n'
    reading = play(body, host="api.writer.com", path="/v1/completions")
    assert (said(reading.answer), reading.provider) == ("Hello", "writer")
    assert reading.ending is not None
    assert (reading.ending.kind, reading.ending.evidence) == ("completed", "eof")
    cut = play(body, api=API, proper_eof=False)
    assert (cut.ending, cut.provider, cut.unknown_events) == (None, "writer", 0)


@pytest.mark.parametrize("error", [{"object": "error", "message": "broke"}, {"id": "x", "error": {"message": "broke"}}])
def test_an_error_keeps_the_text(error: dict[str, Any]) -> None:
    reading = play(sse(*HELLO, error, DONE), api=API)
    assert reading.ending is not None
    assert (reading.ending.kind, said(reading.answer), len(reading.answers)) == ("failed", "Hello", 1)


@pytest.mark.parametrize("begun", [HELLO, [*HELLO, STOP], [*HELLO, STOP, DONE], [STOP]])
def test_another_id_is_another_generation(begun: list[Any]) -> None:
    reading = play(sse(*begun, chunk("Bye", chunk_id="cmpl-2"), DONE), api=API)
    assert [said(answer) for answer in reading.answers] == ["".join(said(play(sse(*begun), api=API).answer)), "Bye"]


def test_ids_that_change_from_the_first_chunk_on_are_no_sign() -> None:
    reading = play(sse(*(chunk(piece, chunk_id=f"cmpl-{piece}") for piece in "abc"), DONE), api=API)
    assert [said(answer) for answer in reading.answers] == ["abc"]


def test_a_finish_that_changes_is_said() -> None:
    answer = play(sse(STOP, chunk("", finish="length"), DONE), api=API).answer
    assert (answer.finish_reasons(), answer.warnings) == (["length"], ["finish_reason_changed"])


def test_what_nobody_knows_is_counted() -> None:
    assert play(sse(*HELLO, {"hello": 1}, b"data: words\n\n"), api=API).unknown_events == 2

"""Replicate: text that is never parsed, and predictions that are documents."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from sse_play import carried, play, play_body, said
from streamgauge.processors.providers.answer import Output, Usage
from streamgauge.processors.providers.reading import Reading
from streamgauge.processors.providers.replicate import REPLICATE_PREDICTIONS, REPLICATE_STREAM

STREAM = "/v1/streams/abc"


def event(name: str, data: str, at: int = 0) -> bytes:
    lines = "".join(f"data: {line}\n" for line in data.split("\n"))
    return f"event: {name}\nid: 17077563{at}:0\n{lines}\n".encode()


def read(*events: bytes, proper_eof: bool = True) -> Reading:
    body = b": hi\n\n" + b"".join(events)
    return play(body, host="stream.replicate.com", path=STREAM, method="GET", proper_eof=proper_eof)


def test_a_stream_is_pieces_of_text_and_done() -> None:
    body = event("output", "Sure:\n\nWhy") + event("output", " not?") + event("done", "{}")
    reading, outputs = play_body(body, host="stream.replicate.com", path=STREAM, method="GET")
    assert (reading.api, reading.provider) == (REPLICATE_STREAM, "replicate")
    assert (said(reading.answer), reading.answer.warnings, reading.unknown_events) == ("Sure:\n\nWhy not?", [], 0)
    assert reading.ending is not None
    assert (reading.ending.kind, reading.ending.evidence, reading.ending.offset) == (
        "completed",
        "event:done",
        len(body),
    )
    assert outputs == [Output.TEXT, Output.TEXT, Output.NOTHING]
    assert REPLICATE_STREAM.usage({}) == Usage()


@pytest.mark.parametrize(
    "piece",
    ['{"error": "broke"}', '{"type": "error"}', "<html>", "[DONE]", '{"detail"', "[1]", "{}\n{}", "error: x", "42", ""],
)
def test_text_is_text_whatever_it_looks_like(piece: str) -> None:
    reading = read(event("output", "a"), event("output", piece), event("done", "{}"))
    assert said(reading.answer) == "a" + piece
    assert reading.ending is not None
    assert (reading.ending.kind, reading.answer.error) == ("completed", None)


def test_without_done_it_has_not_ended() -> None:
    reading = read(event("output", "a"))
    assert (reading.ending, reading.content_complete()) == (None, False)


@pytest.mark.parametrize(
    ("reason", "kind"), [('{"reason": "canceled"}', "cancelled"), ('{"reason": "error"}', "failed"), ("", "completed")]
)
def test_done_says_how(reason: str, kind: str) -> None:
    reading = read(event("output", "a"), event("done", reason))
    assert reading.ending is not None
    assert reading.ending.kind == kind


@pytest.mark.parametrize("told", ['{"detail": "Prediction failed"}', "Prediction failed"])
def test_an_error_keeps_the_text(told: str) -> None:
    reading = read(
        event("output", "a"),
        event("logs", '{"error": "x"}'),
        event("error", told),
        event("done", '{"reason": "error"}'),
    )
    assert reading.ending is not None
    assert (reading.ending.kind, reading.ending.evidence, said(reading.answer)) == ("failed", "error event", "a")
    assert reading.answer.error is not None
    assert reading.answer.error.message == "Prediction failed"
    assert reading.unknown_events == 0


def test_output_behind_the_end_is_another_answer() -> None:
    reading = read(event("output", "a"), event("done", "{}"), event("output", "b"), event("done", "{}"))
    assert [said(answer) for answer in reading.answers] == ["a", "b"]


def prediction(**more: Any) -> dict[str, Any]:
    return {"id": "p1", "model": "m", "status": "succeeded", "output": None, "error": None, "urls": {}, **more}


def predicted(**more: Any) -> Reading:
    body = msgspec.json.encode(prediction(**more))
    return play(body, path="/v1/predictions", content_type="application/json", status=201)


@pytest.mark.parametrize("output", ["Hello", ["Hel", "lo"]])
def test_a_prediction_is_one_document(output: Any) -> None:
    metrics = {"predict_time": 1.5, "input_token_count": 3, "output_token_count": 2}
    reading = predicted(output=output, metrics=metrics)
    answer = reading.answer
    assert (reading.api, reading.provider, answer.response_id) == (REPLICATE_PREDICTIONS, "replicate", "p1")
    assert (said(answer), answer.units) == ("Hello", {"predict_seconds": 1.5})
    assert REPLICATE_PREDICTIONS.usage(answer.usage_raw or {}) == Usage(input=3, output=2)
    assert reading.ending is not None
    assert (reading.ending.evidence, reading.content_complete()) == ("json body", True)


def test_a_prediction_that_only_began_is_a_whole_body_without_content() -> None:
    reading = predicted(status="starting")
    assert reading.ending is not None
    assert (reading.ending.kind, reading.content_complete(), reading.answer.choices) == ("completed", False, {})


@pytest.mark.parametrize(
    ("more", "kind"),
    [
        ({"status": "failed", "error": "broke"}, "failed"),
        ({"status": "failed"}, "failed"),
        ({"status": "canceled"}, "cancelled"),
    ],
)
def test_a_prediction_says_how_it_ended(more: dict[str, Any], kind: str) -> None:
    ending = predicted(**more).ending
    assert ending is not None
    assert ending.kind == kind


def test_output_that_is_no_text_is_carried() -> None:
    answer = predicted(output=["https://replicate.delivery/x.png"]).answer
    assert carried(answer) == [("output", {"output": ["https://replicate.delivery/x.png"]})]


def test_what_nobody_knows_is_counted() -> None:
    assert read(event("hologram", "{}")).unknown_events == 1
    assert play(b'data: {"a":1}\n\n', api="replicate.predictions").unknown_events == 1

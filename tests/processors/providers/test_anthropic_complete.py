"""Anthropic's legacy completions: pieces with ids, no usage, no marker."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from sse_play import DONE, play, play_body, said, sse
from streamgauge.processors.providers.answer import Output, Usage
from streamgauge.processors.providers.anthropic_complete import ANTHROPIC_COMPLETE

API = "anthropic.complete"


def piece(text: str, *, reason: str | None = None, completion_id: str = "compl_1") -> dict[str, Any]:
    return {"type": "completion", "id": completion_id, "completion": text, "stop_reason": reason, "model": "claude-2.1"}


HELLO = [piece(" Hel"), {"type": "ping"}, piece("lo")]
STOP = piece("", reason="stop_sequence")


def test_a_completion_is_pieces_and_a_stop_reason() -> None:
    body = sse(*HELLO, STOP, named=True)
    reading, outputs = play_body(body)
    answer = reading.answer
    assert (reading.api, answer.response_id, answer.model) == (ANTHROPIC_COMPLETE, "compl_1", "claude-2.1")
    assert (said(answer), answer.finish_reasons(), reading.unknown_events) == (" Hello", ["stop_sequence"], 0)
    assert outputs == [Output.TEXT, Output.NOTHING, Output.TEXT, Output.NOTHING]
    assert reading.ending is not None
    assert (reading.ending.evidence, reading.ending.offset) == ("eof", len(body))
    assert ANTHROPIC_COMPLETE.usage({}) == Usage()
    assert play(sse(*HELLO, named=True), api=API).ending is None


def test_a_plain_body_has_the_shape_of_an_event() -> None:
    reading = play(msgspec.json.encode(piece(" Hello", reason="max_tokens")), content_type="application/json")
    assert (said(reading.answer), reading.answer.finish_reasons()) == (" Hello", ["max_tokens"])
    assert reading.ending is not None
    assert reading.ending.evidence == "json body"


def test_the_first_version_told_the_whole_text_in_every_event() -> None:
    """Written from the documentation of 2023: no recording is that old."""
    events = [{"completion": whole, "stop_reason": None, "log_id": "l1"} for whole in (" Hel", " Hello", " Help")]
    reading, outputs = play_body(sse(*events, DONE), api=API)
    assert (said(reading.answer), reading.answer.response_id) == (" Help", "l1")
    assert reading.answer.warnings == ["snapshot_differs", "no_finish_reason"]
    assert outputs == [Output.TEXT, Output.TEXT, Output.NOTHING, Output.NOTHING]
    assert reading.ending is not None
    assert reading.ending.evidence == "[DONE]"


def test_an_error_keeps_the_text() -> None:
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    reading = play(sse(*HELLO, error, named=True), api=API)
    assert reading.ending is not None
    assert (reading.ending.kind, said(reading.answer), reading.unknown_events) == ("failed", " Hello", 0)


@pytest.mark.parametrize("begun", [HELLO, [*HELLO, STOP]])
def test_another_id_is_another_completion(begun: list[Any]) -> None:
    reading = play(sse(*begun, piece("Bye", completion_id="compl_2"), STOP | {"id": "compl_2"}), api=API)
    assert [said(answer) for answer in reading.answers] == [" Hello", "Bye"]


def test_text_behind_the_stop_reason_is_another_completion() -> None:
    assert [said(answer) for answer in play(sse(*HELLO, STOP, piece("Bye")), api=API).answers] == [" Hello", "Bye"]


def test_what_nobody_knows_is_counted() -> None:
    assert play(sse(*HELLO, {"type": "hologram"}, b"data: words\n\n"), api=API).unknown_events == 2

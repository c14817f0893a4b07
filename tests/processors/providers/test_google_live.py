"""Gemini Live: a session whose turns are answers, without ids, and ended by their own word."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest

from session_play import play_session
from sse_play import parts, said, tools
from streamgauge.processors.providers.answer import Answer, Output, Usage
from streamgauge.processors.providers.google_live import GOOGLE_LIVE
from streamgauge.schemas.records import Audio, Reasoning, Text

SETUP: list[dict[str, Any]] = [{"setup": {"model": "models/gemini-live"}}, {"setupComplete": {}}]
COMPLETE = {"serverContent": {"turnComplete": True}}


def turn(*content: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"serverContent": {"modelTurn": {"parts": list(content)}, **more}}


def counted(**counts: int) -> dict[str, Any]:
    return {"usageMetadata": {"promptTokenCount": 5, "totalTokenCount": 5 + sum(counts.values()), **counts}}


def how(answer: Answer) -> tuple[str, str] | None:
    return (answer.ending.kind, answer.ending.evidence) if answer.ending is not None else None


def test_a_session_is_its_turns_and_ends_with_its_connection() -> None:
    first = [turn({"text": "Hel"}), turn({"text": "lo"}), COMPLETE | counted(responseTokenCount=2)]
    second = [turn({"text": "Bye"}), COMPLETE, counted(responseTokenCount=1)]
    asked = {"clientContent": {"turns": [], "turnComplete": True}}
    reading, outputs = play_session(GOOGLE_LIVE, *SETUP, asked, *first, asked, *second)
    assert [(answer.model, said(answer), how(answer)) for answer in reading.answers] == [
        ("models/gemini-live", "Hello", ("completed", "turnComplete")),
        ("models/gemini-live", "Bye", ("completed", "turnComplete")),
    ]
    assert [(answer.usage_raw or {}).get("responseTokenCount") for answer in reading.answers] == [2, 1]
    assert all(answer.preliminary == frozenset() and not answer.warnings for answer in reading.answers)
    assert reading.ending is not None
    assert (reading.ending.kind, reading.ending.evidence, reading.unknown_events) == ("completed", "eof", 0)
    assert outputs.count(Output.TEXT) == 3


def test_a_turn_that_is_cut_leaves_the_session_without_an_ending() -> None:
    reading, _ = play_session(GOOGLE_LIVE, *SETUP, turn({"text": "Hel"}) | counted(responseTokenCount=1))
    assert (reading.ending, reading.content_complete(), how(reading.answer)) == (None, False, None)
    assert "output" in reading.answer.preliminary
    whole, _ = play_session(GOOGLE_LIVE, *SETUP, turn({"text": "a"}), {"serverContent": {"generationComplete": True}})
    assert (whole.ending, whole.content_complete()) == (None, True)


def test_a_turn_the_user_spoke_into_was_cancelled() -> None:
    interrupted = {"serverContent": {"interrupted": True}}
    reading, _ = play_session(
        GOOGLE_LIVE, *SETUP, turn({"text": "Hel"}), interrupted, COMPLETE, turn({"text": "b"}), COMPLETE
    )
    assert [(said(answer), how(answer)) for answer in reading.answers] == [
        ("Hel", ("cancelled", "interrupted")),
        ("b", ("completed", "turnComplete")),
    ]
    idle, _ = play_session(GOOGLE_LIVE, *SETUP, interrupted, COMPLETE)
    assert how(idle.answer) is None


def test_a_turn_goes_on_behind_its_calls() -> None:
    calls = {"toolCall": {"functionCalls": [{"id": "c1", "name": "f", "args": {"a": 1}}]}}
    reading, outputs = play_session(GOOGLE_LIVE, *SETUP, calls, {"toolResponse": {}}, turn({"text": "a"}), COMPLETE)
    [answer] = reading.answers
    assert [(tool.id, tool.name, tool.arguments, tool.complete) for tool in tools(answer)] == [
        ("c1", "f", '{"a":1}', True)
    ]
    assert (said(answer), Output.TOOL in outputs) == ("a", True)


def test_sound_is_a_size_and_a_hash_beside_what_was_said() -> None:
    halves = [base64.b64encode(half).decode() for half in (b"so", b"und")]
    spoken = [turn({"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": half}}) for half in halves]
    told = [{"serverContent": {"outputTranscription": {"text": word}}} for word in ("Hel", "lo")]
    reading, _ = play_session(GOOGLE_LIVE, *SETUP, turn({"text": "Hm", "thought": True}), *spoken, *told, COMPLETE)
    digest = hashlib.sha256(b"sound").hexdigest()
    sound = Audio(media_type="audio/pcm;rate=24000", bytes=5, sha256=digest, transcript="Hello")
    assert parts(reading.answer) == [Reasoning(text="Hm", summary=True), sound]
    before, _ = play_session(GOOGLE_LIVE, *SETUP, *told, {"serverContent": {"inputTranscription": {"text": "x"}}})
    assert parts(before.answer) == [Audio(transcript="Hello")]


@pytest.mark.parametrize(
    ("reason", "finish"), [("TURN_COMPLETE_REASON_UNSPECIFIED", []), ("NEED_MORE_INPUT", ["NEED_MORE_INPUT"])]
)
def test_a_turn_may_say_why_it_ended(reason: str, finish: list[str]) -> None:
    told = {"serverContent": {"turnComplete": True, "turnCompleteReason": reason}}
    reading, _ = play_session(GOOGLE_LIVE, *SETUP, turn({"text": "a"}), told)
    assert (reading.answer.finish_reasons(), reading.answer.warnings) == (finish, [])


def test_usage_says_response_for_candidates() -> None:
    report = {"promptTokenCount": 5, "responseTokenCount": 7, "thoughtsTokenCount": 2, "totalTokenCount": 14}
    spoken = report | {"responseTokensDetails": [{"modality": "AUDIO", "tokenCount": 6}]}
    assert GOOGLE_LIVE.usage(spoken) == Usage(input=5, output=9, total=14, reasoning=2, audio_out=6)


def test_an_error_is_news_of_the_session() -> None:
    reading, _ = play_session(GOOGLE_LIVE, *SETUP, turn({"text": "a"}), {"error": {"message": "broke"}}, COMPLETE)
    assert (how(reading.answer), reading.answer.warnings) == (("completed", "turnComplete"), ["session_error"])
    assert reading.answer.error is not None


def test_a_session_is_told_by_its_messages() -> None:
    for first in (*SETUP, COMPLETE, turn({"text": "a"})):
        reading, _ = play_session(None, first)
        assert reading.api is GOOGLE_LIVE


def test_what_nobody_knows_is_counted() -> None:
    known: list[dict[str, Any]] = [
        {"goAway": {"timeLeft": "10s"}},
        {"sessionResumptionUpdate": {}},
        {"realtimeInput": {}},
        {"toolCallCancellation": {}},
    ]
    assert play_session(GOOGLE_LIVE, *SETUP, *known)[0].unknown_events == 0
    assert play_session(GOOGLE_LIVE, *SETUP, {"novelty": 1}, b"[1]")[0].unknown_events == 2
    assert parts(play_session(GOOGLE_LIVE, *SETUP, turn({"text": "a"}))[0].answer) == [Text(text="a")]

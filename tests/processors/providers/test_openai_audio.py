"""Speech and transcriptions. No recording has any: every event is written from the provider's documentation."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from sse_play import DONE, carried, parts, play, play_body, said, sse
from streamgauge.processors.providers.answer import Output, Usage
from streamgauge.processors.providers.openai_audio import OPENAI_SPEECH, OPENAI_TRANSCRIPTION
from streamgauge.schemas.records import Audio

SPEECH = "/v1/audio/speech"
TRANSCRIPTIONS = "/v1/audio/transcriptions"
TOKENS = {
    "type": "tokens",
    "input_tokens": 14,
    "output_tokens": 45,
    "total_tokens": 59,
    "input_token_details": {"text_tokens": 0, "audio_tokens": 14},
}
SOUND = b"ID3\x04{\x00<data: {}\n\n" * 9


@pytest.mark.parametrize("reads", [[SOUND], [SOUND[at : at + 1] for at in range(len(SOUND))]])
def test_of_sound_only_the_length_is_kept(reads: list[bytes]) -> None:
    reading, outputs = play_body(reads, path=SPEECH, content_type="audio/mpeg")
    assert reading.api is OPENAI_SPEECH
    assert parts(reading.answer) == [Audio(bytes=len(SOUND))]
    assert outputs == [Output.OTHER, Output.OTHER]
    assert reading.ending is not None
    assert (reading.ending.kind, reading.ending.evidence, reading.ending.offset) == ("completed", "eof", len(SOUND))
    assert (reading.answer.warnings, reading.unknown_events) == ([], 0)
    assert play(SOUND, path=SPEECH, content_type="audio/mpeg", proper_eof=False).ending is None


def test_sound_may_have_no_type_of_its_own() -> None:
    reading = play(b"\x00\x00\x00\x10", path=SPEECH, content_type="application/octet-stream")
    assert parts(reading.answer) == [Audio(bytes=4)]


def test_no_sound_is_no_answer() -> None:
    assert play(b"", path=SPEECH, content_type="audio/mpeg").ending is None


def test_sound_in_events_has_a_hash() -> None:
    events: list[Any] = [
        {"type": "speech.audio.delta", "audio": "AAA="},
        {"type": "speech.audio.done", "usage": TOKENS},
    ]
    reading, outputs = play_body(sse(*events))
    [audio] = parts(reading.answer)
    assert isinstance(audio, Audio)
    assert (audio.bytes, audio.sha256 is not None, outputs) == (2, True, [Output.OTHER, Output.NOTHING])
    assert reading.ending is not None
    assert reading.ending.evidence == "speech.audio.done"
    assert OPENAI_SPEECH.usage(reading.answer.usage_raw or {}).output == 45
    assert play(sse(events[0]), path=SPEECH).ending is None


def test_a_transcript_is_pieces_and_a_copy_that_ends_it() -> None:
    events: list[Any] = [
        {"type": "transcript.text.delta", "delta": "Hel"},
        {"type": "transcript.text.delta", "delta": "lo"},
        {"type": "transcript.text.segment", "text": "Hello", "speaker": "A"},
        {"type": "transcript.text.done", "text": "Hello", "usage": TOKENS},
    ]
    body = sse(*events).replace(b"\n", b"\r\n")
    reading, outputs = play_body(body)
    assert (reading.api, said(reading.answer)) == (OPENAI_TRANSCRIPTION, "Hello")
    assert outputs == [Output.TEXT, Output.TEXT, Output.OTHER, Output.NOTHING]
    assert reading.ending is not None
    assert (reading.ending.evidence, reading.ending.offset) == ("transcript.text.done", len(body))
    usage = OPENAI_TRANSCRIPTION.usage(reading.answer.usage_raw or {})
    assert usage == Usage(input=14, output=45, total=59, audio_in=14)
    cut = play(sse(*events[:2]))
    assert (cut.ending, cut.content_complete()) == (None, False)
    again = play(sse(*events, events[0]))
    assert [said(answer) for answer in again.answers] == ["Hello", "Hel"]


@pytest.mark.parametrize(
    ("more", "seconds"),
    [({"usage": {"type": "duration", "seconds": 3}}, 3.0), ({"duration": 2.5, "segments": [{"id": 0}]}, 2.5)],
)
def test_a_plain_body_may_count_seconds(more: dict[str, Any], seconds: float) -> None:
    reading = play(msgspec.json.encode({"text": "Hello"} | more), path=TRANSCRIPTIONS, content_type="application/json")
    assert (said(reading.answer), reading.answer.units) == ("Hello", {"audio_seconds": seconds})
    assert carried(reading.answer) == ([("segment", {"id": 0})] if "segments" in more else [])
    assert reading.ending is not None
    assert (reading.ending.evidence, reading.answer.warnings) == ("json body", [])


@pytest.mark.parametrize("transcript", ["Hello there\n", "42", "1\n00:00 --> 00:01\nHello\n", "WEBVTT\n\n"])
def test_a_transcript_may_be_plain_text(transcript: str) -> None:
    reading = play(transcript.encode(), path=TRANSCRIPTIONS, content_type="text/plain; charset=utf-8")
    assert said(reading.answer) == transcript
    assert reading.ending is not None
    assert (reading.ending.kind, reading.ending.evidence) == ("completed", "eof")


def test_what_nobody_knows_is_counted() -> None:
    for path in (SPEECH, TRANSCRIPTIONS):
        reading = play(sse({"type": "hologram"}, b"data: words\n\n", DONE), path=path)
        assert (reading.unknown_events, reading.ending, reading.answer.choices) == (2, None, {})

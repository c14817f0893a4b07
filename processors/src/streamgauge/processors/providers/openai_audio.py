"""OpenAI's audio: speech from text, and text from speech.

    speech           bytes of sound, or
                     speech.audio.delta {"audio"}*  speech.audio.done {"usage"}
    transcription    {"text", "usage", …}, plain text, or
                     transcript.text.delta {"delta"}*  transcript.text.done {"text", "usage"}

* Of sound only its length is kept, and its hash where it comes in events. Bytes have no end but a proper end of the
  body.
* A transcript's last event is the provider's own copy, and ends it. Its usage counts tokens or seconds.
* Translations have the form of transcriptions.
"""

from __future__ import annotations

from typing import Any, Final

from streamgauge.processors.providers.answer import Answer, Output, Usage
from streamgauge.processors.providers.api import Ordinary, is_marker
from streamgauge.processors.providers.growing import grow, settle
from streamgauge.processors.providers.json_values import Document, count, documents, fields, number, text
from streamgauge.processors.providers.parts import OpaqueSoFar
from streamgauge.schemas.framing.events import Event
from streamgauge.schemas.words import Operation

__all__ = ["OPENAI_SPEECH", "OPENAI_TRANSCRIPTION", "OpenAiSpeech", "OpenAiTranscription"]


class OpenAiSpeech(Ordinary):
    """The wire API `openai.speech`."""

    name = "openai.speech"
    operation = Operation.SPEECH
    gives_reasons = False

    def recognises(self, document: Document) -> bool:
        return (text(document.get("type")) or "").startswith("speech.audio.")

    def read(self, answer: Answer, event: Event, document: Document | None) -> Output:
        if document is None:
            return _read_sound(answer, event)
        match document.get("type"):
            case "speech.audio.delta" if type(document.get("audio")) is str:
                answer.choice().audio().hear(document["audio"])
                return Output.OTHER
            case "speech.audio.done":
                _read_usage(answer, document.get("usage"))
                answer.end("completed", "speech.audio.done", offset=event.end)
            case _:
                answer.unknown_events += "error" not in document
        return Output.NOTHING

    def ends_at_eof(self, answer: Answer, *, provider: str | None, documents_only: bool) -> bool:  # noqa: ARG002
        return bool(answer.scratch.get("sound"))

    def usage(self, raw: Document) -> Usage:
        return _audio_usage(raw)


class OpenAiTranscription(Ordinary):
    """The wire API `openai.transcription`."""

    name = "openai.transcription"
    operation = Operation.TRANSCRIPTION
    gives_reasons = False

    def recognises(self, document: Document) -> bool:
        return (text(document.get("type")) or "").startswith("transcript.text.")

    def is_body(self, document: Document) -> bool:
        return "text" in document and "type" not in document

    def read(self, answer: Answer, event: Event, document: Document | None) -> Output:
        if document is None:
            return _read_transcript(answer, event)
        match document.get("type"):
            case "transcript.text.delta":
                return grow(answer.choice().text(), document.get("delta"), Output.TEXT)
            case "transcript.text.segment":
                return _carry(answer, document)
            case "transcript.text.done":
                output = settle(answer, answer.choice().text(), document.get("text"), Output.TEXT)
                _read_usage(answer, document.get("usage"))
                answer.end("completed", "transcript.text.done", offset=event.end)
                return output
            case _:
                answer.unknown_events += "error" not in document
                return Output.NOTHING

    def read_body(self, answer: Answer, document: Document, *, end: int) -> Output:  # noqa: ARG002 - nothing ends early
        output = settle(answer, answer.choice().text(), document.get("text"), Output.TEXT)
        for segment in documents(document.get("segments")):
            output |= _carry(answer, segment)
        _note_seconds(answer, document.get("duration"))
        _read_usage(answer, document.get("usage"))
        return output

    def starts_anew(self, answer: Answer, document: Document) -> bool:
        return answer.ending is not None and document.get("type") == "transcript.text.delta"

    def ends_at_eof(self, answer: Answer, *, provider: str | None, documents_only: bool) -> bool:  # noqa: ARG002
        return bool(answer.scratch.get("plain"))

    def usage(self, raw: Document) -> Usage:
        return _audio_usage(raw)


OPENAI_SPEECH: Final = OpenAiSpeech()
OPENAI_TRANSCRIPTION: Final = OpenAiTranscription()


def _read_sound(answer: Answer, event: Event) -> Output:
    """An event without a payload: bytes that are none, as many as there were up to here."""
    if event.data:
        answer.unknown_events += not is_marker(event)
        return Output.NOTHING
    answer.scratch["sound"] = True
    sound = answer.choice().audio()
    sound.unheard, sound.byte_count = True, event.end
    return Output.OTHER


def _read_transcript(answer: Answer, event: Event) -> Output:
    """A body that is the transcript itself, plain text or subtitles: the event is all of it."""
    if event.end != len(event.data):
        answer.unknown_events += not is_marker(event)
        return Output.NOTHING
    answer.scratch["plain"] = True
    return grow(answer.choice().text(), event.data.decode("utf-8", "replace"), Output.TEXT)


def _carry(answer: Answer, segment: Document) -> Output:
    answer.choice().parts["segment", len(answer.choice().parts)] = OpaqueSoFar("segment", segment)
    return Output.OTHER


def _read_usage(answer: Answer, usage: Any) -> None:
    if type(usage) is dict:
        answer.add_usage(usage)
        _note_seconds(answer, usage.get("seconds"))


def _note_seconds(answer: Answer, seconds: Any) -> None:
    found = number(seconds)
    if found is not None:
        answer.units["audio_seconds"] = found


def _audio_usage(raw: Document) -> Usage:
    given = fields(raw.get("input_token_details") or raw.get("input_tokens_details"))
    return Usage(
        input=count(raw.get("input_tokens")),
        output=count(raw.get("output_tokens")),
        total=count(raw.get("total_tokens")),
        audio_in=count(given.get("audio_tokens")),
    )

"""Recorded streams, damaged as streams break: cut anywhere, failed, told twice, spliced, interleaved.

All damage is drawn from a fixed seed and the recording's id, so a failure names what to play again.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from corpus_file import Recording, needs_recordings, of_each, recordings
from corpus_reading import events, read
from event_stream_build import exception, header, message
from sse_play import DONE, said, sse, tools
from streamgauge.processors.providers import registry
from streamgauge.processors.providers.answer import Answer
from streamgauge.processors.providers.reading import Reading
from streamgauge.schemas.framing.kinds import framer

SEED = 7
RECORDINGS = recordings(*(api.name for api in registry.APIS))
APIS = sorted({recording.api for recording in RECORDINGS} or {api.name for api in registry.APIS})
UNTRACED = {"bedrock.agent"}  # a piece of an untraced answer could be anybody's
NAMED = {"google.generateContent"}  # generations are told apart by their ids alone, which old models have not

ERROR = {"message": "The server had an error", "type": "server_error", "param": None, "code": None}
GEMINI = {"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}
OPENROUTER_DELTA = {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}
OPENROUTER = {
    "id": "gen-x",
    "object": "chat.completion.chunk",
    "model": "m",
    "provider": "x",
    "choices": [OPENROUTER_DELTA],
    "error": {"message": "Upstream error", "code": 502},
}
FAILED_RESPONSE = {"id": "resp_x", "object": "response", "status": "failed", "output": [], "error": ERROR}
FAILED_INTERACTION = {
    "event_type": "interaction.failed",
    "interaction": {"status": "failed", "object": "interaction", "error": ERROR},
}
EXCEPTIONS = {
    "stream": exception("modelStreamErrorException", {"message": "broke", "originalStatusCode": 424}),
    "throttled": exception("throttlingException", {"message": "Too many tokens", "p": "abc"}),
    "unmodelled": message(
        header(":message-type", "error") + header(":error-code", "Internal") + header(":error-message", "broke"), b""
    ),
}
SHAPES: dict[str, dict[str, bytes]] = {
    "openai.chat": {
        "openai": sse({"error": ERROR}),
        "openrouter": sse(OPENROUTER),
        "groq": b"event: error\n" + sse({"error": {**ERROR, "code": "tool_use_failed", "status_code": 400}}),
        "vllm": sse({"object": "error", "message": "too long", "type": "BadRequestError", "code": 400}),
        "sglang": sse({"error": {"object": "error", "message": "too long", "type": "x", "code": 400}}),
        "tgi": sse({"error": "Request failed during generation", "error_type": "generation"}),
    },
    "openai.responses": {
        "nested": sse({"type": "error", "sequence_number": 3, "error": ERROR}, named=True),
        "flat": sse({"type": "error", "code": "server_error", "message": "broke", "sequence_number": 3}, named=True),
        "failed": sse({"type": "response.failed", "sequence_number": 5000, "response": FAILED_RESPONSE}, named=True),
    },
    "anthropic.messages": {
        "overloaded": sse(
            {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, named=True
        ),
    },
    "openai.completions": {
        "openai": sse({"error": ERROR}),
        "vllm": sse({"object": "error", "message": "too long", "type": "BadRequestError", "code": 400}),
    },
    "anthropic.complete": {
        "overloaded": sse(
            {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, named=True
        ),
    },
    "ollama.chat": {"line": b'{"error":"an error was encountered while running the model"}\n'},
    "ollama.generate": {"line": b'{"error":"an error was encountered while running the model"}\n'},
    "watsonx.generate": {
        "listed": sse({"errors": [{"code": "internal_error", "message": "broke"}], "trace": "t", "status_code": 500}),
        "named": b"event: error\n" + sse({"errors": [{"code": "timeout", "message": "broke"}], "status_code": 504}),
    },
    "replicate.stream": {
        "told": b'event: error\nid: 1:1\ndata: {"detail":"Prediction failed"}\n\n',
        "text": b"event: error\nid: 1:1\ndata: Prediction failed\n\n",
    },
    "openai.assistants": {
        "named": b"event: error\n" + sse({"message": "broke", "code": "server_error"}),
        "failed": b"event: thread.run.failed\n"
        + sse({"object": "thread.run", "status": "failed", "last_error": {"code": "server_error", "message": "broke"}}),
    },
    "cohere.v1": {"line": b'{"message":"broke","error":"internal server error"}\n'},
    "cohere.v2": {
        "message": sse({"message": "internal server error", "id": "x", "error": "internal server error"}),
        "named": b"event: error\n" + sse({"message": "too many tokens"}),
    },
    "bedrock.converse": EXCEPTIONS,
    "bedrock.invoke": EXCEPTIONS,
    "bedrock.agent": EXCEPTIONS,
    "google.generateContent": {"event": sse(GEMINI)},
    "google.interactions": {
        "event": b"event: error\n" + sse({"event_type": "error", "error": {"message": "broke", "code": "internal"}}),
        "failed": b"event: interaction.failed\n" + sse(FAILED_INTERACTION),
    },
}
UNNAMED = ("ollama.chat", "ollama.generate", "watsonx.generate")  # no event names its generation
INVISIBLE = {
    "gemini": json.dumps(GEMINI, indent=2).encode() + b"\n",
    "gemini list": b"[" + json.dumps(GEMINI, indent=2).replace("\n", "\r\n").encode() + b"\r\n]\r\n",
    "llama.cpp": b'error: {"code":500,"message":"failed","type":"server_error"}\n\n',
    "html": b"<html>\r\n<head><title>504 Gateway Time-out</title></head>\r\n\r\n<body></body></html>\r\n",
}


def of(api: str, *, every: int = 1) -> Iterator[tuple[Recording, random.Random]]:
    found = [recording for recording in RECORDINGS if recording.api == api]
    for recording in found[::every]:
        yield recording, random.Random(f"{SEED}:{recording.id}")


def names(answer: Answer) -> list[str | None]:
    return [tool.name for tool in tools(answer)]


def told(answer: Answer) -> tuple[Any, ...]:
    calls = [(tool.name, tool.arguments) for tool in tools(answer)]
    return (answer.response_id, said(answer), calls, answer.finish_reasons(), answer.usage_raw)


def named(recording: Recording) -> bool:
    return recording.expected.get("response_id") is not None


def how(reading: Reading) -> str | None:
    return reading.ending.kind if reading.ending is not None else None


@of_each(APIS)
def test_a_cut_stream_says_its_beginning_and_never_that_it_ended(api: str) -> None:
    for recording, rng in of(api):
        whole = read(recording)
        body = recording.body
        for cut in [rng.randrange(len(body)) for _ in range(5)]:
            reading = read(recording, [body[:cut]], proper_eof=rng.random() < 0.5)
            at = (recording.id, cut)
            assert len(reading.answers) == 1, at
            assert said(whole.answer).startswith(said(reading.answer)), at
            assert names(whole.answer)[: len(names(reading.answer))] == names(reading.answer), at
            assert reading.answer.error is None, at
            if reading.ending is not None:
                assert whole.ending is not None, at
                assert reading.ending.kind == "completed", at
                assert len(body[cut : whole.ending.offset].strip()) == 0, at
            else:
                assert whole.ending is None or cut < whole.ending.offset, at


@of_each(APIS)
def test_an_error_at_any_border_decides_unless_the_end_came_before_it_and_what_was_seen_stays(api: str) -> None:
    for recording, rng in of(api):
        parts = events(recording.body)
        for border in (rng.randint(1, len(parts)), rng.choice((0, len(parts)))):
            before = b"".join(parts[:border])
            binary = recording.body.startswith(b"\x00")
            if border == len(parts) and not binary and not before.endswith((b"\n\n", b"}\n")):
                continue
            good = read(recording, [before])
            ended = good.ending is not None and good.ending.evidence != "eof"  # whose body ends with the error instead
            for name, shape in (SHAPES[api] | INVISIBLE).items():
                done = DONE if not binary and rng.random() < 0.5 else b""
                reading = read(recording, [before + shape + done])
                at = (recording.id, border, name)
                assert len(reading.answers) == 1, at
                assert reading.ending is not None, at
                assert reading.ending.kind == ("completed" if ended else "failed"), at
                assert ("error_after_end" in reading.answer.warnings) == ended, at
                assert reading.answer.error is not None, at
                assert reading.answer.error.message, at
                if border:  # a body that begins with JSON is JSON where no content type says otherwise
                    assert reading.answer.error.out_of_grammar == (name in INVISIBLE), at
                assert said(reading.answer) == said(good.answer), at
                assert names(reading.answer) == names(good.answer), at
                assert reading.answer.finish_reasons() == good.answer.finish_reasons(), at


@needs_recordings("openai.responses")
def test_repeated_events_of_a_response_are_dropped_and_counted() -> None:
    numbered = [(r, rng) for r, rng in of("openai.responses") if "sequence" in r.expected]
    assert numbered
    for recording, rng in numbered:
        whole = told(read(recording).answer)
        parts = events(recording.body)
        for _ in range(3):
            start, end = sorted((rng.randrange(len(parts)), rng.randrange(len(parts) + 1)))
            reading = read(recording, [b"".join(parts[:end] + parts[start:])])
            assert told(reading.answer) == whole, (recording.id, start, end)
            assert (reading.duplicates, reading.conflicts) == (end - start, 0), (recording.id, start, end)
            assert len(reading.answers) == 1


@of_each(sorted(set(APIS) - UNTRACED))
@pytest.mark.parametrize("torn", [False, True], ids=["at a border", "in an event"])
def test_spliced_streams_are_two_answers_and_never_one_text(api: str, torn: bool) -> None:
    found = [recording for recording in RECORDINGS if recording.api == api]
    if api in UNNAMED and not torn:
        pytest.skip("nothing tells two generations apart that meet between two events")
    played = 0
    for recording, rng in of(api):
        body, parts = recording.body, events(recording.body)
        border = rng.randint(1, max(1, len(parts) - 1))
        start = body[: rng.randrange(len(body))] if torn else b"".join(parts[:border])
        first = read(recording, [start], proper_eof=False)
        for other in rng.sample(found, min(2, len(found))):
            same = other is recording or other.expected.get("response_id", 0) == recording.expected.get("response_id")
            if not first.answer.choices or same or (api in NAMED and not (named(recording) and named(other))):
                continue
            played += 1
            reading = read(recording, [start + other.body])
            at = (recording.id, len(start), other.id)
            second = read(other)
            assert [told(answer) for answer in reading.answers] == [told(first.answer), told(second.answer)], at
            assert reading.answers[0].ending == first.ending, at
            assert how(reading) == how(second), at
    assert played >= min(30, len(found) - 1)


@needs_recordings(*APIS)
def test_interleaved_streams_do_not_touch_each_other() -> None:
    for one, other in zip(RECORDINGS[0:60:2], RECORDINGS[1:60:2], strict=True):
        rng = random.Random(f"{SEED}:{one.id}")
        lanes = [(recording, start(recording), [0]) for recording in (one, other)]
        while any(at[0] < len(recording.body) for recording, _, at in lanes):
            recording, (cutter, reading), at = rng.choice(lanes)
            size = rng.randint(1, 400)
            for piece in cutter.feed(recording.body[at[0] : at[0] + size]):
                reading.read(piece)
            at[0] += size
        for recording, (cutter, reading), _ in lanes:
            for piece in cutter.finish():
                reading.read(piece)
            assert told(reading.answer) == told(read(recording).answer), recording.id


def start(recording: Recording) -> tuple[Any, Reading]:
    found = registry.detect(
        api=recording.api,
        provider=recording.provider,
        method=None,
        host=None,
        path=None,
        content_type=recording.content_type,
        body_start=recording.body[:1],
    )
    return framer(found.framing), Reading(found.api, found.provider)

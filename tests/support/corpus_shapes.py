"""Errors as providers tell them in the middle of a stream, by API, and the shapes the event grammar has no place for.

Shapes that carry a response's id or an event's number carry those of the stream they are put into (`shapes_of`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from corpus_file import Recording
from event_stream_build import exception, header, message
from sse_play import sse

__all__ = ["INVISIBLE", "SHAPES", "Shape", "shapes_of"]


class Shape(NamedTuple):
    """An error as bytes of a body, and the words in it that a record must hold."""

    body: bytes
    words: str


ID: Final = "resp_of_the_stream"
NUMBERS: Final = (770001, 770002)  # the next ones of the stream
BROKE: Final = "The server had an error"
ERROR: Final = {"message": BROKE, "type": "server_error", "param": None, "code": None}
GEMINI: Final = {"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}
GEMINI_TEXT: Final = json.dumps(GEMINI, indent=2)
FAILED_RESPONSE: Final = {"id": ID, "object": "response", "status": "failed", "output": [], "error": ERROR}
FAILED_INTERACTION: Final = {
    "event_type": "interaction.failed",
    "interaction": {"status": "failed", "object": "interaction", "error": ERROR},
}
FAILED_RUN: Final = {
    "object": "thread.run",
    "status": "failed",
    "last_error": {"code": "server_error", "message": "broke"},
}
OVERLOADED: Final = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
LINE: Final = Shape(b'{"error":"an error was encountered while running the model"}\n', "an error was encountered")
VLLM: Final = {"object": "error", "message": "too long", "type": "BadRequestError", "code": 400}


def _openrouter(response_id: str) -> bytes:
    choice = {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}
    chunk = {"id": response_id, "object": "chat.completion.chunk", "model": "m", "provider": "x", "choices": [choice]}
    return sse({**chunk, "error": {"message": "Upstream error", "code": 502}})


def _response(kind: str, number: int, **fields: Any) -> bytes:
    return sse({"type": kind, "sequence_number": number, **fields}, named=True)


NESTED: Final = _response("error", NUMBERS[0], error=ERROR)
EXCEPTIONS: Final = {
    "stream": Shape(exception("modelStreamErrorException", {"message": "broke", "originalStatusCode": 424}), "broke"),
    "throttled": Shape(exception("throttlingException", {"message": "Too many tokens", "p": "abc"}), "Too many tokens"),
    "unmodelled": Shape(
        message(
            header(":message-type", "error") + header(":error-code", "Internal") + header(":error-message", "broke"),
            b"",
        ),
        "broke",
    ),
}
SHAPES: Final[dict[str, dict[str, Shape]]] = {
    "openai.chat": {
        "openai": Shape(sse({"error": ERROR}), BROKE),
        "openrouter": Shape(_openrouter(ID), "Upstream error"),
        "openrouter, of no id": Shape(_openrouter("gen-x"), "Upstream error"),
        "groq": Shape(
            b"event: error\n" + sse({"error": {**ERROR, "code": "tool_use_failed", "status_code": 400}}), BROKE
        ),
        "vllm": Shape(sse(VLLM), "too long"),
        "sglang": Shape(
            sse({"error": {"object": "error", "message": "too long", "type": "x", "code": 400}}), "too long"
        ),
        "tgi": Shape(sse({"error": "Request failed during generation", "error_type": "generation"}), "Request failed"),
    },
    "openai.responses": {
        "nested": Shape(NESTED, BROKE),
        "flat": Shape(_response("error", NUMBERS[0], code="server_error", message="broke", param=None), "broke"),
        "failed": Shape(_response("response.failed", NUMBERS[0], response=FAILED_RESPONSE), BROKE),
        "both": Shape(NESTED + _response("response.failed", NUMBERS[1], response=FAILED_RESPONSE), BROKE),
        "repeating a number": Shape(_response("error", 3, error=ERROR), BROKE),
    },
    "anthropic.messages": {"overloaded": Shape(sse(OVERLOADED, named=True), "Overloaded")},
    "openai.completions": {
        "openai": Shape(sse({"error": ERROR}), BROKE),
        "vllm": Shape(sse(VLLM), "too long"),
    },
    "anthropic.complete": {"overloaded": Shape(sse(OVERLOADED, named=True), "Overloaded")},
    "ollama.chat": {"line": LINE},
    "ollama.generate": {"line": LINE},
    "tgi.generate": {
        "tgi": Shape(sse({"error": "Request failed during generation", "error_type": "generation"}), "Request failed"),
    },
    "watsonx.generate": {
        "listed": Shape(
            sse({"errors": [{"code": "internal_error", "message": "broke"}], "trace": "t", "status_code": 500}),
            "broke",
        ),
        "named": Shape(
            b"event: error\n" + sse({"errors": [{"code": "timeout", "message": "broke"}], "status_code": 504}), "broke"
        ),
    },
    "replicate.stream": {
        "told": Shape(b'event: error\nid: 1:1\ndata: {"detail":"Prediction failed"}\n\n', "Prediction failed"),
        "text": Shape(b"event: error\nid: 1:1\ndata: Prediction failed\n\n", "Prediction failed"),
    },
    "openai.assistants": {
        "named": Shape(b"event: error\n" + sse({"message": "broke", "code": "server_error"}), "broke"),
        "failed": Shape(b"event: thread.run.failed\n" + sse(FAILED_RUN), "broke"),
    },
    "cohere.v1": {"line": Shape(b'{"message":"broke","error":"internal server error"}\n', "internal server error")},
    "cohere.v2": {
        "message": Shape(sse({"message": "broke", "id": "x", "error": "internal server error"}), "internal"),
        "named": Shape(b"event: error\n" + sse({"message": "too many tokens"}), "too many tokens"),
    },
    "bedrock.converse": EXCEPTIONS,
    "bedrock.invoke": EXCEPTIONS,
    "bedrock.agent": EXCEPTIONS,
    "google.generateContent": {"event": Shape(sse(GEMINI), "overloaded")},
    "google.interactions": {
        "event": Shape(
            b"event: error\n" + sse({"event_type": "error", "error": {"message": "broke", "code": "internal"}}), "broke"
        ),
        "failed": Shape(b"event: interaction.failed\n" + sse(FAILED_INTERACTION), BROKE),
    },
}
INVISIBLE: Final = {
    "gemini": Shape(GEMINI_TEXT.encode() + b"\n", "overloaded"),
    "gemini list": Shape(b"[" + GEMINI_TEXT.replace("\n", "\r\n").encode() + b"\r\n]\r\n", "overloaded"),
    "llama.cpp": Shape(b'error: {"code":500,"message":"failed","type":"server_error"}\n\n', "failed"),
    "html": Shape(
        b"<html>\r\n<head><title>504 Gateway Time-out</title></head>\r\n\r\n<body></body></html>\r\n",
        "504 Gateway Time-out",
    ),
}


def shapes_of(recording: Recording, before: Sequence[bytes]) -> dict[str, Shape]:
    """The shapes of a recording's API, as they would stand behind these events of it."""
    numbers = [int(number) for number in re.findall(rb'"sequence_number": ?(\d+)', b"".join(before[-1:]))]
    following = numbers[-1] + 1 if numbers else len(before)
    response_id = str(recording.expected.get("response_id") or ID)

    def fitted(body: bytes) -> bytes:
        for at, number in enumerate(NUMBERS):
            body = body.replace(str(number).encode(), str(following + at).encode())
        return body.replace(ID.encode(), response_id.encode())

    return {name: Shape(fitted(shape.body), shape.words) for name, shape in SHAPES.get(recording.api, {}).items()}

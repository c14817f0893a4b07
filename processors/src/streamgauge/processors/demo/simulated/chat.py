"""OpenAI chat completions: unnamed events, deltas by choice and tool index, usage if asked for, `[DONE]`."""

from __future__ import annotations

from typing import Any

from streamgauge.processors.demo.script import Answer, Script
from streamgauge.processors.demo.simulated.dialect import Ids, Wanted, encode, event
from streamgauge.processors.demo.truth import Said, Speech, Step

__all__ = ["CHAT", "DONE", "chat_usage", "error_body", "finish_reason", "interleaved"]

DONE = Step(b"data: [DONE]\n\n", marker=True)


class _Chat:
    api = "openai.chat"

    def steps(self, script: Script, ids: Ids, wanted: Wanted) -> list[Step]:
        """Role, deltas, finish; the choices take turns."""
        head = _Head(script, ids, wanted)
        tracks = [_track(head, index, answer, script) for index, answer in enumerate(script.answers)]
        steps = interleaved(tracks)
        if wanted.usage:
            steps.append(Step(head.chunk([], usage=chat_usage(script))))
        return [*steps, DONE]

    def whole(self, script: Script, ids: Ids, wanted: Wanted) -> bytes:
        """A `chat.completion`."""
        choices = [
            {
                "index": index,
                "message": _message(answer, ids),
                "logprobs": None,
                "finish_reason": finish_reason(answer, script),
            }
            for index, answer in enumerate(script.answers)
        ]
        return encode(
            {
                "id": ids.draw("chatcmpl-"),
                "object": "chat.completion",
                "created": wanted.created,
                "model": script.model,
                "choices": choices,
                "usage": chat_usage(script),
                "service_tier": "default",
                "system_fingerprint": "fp_" + ids.letters(10).lower(),
            }
        )

    def broken(self, script: Script, ids: Ids, sent: int) -> list[Step]:  # noqa: ARG002
        """An error where a chunk should be."""
        return [Step(event(error_body("server_error", "The server had an error while processing your request.")))]

    def refused(self, status: int, ids: Ids) -> bytes:  # noqa: ARG002
        """An error object."""
        if status == 401:
            return encode(error_body("invalid_request_error", "Incorrect API key provided.", "invalid_api_key"))
        return encode(error_body("requests", "Rate limit reached for requests.", "rate_limit_exceeded"))


class _Head:
    """What all chunks of a stream share."""

    def __init__(self, script: Script, ids: Ids, wanted: Wanted) -> None:
        self.ids = ids
        self._usage = wanted.usage
        self._fields: dict[str, Any] = {
            "id": ids.draw("chatcmpl-"),
            "object": "chat.completion.chunk",
            "created": wanted.created,
            "model": script.model,
            "service_tier": "default",
            "system_fingerprint": "fp_" + ids.letters(10).lower(),
        }

    def chunk(self, choices: list[dict[str, Any]], *, usage: dict[str, Any] | None = None) -> bytes:
        """One chunk as an event. Where usage was asked for every chunk names it, all but the last with null."""
        stated = {"usage": usage} if self._usage else {}
        # Random padding against guessing lengths: on by default, and never the same twice.
        padding = {"obfuscation": self.ids.letters(1 + self.ids.number(12))}
        return event({**self._fields, "choices": choices, **stated, **padding})

    def delta(self, index: int, delta: dict[str, Any], finish: str | None = None) -> bytes:
        """A chunk of one choice."""
        return self.chunk([{"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}])


def _track(head: _Head, index: int, answer: Answer, script: Script) -> list[Step]:
    """All chunks of one choice."""
    steps = [Step(head.delta(index, {"role": "assistant", "content": "", "refusal": None}))]
    steps += [Step(head.delta(index, {"content": piece}), (Speech(Said.TEXT, piece, index),)) for piece in answer.text]
    for call, tool in enumerate(answer.tools):
        function = {"name": tool.name, "arguments": ""}
        begun = {"index": call, "id": head.ids.draw("call_"), "type": "function", "function": function}
        steps.append(Step(head.delta(index, {"tool_calls": [begun]}), (Speech(Said.TOOL, tool.name, index, call),)))
        for piece in tool.arguments:
            more = {"index": call, "function": {"arguments": piece}}
            speech = Speech(Said.ARGUMENTS, piece, index, call)
            steps.append(Step(head.delta(index, {"tool_calls": [more]}), (speech,)))
    steps.append(Step(head.delta(index, {}, finish_reason(answer, script))))
    return steps


def interleaved(tracks: list[list[Step]]) -> list[Step]:
    """The steps of several choices, taken in turns."""
    longest = max(map(len, tracks))
    return [track[at] for at in range(longest) for track in tracks if at < len(track)]


def finish_reason(answer: Answer, script: Script) -> str:
    """Why a choice ends."""
    return "tool_calls" if answer.tools else script.finish


def chat_usage(script: Script) -> dict[str, Any]:
    """Usage as chat completions state it."""
    return {
        "prompt_tokens": script.input_tokens,
        "completion_tokens": script.output_tokens,
        "total_tokens": script.input_tokens + script.output_tokens,
        "prompt_tokens_details": {"cached_tokens": script.cached_tokens, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": script.reasoning_tokens,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def error_body(kind: str, message: str, code: str | None = None) -> dict[str, Any]:
    """An error as OpenAI's APIs write it."""
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def _message(answer: Answer, ids: Ids) -> dict[str, Any]:
    message: dict[str, Any] = {
        "role": "assistant",
        "content": "".join(answer.text) or None,
        "refusal": None,
        "annotations": [],
    }
    if answer.tools:
        message["tool_calls"] = [
            {
                "id": ids.draw("call_"),
                "type": "function",
                "function": {"name": tool.name, "arguments": "".join(tool.arguments)},
            }
            for tool in answer.tools
        ]
    return message


CHAT = _Chat()

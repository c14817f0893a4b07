"""Anthropic messages: named events, one block after the other, usage at both ends, pings between.

`input_tokens` leaves the cache out; the usage of `message_start` is preliminary, that of `message_delta` final.
"""

from __future__ import annotations

from typing import Any

import msgspec

from streamgauge.processors.demo.script import Answer, Script
from streamgauge.processors.demo.simulated.dialect import Ids, Wanted, encode, event
from streamgauge.processors.demo.truth import Said, Speech, Step

__all__ = ["MESSAGES"]

_PING = Step(event({"type": "ping"}, named=True))


class _Messages:
    api = "anthropic.messages"

    def steps(self, script: Script, ids: Ids, wanted: Wanted) -> list[Step]:  # noqa: ARG002
        """Start, a ping, the blocks, the stop reason and final usage, stop."""
        message: dict[str, Any] = {
            "id": ids.draw("msg_01"),
            "type": "message",
            "role": "assistant",
            "model": script.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {**_input_usage(script), "output_tokens": 1, "service_tier": "standard"},
        }
        answer = script.answers[0]
        return [
            _step({"type": "message_start", "message": message}),
            _PING,
            *_blocks(answer, ids),
            _step(
                {
                    "type": "message_delta",
                    "delta": {"stop_reason": _stop_reason(answer, script), "stop_sequence": None},
                    "usage": {**_input_usage(script), "output_tokens": script.output_tokens},
                }
            ),
            Step(event({"type": "message_stop"}, named=True), marker=True),
        ]

    def whole(self, script: Script, ids: Ids, wanted: Wanted) -> bytes:  # noqa: ARG002
        """A `message`."""
        answer = script.answers[0]
        return encode(
            {
                "id": ids.draw("msg_01"),
                "type": "message",
                "role": "assistant",
                "model": script.model,
                "content": _content(answer, ids),
                "stop_reason": _stop_reason(answer, script),
                "stop_sequence": None,
                "usage": {**_input_usage(script), "output_tokens": script.output_tokens, "service_tier": "standard"},
            }
        )

    def broken(self, script: Script, ids: Ids, sent: int) -> list[Step]:  # noqa: ARG002
        """An error event, and then nothing."""
        return [_step(_error("overloaded_error", "Overloaded", ids))]

    def refused(self, status: int, ids: Ids) -> bytes:
        """An error object."""
        if status == 401:
            return encode(_error("authentication_error", "invalid x-api-key", ids))
        return encode(_error("rate_limit_error", "This request would exceed your organization's rate limit.", ids))


def _blocks(answer: Answer, ids: Ids) -> list[Step]:
    steps: list[Step] = []
    index = 0
    if answer.reasoning:
        steps += _thinking(index, answer, ids)
        index += 1
    if answer.text:
        steps += _text(index, answer)
        index += 1
    for call, tool in enumerate(answer.tools):
        block = {"type": "tool_use", "id": ids.draw("toolu_01"), "name": tool.name, "input": {}}
        steps.append(_start(index + call, block, Speech(Said.TOOL, tool.name, 0, call)))
        steps.append(_delta(index + call, {"type": "input_json_delta", "partial_json": ""}))
        steps += [
            _delta(
                index + call,
                {"type": "input_json_delta", "partial_json": piece},
                Speech(Said.ARGUMENTS, piece, 0, call),
            )
            for piece in tool.arguments
        ]
        steps.append(_stop(index + call))
    return steps


def _thinking(index: int, answer: Answer, ids: Ids) -> list[Step]:
    deltas = [
        _delta(index, {"type": "thinking_delta", "thinking": piece}, Speech(Said.REASONING, piece))
        for piece in answer.reasoning
    ]
    signature = _delta(index, {"type": "signature_delta", "signature": ids.letters(180) + "=="})
    return [
        _start(index, {"type": "thinking", "thinking": "", "signature": ""}),
        *deltas,
        signature,
        _stop(index),
    ]


def _text(index: int, answer: Answer) -> list[Step]:
    deltas = [_delta(index, {"type": "text_delta", "text": piece}, Speech(Said.TEXT, piece)) for piece in answer.text]
    return [_start(index, {"type": "text", "text": ""}), *deltas, _stop(index)]


def _start(index: int, block: dict[str, Any], *speech: Speech) -> Step:
    return _step({"type": "content_block_start", "index": index, "content_block": block}, *speech)


def _delta(index: int, delta: dict[str, Any], *speech: Speech) -> Step:
    return _step({"type": "content_block_delta", "index": index, "delta": delta}, *speech)


def _stop(index: int) -> Step:
    return _step({"type": "content_block_stop", "index": index})


def _step(payload: dict[str, Any], *speech: Speech) -> Step:
    return Step(event(payload, named=True), speech)


def _content(answer: Answer, ids: Ids) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if answer.reasoning:
        thinking = "".join(answer.reasoning)
        blocks.append({"type": "thinking", "thinking": thinking, "signature": ids.letters(180) + "=="})
    if answer.text:
        blocks.append({"type": "text", "text": "".join(answer.text)})
    for tool in answer.tools:
        arguments = msgspec.json.decode("".join(tool.arguments))
        blocks.append({"type": "tool_use", "id": ids.draw("toolu_01"), "name": tool.name, "input": arguments})
    return blocks


def _stop_reason(answer: Answer, script: Script) -> str:
    if answer.tools:
        return "tool_use"
    return "max_tokens" if script.finish == "length" else "end_turn"


def _input_usage(script: Script) -> dict[str, Any]:
    return {
        "input_tokens": script.input_tokens - script.cached_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": script.cached_tokens,
    }


def _error(kind: str, message: str, ids: Ids) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": ids.draw("req_011")}


MESSAGES = _Messages()

"""Together's chat completions: OpenAI's, but each choice says its text twice, and usage comes with the finish."""

from __future__ import annotations

from typing import Any

from streamgauge.processors.demo.script import Answer, Script
from streamgauge.processors.demo.simulated.chat import DONE, error_body, finish_reason, interleaved
from streamgauge.processors.demo.simulated.dialect import Ids, Wanted, encode, event
from streamgauge.processors.demo.truth import Said, Speech, Step

__all__ = ["TOGETHER"]


class _Together:
    api = "openai.chat"

    def steps(self, script: Script, ids: Ids, wanted: Wanted) -> list[Step]:
        """Deltas with their twins, then finish and usage in one chunk."""
        head: dict[str, Any] = {
            "id": f"{ids.letters(7)}-{ids.letters(8)}",
            "object": "chat.completion.chunk",
            "created": wanted.created,
        }
        tracks = [_track(head, index, answer, script, ids) for index, answer in enumerate(script.answers)]
        return [*interleaved(tracks), DONE]

    def whole(self, script: Script, ids: Ids, wanted: Wanted) -> bytes:
        """A `chat.completion`."""
        choices = [
            {
                "index": index,
                "message": {"role": "assistant", "content": "".join(answer.text), "tool_calls": []},
                "logprobs": None,
                "finish_reason": finish_reason(answer, script),
                "seed": ids.number(2**63),
            }
            for index, answer in enumerate(script.answers)
        ]
        return encode(
            {
                "id": f"{ids.letters(7)}-{ids.letters(8)}",
                "object": "chat.completion",
                "created": wanted.created,
                "model": script.model,
                "prompt": [],
                "choices": choices,
                "usage": _usage(script),
            }
        )

    def broken(self, script: Script, ids: Ids, sent: int) -> list[Step]:  # noqa: ARG002
        """An error where a chunk should be, and the marker all the same."""
        return [Step(event(error_body("server_error", "The model worker was restarted."))), DONE]

    def refused(self, status: int, ids: Ids) -> bytes:  # noqa: ARG002
        """An error object."""
        if status == 401:
            return encode(error_body("invalid_request_error", "Invalid API key provided.", "invalid_api_key"))
        return encode(error_body("rate_limit", "You have reached the rate limit of this model."))


def _track(head: dict[str, Any], index: int, answer: Answer, script: Script, ids: Ids) -> list[Step]:
    steps: list[Step] = []
    for piece in answer.text:
        delta = {"role": "assistant", "content": piece, "token_id": ids.number(128_000)}
        choice = {
            "index": index,
            "text": piece,  # the twin of `delta.content`: the same text once more
            "delta": delta,
            "logprobs": None,
            "finish_reason": None,
            "seed": None,
        }
        chunk = {**head, "choices": [choice], "model": script.model, "usage": None}
        steps.append(Step(event(chunk), (Speech(Said.TEXT, piece, index),)))
    last = {
        "index": index,
        "text": "",
        "delta": {"role": "assistant", "content": "", "token_id": ids.number(128_000)},
        "logprobs": None,
        "finish_reason": finish_reason(answer, script),
        "seed": ids.number(2**63),
    }
    steps.append(Step(event({**head, "choices": [last], "model": script.model, "usage": _usage(script)})))
    return steps


def _usage(script: Script) -> dict[str, Any]:
    return {
        "prompt_tokens": script.input_tokens,
        "completion_tokens": script.output_tokens,
        "total_tokens": script.input_tokens + script.output_tokens,
        "cached_tokens": script.cached_tokens,
    }


TOGETHER = _Together()

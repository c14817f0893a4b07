"""Response bodies as a recorder would have kept them, made by hand."""

from __future__ import annotations

import json
from typing import Any

ANTHROPIC_URL = "https://api.anthropic.com/v1/messages"
CHAT_URL = "https://api.openai.com/v1/chat/completions"


def _event(name: str, **fields: Any) -> bytes:
    return f"event: {name}\ndata: {json.dumps({'type': name, **fields})}\n\n".encode()


def _chunk(**fields: Any) -> bytes:
    chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "gpt-4o-2024-08-06", **fields}
    return f"data: {json.dumps(chunk)}\n\n".encode()


def anthropic(text: str = "The river runs.") -> bytes:
    """A stream of messages: a text and a tool call."""
    half = len(text) // 2
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5-20250929",
        "content": [],
        "usage": {"input_tokens": 20, "output_tokens": 1},
    }
    return b"".join(
        [
            _event("message_start", message=message),
            _event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
            _event("ping"),
            _event("content_block_delta", index=0, delta={"type": "text_delta", "text": text[:half]}),
            _event("content_block_delta", index=0, delta={"type": "text_delta", "text": text[half:]}),
            _event("content_block_stop", index=0),
            _event(
                "content_block_start",
                index=1,
                content_block={"type": "tool_use", "id": "toolu_1", "name": "gauge", "input": {}},
            ),
            _event("content_block_delta", index=1, delta={"type": "input_json_delta", "partial_json": '{"at":'}),
            _event("content_block_delta", index=1, delta={"type": "input_json_delta", "partial_json": '"bridge"}'}),
            _event("content_block_stop", index=1),
            _event("message_delta", delta={"stop_reason": "tool_use"}, usage={"output_tokens": 30}),
            _event("message_stop"),
        ]
    )


def chat(text: str = "The river runs.", *, usage: bool = True) -> bytes:
    """A stream of chat chunks."""
    counts = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
    return b"".join(
        [
            _chunk(choices=[{"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": None}]),
            _chunk(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}]),
            _chunk(choices=[], usage=counts) if usage else b"",
            b"data: [DONE]\n\n",
        ]
    )


def chat_body(text: str = "The river runs.") -> bytes:
    """A plain response, pretty-printed."""
    message = {"role": "assistant", "content": text}
    return json.dumps(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "model": "gpt-4o-2024-08-06",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13},
        },
        indent=2,
    ).encode()

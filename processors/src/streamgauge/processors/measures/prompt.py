"""The prompt: what of a request body the model reads as input, for counting its tokens.

A request is read by its shape, which tells the APIs apart: `messages` (OpenAI chat, Anthropic), `input` (OpenAI
responses), `prompt` (OpenAI completions). What comes out is text and a number of tokens that frame it. A request that
shows the model something this text does not hold (an image, a file, the provider's memory of an earlier response, a
tool the provider describes itself) is not `whole`: its tokens cannot be counted from here, and a count of the rest
would pass for the truth. `declares` says that it declares tools or an answer format: how they are rendered we know of
OpenAI's models alone.

Framing is what OpenAI's cookbook gives ("How to count tokens with tiktoken", `num_tokens_from_messages`): three tokens
a message, one more for a name, three that begin the answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from streamgauge.processors.measures.declarations import format_text, tools_text

__all__ = ["Prompt", "read_prompt"]

_PER_MESSAGE: Final = 3
_PER_NAME: Final = 1
_BEGINS_ANSWER: Final = 3

# Where the provider adds input of its own that the request only names.
_MEMORY: Final = (
    "previous_response_id",
    "previous_interaction_id",
    "conversation",
    "mcp_servers",
    "container",
    "file_ids",
    "cached_content",
    "agent",
)
_OURS: Final = ("function", "custom")  # tools the caller describes; all others are the provider's own
_TEXTS: Final = frozenset({"text", "input_text", "output_text", "refusal", "thinking", "summary_text"})


class Prompt:
    """The text the model reads, and the tokens around it."""

    __slots__ = ("declares", "framing", "texts", "whole")

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.framing = 0
        self.whole = True
        self.declares = False


def read_prompt(request: dict[str, Any]) -> Prompt:
    """The prompt of a request body. It never raises; what it does not understand makes the prompt not whole."""
    prompt = Prompt()
    try:
        _read(prompt, request)
    except RecursionError:  # nested deeper than any prompt
        prompt.whole = False
    return prompt


def _read(prompt: Prompt, request: dict[str, Any]) -> None:
    prompt.whole = not any(request.get(name) for name in _MEMORY)
    match request:
        case {"messages": list(messages)}:
            _messages(prompt, messages)
        case {"input": str() | list() as given}:
            _input(prompt, given)
        case {"prompt": str() | list() as given}:
            _completion(prompt, given)
        case _:
            prompt.whole = False
    _preface(prompt, request)


def _messages(prompt: Prompt, messages: list[Any]) -> None:
    for message in messages:
        match message:
            case {"role": str(role)}:
                _message(prompt, role, message)
            case _:
                prompt.whole = False
    prompt.framing += _BEGINS_ANSWER


def _message(prompt: Prompt, role: str, message: dict[str, Any]) -> None:
    prompt.framing += _PER_MESSAGE
    prompt.texts.append(role)
    if isinstance(name := message.get("name"), str):
        prompt.framing += _PER_NAME
        prompt.texts.append(name)
    _content(prompt, message.get("content"))
    _content(prompt, message.get("reasoning_content"))
    for call in _items(message.get("tool_calls")):
        _call(prompt, call.get("function"), "arguments")


def _input(prompt: Prompt, given: str | list[Any]) -> None:
    items = [{"role": "user", "content": given}] if isinstance(given, str) else given
    for item in items:
        match item:
            case {"role": str(role)}:
                _message(prompt, role, item)
            case {"type": "function_call"}:
                prompt.framing += _PER_MESSAGE
                _call(prompt, item, "arguments")
            case {"type": "function_call_output"}:
                prompt.framing += _PER_MESSAGE
                _content(prompt, item.get("output"))
            case _:  # reasoning is encrypted, a reference names what the provider keeps
                prompt.whole = False
    prompt.framing += _BEGINS_ANSWER


def _completion(prompt: Prompt, given: str | list[Any]) -> None:
    match given:
        case str(text):
            prompt.texts.append(text)
        case [int(), *_]:  # token ids
            prompt.framing += len(given)
        case _:
            for part in given:
                if isinstance(part, str | list):
                    _completion(prompt, part)
                else:
                    prompt.whole = False


def _preface(prompt: Prompt, request: dict[str, Any]) -> None:
    """What stands beside the messages: instructions, tools, the format of the answer."""
    for name in ("system", "instructions"):
        if request.get(name):
            prompt.framing += _PER_MESSAGE
            _content(prompt, request[name])
    if isinstance(request.get("prompt"), dict):  # a template the provider keeps
        prompt.whole = False
    _tools(prompt, [*_items(request.get("tools")), *_items(request.get("functions"))])
    match request:
        case {"response_format": {"json_schema": dict(declared)}} | {"text": {"format": {"schema": _} as declared}}:
            _declare(prompt, format_text(declared))
        case {"output_format": _} | {"output_config": {"format": _}}:
            prompt.declares = True
        case _:
            pass


def _tools(prompt: Prompt, tools: list[dict[str, Any]]) -> None:
    functions = [tool.get("function", tool) for tool in tools if tool.get("type", "function") in _OURS]
    if len(functions) != len(tools) or not all(isinstance(function, dict) for function in functions):
        prompt.whole = False
    elif functions:
        _declare(prompt, tools_text(functions))


def _declare(prompt: Prompt, text: str) -> None:
    prompt.declares = True
    prompt.texts.append(text)


def _content(prompt: Prompt, content: object) -> None:
    match content:
        case None:
            pass
        case str(text):
            prompt.texts.append(text)
        case list(parts):
            for part in parts:
                _part(prompt, part)
        case _:
            prompt.whole = False


def _part(prompt: Prompt, part: Any) -> None:
    match part:
        case str(text):
            prompt.texts.append(text)
        case {"type": str(kind)} if kind in _TEXTS:
            key = kind if kind in ("refusal", "thinking") else "text"
            _content(prompt, part.get(key))
        case {"type": "tool_use"}:
            _call(prompt, part, "input")
        case {"type": "tool_result"}:
            _content(prompt, part.get("content"))
        case _:
            prompt.whole = False


def _call(prompt: Prompt, call: Any, arguments: str) -> None:
    match call:
        case {"name": str(name)}:
            prompt.texts.append(name)
            given = call.get(arguments)
            prompt.texts.append(given if isinstance(given, str) else _json(given))
        case _:
            prompt.whole = False


def _items(value: object) -> Iterable[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()

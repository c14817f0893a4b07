"""What a recording expects, against what was made of it.

Works on finished values alone (choices as the contents hold them, usage as the record has it), so the pure core and the
whole system are held to the same. A comparison names the groups that differ; nothing is forgiven but what stands here:

* tool arguments are compared as JSON where they are JSON;
* a zero the expectation leaves out may be stated, and so may be null;
* usage is compared without its nulls.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from streamgauge.schemas.records import Choice, Reasoning, Refusal, Text, ToolCall

__all__ = ["CANONICAL", "EXCEPTIONS", "Seen", "differences"]

CANONICAL = ("input", "output", "total", "cache_read", "cache_write", "reasoning")
EXCEPTIONS: dict[tuple[str, str], str] = {}  # (recording id, group): the rule that decides otherwise, with its source


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What was made of a recording."""

    choices: Sequence[Choice] = ()  # of the last generation
    usage_raw: dict[str, Any] | None = None
    usage: dict[str, int | None] = {}  # canonical, by the names in CANONICAL
    response_id: str | None = None


def differences(recording_id: str, expected: dict[str, Any], seen: Seen) -> dict[str, tuple[Any, Any]]:
    """By group: what was expected and what was seen, where they differ."""
    first = min(seen.choices, key=lambda choice: choice.index, default=Choice(index=0))
    pairs = {
        "text": (expected.get("text") or "", _said(first, Text)),
        "reasoning": (expected.get("reasoning") or "", _said(first, Reasoning)),
        "refusal": (expected.get("refusal") or "", _said(first, Refusal)),
        "tools": (_expected_tools(expected.get("tool_calls")), _seen_tools(first)),
        "server_tools": (int(expected.get("server_tools") or 0), _server_tools(first)),
        "finish": (expected.get("finish_reason"), first.finish_reason),
        "choices": _choices(expected.get("choices"), seen.choices),
        "usage": (_without_nulls(expected.get("usage")), _without_nulls(seen.usage_raw)),
        "usage_canonical": (_canonical(expected.get("usage_canonical")), _canonical(seen.usage)),
        "response_id": (expected.get("response_id") or None, seen.response_id),
    }
    return {
        group: pair for group, pair in pairs.items() if pair[0] != pair[1] and (recording_id, group) not in EXCEPTIONS
    }


def _said(choice: Choice, kind: type[Text | Reasoning | Refusal]) -> str:
    return "".join(str(part.text) for part in choice.parts if isinstance(part, kind))


def _expected_tools(calls: list[dict[str, Any]] | None) -> list[tuple[str | None, str | None, Any]]:
    return [(call.get("id"), call.get("name"), _arguments(call.get("arguments"))) for call in calls or []]


def _seen_tools(choice: Choice) -> list[tuple[str | None, str | None, Any]]:
    calls = [part for part in choice.parts if isinstance(part, ToolCall) and not part.server_side]
    return [(call.id, call.name, _arguments(call.arguments)) for call in calls]


def _server_tools(choice: Choice) -> int:
    return sum(1 for part in choice.parts if isinstance(part, ToolCall) and part.server_side)


def _arguments(value: Any) -> Any:
    """As JSON where it is JSON; no arguments and empty ones are the same."""
    if isinstance(value, str) and value:
        try:
            value = msgspec.json.decode(value)
        except msgspec.DecodeError:
            return value
    return value or {}


def _choices(expected: dict[str, Any] | None, seen: Sequence[Choice]) -> tuple[Any, Any]:
    if expected is None:
        return None, None
    return expected, {
        str(choice.index): {"text": _said(choice, Text), "finish_reason": choice.finish_reason} for choice in seen
    }


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(inner) for name, inner in value.items() if inner is not None}
    return value or {} if value is None else value


def _canonical(usage: dict[str, int | None] | None) -> dict[str, int]:
    return {name: usage.get(name) or 0 for name in CANONICAL} if usage else dict.fromkeys(CANONICAL, 0)

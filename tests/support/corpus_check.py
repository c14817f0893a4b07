"""What a recording expects, against what was made of it.

Works on finished values alone (choices as the contents hold them, usage as the record has it), so the pure core and the
whole system are held to the same. A comparison names the groups that differ; nothing is forgiven but what stands here:

* tool arguments are compared as JSON where they are JSON;
* the provider's usage report is compared without its nulls;
* of the canonical usage, expectations leave zeros out: where one does, the report itself decides between a zero
  (a field of it states the number) and null (none does);
* an id and the canonical usage are compared where the expectation looked for them: it does not know every API's;
* Bedrock's metrics of an invocation are the usage of a model that states none;
* an expectation without a text (of an agent's answer) did not look into it, and says no more than how it ended.

What a rule decides otherwise than the expectation stands in `EXCEPTIONS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

import msgspec

from corpus_file import Recording
from streamgauge.schemas.records import Choice, Reasoning, Refusal, Text, ToolCall

__all__ = ["CANONICAL", "EXCEPTIONS", "Exempt", "Seen", "differences", "exemption"]

# Where the numbers stand in providers' reports: any of these fields, wherever it stands, states the canonical one.
CANONICAL: Final[dict[str, frozenset[str]]] = {
    "input": frozenset({"prompt_tokens", "input_tokens", "total_input_tokens", "promptTokenCount", "inputTokens"}),
    "output": frozenset({"completion_tokens", "output_tokens", "total_output_tokens", "candidatesTokenCount"})
    | {"outputTokens"},
    "total": frozenset({"total_tokens", "totalTokenCount", "totalTokens"}),
    "cache_read": frozenset({"cached_tokens", "prompt_cache_hit_tokens", "cache_read_input_tokens"})
    | {"total_cached_tokens", "cachedContentTokenCount", "cacheReadInputTokens", "cacheReadInputTokenCount"},
    "cache_write": frozenset({"cache_write_tokens", "cache_creation_input_tokens", "cacheWriteInputTokens"})
    | {"cacheWriteInputTokenCount"},
    "reasoning": frozenset({"reasoning_tokens", "thinking_tokens", "total_thought_tokens", "thoughtsTokenCount"}),
}


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What was made of a recording."""

    outcome: str | None
    choices: Sequence[Choice]  # of the last generation
    usage_raw: dict[str, Any] | None
    usage: dict[str, int | None]  # canonical, by the names in CANONICAL
    response_id: str | None


class Exempt(NamedTuple):
    """A rule that decides otherwise than an expectation, wherever it applies."""

    api: str
    group: str
    applies: Callable[[Recording], bool]
    rule: str  # with its source


def _ids_rotate(recording: Recording) -> bool:
    """Most chunks bring an id that no chunk before them had."""
    ids = list(_ids(recording.body))
    return len(set(ids)) > max(2, len(ids) // 2)


def _ids(body: bytes) -> Iterator[Any]:
    for line in body.splitlines():
        with suppress(msgspec.DecodeError, AttributeError):
            yield msgspec.json.decode(line.removeprefix(b"data:")).get("id")


def _several_generations(recording: Recording) -> bool:
    """The request asks for more than one."""
    body = (recording.request or {}).get("body")
    return isinstance(body, dict) and int(body.get("num_generations") or 1) > 1


EXCEPTIONS: Final = (
    Exempt(
        "openai.chat",
        "response_id",
        _ids_rotate,
        "where every chunk has another id (Groq's compound systems), the first one is the response's: no other can be "
        "told while it streams, and a stream's identity is its connection (docs/providers.md)",
    ),
    Exempt(
        "google.interactions",
        "reasoning",
        lambda recording: b'"thought_summary"' in recording.body,
        "summaries of thoughts are reasoning, for which the expectation does not look in this API",
    ),
    *(
        Exempt(
            "bedrock.converse",
            group,
            lambda recording: b'"type":"server_tool_use"' in recording.body,
            "a call of the type `server_tool_use` is the provider's own (`ToolUseType` in Bedrock's reference)",
        )
        for group in ("tools", "server_tools")
    ),
    Exempt(
        "bedrock.invoke",
        "text",
        _several_generations,
        "several generations of Cohere's Command are choices, not one text: `index` tells them apart",
    ),
)


def exemption(recording: Recording, group: str) -> Exempt | None:
    """The rule by which this recording may differ here."""
    for exempt in EXCEPTIONS:
        if (exempt.api, exempt.group) == (recording.api, group) and exempt.applies(recording):
            return exempt
    return None


def differences(recording: Recording, seen: Seen) -> dict[str, tuple[Any, Any]]:
    """By group: what was expected and what was seen, where they differ."""
    expected = recording.expected
    usage = expected.get("usage") or expected.get("invocation_metrics")
    first = min(seen.choices, key=lambda choice: choice.index, default=Choice(index=0))
    pairs = {
        "outcome": _outcome(expected, seen.outcome),
        "text": (expected.get("text") or "", _said(first, Text)),
        "reasoning": (expected.get("reasoning") or "", _said(first, Reasoning)),
        "refusal": (expected.get("refusal") or "", _said(first, Refusal)),
        "tools": (_expected_tools(expected.get("tool_calls")), _seen_tools(first)),
        "server_tools": (int(expected.get("server_tools") or 0), _server_tools(first)),
        "finish": (expected.get("finish_reason"), first.finish_reason),
        "choices": _choices(expected.get("choices"), seen.choices),
        "usage": (_without_nulls(usage), _without_nulls(seen.usage_raw)),
        "usage_canonical": (_canonical(expected), {name: seen.usage.get(name) for name in CANONICAL}),
        "response_id": (expected.get("response_id") or None, seen.response_id),
    }
    if "text" not in expected:
        pairs = {"outcome": pairs["outcome"]}
    if "response_id" not in expected:
        pairs.pop("response_id", None)
    if usage and "usage_canonical" not in expected:
        pairs.pop("usage_canonical", None)
    return {group: pair for group, pair in pairs.items() if pair[0] != pair[1]}


def _outcome(expected: dict[str, Any], seen: str | None) -> tuple[str | None, str | None]:
    """An error event or an end marker decides; without either the expectation does not say how it ended."""
    if expected.get("has_error_event"):
        return "failed", seen
    return ("completed", seen) if expected.get("end_marker") else (None, None)


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


def _canonical(expected: dict[str, Any]) -> dict[str, int | None]:
    given = expected.get("usage_canonical") or {}
    stated = set(_stated(expected.get("usage") or {}))
    return {name: given.get(name) or (0 if fields & stated else None) for name, fields in CANONICAL.items()}


def _stated(report: dict[str, Any]) -> Iterator[str]:
    """The fields that hold a number."""
    for name, value in report.items():
        if isinstance(value, dict):
            yield from _stated(value)
        elif isinstance(value, int):
            yield name

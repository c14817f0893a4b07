"""Declarations: what OpenAI's models read of the tools and the answer format a request declares, and write of calls.

OpenAI does not publish it. What its models repeat when asked is a TypeScript namespace of functions, and a JSON schema
under a heading; rendered so, two thirds of the recorded requests with tools or formats come within 10 % of the stated
usage (`docs/figures.md`), where their plain JSON is off by half. Around a tool call the models write some tokens no
stream shows: seven around a single call and fourteen around each of several, in every recording but those of a forced
call. Other vendors write prompts of their own around tools, several times longer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

__all__ = ["around_calls", "format_text", "tools_text"]

_AROUND_ONE_CALL: Final = 7
_AROUND_EACH_CALL: Final = 14


def tools_text(functions: list[dict[str, Any]]) -> str:
    """The functions as the model reads them; "" where there are none."""
    if not functions:
        return ""
    declared = "".join(f"{_function(function)}\n\n" for function in functions)
    return f"# Tools\n\n## functions\n\nnamespace functions {{\n\n{declared}}} // namespace functions"


def format_text(declared: dict[str, Any]) -> str:
    """An answer format (`json_schema`) as the model reads it."""
    described = f"// {declared['description']}\n" if declared.get("description") else ""
    schema = msgspec.json.encode(declared.get("schema")).decode()
    return f"# Response Formats\n\n## {declared.get('name')}\n\n{described}{schema}"


def around_calls(calls: int) -> int:
    """The tokens a model writes around so many tool calls."""
    return _AROUND_EACH_CALL * calls if calls > 1 else _AROUND_ONE_CALL * calls


def _function(function: dict[str, Any]) -> str:
    described = f"// {function['description']}\n" if function.get("description") else ""
    parameters = _dict(function.get("parameters"))
    given = f"_: {_object(parameters)}" if parameters.get("properties") else ""
    return f"{described}type {function.get('name')} = ({given}) => any;"


def _object(schema: dict[str, Any]) -> str:
    return "\n".join(["{", *_properties(schema), "}"])


def _properties(schema: dict[str, Any]) -> Iterator[str]:
    required = schema.get("required")
    required = required if isinstance(required, list) else []
    for name, value in _dict(schema.get("properties")).items():
        described = _dict(value).get("description")
        if described:
            yield f"// {described}"
        yield f"{name}{'' if name in required else '?'}: {_type(_dict(value))},"


def _type(schema: dict[str, Any]) -> str:
    match schema:
        case {"enum": list(values)}:
            return " | ".join(msgspec.json.encode(value).decode() for value in values)
        case {"type": "object", "properties": dict()}:
            return _object(schema)
        case {"type": "array"}:
            return f"{_type(_dict(schema.get('items')))}[]"
        case {"type": "integer" | "number"}:
            return "number"
        case {"type": str(kind)}:
            return kind
        case _:
            return "any"


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}

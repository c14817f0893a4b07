"""Tool calls of chat completions, put together from their fragments.

The key of a call is its `index`; without one its id (Mistral), without both its place in the list. Id and name come
once; what repeats them (Kimi through OpenRouter) changes nothing. At an index that is taken another call begins if the
fragment brings another id, or, without ids, a name after arguments that are already whole: servers that number every
call 0 are common. Arguments that are an object are whole.
"""

from __future__ import annotations

from typing import Any, Final

from streamgauge.processors.providers.answer import ChoiceSoFar
from streamgauge.processors.providers.json_values import Document, documents, fields, raw, text
from streamgauge.processors.providers.parts import ToolSoFar

__all__ = ["WHOLE", "read_function_call", "read_tool_calls", "settle_tools"]

_PIECES_CHECKED_MAX: Final = 256  # arguments in more fragments are not parsed at each of them
WHOLE: Final = frozenset({"tool_calls", "stop", "function_call", "tool_use", "tool_call", "eos", "end_turn"})


def read_tool_calls(choice: ChoiceSoFar, calls: Any) -> bool:
    """Fold a list of fragments into the choice; say whether they brought anything."""
    grown = False
    for place, call in enumerate(documents(calls)):
        tool = _tool(choice, call, place)
        if tool.id is None:
            tool.id = text(call.get("id"))
        grown = _grow(tool, _named(call)) or grown
    return grown


def read_function_call(choice: ChoiceSoFar, call: Any) -> bool:
    """Fold a fragment of the legacy single call, which has neither id nor index, into the choice."""
    return bool(fields(call)) and _grow(choice.tool("function_call"), fields(call))


def settle_tools(choice: ChoiceSoFar, finish_reason: str) -> None:
    """The choice has finished: its calls are whole, unless it was cut short on purpose."""
    if finish_reason in WHOLE:
        for tool in choice.tools():
            tool.complete = True


def _tool(choice: ChoiceSoFar, call: Document, place: int) -> ToolSoFar:
    index = call.get("index")
    call_id = text(call.get("id"))
    name = text(_named(call).get("name"))
    key: tuple[str, object] = ("index", index) if type(index) is int else ("id", call_id)
    if key == ("id", None):
        if name is None and choice.open_tools:
            return next(reversed(choice.open_tools.values()))
        key = ("place", place)
    tool = choice.open_tools.get(key)
    if tool is None or _begins_another(tool, call_id, name):
        tool = choice.open_tools[key] = choice.tool(("tool", len(choice.parts)))
    return tool


def _begins_another(tool: ToolSoFar, call_id: str | None, name: str | None) -> bool:
    if name is None or tool.name is None:
        return False
    if call_id is not None and tool.id is not None:
        return call_id != tool.id
    return 0 < len(tool.pieces) <= _PIECES_CHECKED_MAX and tool.valid()


def _named(call: Document) -> Document:
    """Where name and arguments stand: a function's, or a custom tool's."""
    return fields(call.get("function")) or fields(call.get("custom"))


def _grow(tool: ToolSoFar, function: Document) -> bool:
    grown = False
    if tool.name is None:
        tool.name = text(function.get("name"))
        grown = tool.name is not None
    arguments = function.get("arguments", function.get("input"))
    if type(arguments) is str:
        if arguments:
            tool.pieces.append(arguments)
            grown = True
    elif type(arguments) in (dict, list):
        tool.settle(bytes(raw(arguments)).decode())
        grown = True
    return grown

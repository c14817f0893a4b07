"""Tool calls of chat completions: put together by index, id or place."""

from __future__ import annotations

from typing import Any

import pytest

from streamgauge.processors.providers.answer import ChoiceSoFar
from streamgauge.processors.providers.chat_tools import read_function_call, read_tool_calls, settle_tools


def call(name: str | None = None, arguments: Any = None, **more: Any) -> dict[str, Any]:
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    return {"function": function, **more}


def built(*fragments: list[dict[str, Any]]) -> list[tuple[str | None, str | None, str]]:
    choice = ChoiceSoFar(0)
    for fragment in fragments:
        read_tool_calls(choice, fragment)
    return [(tool.id, tool.name, "".join(tool.pieces)) for tool in choice.tools()]


@pytest.mark.parametrize(
    ("fragments", "calls"),
    [
        pytest.param(
            [
                [call("f", "", index=0, id="a")],
                [call(None, '{"x"', index=0)],
                [call("g", "{}", index=1, id="b")],
                [call(None, ":1}", index=0)],
            ],
            [("a", "f", '{"x":1}'), ("b", "g", "{}")],
            id="fragments interleave",
        ),
        pytest.param(
            [[call("f", "{}", id="a")], [call("g", "{}", id="b"), call("h", "{}", id="c")]],
            [("a", "f", "{}"), ("b", "g", "{}"), ("c", "h", "{}")],
            id="no index: by id (Mistral)",
        ),
        pytest.param(
            [[call("f", "{}", index=0, id="a")], [call("g", "{}", index=0, id="b")]],
            [("a", "f", "{}"), ("b", "g", "{}")],
            id="every call is number 0",
        ),
        pytest.param(
            [[call("f", '{"a":1}', index=0)], [call("f", '{"a":2}', index=0)]],
            [(None, "f", '{"a":1}'), (None, "f", '{"a":2}')],
            id="every call is number 0, without ids",
        ),
        pytest.param(
            [[call("f", '{"a"', index=0, id="a")], [call("f", ":1}", index=0, id="a")]],
            [("a", "f", '{"a":1}')],
            id="id and name in every fragment (Kimi)",
        ),
        pytest.param(
            [[call("f", '{"a"', index=0)], [call("f", ":1}", index=0)]],
            [(None, "f", '{"a":1}')],
            id="the name in every fragment",
        ),
        pytest.param(
            [[call("f", '{"a"')], [call(None, ":1}")], [call("g", "{}")]],
            [(None, "f", '{"a":1}'), (None, "g", "{}")],
            id="neither index nor id",
        ),
        pytest.param(
            [[call("f", '{"a"', id="a")], [call(None, ":1}")]],
            [("a", "f", '{"a":1}')],
            id="an id at first, then nothing",
        ),
        pytest.param(
            [[call("f", {"a": 1}, index=0, id="a")]], [("a", "f", '{"a":1}')], id="arguments that are an object"
        ),
        pytest.param([[call("f", None, index=0, id="a")]], [("a", "f", "")], id="no arguments"),
        pytest.param(
            [[{"index": 0, "id": "a", "custom": {"name": "f", "input": "x = 1"}}]], [("a", "f", "x = 1")], id="custom"
        ),
        pytest.param(
            [[call("f", "{}", index=0)], [call(None, None, index=0, id="a")]],
            [("a", "f", "{}")],
            id="the id comes late",
        ),
        pytest.param([["x", None, 1], "x", None], [], id="not calls at all"),
    ],
)
def test_calls_are_put_together(fragments: list[Any], calls: list[Any]) -> None:
    assert built(*fragments) == calls


def test_the_legacy_call_has_neither_id_nor_index() -> None:
    choice = ChoiceSoFar(0)
    assert read_function_call(choice, {"name": "f", "arguments": ""})
    assert read_function_call(choice, {"arguments": "{}"})
    assert not read_function_call(choice, None)
    [tool] = choice.tools()
    assert (tool.name, "".join(tool.pieces)) == ("f", "{}")


@pytest.mark.parametrize(("reason", "complete"), [("tool_calls", True), ("stop", True), ("length", None)])
def test_a_finish_makes_calls_complete_unless_it_cut_them(reason: str, complete: bool | None) -> None:
    choice = ChoiceSoFar(0)
    read_tool_calls(choice, [call("f", '{"a"', index=0)])
    settle_tools(choice, reason)
    [tool] = choice.tools()
    assert tool.complete is complete


def test_thousands_of_calls_under_one_number_cost_no_more_than_each_its_own() -> None:
    calls = built(*[[call("f", "{}", index=0, id=str(number))] for number in range(3000)])
    assert len(calls) == 3000

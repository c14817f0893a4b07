"""Arguments that stream as values at paths become JSON that only grows."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.processors.providers.google_arguments import Arguments
from streamgauge.processors.providers.parts import is_json


def written(*partials: dict[str, Any] | list[Any] | None, close: bool = True) -> str:
    pieces: list[str] = []
    arguments = Arguments(pieces)
    for partial in partials:
        arguments.write([partial] if isinstance(partial, dict) else partial)
    if close:
        arguments.close()
    return "".join(pieces)


def at(path: Any, **value: Any) -> dict[str, Any]:
    return {"jsonPath": path, **value}


def test_a_string_goes_on_while_its_path_does() -> None:
    first, second = at("$.city", stringValue='O"s', willContinue=True), at("$.city", stringValue="lo")
    assert written(first, close=False) == '{"city":"O\\"s'
    assert written(first, second, close=False) == '{"city":"O\\"slo'
    assert json.loads(written(first, second)) == {"city": 'O"slo'}


def test_a_path_opens_what_it_is_in_and_leaves_the_rest() -> None:
    partials = [
        at("$.a.list[0].x", numberValue=1),
        at("$.a.list[0].y", boolValue=False),
        at("$.a.list[1].x", stringValue="two"),
        at("$.a.z", nullValue="NULL_VALUE"),
        at("$['b.c']", stringValue=""),
        at('$["d"]', numberValue=1.5),
    ]
    expected = {"a": {"list": [{"x": 1, "y": False}, {"x": "two"}], "z": None}, "b.c": "", "d": 1.5}
    assert json.loads(written(*partials)) == expected


def test_no_values_are_no_arguments() -> None:
    assert written() == "{}"
    assert written(None, [], close=False) == ""


@pytest.mark.parametrize("path", [None, 3, "", "$", "x", "$.", "$[a]", "$..b", "$" + ".a" * 65])
def test_a_path_of_anything_else_says_nothing(path: Any) -> None:
    assert written(at(path, stringValue="x"), at("$.a", numberValue=1)) == '{"a":1}'


KEYS = st.text(st.characters(exclude_characters=".[]'\"\\", exclude_categories=["Cs"]), min_size=1, max_size=4)
SCALARS = st.none() | st.booleans() | st.integers(-99, 99) | st.text(max_size=8)
OBJECTS = st.recursive(
    st.dictionaries(KEYS, SCALARS, min_size=1, max_size=3),
    lambda inner: st.dictionaries(
        KEYS, inner | st.lists(inner | SCALARS, min_size=1, max_size=3), min_size=1, max_size=3
    ),
    max_leaves=8,
)


def streamed(value: Any, path: str = "$") -> list[dict[str, Any]]:
    """The value as the provider would stream it, strings in two pieces."""
    match value:
        case dict():
            return [one for key, inner in value.items() for one in streamed(inner, f"{path}.{key}")]
        case list():
            return [one for index, inner in enumerate(value) for one in streamed(inner, f"{path}[{index}]")]
        case str():
            half = len(value) // 2
            return [at(path, stringValue=value[:half], willContinue=True), at(path, stringValue=value[half:])]
        case bool():
            return [at(path, boolValue=value)]
        case int():
            return [at(path, numberValue=value)]
        case _:
            return [at(path, nullValue="NULL_VALUE")]


@given(OBJECTS)
def test_whatever_streams_comes_out_and_every_cut_is_a_beginning(value: dict[str, Any]) -> None:
    partials = streamed(value)
    whole = written(*partials)
    assert json.loads(whole) == value
    for end in range(len(partials)):
        cut = written(*partials[:end], close=False)
        assert whole.startswith(cut)
        assert not is_json(cut)


@given(
    st.lists(st.fixed_dictionaries({"jsonPath": st.text(max_size=5) | st.none()}, optional={"stringValue": SCALARS}))
)
def test_nothing_makes_it_raise(partials: list[dict[str, Any]]) -> None:
    written(*partials)

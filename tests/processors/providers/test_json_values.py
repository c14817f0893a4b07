"""Reading JSON from strangers."""

from __future__ import annotations

import itertools
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.processors.providers.json_values import (
    amount,
    count,
    decode,
    documents,
    fields,
    joined,
    merged,
    raw,
    text,
)


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b'{"a":1}', {"a": 1}),
        (b'"\\ud83d\\ude00"', "\N{GRINNING FACE}"),
        (b'"\\ud83d"', "\ud83d"),
        (b'"a\xff"', "a\ufffd"),
        (b'"a\tb"', "a\tb"),
        (b"[NaN, 1]", None),
        (b"", None),
        (b"{", None),
        (b"[" * 100_000, None),
        (b"words", None),
    ],
)
def test_json_is_read_as_sdks_read_it(data: bytes, value: Any) -> None:
    found = decode(data)
    assert found == value or (data.startswith(b"[NaN") and found[1] == 1)


def test_texts_are_strings_fit_to_be_encoded() -> None:
    values = ["a", "", None, 1, ["a"], "\ud83d", "\ud83d\ude00", "a\udc00b"]
    assert [text(value) for value in values] == ["a", None, None, None, None, "", "\N{GRINNING FACE}", "a\ufffdb"]


@given(st.lists(st.text(st.characters(), max_size=4)))
def test_joined_pieces_can_always_be_encoded(pieces: list[str]) -> None:
    whole = joined(pieces)
    whole.encode()
    if all(not 0xD800 <= ord(character) <= 0xDFFF for piece in pieces for character in piece):
        assert whole == "".join(pieces)


@given(st.text(max_size=20), st.data())
def test_pieces_of_a_text_cut_anywhere_even_in_a_character_join_to_it(whole: str, data: st.DataObject) -> None:
    units = whole.encode("utf-16-le", "surrogatepass")
    at = sorted({0, len(units), *(2 * n for n in data.draw(st.lists(st.integers(0, len(units) // 2), max_size=5)))})
    pieces = [units[a:b].decode("utf-16-le", "surrogatepass") for a, b in itertools.pairwise(at)]
    assert joined(pieces) == joined([whole])


def test_counts_are_whole_and_not_negative() -> None:
    values = [0, 7, 7.0, 7.5, -1, True, "7", None, 2**53, 2**53 + 1, float("nan"), float("inf")]
    assert [count(value) for value in values] == [0, 7, 7, None, None, None, None, None, 2**53, *[None] * 3]


def test_amounts_are_exact() -> None:
    values = [0.1, 1, "0.25", "x", None, True, float("inf"), 1e30]
    expected = [Decimal("0.1"), Decimal(1), Decimal("0.25"), None, None, None, None, None]
    assert [amount(value) for value in values] == expected


def test_what_is_no_object_has_no_fields() -> None:
    assert [fields(value) for value in ({"a": 1}, None, [1], "x")] == [{"a": 1}, {}, {}, {}]
    assert documents([{"a": 1}, 1, None]) == [{"a": 1}]
    assert documents("x") == []


def test_reports_merge_by_field_and_the_last_value_that_is_not_null_wins() -> None:
    old = {"a": 1, "b": {"c": 1, "d": 2}, "e": None}
    new = {"a": None, "b": {"c": 0, "d": None, "f": 3}, "g": None}
    assert merged(old, new) == {"a": 1, "b": {"c": 0, "d": 2, "f": 3}, "e": None, "g": None}
    assert old["b"] == {"c": 1, "d": 2}
    assert merged(None, new) is new


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(), max_size=3), inner, max_size=3)
    ),
)


@given(VALUES)
def test_any_value_can_be_carried(value: Any) -> None:
    msgspec.json.decode(raw(value))


@given(
    st.dictionaries(st.text(max_size=2), VALUES, max_size=3), st.dictionaries(st.text(max_size=2), VALUES, max_size=3)
)
def test_any_reports_can_be_merged(old: dict[str, Any], new: dict[str, Any]) -> None:
    both = merged(old, new)
    assert set(both) == set(old) | set(new)

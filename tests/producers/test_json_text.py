"""The JSON of whatever a manual stream is given; never a repr."""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
import pytest

from streamgauge.producers.json_text import json_text, size_of


class Sdk:
    """As the official SDKs' models."""

    def to_dict(self) -> dict[str, Any]:
        return {"form": "to_dict"}

    def model_dump(self) -> dict[str, Any]:
        return {"form": "model_dump"}


class Pydantic:
    def model_dump(self) -> dict[str, Any]:
        return {"form": "model_dump", "inner": [Sdk()]}


@dataclass
class Data:
    a: int


class Struct(msgspec.Struct):
    a: int


class Pair(NamedTuple):
    a: int


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": [1, None, "é"]}, {"a": [1, None, "é"]}),
        (Sdk(), {"form": "to_dict"}),
        (Pydantic(), {"form": "model_dump", "inner": [{"form": "to_dict"}]}),
        (Data(1), {"a": 1}),
        (Struct(1), {"a": 1}),
        (Pair(1), [1]),
        (OrderedDict(a=1), {"a": 1}),
        (["a"], ["a"]),
        (7, 7),
    ],
)
def test_an_object_is_asked_for_its_own_form(value: object, expected: object) -> None:
    text = json_text(value)
    assert text is not None
    assert json.loads(text) == expected


def test_bytes_and_text_are_taken_as_they_are() -> None:
    assert json_text(b'{"a": 1}') == b'{"a": 1}'
    assert json_text(bytearray(b"[1]")) == b"[1]"
    assert json_text('{"a": "é"}') == '{"a": "é"}'.encode()
    assert json_text("\ud800") == b"?"


class Hostile:
    def to_dict(self) -> Any:
        raise KeyboardInterrupt if False else RuntimeError("no")


@pytest.mark.parametrize("value", [None, object(), lambda: 1, {1: object()}, Hostile(), {"a": Hostile()}])
def test_what_has_no_form_gives_nothing(value: object) -> None:
    assert json_text(value) is None


def test_a_structure_without_end_gives_nothing() -> None:
    endless: list[Any] = []
    endless.append(endless)
    assert json_text(endless) is None


def test_no_work_is_done_to_charge_for_a_value() -> None:
    assert [size_of(value) for value in (None, b"abc", "abcd", {"a": "x" * 10_000})] == [0, 3, 4, 512]

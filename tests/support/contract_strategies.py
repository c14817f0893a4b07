"""Hypothesis strategies for everything the contract can say, read off the structs: a field added later is included."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from enum import Enum
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from hypothesis import strategies as st

from streamgauge.schemas.frames import Frame
from streamgauge.schemas.records import Contents, Record

__all__ = ["contents", "frames", "json_values", "records", "structs"]

S = TypeVar("S", bound=msgspec.Struct)
Pack = Callable[[Any], bytes]

_floats = st.floats(allow_nan=False, allow_infinity=False)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | _floats | st.text(),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(), values, max_size=3),
    max_leaves=5,
)

_PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    bool: st.booleans(),
    int: st.integers(-(2**63), 2**64 - 1),
    float: _floats,
    str: st.text(max_size=20),
    bytes: st.binary(max_size=20),
    Decimal: st.decimals(allow_nan=False, allow_infinity=False),
    NoneType: st.none(),
}


def frames() -> st.SearchStrategy[Any]:
    """Any frame of today's types, within its bounds or not."""
    return st.one_of([structs(kind, pack=msgspec.msgpack.encode) for kind in get_args(Frame)])


def records() -> st.SearchStrategy[Record]:
    return structs(Record, pack=msgspec.json.encode)


def contents() -> st.SearchStrategy[Contents]:
    return structs(Contents, pack=msgspec.json.encode)


def structs(kind: type[S], *, pack: Pack) -> st.SearchStrategy[S]:
    """Any value of a struct; `pack` writes what raw fields hold."""
    hints = get_type_hints(kind)
    return st.builds(kind, **{name: _values(hints[name], pack) for name in kind.__struct_fields__})


def _values(hint: Any, pack: Pack) -> st.SearchStrategy[Any]:
    if hint is msgspec.Raw:
        return json_values.map(lambda value: msgspec.Raw(pack(value)))
    if get_origin(hint) is UnionType:
        return st.one_of([_values(each, pack) for each in get_args(hint)])
    if get_origin(hint) is list:
        return st.lists(_values(get_args(hint)[0], pack), max_size=3)
    if get_origin(hint) is dict:
        return st.dictionaries(st.text(max_size=5), _values(get_args(hint)[1], pack), max_size=3)
    if issubclass(hint, Enum):
        return st.sampled_from(hint)
    return structs(hint, pack=pack) if issubclass(hint, msgspec.Struct) else _PLAIN[hint]

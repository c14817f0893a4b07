"""The tables of docs/contract.md, made from the structs and the comments beside their fields.

    python tests/support/contract_tables.py      # writes them between their marks

A mark is `<!-- NAME -->` above a table, `<!-- end -->` below it. A test keeps the page up to date.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from types import UnionType
from typing import Any, Final, get_args, get_origin, get_type_hints

import msgspec

from streamgauge.schemas import frames, limits, records, words
from streamgauge.schemas.descriptions import comments

__all__ = ["PAGE", "filled"]

PAGE: Final = Path(__file__).parents[2] / "docs" / "contract.md"
MARKED: Final = re.compile(r"(<!-- (?!end)([\w.]+) -->\n).*?(<!-- end -->)", re.DOTALL)

_PLAIN: Final[dict[str, str]] = {
    "str": "text",
    "int": "integer",
    "float": "number",
    "bool": "true or false",
    "bytes": "bytes",
    "NoneType": "null",
    "Decimal": "decimal text",
    "Raw": "anything",
}
_PREFIX: Final = ("call", "attempt", "link", "n")


def filled(page: str) -> str:
    """The page with every marked table made anew."""
    return MARKED.sub(lambda mark: f"{mark[1]}{_table(mark[2])}\n{mark[3]}", page)


def _table(name: str) -> str:
    if name == "limits":
        return _limits()
    if name.startswith("Record."):
        return _fields(records.Record, records.GROUPS[name.removeprefix("Record.")])
    kind = next(vars(module)[name] for module in (frames, records, words) if name in vars(module))
    if issubclass(kind, Enum):
        return _words(kind)
    if kind.__struct_config__.array_like:
        return _array(kind)
    return _fields(kind, kind.__struct_fields__)


def _array(kind: type[msgspec.Struct]) -> str:
    """A frame's fields by their place in the array, behind the prefix all frames share."""
    meanings, hints = comments(kind), get_type_hints(kind)
    tagged = kind.__struct_config__.tag is not None
    places = enumerate(kind.__struct_fields__, start=1 if tagged else 0)
    rows = [
        (str(place), f"`{name}`", _type(hints[name]), meanings.get(name, ""))
        for place, name in places
        if not tagged or name not in _PREFIX
    ]
    return _rows(("place", "field", "type", "meaning"), rows)


def _fields(kind: type[msgspec.Struct], names: tuple[str, ...]) -> str:
    meanings, hints = comments(kind), get_type_hints(kind)
    return _rows(
        ("field", "type", "meaning"), [(f"`{name}`", _type(hints[name]), meanings.get(name, "")) for name in names]
    )


def _words(kind: type[Enum]) -> str:
    meanings = comments(kind)
    return _rows(("word", "meaning"), [(f"`{word.value}`", meanings.get(word.name, "")) for word in kind])


def _limits() -> str:
    """The bounds, with the comment behind each in the source."""
    source = Path(limits.__file__).read_text("utf-8")
    lines = re.findall(r"^([A-Z_]+): Final = .*?  # (.*)$", source, re.MULTILINE)
    return _rows(
        ("bound", "value", "of"), [(f"`{name}`", _amount(getattr(limits, name)), text) for name, text in lines]
    )


def _amount(value: Any) -> str:
    if not isinstance(value, int):
        return f"`{value}`"
    for unit, size in (("MiB", limits.MIB), ("KiB", limits.KIB)):
        if value % size == 0 and value >= 8 * limits.KIB:
            return f"{value // size} {unit}"
    return f"{value:,}"


def _type(hint: Any) -> str:
    if get_origin(hint) is UnionType:
        return " or ".join(_type(each) for each in get_args(hint))
    if get_origin(hint) is list:
        return f"list of {_type(get_args(hint)[0])}"
    if get_origin(hint) is dict:
        return f"map to {_type(get_args(hint)[1])}"
    name: str = hint.__name__
    return _PLAIN.get(name, f"`{name}`")


def _rows(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|").replace("<", "&lt;") for cell in line) + " |" for line in lines
    )


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text("utf-8")), "utf-8")

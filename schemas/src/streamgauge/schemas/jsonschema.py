"""The JSON Schemas of both record topics, made from the structs.

    python -m streamgauge.schemas.jsonschema             # write them
    python -m streamgauge.schemas.jsonschema --check     # say whether they are up to date

They describe what a reader may rely on within `schema: 1`, so they are as open as the contract: fields may be added,
and a vocabulary is a string whose known words are listed as examples.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import inspect

from streamgauge.schemas import descriptions
from streamgauge.schemas.records import SCHEMA, Contents, Record

__all__ = ["FILES", "main", "schema"]

FILES: Final[dict[str, type[msgspec.Struct]]] = {"records.json": Record, "contents.json": Contents}
MONEY_PATTERN: Final = r"^-?[0-9]+(\.[0-9]+)?$"

_PLAIN: Final[dict[type[inspect.Type], dict[str, Any]]] = {
    inspect.StrType: {"type": "string"},
    inspect.IntType: {"type": "integer"},
    inspect.FloatType: {"type": "number"},
    inspect.BoolType: {"type": "boolean"},
    inspect.NoneType: {"type": "null"},
    inspect.DecimalType: {"type": "string", "pattern": MONEY_PATTERN},
    inspect.RawType: {},  # any JSON
}
_Definitions = dict[str, dict[str, Any]]


def schema(struct: type[msgspec.Struct]) -> dict[str, Any]:
    """The JSON Schema of a record's struct."""
    definitions: _Definitions = {}
    _schema(inspect.type_info(struct), definitions)
    name = struct.__name__
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:streamgauge:{name.lower()}:{SCHEMA}",
        **definitions.pop(name),
        "$defs": dict(sorted(definitions.items())),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the schemas, or compare them with what is written."""
    parser = argparse.ArgumentParser(
        prog="python -m streamgauge.schemas.jsonschema", description="Write the JSON Schemas of the record topics."
    )
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file is not up to date")
    parser.add_argument("--into", type=Path, default=Path(__file__).parents[3] / "json", help="the folder they are in")
    chosen = parser.parse_args(arguments)
    texts = {chosen.into / name: _text(struct) for name, struct in FILES.items()}
    stale = [path for path, text in texts.items() if not path.is_file() or path.read_text("utf-8") != text]
    if chosen.check:
        for path in stale:
            sys.stderr.write(f"{path.name!r} is not up to date: run `python -m streamgauge.schemas.jsonschema`\n")
        return 1 if stale else 0
    chosen.into.mkdir(parents=True, exist_ok=True)
    for path in stale:
        path.write_text(texts[path], "utf-8")
    return 0


def _text(struct: type[msgspec.Struct]) -> str:
    return json.dumps(schema(struct), indent=2) + "\n"


def _schema(type_: inspect.Type, definitions: _Definitions) -> dict[str, Any]:
    match type_:
        case inspect.StructType() | inspect.EnumType():
            return _reference(type_, definitions)
        case inspect.UnionType(types=types):
            return _any_of(types, definitions)
        case inspect.ListType(item_type=item):
            return {"type": "array", "items": _schema(item, definitions)}
        case inspect.DictType(value_type=value):
            return {"type": "object", "additionalProperties": _schema(value, definitions)}
        case _:
            return dict(_PLAIN[type(type_)])


def _any_of(types: Sequence[inspect.Type], definitions: _Definitions) -> dict[str, Any]:
    schemas = [_schema(each, definitions) for each in types]
    if all(each.keys() == {"type"} for each in schemas):
        return {"type": [each["type"] for each in schemas]}
    tags = [each.tag for each in types if isinstance(each, inspect.StructType) and each.tag is not None]
    if tags:  # more kinds may come
        schemas.append({"type": "object", "properties": {"type": {"not": {"enum": tags}}}, "required": ["type"]})
    return {"anyOf": schemas}


def _reference(type_: inspect.StructType | inspect.EnumType, definitions: _Definitions) -> dict[str, Any]:
    name = type_.cls.__name__
    if name not in definitions:
        definitions[name] = {}
        definitions[name] = _words(type_) if isinstance(type_, inspect.EnumType) else _object(type_, definitions)
    return {"$ref": f"#/$defs/{name}"}


def _words(type_: inspect.EnumType) -> dict[str, Any]:
    """A vocabulary: any string, since it may grow."""
    meanings = descriptions.comments(type_.cls)
    lines = [f"{word.value}: {meanings[word.name]}" for word in type_.cls if word.name in meanings]
    return {
        "title": type_.cls.__name__,
        "description": "\n".join([descriptions.docstring(type_.cls) or "", *lines]).strip(),
        "type": "string",
        "examples": [word.value for word in type_.cls],
    }


def _object(type_: inspect.StructType, definitions: _Definitions) -> dict[str, Any]:
    struct = type_.cls
    meanings = descriptions.comments(struct)
    properties: dict[str, Any] = {}
    if type_.tag_field is not None:
        properties[type_.tag_field] = {"const": type_.tag}
    for field in type_.fields:
        properties[field.encode_name] = {
            **_schema(field.type, definitions),
            **({"description": meanings[field.name]} if field.name in meanings else {}),
            **({"const": SCHEMA} if field.name == "schema" else {}),
        }
    required = [field.encode_name for field in type_.fields if field.required]
    described = {"title": struct.__name__, "description": descriptions.docstring(struct)}
    return {
        **{name: text for name, text in described.items() if text is not None},
        "type": "object",
        "properties": properties,
        "required": ([type_.tag_field] if type_.tag_field is not None else []) + required,
    }


if __name__ == "__main__":
    sys.exit(main())

"""Anything a manual stream is given, as JSON. Runs on the gauge's thread.

Bytes and text are taken as they are. SDK objects are asked for their own JSON form, the one nearest to what came over
the wire first; a `repr` is never sent.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

__all__ = ["json_text", "size_of"]

# OpenAI's and Anthropic's models know `to_dict`, which leaves unset fields out; any pydantic model knows the second.
_FORMS: Final = ("to_dict", "model_dump", "dict", "_asdict")

OBJECT_SIZE: Final = 512  # what an object counts for until its JSON is known


def size_of(value: object) -> int:
    """What a value is charged for before it is JSON: no work, so objects count the same."""
    if value is None:
        return 0
    return len(value) if isinstance(value, bytes | str) else OBJECT_SIZE


def json_text(value: object) -> bytes | None:
    """The JSON of a value, or null where it has none."""
    match value:
        case None:
            return None
        case bytes() | bytearray() | memoryview():
            return bytes(value)
        case str():
            return value.encode("utf-8", "replace")
        case _:
            try:
                return msgspec.json.encode(value, enc_hook=_form)
            except Exception:  # noqa: BLE001 - a stranger's object may raise anything; the caller counts it
                return None


def _form(value: Any) -> Any:
    for name in _FORMS:
        if callable(form := getattr(value, name, None)):
            return form()
    raise TypeError(f"{type(value).__name__} has no JSON form")

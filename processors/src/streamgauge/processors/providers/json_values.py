"""Reading JSON from strangers: whatever stands in a field, reading it never raises.

Providers send `null` for absent, a string where a number belongs, half of a surrogate pair in one delta and the other
half in the next. These functions take any value and give one of a known type, or null.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

import msgspec

__all__ = [
    "Document",
    "amount",
    "count",
    "decode",
    "documents",
    "fields",
    "joined",
    "merged",
    "number",
    "raw",
    "text",
]

Document = dict[str, Any]

NO_FIELDS: Final[Document] = {}
_COUNT_MAX: Final = 2**53  # beyond it no reader of JSON agrees on the number, and no token count is real
_MERGE_DEPTH_MAX: Final = 8
_decode: Final = msgspec.json.Decoder().decode
_encode: Final = msgspec.json.Encoder().encode


def decode(data: bytes) -> Any:
    """The JSON value these bytes hold, or null if they hold none."""
    try:
        return _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _decode_leniently(data)


def text(value: Any) -> str | None:
    """A string that is not empty, fit to be encoded; else null."""
    if type(value) is not str or not value:
        return None
    return value if value.isascii() else _whole(value)


def joined(pieces: Iterable[str]) -> str:
    """The pieces as one text. Halves of a surrogate pair that came in two pieces find each other here."""
    whole = "".join(pieces)
    return whole if whole.isascii() else _whole(whole)


def fields(value: Any) -> Document:
    """An object, or an empty one."""
    return value if type(value) is dict else NO_FIELDS


def documents(value: Any) -> list[Document]:
    """The objects in a list; none if it is no list."""
    return [item for item in value if type(item) is dict] if type(value) is list else []


def count(value: Any) -> int | None:
    """A number of things: not negative, whole. `12.0` is 12, `true` is nothing."""
    if type(value) is float and value.is_integer():
        value = int(value)
    return value if type(value) is int and 0 <= value <= _COUNT_MAX else None


def number(value: Any) -> float | None:
    """A measure, of seconds for instance: not negative, finite. `true` is nothing."""
    return float(value) if type(value) in (int, float) and 0 <= value <= _COUNT_MAX else None


def amount(value: Any) -> Decimal | None:
    """An amount of money as its shortest decimal notation: 0.1 is 0.1."""
    if type(value) not in (int, float, str):
        return None
    try:
        found = Decimal(str(value))
    except ArithmeticError:
        return None
    return found if found.is_finite() and abs(found) < _COUNT_MAX else None


def merged(old: Document | None, new: Document, *, depth: int = 0) -> Document:
    """Both reports as one: per field the last value that is not null. Neither argument is changed."""
    if old is None or depth > _MERGE_DEPTH_MAX:
        return new
    both = dict(old)
    for name, value in new.items():
        before = both.get(name)
        if type(value) is dict and type(before) is dict:
            both[name] = merged(before, value, depth=depth + 1)
        elif value is not None or name not in both:
            both[name] = value
    return both


def raw(value: Any) -> msgspec.Raw:
    """The value as JSON; what cannot be encoded at all is null."""
    try:
        return msgspec.Raw(_encode(value))
    except (ValueError, TypeError, RecursionError):
        return msgspec.Raw(_encode_leniently(value))


def _decode_leniently(data: bytes) -> Any:
    """What browsers and SDKs accept beyond the standard: bad UTF-8, lone surrogates, raw control characters, NaN."""
    try:
        return json.loads(data.decode("utf-8", "replace"), strict=False)
    except (ValueError, RecursionError):
        return None


def _encode_leniently(value: Any) -> bytes:
    try:
        return _whole(json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))).encode()
    except (ValueError, TypeError, RecursionError):
        return b"null"


def _whole(value: str) -> str:
    """The text with surrogate pairs joined; a lone half becomes U+FFFD, at the very end it is dropped: it was cut."""
    try:
        value.encode()
    except UnicodeEncodeError:
        if "\ud800" <= value[-1] <= "\udbff":
            value = value[:-1]
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return value

"""Arguments that stream as values at paths, written down as the JSON they come to (Gemini 3 on Vertex).

    {"jsonPath": "$.trip.stops[0].city", "stringValue": "Os", "willContinue": true}      {"trip":{"stops":[{"city":"Os
    {"jsonPath": "$.trip.stops[0].city", "stringValue": "lo"}                            lo
    {"jsonPath": "$.days", "numberValue": 3}                                             "}]},"days":3
                                                                                         }   once the call is whole

What is written only ever grows, so a call that is cut shows its beginning, like any other provider's, and no end that
never came. A string stays open until something else comes: whether it continues is not always said.
"""

from __future__ import annotations

import re
from typing import Any, Final

from streamgauge.processors.providers.json_values import Document, documents, raw

__all__ = ["Arguments"]

_STEP: Final = re.compile(r"""\.([^.\[]+)|\[(\d+)\]|\[(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")\]""")
_DEPTH_MAX: Final = 64
_CLOSING: Final = {True: "}", False: "]"}

_Path = tuple[str | int, ...]


class Arguments:
    """The JSON of one call's arguments while it is written."""

    __slots__ = ("_begun", "_open", "_path", "_pieces", "_string")

    def __init__(self, pieces: list[str]) -> None:
        self._pieces = pieces  # of the call this is written to
        self._path: _Path = ()  # of the last value
        self._open: list[bool] = []  # what is not closed yet, from the outside: an object, else an array
        self._begun = False  # the last one that is open holds something
        self._string = False  # the last value is a string that may go on

    def write(self, partial_args: Any) -> None:
        """Write these values down."""
        for partial in documents(partial_args):
            path = _path_of(partial.get("jsonPath"))
            if path:
                self._write(path, partial)

    def close(self) -> None:
        """The call is whole."""
        self._enter(())
        if not self._open:
            self._begin(is_object=True)
        self._pieces.append(_CLOSING[self._open.pop()])

    def _write(self, path: _Path, partial: Document) -> None:
        words = partial.get("stringValue")
        if type(words) is str and self._string and path == self._path:
            self._pieces.append(_quoted(words)[1:-1])
            return
        self._enter(path)
        self._path = path
        if type(words) is str:
            self._pieces.append(_quoted(words)[:-1])
            self._string = True
        else:
            self._pieces.append(_plain(partial))

    def _enter(self, path: _Path) -> None:
        """Close what the next value is not in, open what it is in, down to its name."""
        if self._string:
            self._pieces.append('"')
            self._string = False
        shared = 1 + _shared(self._path[:-1], path[:-1])
        while len(self._open) > shared:
            self._pieces.append(_CLOSING[self._open.pop()])
        for depth, step in enumerate(path):
            if depth >= len(self._open):
                self._begin(is_object=isinstance(step, str))
            if depth >= shared - 1:
                self._name(step)

    def _begin(self, *, is_object: bool) -> None:
        self._pieces.append("{" if is_object else "[")
        self._open.append(is_object)
        self._begun = False

    def _name(self, step: str | int) -> None:
        comma = "," if self._begun else ""
        self._begun = True
        self._pieces.append(f"{comma}{_quoted(str(step))}:" if self._open[-1] else comma)


def _path_of(json_path: Any) -> _Path:
    """The steps of a path; none where it is not one of names and indices alone, or too deep for arguments."""
    if type(json_path) is not str or not json_path.startswith("$"):
        return ()
    steps: list[str | int] = []
    at = 1
    while at < len(json_path):
        found = _STEP.match(json_path, at)
        if found is None or len(steps) >= _DEPTH_MAX:
            return ()
        name, index, *quoted = found.groups()
        steps.append(int(index) if index is not None else name or next(one for one in quoted if one is not None))
        at = found.end()
    return tuple(steps)


def _shared(one: _Path, other: _Path) -> int:
    """How many steps both begin with."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _plain(partial: Document) -> str:
    """A value that is no string."""
    for name in ("numberValue", "boolValue"):
        if type(partial.get(name)) in (int, float, bool):
            return bytes(raw(partial[name])).decode()
    return "null"


def _quoted(words: str) -> str:
    return bytes(raw(words)).decode()

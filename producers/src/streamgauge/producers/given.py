"""What the application says about its streams, taken as far as it can be used.

Names, numbers and tags come from somebody else's code, and a stream must never be lost to one of them. So every value
is read here: in bounds it is kept, too long it is cut, and what is none at all is left out, counted
(`values_unusable`) and named in the log once, without the value.

A text is a text, a number or whatever has a text of its own (a UUID, a date, an enum). What has only a `repr` is not
sent: nobody knows what is in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeVar
from uuid import UUID

from streamgauge.producers import redact
from streamgauge.producers.guard import Guard
from streamgauge.schemas.bounds import cut_text
from streamgauge.schemas.limits import NUMBER_MAX
from streamgauge.schemas.words import Word

__all__ = ["Given"]

TEXT_CHARACTERS_MAX: Final = 4096

W = TypeVar("W", bound=Word)


class Given:
    """Reads values, and tells the guard of those that cannot be used. No method raises, whatever it is given."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    def text(self, value: object, what: str) -> str | None:
        """A text within the bounds of a frame."""
        uncut = self.uncut(value, what)
        return None if uncut is None else cut_text(uncut[:TEXT_CHARACTERS_MAX])

    def uncut(self, value: object, what: str) -> str | None:
        """A text of any length."""
        if value is None:
            return None
        try:
            return redact.plain(_said(value))
        except Exception:  # noqa: BLE001 - a stranger's `__str__` may raise anything
            self._guard.unusable(what)
            return None

    def call(self, value: object) -> str | UUID | None:
        """A call's name: a UUID, or a text that is not empty."""
        if value is None or isinstance(value, UUID):
            return value
        name = self.uncut(value, "call")
        if name == "":
            self._guard.unusable("call")
        return name or None

    def number(self, value: object, what: str, *, most: int = NUMBER_MAX) -> int | None:
        """A whole number from 0 to `most`; a broken one is rounded."""
        if value is None:
            return None
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= most:
            return round(value)
        self._guard.unusable(what)
        return None

    def flag(self, value: object, what: str) -> bool | None:
        """True, false, or not known."""
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int) and value in {0, 1}:
            return bool(value)
        self._guard.unusable(what)
        return None

    def word(self, kind: type[W], value: object, what: str) -> W | None:
        """A word of a vocabulary."""
        if value is None:
            return None
        if isinstance(value, str) and (word := kind(str.__str__(value))) == value:
            return word
        self._guard.unusable(what)
        return None

    def pairs(self, value: object, what: str) -> dict[Any, Any]:
        """A copy of a mapping, or of pairs."""
        if value is None:
            return {}
        try:
            return dict(value)  # type: ignore[call-overload,no-any-return]  # whatever it is
        except Exception:  # noqa: BLE001 - a stranger's mapping may raise anything
            self._guard.unusable(what)
            return {}

    def tags(self, value: Mapping[Any, Any]) -> dict[str, str]:
        """Tags as texts, of any length and number; a null is no tag."""
        said = {self.uncut(name, "tags"): self.uncut(tag, "tags") for name, tag in value.items() if tag is not None}
        return {name: tag for name, tag in said.items() if name is not None and tag is not None}


def _said(value: object) -> str:
    """The text of a value. Raises `TypeError` where it has none, and whatever the value raises."""
    match value:
        case str():
            return str.__str__(value)  # of a subclass too: it may say something else of itself
        case bytes():
            return value.decode("utf-8", "replace")
        case int() | float():
            return str(value)
        case _ if type(value).__str__ is object.__str__:
            raise TypeError("it has no text, only a repr")
        case _:
            return str(value)

"""What every stand-in of the tap is made of: an object of the host's, and the rule for standing in front of it.

The frames of stand-ins are the only ones of ours between an application and its network. So each statement there is
one of three:

* it passes the host's own call on to `_inner`,
* it stands in a `try` that lets no `Exception` of ours out,
* it only returns or raises what is there.

Such a `try` is on one line with its statement. CPython gives a `try:` on a line of its own an instruction that is not
yet inside it: what strikes there (the exception of a signal handler, of a debugger) would reach the host, and the
host's call would not be made.

Only `Exception` is ours to catch: Ctrl-C, `SystemExit`, `GeneratorExit` and cancellation are the host's wherever they
strike.
"""

from __future__ import annotations

from typing import Any

__all__ = ["Through"]


class Through:
    """Stands in front of `_inner`. Attributes it does not have itself, it has from there."""

    _inner: Any = None  # of one made without `__init__`, as `copy` does

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def __repr__(self) -> str:
        return f"<tap of {self._inner!r}>"

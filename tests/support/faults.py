"""What would the host see if any one line of the shim failed?

    differences = faults.each_line(play, package=streamgauge.producers.__path__[0])
    assert not differences

`play` is what a host does with the shim, and returns what it got. It runs once undisturbed, then once for every line
of the package that ran on the host's thread, with an exception raised right at that line (`sys.settrace`). Each time
the host must get the same; an exception that escapes from `play`, or from a finalizer, is something it got.

Left out are lines that cannot fail by themselves, found by reading the source:

* structure: `except …:`, `pass`, a bare `raise`, `return` or `yield` of a name or constant;
* the host's own call, handed on: a call of something at `_inner`, or `next`, `anext`, `iter`, `aiter`, `getattr` of it.
  An exception there is the host's, and must come through.

A `try:` on a line of its own is not left out: what strikes there is not yet inside it. What no code can guard is left
out: a trace function (or a signal handler) that raises as a function of ours is entered, before its first line; in the
line of an `except`, or at the `raise` behind it, where the host's own exception is already on its way and another takes
its place, as it would in any handler of the host's; and in the line that makes the host's own call.
"""

from __future__ import annotations

import ast
import functools
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

__all__ = ["Difference", "InjectedError", "Line", "each_line", "lines_of"]

HANDED_ON_BY = frozenset({"next", "anext", "iter", "aiter", "getattr"})
HOSTS = "_inner"


class InjectedError(Exception):
    """A failure of ours that never was."""


class Line(NamedTuple):
    """A place in the source."""

    path: str
    number: int

    def __str__(self) -> str:
        text = Path(self.path).read_text(encoding="utf-8").splitlines()[self.number - 1].strip()
        return f"{Path(self.path).name}:{self.number}: {text}"


class Difference(NamedTuple):
    """The host noticed."""

    line: Line
    undisturbed: object
    disturbed: object

    def __str__(self) -> str:
        return f"{self.line}\n    undisturbed {self.undisturbed!r}\n    disturbed   {self.disturbed!r}"


def each_line(play: Callable[[], object], *, package: str, at_least: int = 1) -> list[Difference]:
    """Run `play` once for every line, at the line's first and at its last run; say where the host noticed."""
    undisturbed = _observe(play)
    runs = lines_of(play, package=package)
    assert len(runs) >= at_least, f"only {len(runs)} lines of {package} ran: this checks nothing"
    return [
        Difference(line, undisturbed, disturbed)
        for line, times in runs.items()
        for turn in sorted({1, times})
        if (disturbed := _observe(play, fault=_raise_at(line, turn))) != undisturbed
    ]


def lines_of(play: Callable[[], object], *, package: str) -> Counter[Line]:
    """Count how often each line of `package` that can fail ran on this thread."""
    ran: Counter[Line] = Counter()

    def local(frame: FrameType, event: str, arg: Any) -> Any:
        if event == "line":
            ran[Line(frame.f_code.co_filename, frame.f_lineno)] += 1
        return local

    def entered(frame: FrameType, event: str, arg: Any) -> Any:
        return local if frame.f_code.co_filename.startswith(package) else None

    _observe(play, fault=entered)
    return Counter({line: times for line, times in ran.items() if line.number not in _cannot_fail(line.path)})


def _raise_at(line: Line, turn: int) -> Any:
    """Make the trace function that raises when `line` runs for the `turn`-th time; CPython then stops tracing."""
    turns = iter(range(1, turn + 1))

    def local(frame: FrameType, event: str, arg: Any) -> Any:
        if event == "line" and frame.f_lineno == line.number and next(turns) == turn:
            raise InjectedError(f"line {line.number}")
        return local

    def entered(frame: FrameType, event: str, arg: Any) -> Any:
        return local if frame.f_code.co_filename == line.path else None

    return entered


def _observe(play: Callable[[], object], *, fault: Any = None) -> object:
    """What the host gets: a value, an exception, and what a finalizer let out."""
    let_out: list[str] = []
    hook, tracer = sys.unraisablehook, sys.gettrace()
    sys.unraisablehook = lambda unraisable: let_out.append(repr(unraisable.exc_value))
    if fault is not None:
        sys.settrace(fault)
    try:
        got: object = ("returned", play())
    except BaseException as error:  # noqa: BLE001 - whatever it is, the host got it
        got = ("raised", type(error).__name__, str(error))
    finally:
        sys.settrace(tracer)
        sys.unraisablehook = hook
    return got, let_out


@functools.cache
def _cannot_fail(path: str) -> frozenset[int]:
    return frozenset(_safe_lines(ast.parse(Path(path).read_text(encoding="utf-8"))))


def _safe_lines(tree: ast.AST) -> Iterator[int]:
    for node in ast.walk(tree):
        match node:
            case ast.ExceptHandler() | ast.Pass() | ast.Raise(exc=None):
                yield node.lineno
            case ast.Return(value=None | ast.Name() | ast.Constant()):
                yield node.lineno
            case ast.Expr(value=ast.Yield(value=None | ast.Name() | ast.Constant())):
                yield node.lineno
            case ast.Expr() | ast.Assign() | ast.AnnAssign() | ast.Return() if _hands_on(node.value):
                yield from range(node.lineno, (node.end_lineno or node.lineno) + 1)
            case _:
                continue


def _hands_on(value: ast.expr | None) -> bool:
    """`self._inner.x(…)`, `next(self._inner)`, awaited or not, with nothing but names for arguments."""
    if isinstance(value, ast.Await):
        value = value.value
    match value:
        case ast.Call(func=ast.Attribute(value=ast.Attribute(attr=attribute)), args=arguments):
            return attribute == HOSTS and all(isinstance(one, ast.Name | ast.Starred) for one in arguments)
        case ast.Call(func=ast.Name(id=name), args=[ast.Attribute(attr=attribute), *arguments]):
            return attribute == HOSTS and name in HANDED_ON_BY and all(isinstance(one, ast.Name) for one in arguments)
        case _:
            return False

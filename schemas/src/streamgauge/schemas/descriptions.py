"""What the fields mean, in the words that stand beside them in the source.

A field's meaning is written once, as the comment on its line; JSON Schemas and documentation read it from there. Only
tools use this module: it needs the source.
"""

from __future__ import annotations

import ast
import inspect
import io
import textwrap
import tokenize

__all__ = ["comments", "docstring"]


def comments(kind: type) -> dict[str, str]:
    """The comment behind each field of a struct, or each member of an enum, by name; those without are left out."""
    source = textwrap.dedent(inspect.getsource(kind))
    by_line = {
        token.start[0]: token.string.removeprefix("#").strip()
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    (definition,) = ast.parse(source).body
    assert isinstance(definition, ast.ClassDef)  # noqa: S101 - what the source of a class is
    return {
        name: by_line[statement.lineno]
        for statement in definition.body
        if (name := _name(statement)) is not None and statement.lineno in by_line
    }


def docstring(kind: type) -> str | None:
    """The docstring with its paragraphs as lines."""
    text = kind.__doc__
    if not text:
        return None
    return "\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


def _name(statement: ast.stmt) -> str | None:
    match statement:
        case ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]):
            return name
        case _:
            return None

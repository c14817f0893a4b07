"""How parts grow: a piece is added, or the provider's own copy of the whole takes the place of all pieces.

Both say which output that brought: none for an empty piece, and none for a copy of what has been streamed.
"""

from __future__ import annotations

from typing import Any

from streamgauge.processors.providers.answer import Answer, Output
from streamgauge.processors.providers.parts import AudioSoFar, ReasoningSoFar, TextSoFar, ToolSoFar

__all__ = ["grow", "settle"]


def grow(part: TextSoFar | ReasoningSoFar | ToolSoFar | AudioSoFar, piece: Any, output: Output) -> Output:
    """Add a piece, whatever it is: only a text that is not empty brings anything."""
    if type(piece) is not str or not piece:
        return Output.NOTHING
    part.pieces.append(piece)
    return output


def settle(answer: Answer, part: TextSoFar | ReasoningSoFar | ToolSoFar, whole: Any, output: Output) -> Output:
    """Put the provider's copy in the place of the pieces, with a warning if it contradicts them. An empty copy of what
    was streamed proves nothing."""
    if type(whole) is not str or not whole:
        return Output.NOTHING
    begun = bool(part.pieces)
    if part.settle(whole):
        answer.warn("snapshot_differs")
    return Output.NOTHING if begun else output

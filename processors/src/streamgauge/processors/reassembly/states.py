"""The states of a stream and the moves between them, as data. The diagram in the docs is made from this table.

Rules of this file:

* What is legal stands in `TRANSITIONS` and nowhere else. `step` looks a move up; a move that is not there is a mistake
  of ours and raises, whatever the frames say: every frame is a legal input of every state.
* A `Turn` is what a frame or the time has made true of the stream as a whole, not the frame itself: the same Close may
  leave a link open elsewhere, reveal a hole, or end everything.
* `WAITS` says which deadlines count in a state. A state without one would wait for ever.

A stream that is not known stands in `UNKNOWN`: before its first frame, after its headless frames were given up, and
again once it is forgotten.

    python -m streamgauge.processors.reassembly.states        prints the diagram that stands in docs/reassembly.md
"""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Final

from streamgauge.processors.reassembly.deadlines import Lapse

__all__ = ["OUT", "TRANSITIONS", "WAITS", "IllegalMoveError", "State", "Turn", "diagram", "step"]


class State(StrEnum):
    """Where a stream stands."""

    UNKNOWN = "unknown"
    HEADLESS = "headless"  # frames came, their Open did not
    RUNNING = "running"  # a link has not ended
    HOLED = "holed"  # a frame or a link is known to be missing
    RESUMABLE = "resumable"  # every link ended, nothing says the answer did, another link may come
    CLOSED = "closed"  # the record is out, late data could revise it
    SEALED = "sealed"  # the record is out for good


class Turn(StrEnum):
    """What became of a stream, by a frame or by the time."""

    FRAME = "frame"  # nothing but another frame
    OPENED = "Open"  # its Open came, or the Open of another link
    HOLE = "hole seen"  # a frame beyond a missing one, or an Open that follows an unknown link
    FILLED = "hole filled"
    PASSED = "hole_grace"  # a hole counts as lost, a link goes on
    ENDED = "every link ended"  # with evidence, or without hope of another link
    LEFT_OPEN = "every link ended, maybe to be resumed"
    ENDED_HOLED = "every link ended, a hole was lost"
    LINK_SILENT = "producer_silent or provider_silent"
    NOT_RESUMED = "resume_grace"
    TOO_OLD = "total_age"
    NEVER_OPENED = "head_grace"
    FORGOTTEN = "late_horizon"


TRANSITIONS: Final[dict[State, dict[Turn, State]]] = {
    State.UNKNOWN: {
        Turn.FRAME: State.HEADLESS,
        Turn.OPENED: State.RUNNING,
        Turn.HOLE: State.HOLED,
    },
    State.HEADLESS: {
        Turn.FRAME: State.HEADLESS,
        Turn.OPENED: State.RUNNING,
        Turn.HOLE: State.HOLED,
        Turn.ENDED: State.SEALED,
        Turn.LEFT_OPEN: State.RESUMABLE,
        Turn.NEVER_OPENED: State.UNKNOWN,
    },
    State.RUNNING: {
        Turn.FRAME: State.RUNNING,
        Turn.OPENED: State.RUNNING,
        Turn.HOLE: State.HOLED,
        Turn.ENDED: State.SEALED,
        Turn.LEFT_OPEN: State.RESUMABLE,
        Turn.ENDED_HOLED: State.CLOSED,
        Turn.LINK_SILENT: State.CLOSED,
        Turn.TOO_OLD: State.CLOSED,
    },
    State.HOLED: {
        Turn.FRAME: State.HOLED,
        Turn.OPENED: State.HOLED,
        Turn.HOLE: State.HOLED,
        Turn.FILLED: State.RUNNING,
        Turn.PASSED: State.RUNNING,
        Turn.ENDED: State.SEALED,
        Turn.LEFT_OPEN: State.RESUMABLE,
        Turn.ENDED_HOLED: State.CLOSED,
        Turn.TOO_OLD: State.CLOSED,
    },
    State.RESUMABLE: {
        Turn.FRAME: State.RESUMABLE,
        Turn.OPENED: State.RUNNING,
        Turn.HOLE: State.HOLED,
        Turn.ENDED: State.SEALED,
        Turn.LEFT_OPEN: State.RESUMABLE,
        Turn.ENDED_HOLED: State.CLOSED,
        Turn.NOT_RESUMED: State.CLOSED,
        Turn.TOO_OLD: State.CLOSED,
    },
    State.CLOSED: {
        Turn.FRAME: State.CLOSED,
        Turn.OPENED: State.CLOSED,
        Turn.FORGOTTEN: State.UNKNOWN,
    },
    State.SEALED: {
        Turn.FRAME: State.SEALED,
        Turn.OPENED: State.SEALED,
        Turn.FORGOTTEN: State.UNKNOWN,
    },
}

WAITS: Final[dict[State, tuple[Lapse, ...]]] = {
    State.UNKNOWN: (),
    State.HEADLESS: (Lapse.HEAD_GRACE,),
    State.RUNNING: (Lapse.PRODUCER_SILENT, Lapse.PROVIDER_SILENT, Lapse.TOTAL_AGE),
    State.HOLED: (Lapse.HOLE_GRACE, Lapse.TOTAL_AGE),
    State.RESUMABLE: (Lapse.RESUME_GRACE, Lapse.TOTAL_AGE),
    State.CLOSED: (),  # late_horizon: the memory of closed streams has no stream to wait in
    State.SEALED: (),
}

OUT: Final = frozenset({State.CLOSED, State.SEALED})  # the record is out


class IllegalMoveError(RuntimeError):
    """A move the table does not know: a mistake in this package."""

    def __init__(self, state: State, turn: Turn) -> None:
        super().__init__(f"no move from {state.value!r} on {turn.value!r}: see TRANSITIONS")


def step(state: State, turn: Turn) -> State:
    """The state after this turn."""
    try:
        return TRANSITIONS[state][turn]
    except KeyError:
        raise IllegalMoveError(state, turn) from None


def diagram() -> str:
    """The table as a Mermaid diagram. Turns that change nothing are left out."""
    lines = ["stateDiagram-v2", f"    [*] --> {State.UNKNOWN}"]
    for state, turns in TRANSITIONS.items():
        moves: dict[State, list[str]] = {}
        for turn, to in turns.items():
            if to is not state:
                moves.setdefault(to, []).append(turn.value)
        lines += [f"    {state} --> {to}: {' / '.join(names)}" for to, names in moves.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(diagram() + "\n")

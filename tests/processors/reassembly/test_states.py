"""The table of states: complete, reachable, and the source of the diagram."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from streamgauge.processors.reassembly.deadlines import Lapse
from streamgauge.processors.reassembly.states import (
    OUT,
    TRANSITIONS,
    WAITS,
    IllegalMoveError,
    State,
    Turn,
    diagram,
    step,
)

PAGE = Path(__file__).parents[3] / "docs" / "reassembly.md"


@pytest.mark.parametrize(("state", "turn"), list(product(State, Turn)))
def test_every_pair_of_state_and_turn_moves_as_the_table_says_or_raises(state: State, turn: Turn) -> None:
    if turn in TRANSITIONS[state]:
        assert step(state, turn) is TRANSITIONS[state][turn]
    else:
        with pytest.raises(IllegalMoveError, match=state.value):
            step(state, turn)


def test_every_state_can_be_reached_and_left() -> None:
    reached = {State.UNKNOWN}
    while True:
        more = {to for state in reached for to in TRANSITIONS[state].values()} - reached
        if not more:
            break
        reached |= more
    assert reached == set(State)
    assert all(set(moves.values()) - {state} for state, moves in TRANSITIONS.items())


def test_every_turn_is_used() -> None:
    assert {turn for moves in TRANSITIONS.values() for turn in moves} == set(Turn)


def test_any_frame_is_legal_in_any_state() -> None:
    assert all({Turn.FRAME, Turn.OPENED} <= moves.keys() for moves in TRANSITIONS.values())


def test_no_open_state_waits_for_ever() -> None:
    for state in set(State) - OUT - {State.UNKNOWN}:
        assert WAITS[state]
    assert {lapse for lapses in WAITS.values() for lapse in lapses} == set(Lapse)


def test_a_record_that_is_out_is_never_opened_again() -> None:
    for state in OUT:
        assert set(TRANSITIONS[state].values()) == {state, State.UNKNOWN}
        assert TRANSITIONS[state][Turn.FORGOTTEN] is State.UNKNOWN


def test_the_diagram_in_the_docs_is_made_from_the_table() -> None:
    page = PAGE.read_text("utf-8")
    assert f"```mermaid\n{diagram()}\n```" in page, (
        "put the output of `python -m streamgauge.processors.reassembly.states` into docs/reassembly.md"
    )

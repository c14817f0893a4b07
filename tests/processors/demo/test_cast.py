"""The cast plays every outcome on every API, and each script can be played as it is written."""

import pytest

from streamgauge.processors.demo.act import Client, Conduct, Surface
from streamgauge.processors.demo.cast import cast
from streamgauge.processors.demo.script import Ending
from streamgauge.processors.demo.simulated import DIALECTS, Ids
from streamgauge.processors.demo.simulated.dialect import Dialect, Wanted
from streamgauge.processors.demo.simulator import _last
from streamgauge.processors.demo.speech import answer, pieces

SEEDS = range(10)
SURFACES = {
    "openai.chat": Surface.CHAT,
    "openai.responses": Surface.RESPONSES,
    "anthropic.messages": Surface.MESSAGES,
}


def test_there_are_forty_streams_and_more() -> None:
    assert len(cast(1)) >= 40


def test_every_name_is_one_acts() -> None:
    names = [act.name for act in cast(1)]
    assert len(set(names)) == len(names)


def test_every_client_surface_conduct_and_ending_is_on_stage() -> None:
    acts = cast(1)
    assert {act.client for act in acts} == set(Client)
    assert {act.surface for act in acts} == set(Surface)
    assert {act.conduct for act in acts} == set(Conduct)
    assert {act.script.ending for act in acts} == set(Ending)


def test_there_are_plain_answers_parallel_tools_two_choices_and_a_retry() -> None:
    acts = cast(1)
    assert any(not act.streamed for act in acts)
    assert any(len(act.script.answers[0].tools) > 1 for act in acts)
    assert any(len(act.script.answers) > 1 for act in acts)
    assert any(act.retries and act.script.refusals for act in acts)


def test_the_same_seed_writes_the_same_and_another_another() -> None:
    assert cast(1) == cast(1)
    assert cast(1) != cast(2)


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=lambda dialect: type(dialect).__name__)
def test_every_script_is_long_enough_for_its_ending(dialect: Dialect) -> None:
    for seed in SEEDS:
        for act in cast(seed):
            if act.surface is SURFACES[dialect.api]:
                steps = dialect.steps(act.script, Ids("x"), Wanted(usage=True))
                assert 0 < _last(steps, act.script) <= len(steps)


@pytest.mark.parametrize("seed", SEEDS)
def test_clients_that_leave_leave_before_the_answer_ends(seed: int) -> None:
    leaving = (Conduct.CLOSE, Conduct.CANCEL, Conduct.ABANDON)
    for act in cast(seed):
        if act.conduct in leaving:
            assert act.script.output_tokens > 2 * act.after


@pytest.mark.parametrize("seed", SEEDS)
def test_pieces_joined_are_the_text_again(seed: int) -> None:
    text = "".join(answer(seed, sentences=16, thoughts=5).text)
    assert "".join(pieces(text)) == text

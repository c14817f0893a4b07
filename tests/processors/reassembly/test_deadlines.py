"""The deadline settings and their hash."""

from __future__ import annotations

import msgspec
import pytest

from streamgauge.processors.reassembly import deadlines as deadlines_module
from streamgauge.processors.reassembly.deadlines import Deadlines
from streamgauge.schemas.topics import WORKER_DEFAULTS


def test_the_defaults_are_the_contracts() -> None:
    assert Deadlines.of_seconds() == Deadlines(
        head_grace_us=30_000_000,
        hole_grace_us=30_000_000,
        producer_silent_us=60_000_000,
        provider_silent_us=900_000_000,
        total_age_us=3_600_000_000,
        resume_grace_us=120_000_000,
        late_horizon_us=600_000_000,
        tick_us=5_000_000,
    )


def test_any_setting_changes_the_rules() -> None:
    rules = {Deadlines.of_seconds().rules}
    for name in Deadlines.__struct_fields__:
        rules.add(Deadlines.of_seconds(**{name.removesuffix("_us") + "_s": 1.5}).rules)
    assert len(rules) == 1 + len(Deadlines.__struct_fields__)


def test_the_rules_are_the_same_everywhere() -> None:
    assert Deadlines.of_seconds().rules == "507bd9237d9b07b0"


def test_a_ledger_can_keep_them() -> None:
    deadlines = Deadlines.of_seconds(hole_grace_s=0.25)
    kept = msgspec.convert(msgspec.to_builtins(deadlines), Deadlines)
    assert (kept, kept.rules) == (deadlines, deadlines.rules)
    assert deadlines.hole_grace_us == 250_000


def test_the_longest_step_of_time_is_two_ticks() -> None:
    assert Deadlines.of_seconds(tick_s=2).step_max_us == 4_000_000


def test_a_wrong_name_says_which_there_are() -> None:
    with pytest.raises(ValueError, match=r"'hole_s'.*'hole_grace_s'"):
        Deadlines.of_seconds(hole_s=3)


def test_a_default_that_is_no_number_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(WORKER_DEFAULTS, "tick_s", "5")
    with pytest.raises(TypeError, match="'tick_s' is '5'"):
        deadlines_module._default("tick_s")


def test_a_negative_time_is_refused() -> None:
    with pytest.raises(ValueError, match="tick_s"):
        Deadlines.of_seconds(tick_s=-1)

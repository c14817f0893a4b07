"""Whether a stream is billed is a judgement with a named ground."""

from __future__ import annotations

import pytest

from streamgauge.processors.measures.billing import bill
from streamgauge.schemas.words import Billing, Outcome, UsageSource

INTERRUPTED = (Outcome.CANCELLED, Outcome.TRUNCATED, Outcome.ABANDONED, Outcome.TIMED_OUT, Outcome.LOST, None)


def test_a_refusal_is_never_billed() -> None:
    for source in UsageSource:
        assert bill(Outcome.REJECTED, usage_source=source, output_seen=False) == (Billing.NOT_BILLED, "rejected")


@pytest.mark.parametrize("outcome", [outcome for outcome in (*Outcome, None) if outcome is not Outcome.REJECTED])
def test_what_the_provider_counted_is_billed(outcome: Outcome | None) -> None:
    found = bill(outcome, usage_source=UsageSource.PROVIDER, output_seen=True)
    assert found == (Billing.BILLED, "usage_stated")


def test_a_whole_answer_nobody_counted_is_likely_billed() -> None:
    found = bill(Outcome.COMPLETED, usage_source=UsageSource.ESTIMATED, output_seen=True)
    assert found == (Billing.LIKELY, "completed")


@pytest.mark.parametrize("outcome", INTERRUPTED)
def test_output_before_an_interruption_is_likely_billed(outcome: Outcome | None) -> None:
    found = bill(outcome, usage_source=UsageSource.PARTIAL, output_seen=True)
    assert found == (Billing.LIKELY, "interrupted")


@pytest.mark.parametrize("outcome", [*INTERRUPTED, Outcome.FAILED])
def test_without_output_nobody_knows(outcome: Outcome | None) -> None:
    found = bill(outcome, usage_source=UsageSource.NONE, output_seen=False)
    assert found == (Billing.UNKNOWN, "no_output")


def test_an_error_after_output_is_left_open() -> None:
    found = bill(Outcome.FAILED, usage_source=UsageSource.ESTIMATED, output_seen=True)
    assert found == (Billing.UNKNOWN, "failed_after_output")

"""What a silence of a known length hints at."""

from __future__ import annotations

import pytest

from finished_streams import CANCELLED, COMPLETED, opening, stream
from streamgauge.processors.reassembly.finished import Marks, Verdict
from streamgauge.processors.record.suspicions import suspicions_of
from streamgauge.schemas.words import EndedBy, Outcome

TRUNCATED = Verdict(outcome=Outcome.TRUNCATED, ended_by=EndedBy.NETWORK, evidence="read_error")
NO_RESPONSE = Verdict(outcome=Outcome.FAILED, ended_by=EndedBy.NETWORK, evidence="send_error")
ERROR_EVENT = Verdict(outcome=Outcome.FAILED, ended_by=EndedBy.PROVIDER, evidence="error event")


def suspected(
    verdict: Verdict, *, silence_s: float, last_us: int | None = 500_000, timeout_us: int | None = None
) -> list[str]:
    marks = Marks(last_output_us=last_us, ended_us=(last_us or 0) + round(silence_s * 1e6))
    return suspicions_of(stream(opening=opening(client_timeout_us=timeout_us), verdict=verdict, marks=marks))


@pytest.mark.parametrize(
    ("silence_s", "found"),
    [
        (60.2, ["idle_timeout_60s"]),
        (100.9, ["idle_timeout_100s"]),
        (125.0, ["idle_timeout_125s"]),
        (59.0, []),
        (62.0, []),
        (3.0, []),
    ],
)
def test_a_stream_that_broke_off_after_a_known_silence(silence_s: float, found: list[str]) -> None:
    assert suspected(TRUNCATED, silence_s=silence_s) == found
    assert suspected(NO_RESPONSE, silence_s=silence_s, last_us=None) == found


@pytest.mark.parametrize("verdict", [COMPLETED, ERROR_EVENT, CANCELLED])
def test_a_stream_that_ended_for_a_known_reason_is_not_suspected(verdict: Verdict) -> None:
    assert suspected(verdict, silence_s=60.2) == []


def test_a_caller_that_left_when_its_timeout_was_over() -> None:
    assert suspected(CANCELLED, silence_s=30.1, timeout_us=30_000_000) == ["client_timeout"]
    assert suspected(CANCELLED, silence_s=12.0, timeout_us=30_000_000) == []
    assert suspected(CANCELLED, silence_s=0.2, timeout_us=100_000) == []  # too short to mean anything


def test_without_times_nothing_is_suspected() -> None:
    assert suspicions_of(stream(verdict=TRUNCATED, marks=Marks())) == []

"""The verdict: strongest evidence first, and null where the deciding bytes may not have been seen."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.processors.providers.answer import Ending
from streamgauge.processors.reassembly.deadlines import Lapse
from streamgauge.processors.reassembly.verdict import Blind, Facts, judge
from streamgauge.schemas.words import EndedBy, How, Outcome

COMPLETED = Ending("completed", "[DONE]", 99)
FAILED = Ending("failed", "error event", 50)
CANCELLED = Ending("cancelled", "response.cancelled", 50)
BLINDS = [Blind.NOT_SEEN, Blind.UNKNOWN_API, Blind.CAPPED, Blind.DROPPED]


def outcome(**facts: Any) -> tuple[Outcome | None, EndedBy | None, str | None]:
    verdict = judge(Facts(**{"responded": True, "streamed": True, "status": 200, **facts}))
    return verdict.outcome, verdict.ended_by, verdict.evidence


@pytest.mark.parametrize("how", [*How, None])
def test_the_deciding_event_beats_how_the_connection_ended(how: How | None) -> None:
    lapse = Lapse.PRODUCER_SILENT if how is None else None
    assert outcome(ending=COMPLETED, how=how, lapse=lapse) == (Outcome.COMPLETED, EndedBy.PROVIDER, "[DONE]")
    assert outcome(ending=FAILED, how=how, lapse=lapse) == (Outcome.FAILED, EndedBy.PROVIDER, "error event")


@pytest.mark.parametrize("blind", BLINDS)
def test_the_deciding_event_beats_what_was_not_seen(blind: str) -> None:
    assert outcome(ending=COMPLETED, how=How.EOF, blind=blind)[0] is Outcome.COMPLETED


def test_a_provider_may_say_that_the_answer_was_cancelled() -> None:
    assert outcome(ending=CANCELLED, how=How.EOF) == (Outcome.CANCELLED, EndedBy.CLIENT, "response.cancelled")


@pytest.mark.parametrize("how", [*How, None])
def test_an_error_status_rejects(how: How | None) -> None:
    rejected = (Outcome.REJECTED, EndedBy.PROVIDER, "status 429")
    assert outcome(status=429, streamed=False, ending=FAILED, how=how) == rejected
    assert outcome(status=429, streamed=False, how=how) == rejected
    assert outcome(status=429, streamed=True, ending=FAILED, how=how) == rejected


def test_a_stream_that_completes_under_an_error_status_has_completed() -> None:
    assert outcome(status=400, streamed=True, ending=COMPLETED, how=How.EOF)[0] is Outcome.COMPLETED
    assert outcome(status=400, streamed=False, ending=COMPLETED, how=How.EOF)[0] is Outcome.REJECTED


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        (How.EOF, (Outcome.TRUNCATED, EndedBy.PROVIDER, "eof")),
        (How.CLOSED_EARLY, (Outcome.CANCELLED, EndedBy.CLIENT, "closed_early")),
        (How.READ_ERROR, (Outcome.TRUNCATED, EndedBy.NETWORK, "read_error")),
        (How.SEND_ERROR, (Outcome.FAILED, EndedBy.NETWORK, "send_error")),
        (How.COLLECTED, (Outcome.ABANDONED, EndedBy.CLIENT, "collected")),
        (How.SHUTDOWN, (Outcome.LOST, EndedBy.SHIM, "shutdown")),
        (How.CRASHED, (Outcome.LOST, EndedBy.SHIM, "crashed")),
        (How.UNKNOWN, (None, None, "not_seen")),
    ],
)
def test_without_evidence_the_end_of_the_connection_decides(how: How, expected: tuple[object, ...]) -> None:
    assert outcome(how=how) == expected


@pytest.mark.parametrize("cause", ["ReadTimeout", "httpx.ReadTimeout", "TimeoutError", "SocketTimeout"])
def test_a_read_timeout_is_the_clients(cause: str) -> None:
    assert outcome(how=How.READ_ERROR, cause=cause) == (Outcome.TIMED_OUT, EndedBy.CLIENT, "read_timeout")


def test_a_read_timeout_before_the_headers_is_the_clients_too() -> None:
    waited = outcome(how=How.SEND_ERROR, cause="ReadTimeout", status=None, responded=False)
    assert waited == (Outcome.TIMED_OUT, EndedBy.CLIENT, "read_timeout")


@pytest.mark.parametrize("cause", ["ConnectTimeout", "PoolTimeout", "WriteTimeout", "ConnectError"])
def test_a_request_that_never_left_has_failed(cause: str) -> None:
    assert outcome(how=How.SEND_ERROR, cause=cause, status=None, responded=False)[0] is Outcome.FAILED


@pytest.mark.parametrize("how", [How.EOF, How.READ_ERROR])
def test_no_response_at_all_is_a_failure(how: How) -> None:
    assert outcome(status=None, responded=False, how=how) == (Outcome.FAILED, EndedBy.NETWORK, "no_response")


def test_a_call_cancelled_before_its_response_is_cancelled() -> None:
    assert outcome(status=None, responded=False, how=How.CLOSED_EARLY)[0] is Outcome.CANCELLED


def test_a_body_shorter_than_it_announced_is_truncated() -> None:
    assert outcome(how=How.EOF, short=True, blind=Blind.UNKNOWN_API) == (
        Outcome.TRUNCATED,
        EndedBy.PROVIDER,
        "content_length",
    )


def test_a_body_cut_inside_its_coding_has_a_word_of_its_own() -> None:
    assert outcome(how=How.EOF, cut_in_coding=True) == (Outcome.TRUNCATED, EndedBy.PROVIDER, "content_coding")
    assert outcome(how=How.EOF, short=True, cut_in_coding=True)[2] == "content_length", "the cause, not its effect"


@pytest.mark.parametrize("cut", ["short", "cut_in_coding"])
@pytest.mark.parametrize(
    ("how", "stream_complete"),
    [(How.EOF, False), (How.READ_ERROR, False), (How.CLOSED_EARLY, True), (How.COLLECTED, True), (How.CRASHED, True)],
)
def test_a_body_the_source_broke_off_behind_the_end_is_no_complete_stream(
    how: How, stream_complete: bool, cut: str
) -> None:
    facts: dict[str, Any] = {cut: True}
    verdict = judge(Facts(ending=COMPLETED, responded=True, how=how, content_complete=True, **facts))
    assert (verdict.outcome, verdict.content_complete) == (Outcome.COMPLETED, True)
    assert verdict.stream_complete is stream_complete


@pytest.mark.parametrize("blind", BLINDS)
@pytest.mark.parametrize("how", [How.EOF, How.CLOSED_EARLY, How.COLLECTED, How.SHUTDOWN])
def test_an_end_that_only_the_bytes_explain_is_null_where_they_were_not_seen(how: How, blind: str) -> None:
    assert outcome(how=how, blind=blind)[::2] == (None, blind)


@pytest.mark.parametrize("blind", BLINDS)
@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"how": How.READ_ERROR}, Outcome.TRUNCATED),
        ({"how": How.READ_ERROR, "cause": "ReadTimeout"}, Outcome.TIMED_OUT),
        ({"how": How.CRASHED}, Outcome.LOST),
        ({"how": How.CLOSED_EARLY, "reading": True}, Outcome.CANCELLED),
        ({"lapse": Lapse.PRODUCER_SILENT}, Outcome.LOST),
        ({"lapse": Lapse.PROVIDER_SILENT}, Outcome.TIMED_OUT),
    ],
)
def test_an_end_that_decides_whatever_was_sent_is_believed(
    facts: dict[str, Any], expected: Outcome, blind: str
) -> None:
    assert outcome(**facts, blind=blind)[0] is expected


def test_age_gives_no_outcome_unless_the_end_was_seen() -> None:
    assert outcome(lapse=Lapse.TOTAL_AGE) == (None, EndedBy.DEADLINE, "total_age")
    assert outcome(lapse=Lapse.TOTAL_AGE, ending=COMPLETED)[0] is Outcome.COMPLETED
    assert outcome(lapse=Lapse.TOTAL_AGE, how=How.READ_ERROR)[0] is Outcome.TRUNCATED


def test_content_may_be_complete_where_the_stream_is_not() -> None:
    verdict = judge(Facts(responded=True, how=How.EOF, content_complete=True))
    assert (verdict.outcome, verdict.content_complete, verdict.stream_complete) == (Outcome.TRUNCATED, True, False)


def test_where_bytes_are_missing_nobody_knows_whether_the_content_is_complete() -> None:
    verdict = judge(Facts(ending=COMPLETED, whole=False, content_complete=True))
    assert (verdict.content_complete, verdict.stream_complete) == (None, False)


def test_a_failed_answer_is_not_complete_even_if_its_text_looks_finished() -> None:
    verdict = judge(Facts(ending=FAILED, content_complete=True))
    assert (verdict.content_complete, verdict.stream_complete) == (False, False)


def test_a_rejected_call_has_no_content_to_be_complete() -> None:
    verdict = judge(Facts(status=500, content_complete=False))
    assert (verdict.content_complete, verdict.stream_complete) == (None, None)


@given(
    st.builds(
        Facts,
        ending=st.sampled_from([None, COMPLETED, FAILED, CANCELLED]),
        status=st.sampled_from([None, 0, 200, 399, 400, 599]),
        streamed=st.booleans(),
        responded=st.booleans(),
        short=st.booleans(),
        blind=st.sampled_from([None, *BLINDS]),
        whole=st.booleans(),
        content_complete=st.sampled_from([None, False, True]),
        how=st.sampled_from([None, *How]),
        reading=st.sampled_from([None, False, True]),
        cause=st.sampled_from([None, "", "ReadTimeout"]),
        lapse=st.sampled_from([None, *Lapse]),
    )
)
def test_every_verdict_has_evidence_and_only_evidence_completes(facts: Facts) -> None:
    verdict = judge(facts)
    assert verdict.evidence
    assert (verdict.outcome is Outcome.COMPLETED) <= (facts.ending is COMPLETED)
    assert (verdict.stream_complete is True) <= (verdict.outcome is Outcome.COMPLETED and facts.whole)
    assert (facts.ending is COMPLETED and (facts.status or 0) < 400) <= (verdict.outcome is Outcome.COMPLETED)

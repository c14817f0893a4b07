"""The caller does not wait for the end: what it had is kept, and what it cannot know is not made up."""

from __future__ import annotations

import json

from frames_build import SECOND, Connection, anthropic_events, begun, chat, chat_events
from frames_record import record_of, said, shows, told
from streamgauge.schemas.words import Billing, EndedBy, How, Outcome, UsageSource

ASKED = json.dumps({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Does the river run?"}]}).encode()


def test_a_chat_its_client_cancelled_is_cancelled_and_states_no_usage() -> None:
    link = Connection()
    record, contents = told(*begun(link, "The", " river"), link.close(How.CLOSED_EARLY, reading=True))
    shows(
        record,
        outcome=Outcome.CANCELLED,
        ended_by=EndedBy.CLIENT,
        evidence="closed_early",
        evidence_offset=None,
        content_complete=False,
        stream_complete=False,
        finish_reasons=[],
        error_kind=None,
        usage_input=None,
        usage_source=UsageSource.ESTIMATED,
        billing=Billing.LIKELY,
        suspicions=[],
    )
    assert said(contents) == ["The river"]
    assert record.links[0].how is How.CLOSED_EARLY


def test_a_message_its_client_cancelled_states_its_input_and_no_output() -> None:
    link = Connection(path="/v1/messages", host="api.anthropic.com")
    events = anthropic_events("The", " river", done=False)
    record = record_of(link.open(), link.head(), *map(link.data, events), link.close(How.CLOSED_EARLY))
    shows(
        record,
        outcome=Outcome.CANCELLED,
        ended_by=EndedBy.CLIENT,
        usage_input=9,
        usage_source=UsageSource.PARTIAL,
        usage_estimated=["usage_output"],
    )


def test_a_client_that_is_gone_when_the_whole_answer_was_drained_leaves_two_facts() -> None:
    """A gateway reads on for the usage after its own caller has left, and notes where it stopped delivering."""
    link = Connection()
    events = chat_events("The", " river")
    noted = link.note(error="client disconnected after 412 bytes")
    record = record_of(link.open(), link.head(), *map(link.data, events), noted, link.close(How.CLOSED_EARLY))
    shows(
        record,
        outcome=Outcome.COMPLETED,
        ended_by=EndedBy.PROVIDER,
        evidence="[DONE]",
        evidence_offset=sum(map(len, events)),
        stream_complete=True,
        usage_source=UsageSource.PROVIDER,
        usage_output=2,
        error_kind="application",
        error_message="client disconnected after 412 bytes",
        bytes=sum(map(len, events)),
    )
    assert record.links[0].how is How.CLOSED_EARLY


def test_usage_after_a_cancel_is_an_estimate_that_says_whose() -> None:
    link = Connection(request=ASKED)
    record = record_of(*begun(link, "The", " river"), link.close(How.CLOSED_EARLY))
    shows(
        record,
        usage_source=UsageSource.ESTIMATED,
        usage_estimated=["usage_input", "usage_output"],
        usage_method="tiktoken/o200k_base",
        usage_output=2,
        usage_total=None,
    )


def test_a_read_timeout_is_the_clients_own_end_and_no_providers_error() -> None:
    link = Connection(client_timeout_us=30 * SECOND)
    frames = begun(link, "The")
    record = record_of(
        *frames, link.close(How.READ_ERROR, cause="httpx.ReadTimeout", time_us=30 * SECOND, reading=True)
    )
    shows(
        record,
        outcome=Outcome.TIMED_OUT,
        ended_by=EndedBy.CLIENT,
        evidence="read_timeout",
        error_kind="timeout",
        error_type="httpx.ReadTimeout",
        content_complete=False,
        suspicions=[],
    )


def test_a_caller_that_lost_the_stream_object_has_abandoned_it() -> None:
    link = Connection()
    record, contents = told(*begun(link, "The"), link.close(How.COLLECTED))
    shows(record, outcome=Outcome.ABANDONED, ended_by=EndedBy.CLIENT, evidence="collected", content_complete=False)
    assert said(contents) == ["The"]


def test_a_caller_that_left_behind_the_end_has_cancelled_nothing() -> None:
    link = Connection()
    record = record_of(*chat(link, "The"), link.close(How.CLOSED_EARLY, reading=False))
    shows(record, outcome=Outcome.COMPLETED, ended_by=EndedBy.PROVIDER, stream_complete=True)

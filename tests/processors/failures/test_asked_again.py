"""What is asked again: attempts stay apart, connections of one attempt come together, and no text is told twice."""

from __future__ import annotations

import json

from frames_build import CALL, SECOND, WALL_US, Connection, Log, begun, chat, chat_events, responses_events
from frames_feed import feed
from frames_record import record_of, said, shows, told, written
from streamgauge.schemas.frames import Frame
from streamgauge.schemas.records import Contents, Record
from streamgauge.schemas.words import AttemptKind, EndedBy, How, Outcome, Resumable, UsageSource

BACKGROUND = "/v1/responses"


def attempts(*frames: Frame) -> list[tuple[Record, Contents]]:
    log = Log()
    log.add(*frames)
    return sorted(written(feed(log.arrivals)), key=lambda pair: pair[0].attempt)


def test_a_retry_before_the_first_byte_makes_two_attempts_of_one_call() -> None:
    """How the shim tells a retry from a new call, `tests/producers/tap/test_attempts.py` shows."""
    first = Connection()
    second = Connection(b"link-1--", attempt=1, attempt_kind=AttemptKind.SDK_RETRY, parent_attempt=0)
    refused: list[Frame] = [
        first.open(),
        first.head(503, "application/json"),
        first.data(b'{"error":{"message":"x"}}'),
        first.close(),
    ]
    (one, _), (two, contents) = attempts(*refused, *chat(second, "Yes"), second.close())
    shows(one, call_id=two.call_id, attempt=0, outcome=Outcome.REJECTED, status=503, error_kind="overloaded")
    shows(one, usage_source=UsageSource.NONE, usage_input=None, usage_output=None, cost_usd=None)  # unknown, not zero
    shows(two, attempt=1, parent_attempt=0, attempt_kind=AttemptKind.SDK_RETRY, outcome=Outcome.COMPLETED)
    assert said(contents) == ["Yes"]


def test_a_retry_after_a_connection_error_leaves_an_attempt_without_a_response() -> None:
    first = Connection()
    second = Connection(b"link-1--", attempt=1, attempt_kind=AttemptKind.SDK_RETRY, parent_attempt=0)
    failed: list[Frame] = [first.open(), first.close(How.SEND_ERROR, cause="httpx.ConnectTimeout")]
    (one, _), (two, _) = attempts(*failed, *chat(second, "Yes"), second.close())
    shows(one, outcome=Outcome.FAILED, ended_by=EndedBy.NETWORK, status=None, usage_output=None, error_kind="timeout")
    shows(two, outcome=Outcome.COMPLETED, generations=1)


def test_an_applications_retry_after_partial_output_is_an_attempt_of_its_own() -> None:
    first = Connection()
    second = Connection(b"link-1--", attempt=1, attempt_kind=AttemptKind.APP_RETRY, parent_attempt=0)
    broken = [*begun(first, "The ri"), first.close(How.READ_ERROR)]
    again: list[Frame] = [
        second.open(),
        second.head(),
        *map(second.data, chat_events("The river", response_id="chatcmpl-2")),
    ]
    (one, half), (two, whole) = attempts(*broken, *again, second.close())
    shows(one, outcome=Outcome.TRUNCATED, response_id="chatcmpl-1", generations=1)
    shows(two, outcome=Outcome.COMPLETED, response_id="chatcmpl-2", parent_attempt=0, generations=1)
    assert (said(half), said(whole)) == (["The ri"], ["The river"])


def test_a_continuation_tells_its_own_piece_and_is_not_joined_to_what_it_continues() -> None:
    partial = [{"role": "user", "content": "Tell."}, {"role": "assistant", "content": "The ri"}]
    first = Connection()
    second = Connection(
        b"link-1--",
        attempt=1,
        attempt_kind=AttemptKind.CONTINUATION,
        parent_attempt=0,
        request=json.dumps({"model": "m", "messages": partial}).encode(),
    )
    (one, half), (two, rest) = attempts(
        *begun(first, "The ri"), first.close(How.READ_ERROR), *chat(second, "ver runs"), second.close()
    )
    shows(one, outcome=Outcome.TRUNCATED, content_complete=False)
    shows(two, outcome=Outcome.COMPLETED, attempt_kind=AttemptKind.CONTINUATION, parent_attempt=0)
    assert (said(half), said(rest)) == (["The ri"], ["ver runs"])
    assert json.loads(bytes(rest.request))["messages"] == partial  # where the joined text can be had from


def test_a_fallback_to_another_model_is_an_attempt_with_that_model() -> None:
    first = Connection()
    second = Connection(
        b"link-1--", attempt=1, attempt_kind=AttemptKind.FALLBACK, parent_attempt=0, host="api.together.xyz"
    )
    other = [event.replace(b"gpt-4o-mini", b"meta-llama/Llama-3") for event in chat_events("Yes")]
    broken = [*begun(first, "N"), first.close(How.READ_ERROR)]
    (one, _), (two, _) = attempts(*broken, second.open(), second.head(), *map(second.data, other), second.close())
    shows(one, model="gpt-4o-mini", provider="openai", outcome=Outcome.TRUNCATED)
    shows(two, model="meta-llama/Llama-3", provider="together", attempt_kind=AttemptKind.FALLBACK, parent_attempt=0)


def test_a_fallback_hidden_inside_one_body_is_another_generation() -> None:
    link = Connection(host="gateway.internal")
    events = chat_events("Half", finish=None, done=False)
    other = chat_events("Whole", response_id="chatcmpl-2")
    other = [event.replace(b"gpt-4o-mini", b"gpt-4.1") for event in other]
    record, contents = told(link.open(), link.head(), *map(link.data, [*events, *other]), link.close())
    shows(record, generations=2, outcome=Outcome.COMPLETED, model="gpt-4.1", response_id="chatcmpl-2")
    assert [(choice.generation, text) for choice, text in zip(contents.choices, said(contents), strict=True)] == [
        (0, "Half"),
        (1, "Whole"),
    ]


# ---------------------------------------------------------------------- resumed connections


def resumed(events: list[bytes], *, cut: int, again: int, cursor: str | None) -> tuple[Record, Contents]:
    """A background response whose first connection broke behind `cut` events, and whose second began at `again`."""
    first = Connection(path=BACKGROUND)
    second = Connection(
        b"link-1--",
        path=f"{BACKGROUND}/resp_1",
        method="GET",
        link_no=1,
        after=b"link-0--",
        wall_us=WALL_US + 2 * SECOND,
        cursor=cursor,
    )
    return told(
        first.open(),
        first.head(),
        *map(first.data, events[:cut]),
        first.close(How.READ_ERROR, resumable=Resumable.MAYBE),
        second.open(),
        second.head(),
        *map(second.data, events[again:]),
        second.close(),
    )


def test_a_reconnect_with_a_cursor_is_one_stream_whose_numbers_prove_that_nothing_is_missing() -> None:
    events = responses_events("The", " river", " runs")
    record, contents = resumed(events, cut=6, again=6, cursor="5")
    shows(
        record,
        outcome=Outcome.COMPLETED,
        evidence="response.completed",
        generations=1,
        holes=0,
        duplicates_dropped=0,
        stream_complete=True,
        content_complete=True,
        usage_source=UsageSource.PROVIDER,
    )
    assert [(link.how, link.resumed_from, link.replayed_events) for link in record.links] == [
        (How.READ_ERROR, None, 0),
        (How.EOF, "5", 0),
    ]
    assert record.resume_gap_us is not None
    assert said(contents) == ["The river runs"]


def test_a_reconnect_whose_cursor_skips_an_event_has_a_hole() -> None:
    record, _ = resumed(responses_events("The", " river", " runs"), cut=6, again=7, cursor="6")
    shows(record, outcome=Outcome.COMPLETED, holes=1, stream_complete=False, content_complete=None)


def test_a_reconnect_without_a_cursor_is_told_again_and_told_once() -> None:
    events = responses_events("The", " river", " runs")
    record, contents = resumed(events, cut=6, again=0, cursor=None)
    shows(record, outcome=Outcome.COMPLETED, generations=1, holes=0, conflicts=0, stream_complete=True)
    assert [link.replayed_events for link in record.links] == [0, 6]  # of that link, and of no other count
    assert record.duplicates_dropped == 0
    assert said(contents) == ["The river runs"]


def test_a_reconnect_that_was_refused_leaves_the_stream_as_it_was() -> None:
    first = Connection(path=BACKGROUND)
    second = Connection(b"link-1--", path=f"{BACKGROUND}/resp_1", method="GET", link_no=1, after=b"link-0--")
    events = responses_events("The", " river", done=False)
    record = record_of(
        first.open(),
        first.head(),
        *map(first.data, events),
        first.close(How.READ_ERROR, resumable=Resumable.MAYBE),
        second.open(),
        second.head(404, "application/json"),
        second.data(b'{"error":{"message":"gone"}}'),
        second.close(),
    )
    shows(record, outcome=Outcome.TRUNCATED, evidence="read_error", generations=1, warnings=["resume_refused"])
    assert record.call_id.replace("-", "") == CALL.hex()

"""The bytes end before the answer does, or just behind it: what came is kept as it came, and nothing is completed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from frames_build import SECOND, Connection, Log, anthropic_events, chat_events, sse
from frames_feed import feed
from frames_record import calls, record_of, said, shows, told, written
from streamgauge.schemas.frames import Frame
from streamgauge.schemas.records import Contents, Record
from streamgauge.schemas.words import EndedBy, How, Outcome, UsageSource

RESET = {"cause": "httpx.RemoteProtocolError", "message": "peer closed connection (incomplete chunked read)"}


def broken(*chunks: bytes, how: How = How.EOF, path: str = "/v1/chat/completions", **close: Any) -> Record:
    return broken_off(*chunks, how=how, path=path, **close)[0]


def broken_off(
    *chunks: bytes, how: How = How.EOF, path: str = "/v1/chat/completions", **close: Any
) -> tuple[Record, Contents]:
    link = Connection(path=path)
    return told(link.open(), link.head(), *map(link.data, chunks), link.close(how, **close))


# ---------------------------------------------------------------------- resets and clean ends


def test_a_reset_after_some_events_truncates() -> None:
    record, contents = broken_off(*chat_events("Half", finish=None, done=False), how=How.READ_ERROR, **RESET)
    shows(
        record,
        outcome=Outcome.TRUNCATED,
        ended_by=EndedBy.NETWORK,
        evidence="read_error",
        evidence_offset=None,
        content_complete=False,
        stream_complete=False,
        finish_reasons=[],
        error_kind="network",
        error_type="httpx.RemoteProtocolError",
        usage_source=UsageSource.ESTIMATED,
    )
    assert said(contents) == ["Half"]


def test_a_connection_that_broke_before_any_response_has_failed() -> None:
    link = Connection()
    record = record_of(link.open(), link.close(How.SEND_ERROR, cause="httpx.ConnectError", message="refused"))
    shows(
        record,
        outcome=Outcome.FAILED,
        ended_by=EndedBy.NETWORK,
        evidence="send_error",
        status=None,
        error_kind="network",
        usage_source=UsageSource.NONE,
        usage_output=None,
    )


def test_a_clean_end_without_a_terminal_event_truncates() -> None:
    record, contents = broken_off(*chat_events("Half", finish=None, done=False))
    shows(
        record,
        outcome=Outcome.TRUNCATED,
        ended_by=EndedBy.PROVIDER,
        evidence="eof",
        evidence_offset=None,
        content_complete=False,
        stream_complete=False,
        finish_reasons=[],
        error_kind=None,
        warnings=[],
    )
    assert said(contents) == ["Half"]


def test_a_marker_without_a_finish_completes_and_says_what_is_missing() -> None:
    events = chat_events("All of it", finish=None)
    record = broken(*events)
    shows(
        record,
        outcome=Outcome.COMPLETED,
        evidence="[DONE]",
        evidence_offset=sum(map(len, events)),
        finish_reasons=[],
        content_complete=True,
        stream_complete=True,
        warnings=["no_finish_reason"],
    )


@pytest.mark.parametrize(("how", "cause"), [(How.EOF, None), (How.READ_ERROR, "httpx.ReadError")])
def test_a_finish_without_its_marker_truncates_a_stream_whose_content_is_whole(how: How, cause: str | None) -> None:
    record, contents = broken_off(*chat_events("All of it", usage=False, done=False), how=how, cause=cause)
    shows(
        record,
        outcome=Outcome.TRUNCATED,
        content_complete=True,
        stream_complete=False,
        finish_reasons=["stop"],
        usage_total=None,
        usage_source=UsageSource.ESTIMATED,
    )
    assert said(contents) == ["All of it"]


# ---------------------------------------------------------------------- in the middle of things


def tool_events(*pieces: str) -> list[bytes]:
    block = {"type": "tool_use", "id": "call_1", "name": "find", "input": {}}
    bodies: list[dict[str, Any]] = [{"type": "content_block_start", "index": 0, "content_block": block}]
    for piece in pieces:
        delta = {"type": "input_json_delta", "partial_json": piece}
        bodies.append({"type": "content_block_delta", "index": 0, "delta": delta})
    return [anthropic_events(done=False)[0], *(sse(body, name=body["type"]) for body in bodies)]


def test_a_tool_call_that_was_cut_is_incomplete_and_its_raw_arguments_are_kept() -> None:
    record, contents = broken_off(*tool_events('{"city": "Par', "is"), path="/v1/messages", how=How.READ_ERROR, **RESET)
    shows(record, outcome=Outcome.TRUNCATED, content_complete=False, finish_reasons=[], tool_calls=1)
    (call,) = calls(contents)
    assert (call.name, call.arguments, call.complete, call.json_valid) == ("find", '{"city": "Paris', False, False)


def test_a_tool_call_that_parses_before_its_block_ended_is_incomplete_all_the_same() -> None:
    record, contents = broken_off(*tool_events('{"city": 1}'), path="/v1/messages")
    shows(record, outcome=Outcome.TRUNCATED, content_complete=False)
    (call,) = calls(contents)
    assert (call.arguments, call.complete, call.json_valid) == ('{"city": 1}', False, True)


def test_a_last_event_without_its_terminator_is_read_if_it_is_whole() -> None:
    *events, last = chat_events("Half", " more", finish=None, done=False)
    whole, contents = broken_off(*events, last.rstrip(b"\n"))
    shows(
        whole,
        outcome=Outcome.TRUNCATED,
        evidence="eof",
        warnings=["tail_unterminated"],
        bytes=len(b"".join(events) + last) - 2,
    )
    assert said(contents) == ["Half more"]

    torn, contents = broken_off(*events, last[:-5])
    shows(torn, outcome=Outcome.TRUNCATED, warnings=["tail_unterminated"], content_complete=False)
    assert said(contents) == ["Half"]


def test_the_marker_without_its_terminator_ends_the_stream_all_the_same() -> None:
    *events, done = chat_events("All of it")
    record = broken(*events, done.rstrip(b"\n"))
    shows(record, outcome=Outcome.COMPLETED, evidence="[DONE]", evidence_offset=record.bytes, stream_complete=True)


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_a_character_cut_in_its_middle_is_left_out_of_the_text_and_counted_in_the_bytes(cut: int) -> None:
    start = chat_events("Half", finish=None, done=False)
    half = b'data: {"id":"chatcmpl-1","choices":[{"index":0,"delta":{"content":"' + "🌊".encode()[:cut]
    record, contents = broken_off(*start, half)
    shows(record, outcome=Outcome.TRUNCATED, bytes=len(b"".join(start)) + len(half), warnings=["tail_unterminated"])
    assert said(contents) == ["Half"]
    assert "\ufffd" not in said(contents)[0]


# ---------------------------------------------------------------------- a timer in between


def silence(seconds: float, *, how: How) -> list[Frame]:
    link = Connection()
    events = chat_events("Half", finish=None, done=False)
    frames: list[Frame] = [link.open(), link.head(), *map(link.data, events)]
    return [*frames, link.close(how, time_us=link.time_us + round(seconds * SECOND))]


@pytest.mark.parametrize("how", [How.EOF, How.READ_ERROR])
def test_a_cut_after_a_silence_as_long_as_a_proxys_timer_is_suspected_and_no_more(how: How) -> None:
    record = record_of(*silence(60.3, how=how))
    shows(record, outcome=Outcome.TRUNCATED, suspicions=["idle_timeout_60s"])
    assert record.ended_by is (EndedBy.NETWORK if how is How.READ_ERROR else EndedBy.PROVIDER)
    assert record_of(*silence(47.0, how=how)).suspicions == []


# ---------------------------------------------------------------------- silences


def test_a_provider_that_falls_silent_is_open_until_the_deadline_and_then_timed_out() -> None:
    link = Connection()
    log = Log()
    log.add(link.open(), link.head(), *map(link.data, chat_events("Half", finish=None, done=False)))
    for _ in range(59):
        log.wait(15)
        log.add(link.pulse())
    assert feed(log.arrivals) == []
    for _ in range(2):
        log.wait(15)
        log.add(link.pulse())

    ((record, contents),) = written(feed(log.arrivals))

    shows(
        record,
        outcome=Outcome.TIMED_OUT,
        ended_by=EndedBy.DEADLINE,
        evidence="provider_silent",
        content_complete=False,
        stream_complete=False,
        finish_reasons=[],
    )
    assert said(contents) == ["Half"]


def test_a_stall_filled_with_comments_shows_the_silence_of_bytes_and_of_payload_apart() -> None:
    link = Connection()
    events = chat_events("Half", finish=None, done=False)
    frames: list[Frame] = [link.open(), link.head(), link.data(*events, got=[SECOND] * len(events))]
    frames += [link.data(b": keep-alive\n\n", got=[second * SECOND]) for second in range(2, 91)]
    record = record_of(*frames, link.close(How.CLOSED_EARLY, time_us=91 * SECOND, reading=True))
    shows(record, outcome=Outcome.CANCELLED, gap_max_us=SECOND, stalls=0, last_token_us=SECOND, ended_us=91 * SECOND)


def test_a_stall_that_resumes_has_completed_and_its_length_is_recorded() -> None:
    link = Connection()
    first, *rest = chat_events("Half", " and half")
    silent_us = 379 * SECOND
    frames: list[Frame] = [link.open(), link.head(), link.data(first, got=[SECOND])]
    record = record_of(*frames, link.data(*rest, got=[SECOND + silent_us] * len(rest)), link.close())
    shows(record, outcome=Outcome.COMPLETED, gap_max_us=silent_us, stalls=1, suspicions=[], stream_complete=True)


def test_json_is_all_that_an_unread_tail_is_believed_by() -> None:
    """An error that is cut has no message yet; it is an error all the same, and not a word of it is made up."""
    events = chat_events("Half", finish=None, done=False)
    record = broken(*events, json.dumps({"error": {"message": "brok"}}).encode()[:-3])
    shows(record, outcome=Outcome.FAILED, evidence="json error", error_message=None)

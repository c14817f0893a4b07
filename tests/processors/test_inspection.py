"""A recorded body through the very core: what it tells, and what no file can tell."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import brotli  # type: ignore[import-untyped]  # no py.typed
import msgspec
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from recorded_bodies import ANTHROPIC_URL, CHAT_URL, anthropic, chat, chat_body
from streamgauge.processors.inspection import API_CONTRADICTED, Source, UninspectableError, inspect_body
from streamgauge.processors.record import PARSER_VERSION, Measures
from streamgauge.schemas import codec
from streamgauge.schemas.limits import BODY_BYTES_MAX, CHUNK_BYTES_MAX
from streamgauge.schemas.records import GROUPS, Contents, Record, Text, ToolCall
from streamgauge.schemas.words import Operation, Outcome, UsageSource

MEASURES = Measures()
RESPONSES_URL = "https://api.openai.com/v1/responses"
AT_US = 1_794_000_000_000_000


def inspected(body: bytes, **source: Any) -> tuple[Record, Contents]:
    return inspect_body(body, Source(**source), at_us=AT_US, measures=MEASURES)


def test_a_recorded_stream_is_reassembled() -> None:
    record, contents = inspected(anthropic(), url=ANTHROPIC_URL, status=200)
    assert (record.outcome, record.evidence, record.evidence_offset) == (
        Outcome.COMPLETED,
        "message_stop",
        len(anthropic()),
    )
    assert (record.api, record.provider, record.model) == (
        "anthropic.messages",
        "anthropic",
        "claude-sonnet-4-5-20250929",
    )
    assert (record.usage_input, record.usage_output, record.usage_source) == (20, 30, UsageSource.PROVIDER)
    assert record.cost_usd == Decimal("0.00051")
    assert (record.status, record.finish_reasons, record.operation) == (200, ["tool_use"], Operation.CHAT)
    assert contents.choices[0].parts == [
        Text(text="The river runs."),
        ToolCall(id="toolu_1", name="gauge", arguments='{"at":"bridge"}', complete=True, json_valid=True),
    ]


def test_a_plain_response_is_a_stream_of_one_body() -> None:
    record, contents = inspected(chat_body(), url=CHAT_URL)
    assert (record.outcome, record.streamed, record.usage_output) == (Outcome.COMPLETED, False, 4)
    assert contents.choices[0].parts == [Text(text="The river runs.")]


@pytest.mark.parametrize(("body", "api"), [(anthropic(), "anthropic.messages"), (chat(), "openai.chat")])
def test_without_an_address_the_bytes_tell_the_api_but_not_the_seller(body: bytes, api: str) -> None:
    record, _ = inspected(body)
    assert (record.api, record.provider, record.cost_null_reason) == (api, None, "unknown_provider")


def test_a_file_has_no_times_and_no_place_in_a_log() -> None:
    record, _ = inspected(anthropic(), url=ANTHROPIC_URL)
    for name in (*GROUPS["timing"], *GROUPS["source"]):
        assert getattr(record, name) == (PARSER_VERSION if name == "parser_version" else None), name
    assert [(link.opened_us, link.ended_us) for link in record.links] == [(None, None)]


def test_the_same_file_is_the_same_call() -> None:
    first, second, other = (inspected(body)[0].id for body in (chat(), chat(), chat("Other.")))
    assert first == second != other
    assert first.startswith("inspect/")


def test_a_file_that_was_cut_is_truncated_and_its_output_counted() -> None:
    body = anthropic()
    record, _ = inspected(body[: body.index(b"content_block_stop")], url=ANTHROPIC_URL, status=200)
    assert (record.outcome, record.content_complete, record.usage_source) == (
        Outcome.TRUNCATED,
        False,
        UsageSource.PARTIAL,
    )
    assert (record.usage_input, record.usage_output, record.usage_estimated) == (20, 4, ["usage_output"])


def test_a_refusal_needs_its_status_to_be_one() -> None:
    body = b'{"error":{"type":"rate_limit_error","message":"slow down"}}'
    assert inspected(body, url=CHAT_URL, status=429)[0].outcome is Outcome.REJECTED
    assert inspected(body, url=CHAT_URL)[0].outcome is Outcome.FAILED


@pytest.mark.parametrize(
    ("compress", "told"),
    [
        (gzip.compress, None),
        (zlib.compress, None),
        (zstandard.compress, None),
        (brotli.compress, "br"),
    ],
)
def test_a_compressed_body_is_read(compress: Callable[[bytes], bytes], told: str | None) -> None:
    record, contents = inspected(compress(anthropic()), content_encoding=told)
    assert (record.outcome, contents.choices) == (Outcome.COMPLETED, inspected(anthropic())[1].choices)


def test_a_long_body_travels_in_chunks() -> None:
    record, contents = inspected(chat("x" * (3 * CHUNK_BYTES_MAX)), url=CHAT_URL)
    assert (record.outcome, record.chunks, record.capped) == (Outcome.COMPLETED, 4, False)
    assert contents.choices[0].parts == [Text(text="x" * (3 * CHUNK_BYTES_MAX))]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "empty"),
        (b" \r\n ", "empty"),
        (bytes(range(256)) * 20, "binary"),
        (b"\x89PNG\r\n\x1a\n" + bytes(500), "binary"),
        (gzip.compress(bytes(range(256)) * 20), "binary"),
        (b"Dear colleague,\nthe river is high.\n", "neither events nor JSON"),
        (b"{}" + b" " * BODY_BYTES_MAX, "more than"),
    ],
)
def test_what_is_no_response_is_refused_in_words_without_content(body: bytes, says: str) -> None:
    with pytest.raises(UninspectableError, match=says) as caught:
        inspected(body)
    assert "river" not in str(caught.value)


def test_events_of_an_api_nobody_knows_are_shown_as_such() -> None:
    record, _ = inspected(b'data: {"novel": 1}\n\ndata: {"novel": 2}\n\n')
    assert (record.outcome, record.evidence, record.api) == (None, "unknown_api", None)
    assert (record.events, record.unknown_events) == (2, 2)


@pytest.mark.parametrize(
    ("body", "url", "api"),
    [
        (anthropic(), CHAT_URL, "anthropic.messages"),
        (anthropic(), RESPONSES_URL, "anthropic.messages"),
        (chat(), ANTHROPIC_URL, "openai.chat"),
        (chat_body(), RESPONSES_URL, "openai.chat"),
    ],
)
def test_an_address_that_every_event_contradicts_is_not_taken_for_the_file_s(body: bytes, url: str, api: str) -> None:
    record, contents = inspected(body, url=url)
    alone, _ = inspected(body)
    assert (record.api, record.outcome, record.usage_output) == (api, Outcome.COMPLETED, alone.usage_output)
    assert record.provider == ("anthropic" if url == ANTHROPIC_URL else "openai")  # the host's, all the same
    assert record.warnings == [*alone.warnings, API_CONTRADICTED]
    assert contents.choices


@pytest.mark.parametrize("body", [b'data: {"novel": 1}\n\ndata: {"novel": 2}\n\n', b'{"novel": 1}'])
def test_events_that_can_be_of_no_api_are_not_of_the_one_the_address_names(body: bytes) -> None:
    record, _ = inspected(body, url=CHAT_URL)
    assert (record.outcome, record.evidence, record.api) == (None, "unknown_api", None)
    assert API_CONTRADICTED in record.warnings


@pytest.mark.parametrize(
    "body",
    [
        anthropic()[:600],  # cut, and of its API
        b'event: ping\ndata: {"type": "ping"}\n\n',
        b'data: {"error": {"message": "overloaded"}}\n\n',
        b": keep-alive\n\n",
        anthropic().replace(b"message_stop", b"message_pause"),
    ],
)
def test_an_address_is_believed_unless_every_event_speaks_against_it(body: bytes) -> None:
    record, _ = inspected(body, url=ANTHROPIC_URL)
    assert record.api == "anthropic.messages"
    assert API_CONTRADICTED not in record.warnings


def test_a_refusal_is_no_contradiction_whoever_words_it() -> None:
    record, _ = inspected(b'{"type": "message", "content": "go away"}', url=CHAT_URL, status=403)
    assert (record.outcome, record.api) == (Outcome.REJECTED, "openai.chat")


def test_a_proxy_s_page_with_its_status_is_a_refusal() -> None:
    page = b"<html><head><title>502 Bad Gateway</title></head></html>"
    record, _ = inspected(page, status=502)
    assert (record.outcome, record.error_message) == (Outcome.REJECTED, "502 Bad Gateway")


@given(st.binary(max_size=300) | st.integers(0, len(anthropic())).map(lambda at: anthropic()[at:]), st.booleans())
def test_whatever_bytes_come_they_are_shown_or_refused(body: bytes, addressed: bool) -> None:
    try:
        record, contents = inspected(body, url=ANTHROPIC_URL if addressed else None)
    except UninspectableError:
        return
    assert codec.decode_record(codec.encode_record(record)) == record
    assert msgspec.json.decode(codec.encode_contents(contents))["id"] == record.id

"""The record of a finished stream: every field from where it belongs, and from nowhere else."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finished_streams import AT_US, CALL, CANCELLED, REJECTED, answer, close, head, link, note, opening, stream
from streamgauge.processors.measures.own_prices import read_prices
from streamgauge.processors.providers.answer import Answer, ErrorSeen
from streamgauge.processors.providers.replicate import REPLICATE_PREDICTIONS
from streamgauge.processors.reassembly.finished import FinishedStream, Marks, Verdict
from streamgauge.processors.record import PARSER_VERSION, Measures, write
from streamgauge.schemas import codec
from streamgauge.schemas.frames import Context, ToolEvent
from streamgauge.schemas.limits import RECORD_BYTES_MAX, TAGS_MAX
from streamgauge.schemas.records import GROUPS, Choice, Contents, Record, Text, ToolCall, ToolEventContent
from streamgauge.schemas.words import (
    AttemptKind,
    Billing,
    ContentMode,
    EndedBy,
    How,
    Operation,
    Outcome,
    ToolEventKind,
    UsageSource,
)

MEASURES = Measures()
PLANTED = st.text().map(lambda text: f"Bearer sk-planted-{text}")


def written(finished: FinishedStream) -> tuple[Record, Contents]:
    return write(finished, topic="streamgauge.chunks", partition=3, rules="abc", measures=MEASURES)


def record(finished: FinishedStream) -> Record:
    return written(finished)[0]


def contents(finished: FinishedStream) -> Contents:
    return written(finished)[1]


# ---------------------------------------------------------------------- the whole


def test_a_completed_chat_stream_is_written_whole() -> None:
    found = record(stream(links=[link(head=head(x_request_id="req_1", x_ms_region="swedencentral"))]))
    expected: dict[str, Any] = {
        "id": "t1/00010203-0405-0607-0809-0a0b0c0d0e0f.0",
        "tenant": "t1",
        "call_id": "00010203-0405-0607-0809-0a0b0c0d0e0f",
        "attempt": 0,
        "attempt_kind": AttemptKind.FIRST,
        "operation": Operation.CHAT,
        "streamed": True,
        "provider": "openai",
        "api": "openai.chat",
        "model_requested": "gpt-4o",
        "model": "gpt-4o-2024-08-06",
        "server_address": "api.openai.com",
        "region": "swedencentral",
        "response_id": "chatcmpl-1",
        "provider_request_id": "req_1",
        "outcome": Outcome.COMPLETED,
        "ended_by": EndedBy.PROVIDER,
        "evidence": "[DONE]",
        "evidence_offset": 99,
        "content_complete": True,
        "stream_complete": True,
        "status": 200,
        "finish_reasons": ["stop"],
        "generations": 1,
        "requested_at_us": AT_US,
        "first_append_us": AT_US + 5,
        "headers_us": 200_000,
        "ttft_us": 300_000,
        "last_token_us": 700_000,
        "ended_us": 900_000,
        "masked_gaps": 0,
        "stalls": 0,
        "tokens_per_s": 4.286,
        "tokens_per_s_after_first": 5.0,
        "usage_input": 8,
        "usage_output": 3,
        "usage_total": 11,
        "usage_source": UsageSource.PROVIDER,
        "cost_usd": Decimal("0.00005"),
        "cost_breakdown": {"input": Decimal("0.00002"), "output": Decimal("0.00003")},
        "price_source": "genai-prices",
        "billing": Billing.BILLED,
        "billing_basis": "usage_stated",
        "choices": 1,
        "tool_calls": 0,
        "chunks": 2,
        "topic": "streamgauge.chunks",
        "partition": 3,
        "first_offset": 10,
        "last_offset": 13,
        "closed_at_us": AT_US + 900_005,
        "rules": "abc",
        "parser_version": PARSER_VERSION,
    }
    assert {name: getattr(found, name) for name in expected} == expected


def test_the_contents_hold_request_and_response_under_the_same_id() -> None:
    found, shown = written(stream(links=[link(head=head(x_request_id="req_1"))]))
    assert (shown.id, shown.tenant, shown.revision) == (found.id, found.tenant, found.revision)
    assert bytes(shown.request) == opening().request
    assert shown.choices == [
        Choice(index=0, role="assistant", parts=[Text(text="hi there")], finish_reason="stop", generation=0)
    ]
    assert msgspec.json.decode(shown.usage_raw) == {"prompt_tokens": 8, "completion_tokens": 3, "total_tokens": 11}
    assert shown.headers == {"x-request-id": "req_1"}


@given(
    st.dictionaries(
        st.sampled_from(["authorization", "Set-Cookie", "x-api-key", "proxy-authorization", "x-own"]), PLANTED
    )
)
def test_no_header_beyond_the_list_reaches_a_record_whoever_produced_it(planted: dict[str, Any]) -> None:
    """A shim sends none of them; a producer of somebody else's may."""
    found, shown = written(stream(links=[link(head=head(x_request_id="req_1", **planted))]))
    assert shown.headers == {"x-request-id": "req_1"}
    assert b"sk-planted" not in codec.encode_record(found) + codec.encode_contents(shown)


def test_the_same_stream_is_written_the_same_to_the_byte() -> None:
    first, second = (
        written(stream()),
        write(stream(), topic="streamgauge.chunks", partition=3, rules="abc", measures=Measures()),
    )
    assert codec.encode_record(first[0]) == codec.encode_record(second[0])
    assert codec.encode_contents(first[1]) == codec.encode_contents(second[1])


def test_every_group_but_those_a_stream_has_nothing_of_is_filled() -> None:
    """A stream with everything leaves no field of the record at its default that this version can know."""
    given = stream(
        opening=opening(
            call_ref="mine", parent_attempt=1, sdk="openai-python/3", context=_full_context(), tags={"a": "b"}
        ),
        resume_gap_us=5,
        consumer_wait_us=6,
        holes=1,
        missing_chunks=2,
        shim_dropped_chunks=0,
    )
    found = record(given)
    unknown = {name for name in GROUPS["context"] if getattr(found, name) is None}
    assert unknown == set()
    for name in ("call_ref", "parent_attempt", "sdk", "resume_gap_us", "consumer_wait_us", "missing_chunks"):
        assert getattr(found, name) is not None, name


def _full_context() -> Context:
    return Context(**{name: name.upper() for name in Context.__struct_fields__})


# ---------------------------------------------------------------------- context, tags, models


def test_notes_are_laid_over_the_opening_in_their_order() -> None:
    given = stream(
        opening=opening(context=Context(user_id="u1", session_id="s1"), tags={"a": "1", "b": "1"}),
        notes=[
            note(1, context=Context(user_id="u2"), tags={"b": "2", "c": "2"}),
            note(2, context=Context(agent_name="scout"), tags={"c": "3"}),
        ],
    )
    found = record(given)
    assert (found.user_id, found.session_id, found.agent_name) == ("u2", "s1", "scout")
    assert found.tags == {"a": "1", "b": "2", "c": "3"}
    assert not found.capped


def test_tags_of_many_notes_keep_the_bound_of_one_frame() -> None:
    notes = [note(at, tags={f"tag{at:03}": "x"}) for at in range(100)]
    found = record(stream(notes=notes))
    assert len(found.tags) == TAGS_MAX
    assert found.capped


@pytest.mark.parametrize(
    ("opened", "noted", "model"),
    [(None, [], "gpt-4o-2024-08-06"), ("mine", [], "mine"), ("mine", ["a", "b"], "b"), (None, ["a", None], "a")],
)
def test_the_model_is_the_user_s_latest_word_or_else_the_provider_s(
    opened: str | None, noted: list[str | None], model: str
) -> None:
    notes = [note(at, model=name) for at, name in enumerate(noted)]
    assert record(stream(opening=opening(model=opened), notes=notes)).model == model


@pytest.mark.parametrize(
    ("changes", "requested"),
    [
        ({}, "gpt-4o"),
        ({"request": None, "path": "/openai/deployments/my-gpt/chat/completions"}, "my-gpt"),
        ({"request": b"{}", "path": "/openai/deployments/my-gpt/chat/completions"}, "my-gpt"),
        (
            {"request": b"{}", "path": "/model/us.anthropic.claude-sonnet-4-v1%3A0/converse-stream"},
            "us.anthropic.claude-sonnet-4-v1:0",
        ),
        ({"request": None, "path": "/model/meta.llama3-8b-instruct-v1:0/invoke"}, "meta.llama3-8b-instruct-v1:0"),
        (
            {"request": None, "path": "/model/arn:aws:bedrock:eu-west-1:1:inference-profile/eu.nova/converse"},
            "arn:aws:bedrock:eu-west-1:1:inference-profile/eu.nova",
        ),
        (
            {"request": None, "path": "/model/arn%3Aaws%3Abedrock%3A%3A%3Aa%2Fb/invoke-with-response-stream"},
            "arn:aws:bedrock:::a/b",
        ),
        ({"request": None, "path": "/v1beta/models/gemini-2.5-pro:streamGenerateContent"}, "gemini-2.5-pro"),
        ({"request": b"[1]"}, None),
        ({"request": b'{"model": 5}'}, None),
        ({"request": b"not json"}, None),
        ({"request": None, "model": "said"}, "said"),
    ],
)
def test_the_requested_model_stands_in_the_body_or_in_the_path(changes: dict[str, Any], requested: str | None) -> None:
    assert record(stream(opening=opening(**changes))).model_requested == requested


@pytest.mark.parametrize(
    ("path", "operation"),
    [
        ("/v1/chat/completions", Operation.CHAT),
        ("/v1/embeddings", Operation.EMBEDDINGS),
        ("/my/own/path", Operation.CHAT),  # what the API does, where no route says
        ("/my/own/model/embed", Operation.CHAT),
        ("/model/meta.llama3-8b-instruct-v1:0/invoke", Operation.CHAT),
        ("/model/amazon.titan-embed-text-v2%3A0/invoke", Operation.EMBEDDINGS),
        ("/model/cohere.rerank-v3-5:0/invoke", Operation.RERANK),
        ("/model/amazon.nova-canvas-v1:0/invoke", Operation.IMAGE),
        ("/model/stability.sd3-5-large-v1:0/invoke", Operation.IMAGE),
    ],
)
def test_the_operation_is_the_route_s_or_else_the_api_s(path: str, operation: Operation) -> None:
    assert record(stream(opening=opening(path=path, request=None))).operation is operation


def test_where_only_the_model_knows_the_operation_it_is_unknown() -> None:
    given = opening(path="/v1/predictions", request=None)
    assert record(stream(opening=given, api=REPLICATE_PREDICTIONS)).operation is None


def test_a_stream_of_an_unknown_api_has_no_operation_of_its_own() -> None:
    given = stream(opening=opening(path="/my/own/path"), api=None, answers=[])
    found = record(given)
    assert (found.operation, found.api, found.choices, found.tool_calls) == (None, None, None, None)
    assert (found.usage_source, found.cost_null_reason) == (UsageSource.NONE, "no_usage")


# ---------------------------------------------------------------------- several links


def test_the_last_link_that_brought_something_speaks_for_the_stream() -> None:
    first = link(head=head(x_request_id="one"))
    second = link(opening=opening(link_no=1, cursor="7"), head=head(x_request_id="two"), opened_us=2_000_000)
    refused = link(opening=opening(link_no=2), head=head(404, x_request_id="three"), chunks=1)
    found = record(stream(links=[first, second, refused], resume_gap_us=1_100_000))
    assert (found.status, found.provider_request_id) == (200, "two")
    assert [each.link_no for each in found.links] == [0, 1, 2]
    assert (found.links[1].resumed_from, found.links[1].opened_us) == ("7", 2_000_000)
    assert found.resume_gap_us == 1_100_000


def test_where_every_link_was_refused_the_last_refusal_speaks() -> None:
    links = [link(head=head(500), chunks=1), link(head=head(404), chunks=1), link(head=None, chunks=0)]
    assert record(stream(links=links, answers=[], verdict=REJECTED)).status == 404


def test_a_stream_nobody_answered_has_no_status() -> None:
    silent = link(head=None, chunks=0, close=close(How.SEND_ERROR, cause="ConnectError"), how=How.SEND_ERROR)
    verdict = Verdict(outcome=Outcome.FAILED, ended_by=EndedBy.NETWORK, evidence="send_error")
    found = record(
        stream(links=[silent], answers=[], api=None, streamed=None, verdict=verdict, marks=Marks(), chunks=0)
    )
    assert (found.status, found.streamed, found.ttft_us, found.masked_gaps) == (None, None, None, None)
    assert (found.error_kind, found.error_type) == ("network", "ConnectError")
    assert (found.billing, found.billing_basis) == (Billing.UNKNOWN, "no_output")


def test_a_spliced_stream_shows_both_generations_and_pays_for_both() -> None:
    usage = {"prompt_tokens": 8, "completion_tokens": 3}
    given = stream(answers=[answer("one", usage=usage, finish=None), answer("two", usage=usage)])
    found, shown = written(given)
    assert (found.generations, found.usage_input, found.usage_output) == (2, 16, 6)
    assert [(choice.generation, choice.parts) for choice in shown.choices] == [
        (0, [Text(text="one")]),
        (1, [Text(text="two")]),
    ]
    assert msgspec.json.decode(shown.usage_raw) == [usage, usage]


def test_a_generation_without_id_and_model_gets_none_of_the_one_before() -> None:
    last = answer("two")
    last.response_id = last.model = None
    found = record(stream(answers=[answer("one"), last]))
    assert (found.generations, found.response_id, found.model) == (2, None, None)


# ---------------------------------------------------------------------- usage and cost


@pytest.mark.parametrize(
    "body", [b"prompt=hello", b'{"messages":[{"role":"user","content":"hel', b'{"messages":[],"x":"\xff"}']
)
def test_the_input_is_not_estimated_from_a_request_that_cannot_be_read(body: bytes) -> None:
    found, _ = written(stream(opening=opening(request=body), answers=[answer("hi")], verdict=CANCELLED))
    assert (found.usage_input, found.usage_output) == (None, 1)


def test_a_cut_stream_without_usage_is_estimated_and_priced_from_the_estimate() -> None:
    found = record(stream(answers=[answer("four words of answer", finish=None)], verdict=CANCELLED))
    assert (found.usage_source, found.usage_method) == (UsageSource.ESTIMATED, "tiktoken/o200k_base")
    assert (found.usage_input, found.usage_output, found.output_seen) == (8, 4, 4)
    assert found.usage_estimated == ["usage_input", "usage_output"]
    assert found.cost_usd == Decimal("0.00006")
    assert (found.billing, found.billing_basis) == (Billing.LIKELY, "interrupted")


def test_a_tenant_s_own_prices_reach_its_streams_by_the_tag_that_names_the_account() -> None:
    own = read_prices(b"""
[[price]]
tenant = "t1"
account = "contoso"
per_unit = { requests = 1 }
per_million = { input = 0, output = 0 }
""")

    def priced(**tags: str) -> Record:
        given = stream(
            opening=opening(tags=tags),
            answers=[answer(usage={"prompt_tokens": 3, "completion_tokens": 1})],
        )
        return write(given, topic=None, partition=None, rules=None, measures=Measures(own))[0]

    ours, listed = priced(provider_account="contoso"), priced()
    assert (ours.cost_usd, ours.price_source) == (Decimal(1), "own_prices")
    assert listed.price_source == "genai-prices"
    assert ours.price_version == listed.price_version


def test_output_that_cannot_be_counted_has_no_cost() -> None:
    given = answer("the visible answer", finish=None)
    given.model = "o3"
    found = record(stream(answers=[given], verdict=CANCELLED))
    assert (found.usage_output, found.output_seen) == (None, 3)
    assert (found.cost_usd, found.cost_null_reason) == (None, "incomplete_usage")


def test_a_request_that_was_not_kept_leaves_the_input_unknown() -> None:
    given = opening(request=None, request_bytes=5, request_sha256=bytes(32))
    found, shown = written(stream(opening=given, answers=[answer("a b", finish=None)], verdict=CANCELLED))
    assert (found.usage_input, found.usage_output) == (None, 2)
    assert msgspec.json.decode(shown.request) == {"omitted": True, "bytes": 5, "sha256": "00" * 32}


def test_a_refused_request_costs_nothing_and_is_not_counted() -> None:
    found = record(stream(answers=[], verdict=REJECTED, links=[link(head=head(429, retry_after="3"))]))
    assert (found.usage_source, found.usage_input, found.cost_usd) == (UsageSource.NONE, None, None)
    assert (found.cost_null_reason, found.billing) == ("not_billed", Billing.NOT_BILLED)
    assert found.retry_after_us == 3_000_000


def test_the_provider_s_own_cost_stands_beside_ours() -> None:
    given = answer(usage={"prompt_tokens": 8, "completion_tokens": 3})
    given.cost_provider_usd = Decimal("0.0001")
    found = record(stream(answers=[given]))
    assert (found.cost_provider_usd, found.cost_usd) == (Decimal("0.0001"), Decimal("0.00005"))


def test_an_answer_of_several_models_is_priced_by_model() -> None:
    given = answer(usage={"prompt_tokens": 2_000_000, "completion_tokens": 0})
    given.usage_breakdown = [
        {"model": "gpt-4o", "usage": {"prompt_tokens": 1_000_000, "completion_tokens": 0}},
        {"model": "gpt-4o-mini", "usage": {"prompt_tokens": 1_000_000, "completion_tokens": 0}},
    ]
    assert record(stream(answers=[given])).cost_usd == Decimal("2.65")


def test_units_are_summed_over_generations_and_searches_are_priced() -> None:
    first, second = (answer(usage={"prompt_tokens": 1, "completion_tokens": 1}) for _ in range(2))
    first.units = {"search_queries": 2.0}
    second.units = {"search_queries": 1.0, "images": 1.0}
    found = record(stream(answers=[first, second]))
    assert found.units == {"images": 1.0, "search_queries": 3.0}
    assert found.cost_breakdown["search_queries"] == Decimal("0.03")


def test_warnings_are_sorted_and_said_once() -> None:
    given = answer(usage={"prompt_tokens": 8, "completion_tokens": 3, "total_tokens": 99})
    given.warnings = ["usage_inconsistent", "odd"]
    found = record(stream(answers=[given], warnings=["zzz", "odd"]))
    assert found.warnings == ["odd", "usage_inconsistent", "zzz"]
    assert found.usage_total == 99


# ---------------------------------------------------------------------- content


@pytest.mark.parametrize("mode", [ContentMode.MEASURE_ONLY, ContentMode.SIZES_ONLY, ContentMode.UNKNOWN])
def test_content_the_tenant_keeps_back_is_measured_and_nowhere_shown(mode: ContentMode) -> None:
    given = answer("secret answer", finish=None)
    given.error = ErrorSeen(type="server_error", message="secret error", raw=msgspec.Raw(b'"secret raw"'))
    event = ToolEvent(kind=ToolEventKind.TOOL, input=msgspec.Raw(msgspec.msgpack.encode("secret input")))
    held = opening(content=mode, request=msgspec.json.encode({"messages": [{"role": "user", "content": "secret"}]}))
    found, shown = written(
        stream(
            opening=held, answers=[given], notes=[note(tool_event=event)], links=[link(opening=held)], verdict=CANCELLED
        )
    )
    assert shown == Contents(id=found.id, tenant="t1")
    assert b"secret" not in codec.encode_record(found) + codec.encode_contents(shown)
    assert (found.output_seen, found.error_type, found.error_message) == (2, "server_error", None)


def test_the_strictest_link_decides_what_is_shown() -> None:
    links = [link(), link(opening=opening(link_no=1, content=ContentMode.MEASURE_ONLY))]
    assert contents(stream(links=links)).choices == []


def test_structure_shows_what_is_left_of_the_content() -> None:
    assert contents(stream(opening=opening(content=ContentMode.STRUCTURE))).choices != []


def test_tool_events_of_notes_become_json() -> None:
    packed = msgspec.Raw(msgspec.msgpack.encode({"q": ["rivers"]}))
    event = ToolEvent(kind=ToolEventKind.VECTOR_DB, name="search", input=packed, duration_us=5, ok=True)
    shown = contents(stream(notes=[note(7, tool_event=event), note(8, tags={"a": "b"})]))
    assert shown.tool_events == [
        ToolEventContent(
            kind=ToolEventKind.VECTOR_DB,
            at_us=7,
            name="search",
            input=msgspec.Raw(b'{"q":["rivers"]}'),
            duration_us=5,
            ok=True,
        )
    ]


def test_tool_calls_are_counted() -> None:
    given = answer("")
    call = given.choice().tool("call_1")
    call.id, call.name, call.complete = "call_1", "f", True
    call.pieces.append('{"a":1}')
    found, shown = written(stream(answers=[given]))
    assert (found.choices, found.tool_calls) == (1, 1)
    assert shown.choices[0].parts == [
        ToolCall(id="call_1", name="f", arguments='{"a":1}', complete=True, json_valid=True)
    ]


@pytest.mark.parametrize(
    "body", [b"\xff\xfe", b"[1,", b'{"a":"\xff"}', b"{", b"", b"a=1&b=2", b'{"a":' * 100_000, b"\xef\xbb\xbf{}"]
)
def test_a_request_that_is_not_json_cannot_spoil_the_contents(body: bytes) -> None:
    encoded = codec.encode_contents(contents(stream(opening=opening(request=body))))
    assert msgspec.json.decode(encoded)["request"]["bytes"] == len(body)


# ---------------------------------------------------------------------- bounds and laws


def test_what_a_record_takes_is_bounded_whatever_it_holds() -> None:
    wild = "\x01" * 8 * 1024
    context = Context(**dict.fromkeys(Context.__struct_fields__, wild))
    given = answer("a" * 3_000_000)
    given.response_id = given.model = given.service_tier = "\x01" * 1_000_000
    given.error = ErrorSeen(type=wild * 99, code=wild * 99, message=wild * 99)
    given.warnings = [f"{index}{wild}" for index in range(500)]
    given.choice().finish_reason = wild * 99
    first = opening(
        context=context, call_ref=wild, host=wild, sdk=wild, tags={f"{index}": "\x01" * 100 for index in range(64)}
    )
    links = [link(opening=opening(link_no=index, cursor=wild)) for index in range(400)]
    found, shown = written(stream(opening=first, links=links, answers=[given] * 3))
    assert len(codec.encode_record(found)) <= RECORD_BYTES_MAX
    assert len(codec.encode_contents(shown)) <= RECORD_BYTES_MAX
    assert found.capped
    assert found.response_id == "\x01" * 1024


def test_a_text_beyond_its_bound_is_cut_and_the_record_says_so() -> None:
    given = answer()
    given.response_id = "é" * 10_000
    found = record(stream(answers=[given]))
    assert found.response_id == "é" * 4096
    assert found.capped


def test_contents_that_had_to_give_way_make_the_record_capped() -> None:
    found, shown = written(stream(answers=[answer("x" * 1_000_000)]))
    assert found.capped
    assert len(codec.encode_contents(shown)) <= RECORD_BYTES_MAX


RAW_TEXT = st.text(max_size=30)


@given(
    st.lists(st.builds(answer, RAW_TEXT, finish=st.none() | RAW_TEXT), max_size=3),
    st.sampled_from([*Outcome, None]),
    st.sampled_from([200, 302, 404, 500, None]),
    st.binary(max_size=60) | st.none(),
    st.booleans(),
)
def test_whatever_was_seen_is_written_and_can_be_read_again(
    answers: list[Answer], outcome: Outcome | None, status: int | None, request: bytes | None, known: bool
) -> None:
    verdict = Verdict(outcome=outcome, ended_by=None, evidence=None)
    changes: dict[str, Any] = {} if known else {"api": None}
    given = stream(
        opening=opening(request=request),
        links=[link(head=head(status) if status else None)],
        answers=answers,
        verdict=verdict,
        **changes,
    )
    found, shown = written(given)
    assert codec.decode_record(codec.encode_record(found)) == found
    assert codec.decode_contents(codec.encode_contents(shown)) == shown


def test_writing_takes_a_fraction_of_a_millisecond() -> None:
    given = stream()
    written(given)
    began = time.process_time()
    for _ in range(500):
        written(given)
    assert (time.process_time() - began) / 500 < 0.0005  # five times the promise, for slow machines


def test_the_call_is_written_as_a_uuid() -> None:
    assert record(stream()).call_id.replace("-", "") == CALL.hex()

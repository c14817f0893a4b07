"""Chat completions, and every oddity of the family that speaks them."""

from __future__ import annotations

import base64
import hashlib
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from sse_play import DONE, carried, choices, parts, play, play_body, said, sse, tools
from streamgauge.processors.providers.answer import Output
from streamgauge.processors.providers.openai_chat import OPENAI_CHAT
from streamgauge.schemas.records import Audio, Citation, Image, Reasoning, Refusal

API = "openai.chat"
USAGE = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}


def chunk(delta: dict[str, Any] | None = None, *, finish: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta or {}, "finish_reason": finish}
    return {"id": "c1", "object": "chat.completion.chunk", "model": "gpt-x", "choices": [choice]} | more


def only(**more: Any) -> dict[str, Any]:
    return chunk(**more) | {"choices": []}


HELLO = [chunk({"role": "assistant", "content": ""}), chunk({"content": "Hel"}), chunk({"content": "lo"})]
STOP = chunk(finish="stop")


def test_a_stream_is_text_finish_usage_and_marker() -> None:
    body = sse(*HELLO, STOP, only(usage=USAGE), DONE)
    reading, outputs = play_body(body, api=API)
    answer = reading.answer
    assert (answer.response_id, answer.model, said(answer)) == ("c1", "gpt-x", "Hello")
    assert (answer.finish_reasons(), choices(answer)[0].role) == (["stop"], "assistant")
    assert (answer.usage_raw, answer.usage_reports, answer.preliminary) == (USAGE, 1, frozenset())
    assert reading.ending is not None
    assert (reading.ending.kind, reading.ending.evidence, reading.ending.offset) == ("completed", "[DONE]", len(body))
    assert outputs == [Output.NOTHING, Output.TEXT, Output.TEXT, *[Output.NOTHING] * 3]
    assert reading.content_complete()
    assert answer.warnings == []


def test_a_finish_without_its_marker_is_content_without_an_ending() -> None:
    reading = play(sse(*HELLO, STOP), api=API)
    assert reading.ending is None
    assert reading.content_complete()


@pytest.mark.parametrize("provider", ["perplexity", "writer", "gpustack"])
def test_a_provider_without_a_marker_ends_with_a_proper_end_of_the_body(provider: str) -> None:
    body = sse(*HELLO, STOP)
    ended = play(body, api=API, provider=provider).ending
    assert ended is not None
    assert (ended.kind, ended.evidence, ended.offset) == ("completed", "eof", len(body))
    assert play(body, api=API, provider=provider, proper_eof=False).ending is None
    assert play(sse(*HELLO), api=API, provider=provider).ending is None


def test_the_marker_alone_completes_a_stream_and_the_missing_finish_is_said() -> None:
    """Snowflake sends no finish reason at all."""
    reading = play(sse(*HELLO, DONE), api=API)
    assert reading.ending is not None
    assert reading.ending.kind == "completed"
    assert (reading.answer.finish_reasons(), reading.answer.warnings) == ([], ["no_finish_reason"])


@pytest.mark.parametrize("marker", [b"data: [DONE]\n\n", b"data:[DONE]\n\n", b"data:  [DONE] \n\n", b"data: [DONE]"])
def test_the_marker_is_known_in_every_spelling(marker: bytes) -> None:
    reading = play(sse(*HELLO, STOP, marker), api=API)
    assert reading.ending is not None
    assert reading.ending.evidence == "[DONE]"


def test_choices_that_interleave_stay_apart() -> None:
    def at(index: int, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        return chunk() | {"choices": [{"index": index, "delta": delta, "finish_reason": finish}]}

    reading = play(
        sse(at(1, {"content": "B"}), at(0, {"content": "A"}), at(1, {"content": "2"}, "length"), at(0, {}, "stop")),
        api=API,
    )
    first, second = choices(reading.answer)
    assert (first.index, second.index) == (0, 1)
    assert said(reading.answer) == "A"
    assert reading.answer.finish_reasons() == ["stop", "length"]
    assert reading.content_complete()


@pytest.mark.parametrize(
    "delta",
    [
        {"reasoning_content": "think"},
        {"reasoning": "think"},
        {"reasoning": "think", "reasoning_content": "think"},
        {"reasoning": "think", "reasoning_details": [{"type": "reasoning.text", "text": "think"}]},
        {"reasoning_details": [{"type": "reasoning.text", "text": "think"}]},
        {"reasoning_details": [{"type": "reasoning.summary", "summary": "think"}]},
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "think"}]}]},
        {"content": [{"type": "thinking", "thinking": "think"}]},
    ],
)
def test_reasoning_is_reasoning_in_every_spelling_and_told_once(delta: dict[str, Any]) -> None:
    reading, outputs = play_body(sse(chunk(delta), chunk({"content": "so"})), api=API)
    assert said(reading.answer, Reasoning) == "think"
    assert said(reading.answer) == "so"
    assert outputs == [Output.REASONING, Output.TEXT]


def test_encrypted_reasoning_is_a_part_without_text() -> None:
    details = [{"type": "reasoning.encrypted", "data": "gAAA"}]
    reading = play(sse(chunk({"content": "", "reasoning_details": details})), api=API)
    assert parts(reading.answer) == [Reasoning(text="", signature="gAAA", encrypted=True)]


def test_content_may_be_a_list_of_text_and_references() -> None:
    reference = {"type": "reference", "reference_ids": [1]}
    reading = play(
        sse(chunk({"content": [{"type": "text", "text": "A"}, reference]}), chunk({"content": "B"})), api=API
    )
    assert said(reading.answer) == "AB"
    assert carried(reading.answer) == [("reference", reference)]


def test_twins_of_a_delta_are_not_added_to_it() -> None:
    """Together repeats the text beside the delta, Perplexity the whole message so far."""
    twin = chunk({"content": "A"})
    twin["choices"][0] |= {"text": "A", "message": {"content": "A"}}
    assert said(play(sse(twin), api=API).answer) == "A"


def test_perplexitys_message_beside_the_last_delta_is_its_own_copy() -> None:
    last = chunk(finish="stop")
    last["choices"][0] |= {"message": {"role": "assistant", "content": "Hello"}}
    assert play(sse(*HELLO, last), api=API).answer.warnings == []
    settled = play(sse(*HELLO[:2], last), api=API).answer
    assert (said(settled), settled.warnings) == ("Hello", ["snapshot_differs"])
    last["choices"][0]["message"]["content"] = "He"
    shorter = play(sse(*HELLO, last), api=API).answer
    assert (said(shorter), shorter.warnings) == ("Hello", [])


def test_a_refusal_is_no_text() -> None:
    reading, outputs = play_body(
        sse(chunk({"refusal": "No"}), chunk({"refusal": "."}), chunk({"refusal": ""})), api=API
    )
    assert parts(reading.answer) == [Refusal(text="No.")]
    assert outputs == [Output.OTHER, Output.OTHER, Output.NOTHING]


def test_spoken_output_is_its_transcript_and_the_hash_of_its_sound() -> None:
    first, second = b"\x00\x01\x02", b"\x03"
    deltas: list[dict[str, Any]] = [
        {"audio": {"id": "a", "data": base64.b64encode(first).decode(), "transcript": "Hel"}},
        {"audio": {"data": base64.b64encode(second).decode(), "transcript": "lo"}},
        {"audio": {"expires_at": 1}},
    ]
    reading = play(sse(*[chunk(delta) for delta in deltas]), api=API)
    digest = hashlib.sha256(first + second).hexdigest()
    assert parts(reading.answer) == [Audio(bytes=4, sha256=digest, transcript="Hello")]


def test_images_are_references_and_annotations_citations() -> None:
    picture = base64.b64encode(b"png").decode()
    images = [{"image_url": {"url": f"data:image/png;base64,{picture}"}}, {"image_url": {"url": "https://x/y.png"}}]
    annotation = {"type": "url_citation", "url_citation": {"url": "https://x"}}
    reading = play(sse(chunk({"images": images, "annotations": [annotation]})), api=API)
    inline, cited = Image(media_type="image/png", bytes=3, sha256=hashlib.sha256(b"png").hexdigest()), annotation
    assert [part for part in parts(reading.answer) if isinstance(part, Image)] == [inline, Image(url="https://x/y.png")]
    [citation] = [part for part in parts(reading.answer) if isinstance(part, Citation)]
    assert msgspec.json.decode(citation.citation) == cited


def test_groq_reports_usage_tools_and_trouble_in_a_field_of_its_own() -> None:
    tool = {"index": 0, "type": "search", "arguments": "{}"}
    models = [{"model": "llama", "usage": USAGE}]
    reading = play(
        sse(
            chunk({"role": "assistant", "executed_tools": [tool]}, x_groq={"id": "req"}),
            chunk({"executed_tools": [{"index": 0, "output": "found"}], "content": "A"}),
            chunk(finish="stop", x_groq={"usage": USAGE, "usage_breakdown": {"models": models}}),
            DONE,
        ),
        api=API,
    )
    assert reading.provider == "groq"
    assert carried(reading.answer) == [("executed_tool", {**tool, "output": "found"})]
    assert (reading.answer.usage_raw, reading.answer.usage_breakdown) == (USAGE, models)
    stopped = play(sse(*HELLO, only(x_groq={"error": "over capacity"}), DONE), api=API)
    assert stopped.ending is not None
    assert stopped.ending.kind == "failed"
    assert stopped.answer.error is not None
    assert stopped.answer.error.message == "over capacity"


def test_azure_begins_with_a_chunk_that_has_neither_id_nor_choices() -> None:
    preamble = {"id": "", "model": "", "object": "", "choices": [], "prompt_filter_results": []}
    late = chunk(finish="content_filter")
    late["choices"][0]["content_filter_results"] = {"hate": {"filtered": True}}
    reading = play(sse(preamble, *HELLO, late, {"latency_checkpoint": {"a": 1}}, DONE), api=API)
    assert (reading.answer.response_id, reading.answer.model, reading.provider) == ("c1", "gpt-x", "azure")
    assert (said(reading.answer), reading.answer.finish_reasons()) == ("Hello", ["content_filter"])
    assert (len(reading.answers), reading.unknown_events) == (1, 0)


def test_openrouter_names_the_upstream_and_the_cost() -> None:
    usage = {**USAGE, "cost": 0.00014, "is_byok": False}
    reading = play(
        sse(
            b": OPENROUTER PROCESSING\n\n",
            *(event | {"id": "gen-1", "provider": "Novita"} for event in (*HELLO, STOP)),
            chunk(usage=usage) | {"id": "gen-1"},
            DONE,
        ),
        api=API,
    )
    assert (reading.provider, reading.answer.provider, reading.comments) == ("openrouter", "Novita", 1)
    assert reading.answer.cost_provider_usd == Decimal("0.00014")
    assert reading.answer.preliminary == frozenset()


def test_perplexity_counts_in_every_chunk_and_ends_with_an_object_of_its_own() -> None:
    def counted(number: int, **more: Any) -> dict[str, Any]:
        usage = {"prompt_tokens": 5, "completion_tokens": number, "total_tokens": 5 + number}
        return chunk(
            {"role": "assistant", "content": "x"}, usage=usage, citations=["a"], search_results=[{"b": 1}], **more
        )

    running = play(sse(counted(1), counted(2)), api=API)
    assert running.answer.preliminary == {"output", "total"}
    last = counted(3, object="chat.completion.done")
    last["usage"] |= {"cost": {"total_cost": 0.006}, "num_search_queries": 2}
    last["choices"][0]["finish_reason"] = "stop"
    last["search_results"] = []
    reading = play(sse(counted(1), counted(2), last), api=API)
    assert reading.provider == "perplexity"
    assert reading.ending is not None
    assert reading.ending.evidence == "chat.completion.done"
    assert OPENAI_CHAT.usage(reading.answer.usage_raw or {}).output == 3
    assert (reading.answer.cost_provider_usd, reading.answer.units) == (Decimal("0.006"), {"search_queries": 2.0})
    assert carried(reading.answer) == [("search_results", {"citations": ["a"], "search_results": [{"b": 1}]})]
    assert reading.answer.preliminary == frozenset()


def test_moonshot_reports_usage_in_a_choice() -> None:
    last = chunk(finish="stop")
    last["choices"][0]["usage"] = USAGE
    assert play(sse(*HELLO, last, DONE), api=API).answer.usage_raw == USAGE


def test_running_counts_become_final_with_a_chunk_of_their_own() -> None:
    """vLLM with continuous_usage_stats counts in every chunk."""
    running = [event | {"usage": USAGE} for event in HELLO]
    assert play(sse(*running), api=API).answer.preliminary == {"output", "total"}
    assert play(sse(*running, STOP, only(usage=USAGE), DONE), api=API).answer.preliminary == frozenset()


def test_usage_is_the_last_value_that_is_not_null_and_zero_is_a_value() -> None:
    first = {
        "prompt_tokens": 9,
        "completion_tokens": 5,
        "prompt_tokens_details": {"cached_tokens": 3, "audio_tokens": 1},
    }
    last = {"prompt_tokens": None, "completion_tokens": 0, "prompt_tokens_details": {"cached_tokens": 0}}
    answer = play(sse(*HELLO, STOP, only(usage=first), only(usage=last), only(usage=None), DONE), api=API).answer
    usage = OPENAI_CHAT.usage(answer.usage_raw or {})
    assert (usage.input, usage.output, usage.cache_read, usage.audio_in) == (9, 0, 0, 1)
    assert answer.usage_reports == 2


@pytest.mark.parametrize(
    ("shape", "kind", "code", "status"),
    [
        (sse({"error": {"message": "broke", "type": "server_error", "code": None}}), "server_error", None, None),
        (sse({"error": {"message": "broke", "code": 502}}), None, "502", 502),
        (b"event: error\n" + sse({"error": {"message": "broke", "code": "x", "status_code": 400}}), None, "x", 400),
        (
            sse({"object": "error", "message": "broke", "type": "BadRequestError", "code": 400}),
            "BadRequestError",
            "400",
            400,
        ),
        (sse(chunk(finish="error") | {"error": {"message": "broke", "code": "z"}}), None, "z", None),
        (b"event: error\n" + sse({"message": "broke"}), None, None, None),
        (b"event: error\ndata: broke\n\n", "text body", None, None),
    ],
)
@pytest.mark.parametrize("tail", [b"", DONE])
def test_an_error_decides_whatever_follows(
    shape: bytes, kind: str | None, code: str | None, status: int | None, tail: bytes
) -> None:
    reading = play(sse(*HELLO, shape, tail), api=API)
    error = reading.answer.error
    assert error is not None
    assert (error.type, error.code, error.message, error.status) == (kind, code, "broke", status)
    assert reading.ending is not None
    assert reading.ending.kind == "failed"
    assert said(reading.answer) == "Hello"


def test_a_choice_without_a_finish_beside_one_that_has_it_was_cut() -> None:
    second = chunk() | {"choices": [{"index": 1, "delta": {"content": "Hal"}, "finish_reason": None}]}
    reading = play(sse(*HELLO, second, STOP, DONE), api=API)
    assert reading.ending is not None
    assert (reading.ending.kind, reading.content_complete()) == ("completed", False)
    assert reading.answer.warnings == ["no_finish_reason"]
    assert play(sse(*HELLO, second, DONE), api=API).content_complete(), "a provider that gives no reasons"


def test_an_error_behind_the_end_stands_beside_it_and_decides_nothing() -> None:
    broke = only(error={"message": "broke", "code": 502})
    reading = play(sse(*HELLO, STOP, DONE, broke), api=API)
    assert reading.ending is not None
    assert (reading.ending.kind, reading.ending.evidence) == ("completed", "[DONE]")
    assert reading.answer.error is not None
    assert (reading.answer.error.message, reading.answer.warnings) == ("broke", ["error_after_end"])
    assert len(reading.answers) == 1


def test_an_error_between_finish_and_marker_decides() -> None:
    reading = play(sse(*HELLO, STOP, only(error={"message": "broke"}), DONE), api=API)
    assert reading.ending is not None
    assert (reading.ending.kind, reading.answer.warnings) == ("failed", [])


def test_an_error_beside_a_finish_keeps_both() -> None:
    failed = chunk({"content": ""}, usage=USAGE, error={"code": 400, "message": "too long"})
    reading = play(sse(*HELLO, chunk(finish="length"), failed, DONE), api=API)
    assert reading.ending is not None
    assert (reading.ending.kind, reading.answer.finish_reasons()) == ("failed", ["length"])
    assert (reading.answer.usage_raw, reading.content_complete()) == (USAGE, True)


def test_a_finish_reason_that_is_an_error_is_one() -> None:
    reading = play(sse(*HELLO, chunk(finish="error"), DONE), api=API)
    assert reading.ending is not None
    assert (reading.ending.kind, reading.ending.evidence) == ("failed", "finish_reason error")


# ---------------------------------------------------------------------- one answer or two


def other(**more: Any) -> list[dict[str, Any]]:
    return [event | {"id": "c2"} | more for event in (chunk({"role": "assistant", "content": "Bye"}), STOP)]


@pytest.mark.parametrize("seen", [1, 2, 3])
def test_a_first_chunk_of_another_id_is_another_answer(seen: int) -> None:
    start = [event | {"created": 1} for event in HELLO[:seen]]
    reading = play(sse(*start, *other(created=2), DONE), api=API)
    assert [said(answer) for answer in reading.answers] == [said(play(sse(*start), api=API).answer), "Bye"]
    assert reading.answers[0].ending is None
    assert reading.answer.response_id == "c2"


def test_another_id_in_the_middle_is_another_answer_where_ids_were_steady() -> None:
    reading = play(sse(*HELLO, chunk({"content": "Bye"}) | {"id": "c2"}), api=API)
    assert [said(answer) for answer in reading.answers] == ["Hello", "Bye"]


def test_ids_that_change_with_every_chunk_are_one_answer() -> None:
    """Groq's compound systems."""
    rotating = [event | {"id": f"c{n}", "created": 1} for n, event in enumerate([*HELLO, STOP])]
    reading = play(sse(*rotating, DONE), api=API)
    assert [said(answer) for answer in reading.answers] == ["Hello"]
    assert reading.answer.response_id == "c0"


def test_a_usage_chunk_of_another_id_is_no_other_answer() -> None:
    reading = play(sse(*HELLO, STOP, only(usage=USAGE) | {"id": "other"}, DONE), api=API)
    assert len(reading.answers) == 1


def test_an_error_of_another_id_ends_this_answer_and_begins_none() -> None:
    """OpenRouter's error chunk looks like a first chunk."""
    error = chunk({"role": "assistant", "content": ""}) | {"id": "gen-x", "model": "m", "error": {"message": "broke"}}
    reading = play(sse(*HELLO, error, DONE), api=API)
    assert [said(answer) for answer in reading.answers] == ["Hello"]


def test_a_role_in_every_chunk_is_no_other_answer() -> None:
    chunks = [chunk({"role": "assistant", "content": text}) for text in "Hello"]
    assert said(play(sse(*chunks), api=API).answer) == "Hello"


def test_answers_without_ids_are_told_apart_by_their_time_or_model() -> None:
    first = [event | {"id": "", "created": 1} for event in HELLO]
    assert len(play(sse(*first, *other(created=9)), api=API).answers) == 2
    assert len(play(sse(*first, *other(created=1, model="else")), api=API).answers) == 2
    assert len(play(sse(*HELLO, *other(id="", model="else")), api=API).answers) == 2
    assert len(play(sse(*first, *first), api=API).answers) == 1


@pytest.mark.parametrize("chunk_id", ["c1", "", None])
@pytest.mark.parametrize(
    "start", [{"role": "assistant", "content": ""}, {"content": "B"}, {"function_call": {"name": "f"}}]
)
def test_what_a_choice_says_behind_the_marker_is_another_answer_whatever_the_id(
    chunk_id: str | None, start: dict[str, Any]
) -> None:
    def same(*events: dict[str, Any]) -> list[dict[str, Any]]:
        return [event | {"id": chunk_id, "created": 1} for event in events]

    words = [chunk({"content": word}) for word in "abcdefghijklmnopqrstuvwxyz"]  # enough to be read at sight
    reading = play(sse(*same(*HELLO, *words, STOP), DONE, *same(chunk(start), *words, STOP), DONE), api=API)
    assert said(reading.answers[0]) == "Helloabcdefghijklmnopqrstuvwxyz"
    assert [answer.ending is not None for answer in reading.answers] == [True, True]
    assert said(reading.answer).endswith("abcdefghijklmnopqrstuvwxyz")


def test_usage_and_errors_behind_the_marker_begin_no_other_answer() -> None:
    usage = chunk({"content": ""}) | {"usage": USAGE}
    assert len(play(sse(*HELLO, STOP, DONE, only(usage=USAGE), usage, STOP, DONE), api=API).answers) == 1
    error = chunk({"role": "assistant", "content": "x"}) | {"error": {"message": "broke"}}
    assert len(play(sse(*HELLO, STOP, DONE, error), api=API).answers) == 1


# ---------------------------------------------------------------------- plain bodies


def test_a_plain_body_is_one_event_that_holds_everything() -> None:
    call = {"id": "t", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    message = {"role": "assistant", "content": "Hello", "reasoning_content": "hm", "tool_calls": [call]}
    document = {
        "id": "c1",
        "object": "chat.completion",
        "model": "gpt-x",
        "service_tier": "default",
        "choices": [
            {"index": 0, "message": message, "finish_reason": "tool_calls"},
            {"index": 1, "message": {"content": "B"}, "finish_reason": "stop"},
        ],
        "usage": USAGE,
    }
    body = msgspec.json.encode(document)
    reading, [output] = play_body(body, api=API, content_type="application/json")
    answer = reading.answer
    assert output == Output.TEXT | Output.REASONING | Output.TOOL
    assert (said(answer), said(answer, Reasoning), [tool.name for tool in tools(answer)]) == ("Hello", "hm", ["f"])
    assert (tools(answer)[0].complete, answer.service_tier) == (True, "default")
    assert (answer.finish_reasons(), answer.usage_raw) == (["tool_calls", "stop"], USAGE)
    assert reading.ending is not None
    assert (reading.ending.kind, reading.ending.evidence, reading.ending.offset) == (
        "completed",
        "json body",
        len(body),
    )


def test_a_plain_body_under_the_content_type_of_a_stream_is_read_too() -> None:
    document = {
        "id": "c1",
        "object": "chat.completion",
        "choices": [{"message": {"content": "A"}, "finish_reason": "stop"}],
    }
    reading = play(msgspec.json.encode(document), api=API)
    assert (said(reading.answer), reading.events) == ("A", 1)
    assert reading.ending is not None
    assert reading.ending.evidence == "json body"


def test_a_plain_body_that_is_cut_has_no_ending() -> None:
    body = msgspec.json.encode({"id": "c1", "object": "chat.completion", "choices": [{"message": {"content": "A"}}]})
    reading = play(body[:-5], api=API, content_type="application/json")
    assert reading.ending is None
    assert reading.unknown_events == 1


def test_what_is_no_chunk_is_counted() -> None:
    reading = play(sse(*HELLO, {"hello": 1}, {"type": "ping"}, b"data: words\n\n", b"event: ping\n\n"), api=API)
    assert reading.unknown_events == 2
    assert reading.answer.events == 7


def test_halves_of_a_surrogate_pair_in_two_deltas_are_one_character() -> None:
    halves = [
        b'data: {"id":"c1","choices":[{"index":0,"delta":{"content":"' + half + b'"}}]}\n\n'
        for half in (rb"\ud83d", rb"\ude00")
    ]
    assert said(play(halves[0] + halves[1], api=API).answer) == "\N{GRINNING FACE}"
    assert said(play(halves[0], api=API).answer) == ""
    assert said(play(halves[1], api=API).answer) == "\ufffd"

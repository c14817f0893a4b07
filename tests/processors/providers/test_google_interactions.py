"""Gemini's interactions: steps that begin, grow and end, and a status that says how it came out."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import msgspec
import pytest

from sse_play import carried, parts, play, play_body, said, sse, tools
from streamgauge.processors.providers.answer import Output, Usage
from streamgauge.processors.providers.google_interactions import GOOGLE_INTERACTIONS
from streamgauge.processors.providers.reading import Reading
from streamgauge.schemas.records import Audio, Citation, Image, Reasoning, Text

API = "google.interactions"
DONE = b"event: done\ndata: [DONE]\n\n"
COUNTS = {"total_input_tokens": 9, "total_output_tokens": 3, "total_thought_tokens": 4, "total_tokens": 16}


def interaction(kind: str = "created", status: str = "in_progress", **more: Any) -> dict[str, Any]:
    whole = {"id": "v1_a", "status": status, "object": "interaction", "model": "gemini-3", **more}
    return {"interaction": whole, "event_type": f"interaction.{kind}"}


def start(kind: str, index: int = 0, **more: Any) -> dict[str, Any]:
    return {"index": index, "step": {"type": kind, **more}, "event_type": "step.start"}


def delta(kind: str, index: int = 0, **more: Any) -> dict[str, Any]:
    return {"index": index, "delta": {"type": kind, **more}, "event_type": "step.delta"}


def stop(index: int = 0, **more: Any) -> dict[str, Any]:
    return {"index": index, "event_type": "step.stop", **more}


CREATED = interaction()
TEXT = [start("model_output"), delta("text", text="Hel"), delta("text", text="lo"), stop()]
COMPLETED = interaction("completed", "completed", usage=COUNTS, service_tier="standard")


def stream(*events: dict[str, Any]) -> bytes:
    """Named events, and the marker behind them."""
    return b"".join(f"event: {event['event_type']}\n".encode() + sse(event) for event in events)


def how(reading: Reading) -> tuple[str, str] | None:
    return (reading.ending.kind, reading.ending.evidence) if reading.ending is not None else None


def test_an_interaction_is_steps_and_a_status() -> None:
    status = {"interaction_id": "v1_a", "status": "in_progress", "event_type": "interaction.status_update"}
    body = stream(CREATED, status, *TEXT, COMPLETED)
    reading, outputs = play_body(body + DONE, api=API)
    answer = reading.answer
    assert (answer.response_id, answer.model, answer.service_tier, said(answer)) == (
        "v1_a",
        "gemini-3",
        "standard",
        "Hello",
    )
    assert (answer.finish_reasons(), how(reading)) == (["completed"], ("completed", "interaction.completed"))
    assert reading.ending is not None
    assert reading.ending.offset == len(body)
    assert [output for output in outputs if output] == [Output.TEXT, Output.TEXT]
    assert (reading.unknown_events, answer.warnings, answer.preliminary) == (0, [], frozenset())


def test_the_older_spelling_means_the_same() -> None:
    events = [
        {"index": 0, "content": {"type": "text", "text": "He"}, "event_type": "content.start"},
        {"index": 0, "delta": {"type": "text", "text": "llo"}, "event_type": "content.delta"},
        {"index": 0, "event_type": "content.stop"},
    ]
    reading = play(stream(interaction("start"), *events, interaction("complete", "completed")), api=API)
    assert (said(reading.answer), how(reading)) == ("Hello", ("completed", "interaction.complete"))


@pytest.mark.parametrize("status", ["requires_action", "incomplete", "budget_exceeded"])
def test_a_final_status_is_the_finish(status: str) -> None:
    for kind in ("completed", status):
        reading = play(stream(CREATED, *TEXT, interaction(kind, status)), api=API)
        assert (reading.answer.finish_reasons(), how(reading)) == ([status], ("completed", f"interaction.{kind}"))


def test_a_status_that_nobody_knows_ends_it_without_a_finish() -> None:
    reading = play(stream(CREATED, *TEXT, interaction("completed", "novel")), api=API)
    assert (reading.answer.finish_reasons(), how(reading)) == ([], ("completed", "interaction.completed"))


def test_a_failed_interaction_has_failed_and_a_cancelled_one_was_cancelled() -> None:
    failed = play(stream(CREATED, *TEXT, interaction("failed", "failed", error={"message": "broke"})), api=API)
    assert (how(failed), said(failed.answer)) == (("failed", "interaction.failed"), "Hello")
    assert failed.answer.error is not None
    assert failed.answer.error.message == "broke"
    cancelled = play(stream(CREATED, *TEXT, interaction("cancelled", "cancelled")), api=API)
    assert how(cancelled) == ("cancelled", "interaction.cancelled")


@pytest.mark.parametrize(
    ("status", "ending"),
    [
        ("in_progress", ("completed", "[DONE]")),
        ("failed", ("failed", "[DONE]")),
        ("cancelled", ("cancelled", "[DONE]")),
    ],
)
def test_the_marker_alone_ends_what_came(status: str, ending: tuple[str, str]) -> None:
    update = {"interaction_id": "v1_a", "status": status, "event_type": "interaction.status_update"}
    reading = play(stream(CREATED, *TEXT, update) + DONE, api=API)
    assert (how(reading), said(reading.answer)) == (ending, "Hello")


def test_a_stream_that_is_cut_has_no_ending() -> None:
    reading = play(stream(CREATED, *TEXT), api=API)
    assert (reading.ending, reading.content_complete(), said(reading.answer)) == (None, False, "Hello")


def test_an_error_event_decides() -> None:
    error = {"event_type": "error", "error": {"message": "broke", "code": "deadline_exceeded"}}
    reading = play(stream(CREATED, *TEXT, error) + DONE, api=API)
    assert (how(reading), reading.unknown_events) == (("failed", "error event"), 0)
    assert reading.answer.error is not None
    assert (reading.answer.error.code, reading.answer.error.message) == ("deadline_exceeded", "broke")


# ---------------------------------------------------------------------- steps


def test_a_thought_is_its_summaries_and_a_signature_that_may_come_late() -> None:
    def summary(words: str) -> dict[str, Any]:
        return delta("thought_summary", content={"text": words, "type": "text"})

    signed = [delta("thought_signature", signature=""), delta("thought_signature", signature="s")]
    body = stream(CREATED, start("thought"), summary("a"), *signed, summary("b"), delta("thought_summary", text="c"))
    assert parts(play(body, api=API).answer) == [Reasoning(text="abc", summary=True, signature="s")]
    sealed = play(stream(CREATED, start("thought", signature="s"), stop()), api=API)
    assert parts(sealed.answer) == [Reasoning(text="", summary=True, signature="s", encrypted=True)]


def test_a_call_grows_by_its_arguments_and_is_whole_when_its_step_ends() -> None:
    events = [
        start("function_call", 1, id="c1", name="f", arguments={}),
        delta("arguments_delta", 1, arguments='{"a":'),
        delta("arguments_delta", 1, arguments="1}"),
    ]
    [cut] = tools(play(stream(CREATED, *events), api=API).answer)
    [whole] = tools(play(stream(CREATED, *events, stop(1)), api=API).answer)
    assert (cut.id, cut.name, cut.arguments, cut.complete) == ("c1", "f", '{"a":1}', False)
    assert (whole.arguments, whole.complete) == ('{"a":1}', True)


def test_a_call_may_come_whole() -> None:
    body = stream(
        CREATED,
        start("function_call"),
        delta("function_call", id="c1", name="f", arguments={"a": 1}),
        stop(),
        start("function_call", 1, id="c2", name="g"),
        stop(1),
    )
    found = [(tool.id, tool.name, tool.arguments, tool.complete) for tool in tools(play(body, api=API).answer)]
    assert found == [("c1", "f", '{"a":1}', True), ("c2", "g", "{}", True)]


def test_a_call_that_ran_into_a_limit_is_complete_if_it_can_be_read() -> None:
    events = [start("function_call", id="c", name="f"), delta("arguments_delta", arguments='{"a'), stop()]
    [tool] = tools(play(stream(CREATED, *events, interaction("completed", "incomplete")), api=API).answer)
    assert tool.complete is False


def test_steps_of_the_providers_own_tools_are_carried() -> None:
    body = stream(
        CREATED,
        start("google_search_call", id="s1"),
        delta("google_search_call", arguments={"queries": ["a"]}),
        stop(),
        delta("novelty", 4, value=1),
        start("mcp_server_tool_call", 5),
        delta("arguments_delta", 5, arguments='{"b'),
        delta("arguments_delta", 5, arguments='":2}'),
    )
    assert carried(play(body, api=API).answer) == [
        ("google_search_call", {"type": "google_search_call", "id": "s1", "arguments": {"queries": ["a"]}}),
        ("novelty", {"value": 1}),
        ("mcp_server_tool_call", {"type": "mcp_server_tool_call", "arguments": '{"b":2}'}),
    ]


def test_images_and_sound_are_sizes_and_hashes() -> None:
    halves = [base64.b64encode(half).decode() for half in (b"so", b"und")]
    body = stream(
        CREATED,
        *(delta("audio", data=half, mime_type="audio/wav") for half in halves),
        delta("image", 1, data=halves[0], mime_type="image/png"),
        delta("image", 2, uri="https://x/y.png"),
    )
    sound, picture, link = parts(play(body, api=API).answer)
    assert sound == Audio(media_type="audio/wav", bytes=5, sha256=hashlib.sha256(b"sound").hexdigest())
    assert picture == Image(media_type="image/png", bytes=2, sha256=hashlib.sha256(b"so").hexdigest())
    assert link == Image(url="https://x/y.png")


def test_annotations_are_citations() -> None:
    body = stream(
        CREATED,
        delta("text", text="a", annotations=[{"url": "u"}]),
        delta("text_annotation", annotations=[{"url": "v"}]),
    )
    found = [
        msgspec.json.decode(part.citation) for part in parts(play(body, api=API).answer) if isinstance(part, Citation)
    ]
    assert found == [{"url": "u"}, {"url": "v"}]


# ---------------------------------------------------------------------- usage


def test_thoughts_and_what_tools_read_are_part_of_output_and_input() -> None:
    report = COUNTS | {
        "total_cached_tokens": 0,
        "total_tool_use_tokens": 2,
        "input_tokens_by_modality": [{"modality": "text", "tokens": 4}, {"modality": "audio", "tokens": 5}],
        "output_tokens_by_modality": [{"modality": "audio", "tokens": 3}],
    }
    assert GOOGLE_INTERACTIONS.usage(report) == Usage(
        input=11, output=7, total=16, cache_read=0, reasoning=4, audio_in=5, audio_out=3
    )
    assert GOOGLE_INTERACTIONS.usage({"total_input_tokens": 1, "total_output_tokens": 2}) == Usage(input=1, output=2)
    assert GOOGLE_INTERACTIONS.usage({"total_thought_tokens": 3}).output is None


def test_usage_beside_events_counts_what_has_come_so_far() -> None:
    beside = CREATED | {"metadata": {"usage": COUNTS | {"total_output_tokens": 0}}}
    running = play(stream(beside, *TEXT[:-1], stop(usage=COUNTS)), api=API).answer
    assert (running.usage_raw, running.usage_reports) == (COUNTS, 2)
    assert "output" in running.preliminary
    assert play(stream(beside, *TEXT, COMPLETED), api=API).answer.preliminary == frozenset()


# ---------------------------------------------------------------------- plain bodies, splices


def test_a_plain_body_is_its_steps() -> None:
    steps = [
        {"type": "thought", "summary": [{"type": "text", "text": "Hm"}], "signature": "s"},
        {"type": "model_output", "content": [{"type": "text", "text": "Hello"}]},
        {"type": "function_call", "id": "c", "name": "f", "arguments": {"a": 1}},
    ]
    body = msgspec.json.encode(interaction("", "requires_action", steps=steps, usage=COUNTS)["interaction"])
    reading = play(body, content_type="application/json")
    assert (reading.api, how(reading)) == (GOOGLE_INTERACTIONS, ("completed", "json body"))
    thought, words, call = parts(reading.answer)
    assert (thought, words) == (Reasoning(text="Hm", summary=True, signature="s"), Text(text="Hello"))
    assert (call, tools(reading.answer)[0].complete) == (tools(reading.answer)[0], True)
    assert reading.answer.finish_reasons() == ["requires_action"]


def test_a_plain_body_of_the_older_spelling_is_its_outputs() -> None:
    body = interaction("", "completed", outputs=[{"type": "text", "text": "Hello"}])["interaction"]
    assert said(play(msgspec.json.encode(body), api=API, content_type=None).answer) == "Hello"


def test_a_background_interaction_has_only_begun() -> None:
    reading = play(msgspec.json.encode(CREATED["interaction"]), api=API, content_type=None)
    assert (how(reading), reading.answer.finish_reasons()) == (("completed", "json body"), [])


def test_another_interaction_is_another_answer() -> None:
    other = interaction(id="v1_b")
    for begin in ([other], []):  # its start may be lost
        reading = play(stream(CREATED, *TEXT[:2], *begin, *TEXT, COMPLETED), api=API)
        assert [said(answer) for answer in reading.answers] == ["Hel", "Hello"]
    assert len(play(stream(CREATED, CREATED, *TEXT), api=API).answers) == 1


def test_events_that_are_the_same_but_for_their_text_are_read_alike() -> None:
    words = [str(number) for number in range(60)]
    events = [delta("text", text=word) for word in words]
    assert said(play(stream(CREATED, start("model_output"), *events), api=API).answer) == "".join(words)


def test_what_nobody_knows_is_counted() -> None:
    reading = play(stream(CREATED, {"event_type": "novel"}) + b"data: words\n\n", api=API)
    assert reading.unknown_events == 2

"""Gemini: every event a whole response with the next piece, no end marker, and usage that counts so far."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import msgspec
import pytest

from sse_play import carried, choices, parts, play, play_body, said, sse, tools
from streamgauge.processors.providers.answer import Output, Usage
from streamgauge.processors.providers.google_generate_content import GOOGLE_GENERATE_CONTENT
from streamgauge.processors.providers.reading import Reading
from streamgauge.schemas.framing.kinds import Framing, framer
from streamgauge.schemas.records import Audio, Citation, Hole, Image, Reasoning, Text

API = "google.generateContent"
STREAM = "/v1beta/models/gemini-2.5-flash:streamGenerateContent"
ERROR = {"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}


def chunk(*content: dict[str, Any], finish: str | None = None, index: int = 0, **more: Any) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": list(content), "role": "model"}, "index": index}
    if finish is not None:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], "modelVersion": "gemini-2.5-flash", "responseId": "r1", **more}


def usage(**counts: int) -> dict[str, Any]:
    return {"usageMetadata": {"promptTokenCount": 9, "totalTokenCount": 9 + sum(counts.values()), **counts}}


def call(**fields: Any) -> dict[str, Any]:
    return chunk({"functionCall": fields})


HEL, LO = chunk({"text": "Hel"}), chunk({"text": "lo"}, finish="STOP", **usage(candidatesTokenCount=2))


def test_a_stream_is_pieces_a_finish_and_a_proper_end() -> None:
    body = sse(HEL, LO).replace(b"\n", b"\r\n")
    reading, outputs = play_body(body, api=API)
    answer = reading.answer
    assert (answer.response_id, answer.model, said(answer)) == ("r1", "gemini-2.5-flash", "Hello")
    assert (answer.choices[0].role, answer.finish_reasons()) == ("model", ["STOP"])
    assert reading.ending is not None
    assert (reading.ending.kind, reading.ending.evidence, reading.ending.offset) == ("completed", "eof", len(body))
    assert (outputs, reading.unknown_events, answer.warnings) == ([Output.TEXT, Output.TEXT], 0, [])


def test_a_finish_without_a_proper_end_is_content_without_an_ending() -> None:
    reading = play(sse(HEL, LO), api=API, proper_eof=False)
    assert (reading.ending, reading.content_complete()) == (None, True)


def test_a_proper_end_without_a_finish_is_no_ending() -> None:
    reading = play(sse(HEL), api=API)
    assert (reading.ending, reading.content_complete()) == (None, False)


def test_a_body_that_ends_inside_an_event_has_not_ended_properly() -> None:
    """Whoever relayed it closed it, but the source broke off: the half event may have been an error, or more text."""
    half = sse(LO)[:20]
    assert play(sse(LO) + half, api=API).ending is None
    assert play(sse(LO) + b": bye", api=API).ending is not None
    assert play(sse(HEL) + sse(LO)[:-1], api=API).ending is not None


def test_a_marker_of_a_gateway_proves_nothing() -> None:
    reading = play(sse(HEL, b"data: [DONE]\n\n"), api=API)
    assert (reading.ending, reading.unknown_events) == (None, 0)


def test_a_finish_in_every_event_proves_nothing_until_the_end() -> None:
    body = sse(*(chunk({"text": word}, finish="STOP") for word in "abc"))
    cut, whole = play(body, api=API, proper_eof=False), play(body, api=API)
    assert (said(cut.answer), cut.ending, cut.content_complete()) == ("abc", None, False)
    assert (how(whole), whole.content_complete()) == ("completed", True)


def test_sources_behind_the_finish_are_no_output() -> None:
    behind = chunk()
    behind["candidates"][0]["groundingMetadata"] = {"webSearchQueries": ["a"]}
    assert play(sse(HEL, LO, behind), api=API, proper_eof=False).content_complete()


def test_a_finish_that_nobody_gave_is_none() -> None:
    assert play(sse(chunk({"text": "a"}, finish="FINISH_REASON_UNSPECIFIED")), api=API).answer.finish_reasons() == []


def how(reading: Reading) -> str | None:
    return reading.ending.kind if reading.ending is not None else None


# ---------------------------------------------------------------------- parts


def test_text_thoughts_and_text_again_are_three_parts() -> None:
    body = sse(
        chunk({"text": "Let", "thought": True}, {"text": " me", "thought": True}),
        chunk({"text": "A"}),
        chunk({"text": "B", "thought": True}, {"text": ""}),
        chunk({"text": "C"}),
    )
    assert parts(play(body, api=API).answer) == [
        Reasoning(text="Let me", summary=True),
        Text(text="A"),
        Reasoning(text="B", summary=True),
        Text(text="C"),
    ]


def test_a_signature_stays_with_the_thought_before_it_or_is_a_thought_nobody_sees() -> None:
    shown = chunk({"text": "Hm", "thought": True}, {"functionCall": {"name": "f"}, "thoughtSignature": "s1"})
    hidden = chunk({"text": "a"}, {"text": "", "thoughtSignature": "s2"}, {"text": "b"})
    reading, outputs = play_body(sse(shown, hidden), api=API)
    [thought, tool, text, sealed] = parts(reading.answer)
    assert thought == Reasoning(text="Hm", summary=True, signature="s1")
    assert sealed == Reasoning(text="", signature="s2", encrypted=True)
    assert (tool, text) == (tools(reading.answer)[0], Text(text="ab"))
    assert outputs == [Output.REASONING | Output.TOOL, Output.TEXT]


def test_a_call_comes_whole() -> None:
    body = sse(
        chunk({"functionCall": {"name": "f", "args": {"a": [1]}, "id": "c1"}}, {"functionCall": {"name": "g"}}),
        call(name="f", args={"a": [1]}),
    )
    found = [(one.id, one.name, one.arguments, one.complete) for one in tools(play(body, api=API).answer)]
    assert found == [("c1", "f", '{"a":[1]}', True), (None, "g", "{}", True), (None, "f", '{"a":[1]}', True)]


CITY = "$.city"
CALL = [
    call(name="f", id="c1", willContinue=True),
    call(partialArgs=[{"jsonPath": CITY, "stringValue": "Os", "willContinue": True}], willContinue=True),
    call(name="f", id="c1", partialArgs=[{"jsonPath": CITY, "stringValue": "lo"}], willContinue=True),
    call(),
]


def test_a_call_may_stream_its_arguments() -> None:
    reading = play(sse(*CALL, chunk(finish="STOP")), api=API)
    [tool] = tools(reading.answer)
    assert (tool.id, tool.name, tool.arguments, tool.complete) == ("c1", "f", '{"city":"Oslo"}', True)


def test_the_last_values_of_a_call_may_end_it_and_an_empty_call_behind_it_is_none() -> None:
    last = call(partialArgs=[{"jsonPath": CITY, "stringValue": "lo"}])
    [tool, other] = tools(play(sse(*CALL[:2], last, call(), call(name="g")), api=API).answer)
    assert (tool.arguments, tool.complete, other.name) == ('{"city":"Oslo"}', True, "g")


@pytest.mark.parametrize(
    "after",
    [
        [],
        [chunk({"text": "a"})],
        [chunk(finish="MAX_TOKENS")],
        [call(name="g", args={}), chunk(finish="STOP")],
        [call(name="f", id="c2", args={})],
    ],
)
def test_a_call_whose_arguments_break_off_is_not_complete(after: list[dict[str, Any]]) -> None:
    [tool, *_] = tools(play(sse(*CALL[:2], *after), api=API).answer)
    assert (tool.arguments, tool.complete, tool.json_valid) == ('{"city":"Os', False, False)


def test_a_part_that_is_over_is_not_torn_where_bytes_are_lost() -> None:
    cutter, reading = framer(Framing.SSE), Reading(GOOGLE_GENERATE_CONTENT)
    for piece in cutter.feed(sse(chunk({"text": "a"}, {"text": "b", "thought": True}))):
        reading.read(piece)
    reading.tear()
    assert parts(reading.answer) == [Text(text="a"), Reasoning(text="b", summary=True), Hole()]


def test_what_the_model_ran_and_what_nobody_knows_is_carried() -> None:
    code = {"language": "PYTHON", "code": "print(1)"}
    body = sse(
        chunk({"executableCode": code}, {"codeExecutionResult": {"outcome": "OUTCOME_OK"}}),
        chunk({"toolCall": {"id": "t"}, "thoughtSignature": "s"}, {"toolResponse": None}, {"novelty": 3}),
    )
    assert carried(play(body, api=API).answer) == [
        ("executableCode", code),
        ("codeExecutionResult", {"outcome": "OUTCOME_OK"}),
        ("toolCall", {"id": "t"}),
        ("novelty", {"novelty": 3}),
    ]


def test_images_sound_and_files_are_sizes_and_hashes() -> None:
    halves = [base64.b64encode(half).decode() for half in (b"so", b"und")]
    body = sse(
        chunk({"inlineData": {"mimeType": "image/png", "data": halves[0]}}),
        *(chunk({"inlineData": {"mimeType": "audio/L16;rate=24000", "data": half}}) for half in halves),
        chunk({"inlineData": {"mimeType": "application/pdf", "data": halves[1]}}, {"inlineData": {"data": None}}),
    )
    reading, outputs = play_body(body, api=API)
    [image, sound, _] = parts(reading.answer)
    assert image == Image(media_type="image/png", bytes=2, sha256=hashlib.sha256(b"so").hexdigest())
    digest = hashlib.sha256(b"sound").hexdigest()
    assert sound == Audio(media_type="audio/L16;rate=24000", bytes=5, sha256=digest)
    [(kind, file)] = carried(reading.answer)
    assert (kind, file["mimeType"], file["bytes"]) == ("inlineData", "application/pdf", 3)
    assert set(outputs) == {Output.OTHER}


def test_candidates_are_told_apart_by_their_index() -> None:
    body = sse(chunk({"text": "a"}), chunk({"text": "b"}, index=1, finish="STOP"), chunk({"text": "c"}, finish="STOP"))
    assert not play_array(array(chunk({"text": "a"}), chunk({"text": "b"}, index=1, finish="STOP"))).content_complete()
    reading = play(body, api=API)
    assert [(one.index, one.parts) for one in choices(reading.answer)] == [
        (0, [Text(text="ac")]),
        (1, [Text(text="b")]),
    ]
    assert how(reading) == "completed"
    assert how(play(body[: body.rfind(b"data:")], api=API)) is None


def test_a_refused_prompt_has_its_reason_for_a_finish() -> None:
    reading = play(sse({"promptFeedback": {"blockReason": "SAFETY"}, "responseId": "r"}), api=API)
    assert (reading.answer.finish_reasons(), how(reading)) == (["BLOCKED:SAFETY"], "completed")
    assert (reading.unknown_events, reading.content_complete()) == (0, True)
    rated = play(sse(HEL | {"promptFeedback": {"safetyRatings": []}}), api=API)
    assert rated.answer.finish_reasons() == []


def test_sources_are_kept_once() -> None:
    first, second = chunk({"text": "a"}), chunk({"text": "b"}, modelVersion="gemini-3-pro")
    one, two = {"uri": "u", "endIndex": 3}, {"uri": "v"}
    first["candidates"][0]["citationMetadata"] = {"citations": [one]}
    second["candidates"][0] |= {
        "citationMetadata": {"citations": [one, two]},
        "groundingMetadata": {"webSearchQueries": ["q"]},
    }
    answer = play(sse(first, second), api=API).answer
    found = [msgspec.json.decode(part.citation) for part in parts(answer) if isinstance(part, Citation)]
    assert (found, said(answer)) == ([one, two, {"webSearchQueries": ["q"]}], "ab")


@pytest.mark.parametrize(
    ("model", "units"),
    [
        ("gemini-3-flash-preview", {"search_queries": 2.0}),
        ("gemini-3.1-pro", {"search_queries": 2.0}),
        ("gemini-2.5-flash", {"grounded_prompts": 1.0}),
        ("gemini-2.0-flash-001", {"grounded_prompts": 1.0}),
    ],
)
def test_searches_are_counted_as_they_are_billed(model: str, units: dict[str, float]) -> None:
    document = chunk({"text": "a"}, modelVersion=model)
    document["candidates"][0]["groundingMetadata"] = {"webSearchQueries": ["a", "b"]}
    assert play(sse(document), api=API).answer.units == units


# ---------------------------------------------------------------------- usage


def test_thoughts_and_what_tools_read_are_part_of_output_and_input() -> None:
    report = {
        "promptTokenCount": 10,
        "cachedContentTokenCount": 4,
        "toolUsePromptTokenCount": 5,
        "candidatesTokenCount": 7,
        "thoughtsTokenCount": 20,
        "totalTokenCount": 42,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 6}, {"modality": "AUDIO", "tokenCount": 4}],
        "candidatesTokensDetails": [{"modality": "AUDIO", "tokenCount": 3}, {"modality": "AUDIO", "tokenCount": 4}],
    }
    assert GOOGLE_GENERATE_CONTENT.usage(report) == Usage(
        input=15, output=27, total=42, cache_read=4, reasoning=20, audio_in=4, audio_out=7
    )


def test_what_google_leaves_out_is_none_of_a_sum_and_unknown_alone() -> None:
    assert GOOGLE_GENERATE_CONTENT.usage({"promptTokenCount": 9, "thoughtsTokenCount": 3}).output == 3
    assert GOOGLE_GENERATE_CONTENT.usage({"promptTokenCount": 9}) == Usage(input=9)
    assert GOOGLE_GENERATE_CONTENT.usage({}) == Usage()


def test_the_last_report_with_a_total_is_all_there_is_to_count() -> None:
    """The count of candidates may go away again: with tools the model begins anew, recorded."""
    first, last = usage(candidatesTokenCount=15, thoughtsTokenCount=7), usage(thoughtsTokenCount=8)
    answer = play(sse(HEL | first, LO | last), api=API).answer
    assert (answer.usage_raw, answer.usage_reports) == (last["usageMetadata"], 2)


def test_a_report_without_a_total_only_adds() -> None:
    traffic = {"usageMetadata": {"trafficType": "ON_DEMAND", "serviceTier": "standard"}}
    answer = play(sse(HEL | usage(candidatesTokenCount=1), HEL | traffic), api=API).answer
    assert answer.usage_raw == usage(candidatesTokenCount=1)["usageMetadata"] | traffic["usageMetadata"]
    assert answer.service_tier == "standard"


def test_counts_are_the_last_word_with_the_finish() -> None:
    assert "output" in play(sse(HEL | usage(candidatesTokenCount=1)), api=API).answer.preliminary
    assert play(sse(HEL | usage(candidatesTokenCount=1), LO), api=API).answer.preliminary == frozenset()


# ---------------------------------------------------------------------- plain bodies and arrays


def test_a_plain_body_is_whole_by_itself() -> None:
    body = json.dumps(HEL | usage(candidatesTokenCount=1), indent=2).encode()
    reading = play(body, api=API, content_type="application/json", proper_eof=False)
    assert reading.ending is not None
    assert (reading.ending.evidence, said(reading.answer), reading.answer.preliminary) == (
        "json body",
        "Hel",
        frozenset(),
    )
    assert play(body[:-4], api=API, content_type="application/json").ending is None


def test_a_single_event_is_no_plain_body() -> None:
    assert play(sse(HEL), api=API).ending is None
    cutter, reading = framer(Framing.OBJECTS), Reading(GOOGLE_GENERATE_CONTENT, framing=Framing.OBJECTS)
    for document in (HEL, LO):
        for piece in cutter.feed(msgspec.json.encode(document)):
            reading.read(piece)
        assert reading.ending is None
    reading.finish(proper_eof=True)
    assert how(reading) == "completed"


def array(*elements: dict[str, Any], end: str = "\n]\n") -> bytes:
    return ("[" + "\n,\r\n".join(json.dumps(element, indent=2) for element in elements) + end).encode()


def play_array(body: bytes, *, proper_eof: bool = True) -> Reading:
    return play(body, path=STREAM, content_type="application/json; charset=UTF-8", proper_eof=proper_eof)


def test_an_array_is_read_as_it_comes_and_ends_with_its_bracket() -> None:
    body = array(HEL, LO)
    reading = play_array(body, proper_eof=False)
    assert reading.ending is not None
    assert (reading.ending.evidence, reading.ending.offset) == ("]", len(body) - 1)
    assert (said(reading.answer), reading.unknown_events, reading.answer.warnings) == ("Hello", 0, [])


def test_an_array_that_is_cut_is_its_beginning_and_never_an_end() -> None:
    body = array(HEL, LO)
    for end in range(1, body.rfind(b"]") + 1):
        for proper_eof in (True, False):
            reading = play_array(body[:end], proper_eof=proper_eof)
            assert (reading.ending, reading.answer.error) == (None, None), end
            assert "Hello".startswith(said(reading.answer)), end
    inside = play_array(body[: body.rfind(b"finishReason")])
    assert said(inside.answer) == "Hel"
    assert "tail_unterminated" in inside.answer.warnings


@pytest.mark.parametrize(
    ("body", "evidence", "text"),
    [
        (array(ERROR), "error event", ""),
        (array(HEL, ERROR), "error event", "Hel"),
        (array(HEL, end="\n") + json.dumps(ERROR, indent=2).encode(), "error event", "Hel"),
        (array(HEL, end="\n") + array(ERROR), "error event", "Hel"),
        (array(HEL, end="\n") + b'error: {"message": "The model is overloaded."}\n\n', "error line", "Hel"),
        (array(HEL, end="\n") + b"<html><title>The model is overloaded.</title>\n</html>", "html page", "Hel"),
        (json.dumps(ERROR, indent=2).encode(), "error event", ""),
    ],
)
def test_an_error_in_every_place_of_an_array(body: bytes, evidence: str, text: str) -> None:
    reading = play_array(body)
    assert reading.ending is not None
    assert (reading.ending.kind, reading.ending.evidence, said(reading.answer)) == ("failed", evidence, text)
    assert reading.answer.error is not None
    assert reading.answer.error.message == "The model is overloaded."


def test_a_bracket_behind_a_torn_element_is_no_end() -> None:
    """Of another stream that was glued into an element the brackets mean nothing here."""
    torn = array(HEL, LO)[:-12] + array(HEL)
    assert b"]" in torn
    for body in (torn, array(HEL, end="") + b'\n,{"a": x}\n]\n'):
        reading = play_array(body)
        assert (reading.ending, said(reading.answer)[:3]) == (None, "Hel")


def test_an_error_behind_the_last_bracket_came_too_late() -> None:
    reading = play_array(array(HEL, LO) + json.dumps(ERROR).encode())
    assert (how(reading), reading.answer.warnings) == ("completed", ["error_after_end"])


def test_a_list_of_any_other_api_is_one_document() -> None:
    assert play(b"[1, 2]", path="/v1/embeddings", content_type="application/json").events == 1


# ---------------------------------------------------------------------- errors, splices


def test_a_bare_error_behind_the_events_decides_even_behind_a_finish() -> None:
    bare = json.dumps(ERROR, indent=2).encode() + b"\n"
    for before, text in ((sse(HEL), "Hel"), (sse(HEL, LO), "Hello")):
        reading = play(before + bare, api=API)
        assert reading.ending is not None
        assert (reading.ending.kind, reading.ending.evidence, said(reading.answer)) == ("failed", "json error", text)
        assert reading.answer.error is not None
        assert (reading.answer.error.type, reading.answer.error.status) == ("UNAVAILABLE", 503)


@pytest.mark.parametrize(
    ("ids", "texts"),
    [(("r1", "r2"), ["a", "bb"]), ((None, "r2"), ["abb"]), (("r1", None), ["abb"]), ((None, None), ["abb"])],
)
def test_another_id_is_another_answer_and_none_says_nothing(
    ids: tuple[str | None, str | None], texts: list[str]
) -> None:
    first, second = (chunk({"text": word}, responseId=one) for word, one in zip("ab", ids, strict=True))
    assert [said(answer) for answer in play(sse(first, second, second), api=API).answers] == texts


def test_an_array_that_begins_in_another_is_another_answer_whatever_its_id() -> None:
    reading = play_array(array(HEL, end="\n,\n") + array(HEL, LO))
    assert [said(answer) for answer in reading.answers] == ["Hel", "Hello"]
    assert (reading.answers[0].ending, how(reading)) == (None, "completed")
    failed = play_array(array(HEL, end="\n") + array(ERROR))
    assert [said(answer) for answer in failed.answers] == ["Hel"]


def test_an_error_without_an_id_is_no_other_answer() -> None:
    assert len(play(sse(HEL, ERROR, {"usageMetadata": {}}), api=API).answers) == 1


def test_what_nobody_knows_is_counted() -> None:
    assert play(sse({"novelty": 1}, HEL, b"data: words\n\n"), api=API).unknown_events == 2

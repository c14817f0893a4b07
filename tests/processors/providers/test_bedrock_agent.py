"""Agents and knowledge bases: text in pieces of bytes, calls handed back, and traces that tell what it took."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest

from event_stream_build import event, exception
from sse_play import carried, choices, parts, play, play_body, said, tools
from streamgauge.processors.providers.answer import Output, Usage
from streamgauge.processors.providers.bedrock_agent import BEDROCK_AGENT
from streamgauge.processors.providers.reading import Reading
from streamgauge.schemas.records import Citation, Image, Text, ToolCall

API = "bedrock.agent"
BINARY = "application/vnd.amazon.eventstream"
RUN = "11111111-2222-3333-4444-555555555555"
OTHER_RUN = "99999999-2222-3333-4444-555555555555"


def chunk(said: str | bytes, **more: Any) -> bytes:
    packed = base64.b64encode(said.encode() if isinstance(said, str) else said).decode()
    return event("chunk", {"bytes": packed, **more})


def trace(kind: str = "orchestrationTrace", *, run: str = RUN, callers: int = 1, **step: Any) -> bytes:
    inner = {name: {"traceId": f"{run}-0", **value} for name, value in step.items()}
    document = {"sessionId": "s", "callerChain": [{"agentAliasArn": "a"}] * callers, "trace": {kind: inner}}
    return event("trace", document)


def asked(model: str = "m", **more: Any) -> bytes:
    return trace(modelInvocationInput={"foundationModel": model, "text": "prompt"}, **more)


def answered(given: int, made: int, **more: Any) -> bytes:
    usage = {"inputTokens": given, "outputTokens": made}
    return trace(modelInvocationOutput={"metadata": {"usage": usage}}, **more)


def final(**more: Any) -> bytes:
    return trace(observation={"type": "FINISH", "finalResponse": {"text": "Hello"}}, **more)


def read(body: bytes, *, proper_eof: bool = True) -> Reading:
    return play(body, api=API, content_type=BINARY, proper_eof=proper_eof)


TRACED = asked() + answered(10, 5) + final() + chunk("Hello")


def test_an_answer_without_traces_is_its_chunks() -> None:
    reading, outputs = play_body(chunk("Hel") + chunk("lo"), api=API, content_type=BINARY)
    assert (said(reading.answer), outputs) == ("Hello", [Output.TEXT, Output.TEXT])
    assert reading.ending is not None
    assert (reading.ending.kind, reading.ending.evidence) == ("completed", "eof")
    assert (reading.content_complete(), reading.answer.warnings, reading.unknown_events) == (True, [], 0)
    assert (reading.answer.usage_raw, reading.answer.finish_reasons()) == (None, [])
    assert read(chunk("Hello"), proper_eof=False).ending is None


def test_a_character_may_be_cut_between_two_chunks() -> None:
    text = "Grüße 🌍".encode()
    for at in range(len(text)):
        assert said(read(chunk(text[:at]) + chunk(text[at:])).answer) == "Grüße 🌍", at
    assert said(read(chunk(b"\xff") + chunk("a")).answer) == "�a"


def test_a_body_that_ends_inside_a_message_or_answers_nothing_has_not_ended() -> None:
    assert read(chunk("Hel") + chunk("lo")[:-1]).ending is None
    assert read(trace("preProcessingTrace", modelInvocationInput={})).ending is None


# ---------------------------------------------------------------------- traces


def test_traces_tell_the_model_and_the_tokens_and_are_carried() -> None:
    answer = read(TRACED).answer
    assert (answer.model, said(answer)) == ("m", "Hello")
    assert (answer.usage_raw, answer.preliminary) == ({"inputTokens": 10, "outputTokens": 5}, frozenset())
    assert [kind for kind, _ in carried(answer)] == ["trace"] * 3
    assert BEDROCK_AGENT.usage(answer.usage_raw or {}) == Usage(input=10, output=5)


def test_the_tokens_of_several_calls_are_added_up_and_told_by_model() -> None:
    """A collaborator has a model, a run and a bill of its own."""
    helper = {"run": OTHER_RUN, "callers": 2}
    body = asked("m") + answered(10, 5) + asked("n", **helper) + answered(20, 7, **helper) + final(**helper)
    half = read(body + chunk("Hello"))
    assert half.answer.usage_raw == {"inputTokens": 30, "outputTokens": 12}
    assert half.answer.preliminary == {"input", "output", "total"}
    assert half.ending is None, "only the helper has given its final response"
    whole = read(body + final() + chunk("Hello")).answer
    assert (whole.model, whole.preliminary, len(choices(whole))) == ("m", frozenset(), 1)
    assert [(call["model"], call["usage"]["inputTokens"]) for call in whole.usage_breakdown] == [("m", 10), ("n", 20)]


@pytest.mark.parametrize("cut", range(1, 4))
def test_an_agent_whose_steps_are_traced_ends_with_its_final_response(cut: int) -> None:
    for events in (
        [asked(), answered(10, 5), final(), chunk("Hello")],
        [asked(), chunk("Hel"), chunk("lo"), final()],
    ):
        assert read(b"".join(events)).ending is not None
        assert read(b"".join(events[:cut])).ending is None


def test_what_a_guardrail_blocked_has_no_steps_to_wait_for() -> None:
    body = trace("guardrailTrace", run=RUN, metadata={}) + chunk("Sorry")
    assert read(body).ending is not None


def test_a_trace_of_another_run_is_another_answer() -> None:
    other = asked("n", run=OTHER_RUN) + final(run=OTHER_RUN) + chunk("Bye")
    for before in (asked(), TRACED, chunk("Hello"), TRACED[:-1]):
        reading = read(before + other)
        assert [said(answer) for answer in reading.answers] == [said(read(before).answer), "Bye"]
        assert reading.answer.model == "n"
    assert len(read(TRACED + asked(run=OTHER_RUN, callers=2)).answers) == 1
    assert len(read(TRACED + trace("guardrailTrace", outputAssessments={"traceId": None})).answers) == 1


# ---------------------------------------------------------------------- what else is answered


def test_calls_handed_back_are_the_caller_s_tools() -> None:
    parameters = [{"name": "a", "type": "string", "value": "1"}]
    inputs = [
        {"functionInvocationInput": {"actionGroup": "g", "function": "f", "parameters": parameters}},
        {
            "apiInvocationInput": {
                "actionGroup": "g",
                "httpMethod": "POST",
                "apiPath": "/x",
                "parameters": [],
                "requestBody": {"content": {}},
            }
        },
        {},
    ]
    body = asked() + answered(1, 2) + event("returnControl", {"invocationId": "i", "invocationInputs": inputs})
    reading = read(body)
    told = msgspec.json.encode(parameters).decode()
    assert tools(reading.answer)[:2] == [
        ToolCall(id="i", name="f", arguments=told, complete=True, json_valid=True),
        ToolCall(
            id="i",
            name="POST /x",
            arguments='{"parameters":[],"requestBody":{"content":{}}}',
            complete=True,
            json_valid=True,
        ),
    ]
    assert (tools(reading.answer)[2].name, reading.answer.preliminary) == (None, frozenset())
    assert reading.ending is not None


def test_files_are_named_and_measured_and_their_content_stays_out() -> None:
    files = [
        {"name": "a.png", "type": "image/png", "bytes": "AAAA"},
        {"name": "b.csv", "type": "text/csv", "bytes": "c2VjcmV0"},
        {"name": "c"},
    ]
    answer = read(event("files", {"files": files})).answer
    image = parts(answer)[0]
    assert isinstance(image, Image)
    assert (image.media_type, image.bytes) == ("image/png", 3)
    assert carried(answer) == [
        ("file", {"name": "b.csv", "type": "text/csv", "bytes": 6}),
        ("file", {"name": "c", "type": None, "bytes": None}),
    ]


def test_a_knowledge_base_answers_in_text_with_citations() -> None:
    cited = {"generatedResponsePart": {"textResponsePart": {"text": "Hello"}}, "retrievedReferences": []}
    body = (
        event("output", {"text": "Hel"})
        + event("output", {"text": "lo"})
        + event("citation", {"citation": cited})
        + event("guardrail", {"action": "NONE"})
    )
    reading, outputs = play_body(body, api=API, content_type=BINARY)
    raw = msgspec.Raw(msgspec.json.encode(cited))
    assert parts(reading.answer)[:2] == [Text(text="Hello"), Citation(citation=raw)]
    assert carried(reading.answer) == [("guardrail", {"action": "NONE"})]
    assert outputs == [Output.TEXT, Output.TEXT, Output.NOTHING, Output.NOTHING]
    assert reading.ending is not None
    _, attributed = parts(read(chunk("x", attribution={"citations": [cited]})).answer)
    assert attributed == Citation(citation=raw)


@pytest.mark.parametrize(
    ("first", "second"), [(chunk("a"), event("output", {"text": "b"})), (event("output", {"text": "a"}), chunk("b"))]
)
def test_an_agent_s_answer_and_a_knowledge_base_s_are_two(first: bytes, second: bytes) -> None:
    assert [said(answer) for answer in read(first + first + second).answers] == ["aa", "b"]


# ---------------------------------------------------------------------- failures, bodies, objects


@pytest.mark.parametrize("name", ["dependencyFailedException", "badGatewayException", "accessDeniedException"])
def test_an_exception_is_the_end(name: str) -> None:
    reading = read(asked() + chunk("Hel") + exception(name, {"message": "broke", "resourceName": "x"}))
    assert reading.ending is not None
    assert (reading.ending.kind, said(reading.answer)) == ("failed", "Hel")
    assert reading.answer.error is not None
    assert (reading.answer.error.type, reading.answer.error.message) == (name, "broke")


def test_unknown_events_are_counted() -> None:
    assert (
        read(event("somethingNew", {"a": 1}) + event("trace", b"x") + event("chunk", {"bytes": 5})).unknown_events == 3
    )


def test_a_plain_body_is_read_whole() -> None:
    body = {"output": {"text": "Hello"}, "citations": [{"a": 1}], "sessionId": "s", "guardrailAction": "NONE"}
    reading = play(msgspec.json.encode(body), content_type="application/json")
    assert (reading.api, reading.provider, said(reading.answer)) == (BEDROCK_AGENT, "bedrock", "Hello")
    assert isinstance(parts(reading.answer)[1], Citation)
    assert reading.ending is not None
    assert (reading.ending.evidence, reading.answer.warnings) == ("json body", [])


def test_objects_name_their_kind_by_their_only_key() -> None:
    documents = [{"trace": {"sessionId": "s", "trace": {}}}, {"chunk": {"bytes": "SGVsbG8="}}]
    lines = b"".join(msgspec.json.encode(document) + b"\n" for document in documents)
    reading = play(lines, api=API, content_type="application/x-ndjson")
    assert (said(reading.answer), reading.unknown_events) == ("Hello", 0)


def test_a_traced_stream_of_no_known_route_is_recognised() -> None:
    assert play(TRACED, content_type=BINARY).api is BEDROCK_AGENT
    assert play(chunk("Hello"), content_type=BINARY).api is None

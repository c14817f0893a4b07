"""Recorded streams, damaged as streams break: a sample of what `make corpus MODE=damaged` plays.

All damage is drawn from a fixed seed and the recording's id, so a failure names what to play again.
"""

from __future__ import annotations

import random
from functools import cache

import msgspec
import pytest

import corpus_truth as truth
from corpus_core import Told, tell
from corpus_damage import DAMAGES, Sizes, damage, is_stream, rule_for, subject_of
from corpus_file import Recording, needs_recordings, of_each, recordings
from corpus_naive import naive
from corpus_truth import Subject
from frames_build import chat_events
from streamgauge.processors.providers import registry
from streamgauge.schemas.records import Choice, Text, ToolCall

SEED = 7
RECORDINGS = [recording for recording in recordings(*(api.name for api in registry.APIS)) if is_stream(recording)]
APIS = sorted({recording.api for recording in RECORDINGS} or {api.name for api in registry.APIS})
SIZES = Sizes(cuts=4, errors=1, others=1, reads_of_one=6000)
SAMPLE = 12  # recordings of an API


@cache
def subjects(api: str) -> list[Subject]:
    found = [recording for recording in RECORDINGS if recording.api == api]
    return [subject_of(one) for one in random.Random(SEED).sample(found, min(SAMPLE, len(found)))]


@of_each(APIS)
def test_what_is_told_of_damaged_streams_is_true(api: str) -> None:
    wrong = [
        (subject.recording.id, case)
        for subject in subjects(api)
        for case in damage(subject, [other for other in subjects(api) if other is not subject], SIZES)
        if case.wrong and rule_for(subject.recording, case) is None
    ]
    assert wrong == []


@needs_recordings("openai.responses")
@pytest.mark.parametrize("name", DAMAGES)
def test_every_damage_is_played(name: str) -> None:
    first, *others = subjects("openai.responses")
    assert any(list(damage(one, others, SIZES, name)) for one in (first, *others))


# ---------------------------------------------------------------------- the judgement itself

RECORDING = Recording(
    id="r1",
    provider="openai",
    api="openai.chat",
    status=200,
    body=b"".join(chat_events("hi", " there")),
    expected={"text": "hi there", "finish_reason": "stop", "end_marker": "[DONE]", "response_id": "chatcmpl-1"},
    evidence={},
)
SUBJECT = subject_of(RECORDING)
BORDER = 2  # behind the first words


def cut_at_the_border() -> Told:
    return tell(RECORDING, b"".join(SUBJECT.naive.parts[:BORDER]))


def lies(told: Told) -> list[str]:
    return list(truth.cut(SUBJECT, told, BORDER, reset=False, torn=False))


def test_the_naive_reader_knows_the_text_before_each_border_and_the_end() -> None:
    found = naive(RECORDING)
    assert found.exact
    assert found.texts[0] == ""
    assert found.texts[-1] == "hi there"
    assert found.decides == len(found.parts) - 1


def test_what_is_told_of_a_cut_is_true() -> None:
    assert lies(cut_at_the_border()) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"outcome": "completed", "evidence": "[DONE]"},
        {"outcome": None},
        {"outcome": "failed"},
        {"ended_by": "network"},
        {"stream_complete": True},
        {"content_complete": True},
        {"generations": 2},
        {"error_message": "broke"},
        {"finish_reasons": ["never said"]},
        {"usage_output": 3},  # of no report, and no estimate
        {"usage_source": "provider"},
    ],
)
def test_a_record_that_lies_about_a_cut_is_found(changes: dict[str, object]) -> None:
    told = cut_at_the_border()
    estimated = [name for name in told.record.usage_estimated if name not in changes]
    record = msgspec.structs.replace(told.record, usage_estimated=estimated, **changes)
    assert lies(told._replace(record=record)) != []


@pytest.mark.parametrize(
    "choices",
    [
        [],  # what came before the cut is lost
        [Choice(index=0, parts=[Text(text="hi there")])],
        [Choice(index=0, parts=[Text(text="there")])],
        [Choice(index=0, parts=[Text(text="hi"), ToolCall(name="find", arguments="{}")])],
    ],
)
def test_contents_that_lie_about_a_cut_are_found(choices: list[Choice]) -> None:
    told = cut_at_the_border()
    assert truth.said(told)
    assert lies(told._replace(contents=msgspec.structs.replace(told.contents, choices=choices))) != []


def test_a_call_that_was_cut_is_never_complete() -> None:
    whole = [ToolCall(name="find", arguments='{"q":1}', complete=True)]
    for call, true in (
        (ToolCall(name="find", arguments='{"q"', complete=False), True),
        (ToolCall(name="find", arguments='{"q"', complete=True), False),
        (ToolCall(name="find", arguments='{"p"', complete=False), False),
        (ToolCall(name="found", arguments="", complete=False), False),
    ):
        assert (list(truth.calls_of_a_beginning(whole, [call])) == []) is true


def test_an_error_that_was_not_told_is_found() -> None:
    told = cut_at_the_border()
    assert list(truth.failed(SUBJECT, told, BORDER, words="broke", behind=[])) != []


def test_two_generations_in_one_are_found() -> None:
    first = cut_at_the_border()
    assert list(truth.spliced(first, SUBJECT.whole, SUBJECT.whole)) == ["1 generations"]

"""The comparison itself: whatever a record says otherwise than its recording, `make corpus` notices.

One recording and its record, made by hand, agree; then one thing at a time is changed.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from corpus_file import Recording
from corpus_report import report
from finished_streams import answer, stream
from recorded_bodies import chat
from streamgauge.processors.following import Emitted
from streamgauge.processors.record import Measures, write
from streamgauge.schemas.records import Choice, Contents, Record, Text

REPORTED = {"prompt_tokens": 8, "completion_tokens": 3, "completion_tokens_details": {"reasoning_tokens": 0}}
RECORDING = Recording(
    id="r1",
    provider="openai",
    api="openai.chat",
    status=200,
    body=chat(),
    expected={
        "text": "hi there",
        "finish_reason": "stop",
        "end_marker": "[DONE]",
        "has_error_event": False,
        "response_id": "chatcmpl-1",
        "usage": {**REPORTED, "total_tokens": None},
        "usage_canonical": {"input": 8, "output": 3},
    },
    evidence={"text": ["final_snapshot"], "tool_calls": ["test_literal"]},
)


def made() -> tuple[Record, Contents]:
    finished = stream(answers=[answer(usage=REPORTED)])
    record, contents = write(finished, topic=None, partition=None, rules=None, measures=Measures())
    usage = {"usage_input": 8, "usage_output": 3, "usage_reasoning": 0}
    return msgspec.structs.replace(record, **usage), contents


def emitted(record_changes: dict[str, Any] | None = None, contents_changes: dict[str, Any] | None = None) -> Emitted:
    record, contents = made()
    record = msgspec.structs.replace(record, **(record_changes or {}))
    return Emitted(record, b"", msgspec.structs.replace(contents, **(contents_changes or {})), b"")


def judge(*ones: Emitted, recording: Recording = RECORDING, **beside: Any) -> int:
    given: dict[str, Any] = {"dead_letters": 0, "left_out": 0, "show": False, **beside}
    return report([recording], {recording.id: list(ones)}, **given)


def said(capsys: pytest.CaptureFixture[str]) -> tuple[list[str], str]:
    """The groups that differ, and the last line."""
    lines = capsys.readouterr().out.splitlines()
    return [line.split()[-1] for line in lines if line.startswith("differs:")], lines[-1]


def test_a_record_that_says_the_same_agrees(capsys: pytest.CaptureFixture[str]) -> None:
    assert judge(emitted()) == 0
    wrong, last = said(capsys)
    assert wrong == []
    assert "8 of 8 comparisons agree" in last


@pytest.mark.parametrize(
    ("group", "changes"),
    [
        ("outcome", {"outcome": "truncated"}),
        ("outcome", {"outcome": None}),
        ("response_id", {"response_id": "chatcmpl-2"}),
        ("response_id", {"response_id": None}),
        ("usage_canonical", {"usage_output": 4}),
        ("usage_canonical", {"usage_reasoning": None}),  # a stated zero is a value
        ("usage_canonical", {"usage_cache_read": 0}),  # what was not stated is unknown
        ("usage_canonical", {"usage_total": 11}),  # a null states nothing
        ("usage_canonical", {"usage_estimated": ["usage_input"]}),  # an estimate is not what the provider stated
    ],
)
def test_a_record_that_says_otherwise_differs(
    group: str, changes: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert judge(emitted(changes)) == 1
    assert said(capsys)[0] == [group]


@pytest.mark.parametrize(
    ("groups", "changes"),
    [
        (["text"], {"choices": [Choice(index=0, parts=[Text(text="hi")], finish_reason="stop")]}),
        (["finish"], {"choices": [Choice(index=0, parts=[Text(text="hi there")], finish_reason="length")]}),
        (["text", "finish"], {"choices": []}),
        (["usage"], {"usage_raw": msgspec.Raw(b'{"prompt_tokens":8}')}),
    ],
)
def test_contents_that_say_otherwise_differ(
    groups: list[str], changes: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert judge(emitted({}, changes)) == 1
    assert said(capsys)[0] == groups


def test_a_recording_without_a_record_agrees_in_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    silent = msgspec.structs.replace(RECORDING, expected={}, evidence={})
    assert judge(recording=silent) == 1
    wrong, last = said(capsys)
    assert wrong == ["records", "finish", "usage", "usage_canonical"]
    assert "0 of 4 comparisons agree" in last


def test_a_recording_with_two_records_differs(capsys: pytest.CaptureFixture[str]) -> None:
    assert judge(emitted(), emitted({"revision": 1})) == 1
    assert said(capsys)[0] == ["records"]


def test_what_belongs_to_no_recording_is_a_failure() -> None:
    assert judge(emitted(), dead_letters=1) == 1
    assert report([RECORDING], {"r1": [emitted()], "": [emitted()]}, dead_letters=0, left_out=0, show=False) == 1


def test_only_ids_that_rotate_are_exempt_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    chunks = "".join(f'data: {{"id":"c{number}"}}\n\n' for number in range(9)).encode()
    rotating = msgspec.structs.replace(RECORDING, body=chunks)
    assert judge(emitted({"response_id": "c0"}), recording=rotating) == 0
    assert "7 of 8 comparisons agree, 1 are exempt" in said(capsys)[1]
    assert judge(emitted({"response_id": "c0", "outcome": None}), recording=rotating) == 1
    assert said(capsys)[0] == ["outcome"]

"""watsonx: counts in every event, of which the highest is meant."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from sse_play import choices, play, said, sse
from streamgauge.processors.providers.answer import Usage
from streamgauge.processors.providers.watsonx_generate import WATSONX_GENERATE

API = "watsonx.generate"


def result(text: str, made: int, *, given: int = 0, reason: str = "not_finished") -> dict[str, Any]:
    counts = {"generated_token_count": made, "input_token_count": given}
    return {"generated_text": text, "stop_reason": reason, **counts}


def event(text: str, made: int, *, given: int = 0, reason: str = "not_finished") -> dict[str, Any]:
    return {"model_id": "m", "created_at": "t", "results": [result(text, made, given=given, reason=reason)]}


HELLO = [event("", 0, given=8), event("Hel", 1), event("lo", 2)]
END = event("", 3, reason="eos_token")


def usage(*events: dict[str, Any]) -> Usage:
    return WATSONX_GENERATE.usage(play(sse(*events), api=API).answer.usage_raw or {})


def test_a_generation_is_results_and_a_stop_reason() -> None:
    reading = play(sse(*HELLO, END))
    answer = reading.answer
    assert (reading.api, reading.provider, answer.model) == (WATSONX_GENERATE, "watsonx", "m")
    assert (said(answer), answer.finish_reasons(), answer.preliminary) == ("Hello", ["eos_token"], frozenset())
    assert reading.ending is not None
    assert (reading.ending.kind, reading.ending.evidence) == ("completed", "eof")
    assert play(sse(*HELLO), api=API).ending is None


def test_what_is_not_counted_is_unknown() -> None:
    answer = play(sse({"results": [{"generated_text": "a", "stop_reason": "eos_token"}]}), api=API).answer
    assert (answer.usage_raw, answer.finish_reasons()) == (None, ["eos_token"])


def test_of_every_count_the_highest_is_meant() -> None:
    assert usage(*HELLO, END) == Usage(input=8, output=3)
    assert play(sse(*HELLO), api=API).answer.preliminary == {"output", "total"}


def test_several_results_are_choices_and_their_counts_are_added() -> None:
    both = {"results": [result("a", 1, given=4, reason="eos_token"), result("b", 2, given=4, reason="max_tokens")]}
    reading = play(msgspec.json.encode(both), content_type="application/json")
    assert [choice.finish_reason for choice in choices(reading.answer)] == ["eos_token", "max_tokens"]
    assert usage(both) == Usage(input=8, output=3)
    assert reading.ending is not None
    assert reading.ending.evidence == "json body"


@pytest.mark.parametrize("name", [b"", b"event: error\n"])
def test_a_list_of_errors_is_an_error(name: bytes) -> None:
    errors = {"errors": [{"code": "internal_error", "message": "broke"}], "trace": "t", "status_code": 500}
    reading = play(sse(*HELLO, name + sse(errors)), api=API)
    assert reading.ending is not None
    assert (reading.ending.kind, said(reading.answer)) == ("failed", "Hello")
    assert reading.answer.error is not None
    assert (reading.answer.error.code, reading.answer.error.message) == ("internal_error", "broke")


def test_a_generation_that_failed_says_so_in_its_stop_reason() -> None:
    reading = play(sse(*HELLO, event("", 2, reason="error")), api=API)
    assert reading.ending is not None
    assert reading.ending.kind == "failed"


@pytest.mark.parametrize("begun", [HELLO, [*HELLO, END], [HELLO[0], b'data: {"results":[{"gener']])
def test_a_count_that_goes_back_is_another_generation(begun: list[Any]) -> None:
    reading = play(sse(*begun, event("", 0, given=8), event("Bye", 1), END), api=API)
    assert [said(answer) for answer in reading.answers] == [said(play(sse(*begun), api=API).answer), "Bye"]


def test_what_nobody_knows_is_counted() -> None:
    events: list[Any] = [{"system": {"warnings": []}}, {"hello": 1}, b"data: words\n\n"]
    assert play(sse(*HELLO, *events), api=API).unknown_events == 2

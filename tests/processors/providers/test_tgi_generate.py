"""TGI's own generate. There are no recordings of it: every event here is written from the server's documentation."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from sse_play import play, play_body, said, sse
from streamgauge.processors.providers.answer import Output, Usage
from streamgauge.processors.providers.tgi_generate import TGI_GENERATE

API = "tgi.generate"
DETAILS = {"finish_reason": "eos_token", "generated_tokens": 3, "input_length": 9, "seed": None}


def token(text: str, index: int, *, special: bool = False, whole: str | None = None, **details: Any) -> dict[str, Any]:
    one = {"id": 7, "text": text, "logprob": -0.1, "special": special}
    return {"index": index, "token": one, "generated_text": whole, "details": details or None}


HELLO = [token("Hel", 1), token("lo", 2)]
END = token("</s>", 3, special=True, whole="Hello", **DETAILS)


def test_the_last_token_holds_all_of_the_text() -> None:
    body = sse(*HELLO, END).replace(b"data: ", b"data:")
    reading, outputs = play_body(body)
    answer = reading.answer
    assert (reading.api, reading.provider) == (TGI_GENERATE, "tgi")
    assert (said(answer), answer.finish_reasons(), answer.warnings) == ("Hello", ["eos_token"], [])
    assert TGI_GENERATE.usage(answer.usage_raw or {}) == Usage(input=9, output=3)
    assert outputs == [Output.TEXT, Output.TEXT, Output.NOTHING]
    assert reading.ending is not None
    assert (reading.ending.evidence, reading.ending.offset) == ("eof", len(body))


@pytest.mark.parametrize(("events", "complete"), [(HELLO, False), ([*HELLO, END], True)])
def test_it_ends_with_the_whole_text_and_a_proper_end_of_the_body(events: list[Any], complete: bool) -> None:
    cut = play(sse(*events), api=API, proper_eof=False)
    assert (cut.ending, cut.content_complete()) == (None, complete)
    assert (play(sse(*events), api=API).ending is not None) == complete


def test_the_servers_copy_is_what_was_said() -> None:
    answer = play(sse(*HELLO, END | {"generated_text": "Help"}), api=API).answer
    assert (said(answer), answer.warnings) == ("Help", ["snapshot_differs"])


def test_details_are_there_only_if_asked_for() -> None:
    reading = play(sse(*HELLO, END | {"details": None}), api=API)
    assert (reading.answer.finish_reasons(), reading.answer.usage_raw, reading.content_complete()) == ([], None, True)


def test_an_error_keeps_the_text() -> None:
    reading = play(sse(*HELLO, {"error": "Request failed", "error_type": "generation"}), api=API)
    assert reading.ending is not None
    assert (reading.ending.kind, said(reading.answer), reading.unknown_events) == ("failed", "Hello", 0)
    assert reading.answer.error is not None
    assert reading.answer.error.type == "generation"


@pytest.mark.parametrize("begun", [HELLO, HELLO[:1], [*HELLO, END], [HELLO[0], b'data:{"index":2,"tok']])
def test_a_count_that_begins_again_is_another_generation(begun: list[Any]) -> None:
    reading = play(sse(*begun, token("Bye", 1), END | {"generated_text": "Bye"}), api=API)
    assert [said(answer) for answer in reading.answers] == [said(play(sse(*begun), api=API).answer), "Bye"]


def test_a_plain_body_is_the_copy_and_its_details() -> None:
    body = msgspec.json.encode({"generated_text": "Hello", "details": DETAILS})
    reading = play(body, content_type="application/json")
    assert (reading.api, said(reading.answer), reading.answer.finish_reasons()) == (
        TGI_GENERATE,
        "Hello",
        ["eos_token"],
    )
    assert reading.ending is not None
    assert reading.ending.evidence == "json body"


def test_what_nobody_knows_is_counted() -> None:
    assert play(sse(*HELLO, {"hello": 1}, b"data: words\n\n"), api=API).unknown_events == 2

"""Ollama: lines without ids, the last of which says that it is done."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from sse_play import parts, play, play_body, said, tools
from streamgauge.processors.providers.answer import Output, Usage
from streamgauge.processors.providers.ollama import OLLAMA_CHAT, OLLAMA_GENERATE
from streamgauge.processors.providers.reading import Reading
from streamgauge.schemas.records import Reasoning, Text

LINES = "application/x-ndjson"
DONE = {"done": True, "done_reason": "stop", "total_duration": 5, "prompt_eval_count": 17, "eval_count": 63}


def line(at: int = 0, *, done: dict[str, Any] | None = None, model: str = "llama3", **more: Any) -> dict[str, Any]:
    time = f"2024-05-24T20:57:{40 + at}.3146Z"
    return {"model": model, "created_at": time, **more, **(done or {"done": False})}


def chat(content: str = "", at: int = 0, *, done: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return line(at, done=done, message={"role": "assistant", "content": content, **more})


def read(*lines: dict[str, Any] | bytes, path: str | None = None) -> Reading:
    body = b"".join(one if isinstance(one, bytes) else msgspec.json.encode(one) + b"\n" for one in lines)
    return play(body, content_type=LINES, path=path)


def test_a_chat_is_pieces_and_a_last_line() -> None:
    body = b"".join(msgspec.json.encode(one) + b"\n" for one in (chat("Hel"), chat("lo"), chat(done=DONE)))
    reading, outputs = play_body(body, content_type=LINES)
    answer = reading.answer
    assert (reading.api, reading.provider, answer.model) == (OLLAMA_CHAT, "ollama", "llama3")
    assert (said(answer), answer.finish_reasons(), answer.choice().role) == ("Hello", ["stop"], "assistant")
    assert reading.ending is not None
    assert (reading.ending.evidence, reading.ending.offset) == ("done:true", len(body))
    assert outputs == [Output.TEXT, Output.TEXT, Output.NOTHING]
    assert OLLAMA_CHAT.usage(answer.usage_raw or {}) == Usage(input=17, output=63)


def test_generate_keeps_its_text_elsewhere() -> None:
    reading = read(line(response="Hel", thinking="hm"), line(response="lo"), line(response="", done=DONE))
    assert reading.api is OLLAMA_GENERATE
    assert parts(reading.answer) == [Reasoning(text="hm"), Text(text="Hello")]


def test_a_cached_prompt_is_not_counted_and_the_input_unknown() -> None:
    reading = read(line(response="a", done={"done": True, "eval_count": 58}))
    assert reading.answer.usage_raw == {"eval_count": 58}
    assert OLLAMA_GENERATE.usage(reading.answer.usage_raw) == Usage(output=58)
    assert read(line(response="a", done={"done": True})).answer.usage_raw is None


def test_without_the_last_line_it_has_not_ended() -> None:
    reading = read(chat("Hel"))
    assert (reading.ending, reading.content_complete(), reading.answer.usage_raw) == (None, False, None)


def test_calls_come_whole_and_each_is_one_of_its_own() -> None:
    called = [{"function": {"name": "f", "arguments": {"a": 1}}}, {"id": "c2", "function": {"name": "g"}}]
    reading = read(chat(tool_calls=called[:1]), chat(tool_calls=called[1:]), chat(done=DONE))
    assert [(tool.id, tool.name, tool.arguments, tool.complete) for tool in tools(reading.answer)] == [
        (None, "f", '{"a":1}', True),
        ("c2", "g", "{}", True),
    ]


def test_an_error_line_ends_it() -> None:
    reading = read(chat("Hel"), {"error": "model runner has stopped"})
    assert reading.ending is not None
    assert (reading.ending.kind, said(reading.answer), reading.unknown_events) == ("failed", "Hel", 0)
    assert reading.answer.error is not None
    assert reading.answer.error.message == "model runner has stopped"


TORN = msgspec.json.encode(chat("lost"))[:40]


@pytest.mark.parametrize(
    "between",
    [
        [chat(at=5, done=DONE)],
        [chat("lo", 9)],
        [line(2, model="qwen3", message={"content": ""})],
        [TORN],
    ],
    ids=["behind the end", "a clock that goes back", "another model", "a torn line"],
)
def test_signs_of_another_generation(between: list[Any]) -> None:
    other = [chat("Bye", 3), chat(at=3, done=DONE)]
    if between[0] != TORN and between[0]["model"] == "qwen3":
        other = [one | {"model": "qwen3"} for one in other]
    reading = read(chat("Hel", 1), *between, *other)
    assert [said(answer) for answer in reading.answers][-1] == "Bye"
    assert len(reading.answers) == 2


def test_a_clock_that_is_set_back_a_little_is_no_sign() -> None:
    for time in ("2024-05-24T20:57:41.1Z", "2024-05-24T18:57:41.1+02:00", None, 5):
        assert len(read(chat("Hel", 1), chat("lo", 1) | {"created_at": time}).answers) == 1


def test_a_plain_body_is_one_document_that_is_done() -> None:
    reading = play(msgspec.json.encode(chat("Hello", done=DONE)), content_type="application/json")
    assert (reading.api, said(reading.answer), reading.answer.finish_reasons()) == (OLLAMA_CHAT, "Hello", ["stop"])
    assert reading.ending is not None
    assert reading.ending.evidence == "json body"


def test_what_nobody_knows_is_counted() -> None:
    assert read(chat("a"), {"a": 1}, b'{"\n').unknown_events == 1

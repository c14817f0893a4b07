"""Events read at sight, as repeats of the one before: nothing may tell that they were not read the long way."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.processors.measures.timing import Gaps
from streamgauge.processors.providers import reading as reading_module
from streamgauge.processors.providers.reading import Reading
from streamgauge.processors.providers.registry import by_name
from streamgauge.processors.reassembly.body import Body
from streamgauge.processors.reassembly.flow import Flow
from streamgauge.schemas.frames import Data, Head, Open
from streamgauge.schemas.framing.events import Event, Piece

CALL, LINK = b"c" * 16, b"l" * 8
CHAT_PATH, MESSAGES_PATH = "/v1/chat/completions", "/v1/messages"
HOSTS = {CHAT_PATH: "api.openai.com", MESSAGES_PATH: "api.anthropic.com"}
NASTY = [
    b" river", b"", b"\\n", b'\\"', b"\\\\", b'"', b'","content":"x', b'"},"finish_reason":"stop"}]}\n\ndata: {"a":"',
    b"\xff", "数据🙂".encode(), b"\\ud83d", b"\\ude00", b"\\ud83d\\ude00", b"\n", b"\r", b"\x00", b"\\u0000", b"\\",
]  # fmt: skip


def chat(text: bytes, *, chunk_id: str = "c1", delta: str = "", finish: str = "null", more: str = "") -> bytes:
    """A chunk with this text, as it stands between the quotes."""
    fixed = f'{{"id":"{chunk_id}","object":"chat.completion.chunk","created":1,"model":"m"{more}'
    head = f'{fixed},"choices":[{{"index":0,"delta":{{{delta}"content":"'.encode()
    return b"data: " + head + text + f'"}},"finish_reason":{finish}}}]}}'.encode() + b"\n\n"


def block(kind: str, field: str, text: bytes, *, index: int = 0) -> bytes:
    """A delta of a block with this text, as it stands between the quotes."""
    head = f'{{"type":"content_block_delta","index":{index},"delta":{{"type":"{kind}","{field}":"'.encode()
    return b"event: content_block_delta\ndata: " + head + text + b'"}}\n\n'


def sse(document: dict[str, Any]) -> bytes:
    name = b"event: %b\n" % document["type"].encode() if "type" in document else b""
    return name + b"data: " + json.dumps(document).encode() + b"\n\n"


ROLE = '"role":"assistant",'
CHAT_START = chat(b"", delta=ROLE)
MESSAGE_START = sse({"type": "message_start", "message": {"id": "msg_1", "model": "m", "role": "assistant"}})
TOOL = {"type": "content_block_start", "index": 1, "content_block": {"type": "tool_use", "id": "t", "name": "n"}}

texts = st.sampled_from(NASTY) | st.text(max_size=5).map(lambda text: json.dumps(text)[1:-1].encode())
ordinary_chat = st.builds(chat, texts)
MORE = [',"error":null', ',"error":{"message":"e"}', ',"usage":{"total_tokens":3}']
ODD_BYTES = [b"data: [DONE]\n\n", b": ping\n\n", b"event: error\ndata: x\n\n", b"odd\n\n", b'data: {"a":1}\n\n']
PARTS = [b"odd\n", b"data: {", b"\n", b"\r", b"event: x\n", b"data: x\r"]


def renamed(text: bytes, old: bytes, new: bytes) -> bytes:
    return chat(text).replace(old, new)


odd_chat = st.one_of(
    st.builds(chat, texts, chunk_id=st.sampled_from(["c1", "c2", ""])),
    st.builds(chat, texts, delta=st.sampled_from([ROLE, '"refusal":"no",', '"reasoning":"",', '"content":"y",'])),
    st.builds(chat, texts, finish=st.sampled_from(['"stop"', '"error"', "1"])),
    st.builds(chat, texts, more=st.sampled_from(MORE)),
    st.builds(renamed, texts, st.just(b'"content"'), st.just(b'"reasoning_content"')),
    st.builds(renamed, texts, st.just(b'"index":0'), st.just(b'"index":[]')),
    st.sampled_from(ODD_BYTES + PARTS),
)
ordinary_block = st.builds(block, st.just("text_delta"), st.just("text"), texts)
odd_block = st.one_of(
    st.builds(block, st.just("text_delta"), st.just("text"), texts, index=st.integers(0, 2)),
    st.builds(block, st.just("thinking_delta"), st.just("thinking"), texts, index=st.integers(0, 2)),
    st.builds(block, st.just("input_json_delta"), st.just("partial_json"), texts, index=st.integers(0, 2)),
    st.sampled_from([MESSAGE_START, sse(TOOL), sse({"type": "content_block_stop", "index": 0}), sse({"type": "ping"})]),
    st.sampled_from(PARTS),
)


def bodies(
    start: bytes, ordinary: st.SearchStrategy[bytes], odd: st.SearchStrategy[bytes]
) -> st.SearchStrategy[list[bytes]]:
    """Chunks of a body that is mostly ordinary; some split in two."""
    runs = st.lists(st.one_of(st.lists(ordinary, min_size=2, max_size=6), st.lists(odd, max_size=1)), max_size=8)
    whole = runs.map(lambda found: [start, *[event for run in found for event in run]])
    cuts = st.lists(st.integers(0, 400), max_size=3)
    return st.tuples(whole, cuts).map(lambda pair: split(*pair))


def split(chunks: list[bytes], cuts: list[int]) -> list[bytes]:
    for cut in cuts:
        at = cut % len(chunks)
        chunks[at : at + 1] = [chunks[at][: cut // 2], chunks[at][cut // 2 :]]
    return chunks


def never(*_: object, **__: object) -> None:
    """Teaches nothing."""


def long_way(*_: object) -> list[Event]:
    pytest.fail("it was read the long way")


def flow_of(chunks: list[bytes], path: str) -> Flow:
    flow = Flow(Gaps())
    flow.begin(Open(CALL, 0, LINK, 0, "t", 1, method="POST", host=HOSTS[path], path=path))
    flow.head = Head(CALL, 0, LINK, 1, 1, 200, "HTTP/1.1", {"content-type": "text/event-stream"})
    for seq, chunk in enumerate(chunks):
        flow.read(Data(CALL, 0, LINK, seq + 2, seq, [100 + 10 * seq], [100 + 10 * seq], [chunk]))
    return flow


def seen(flow: Flow) -> object:
    """Everything a flow knows of its body."""
    flow.end(None)
    reading = flow.reading
    assert reading is not None
    assert flow.body is not None
    reading.finish(proper_eof=True)
    names = [name for name in Reading.__slots__ if name not in ("refrain", "_lesson_at", "_numbers", "answers", "api")]
    answers = [
        ([getattr(answer, name) for name in type(answer).__slots__ if name != "choices"],
         [choice.choice(generation=0) for choice in answer.choices.values()])
        for answer in reading.answers
    ]  # fmt: skip
    moments = [getattr(flow.moments, name) for name in type(flow.moments).__slots__]
    return [getattr(reading, name) for name in names], answers, moments, flow.events, flow.failed, flow.body.capped


def assert_equal_without(chunks: list[bytes], path: str) -> None:
    quick = seen(flow_of(chunks, path))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading_module, "learn", never)
        slow = seen(flow_of(chunks, path))
    assert quick == slow


@given(bodies(CHAT_START, ordinary_chat, odd_chat))
def test_a_chat_read_at_sight_is_the_same_chat(chunks: list[bytes]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading_module, "_LESSON_EVERY", 1)
        assert_equal_without(chunks, CHAT_PATH)


@given(bodies(MESSAGE_START, ordinary_block, odd_block))
def test_a_message_read_at_sight_is_the_same_message(chunks: list[bytes]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading_module, "_LESSON_EVERY", 1)
        assert_equal_without(chunks, MESSAGES_PATH)


def test_output_behind_an_ending_is_not_read_at_sight() -> None:
    """Every event of Perplexity's closing object ends an answer, so the next one begins another."""
    done = [renamed(text, b"chat.completion.chunk", b"chat.completion.done") for text in (b"a", b"b", b"c", b"d")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading_module, "_LESSON_EVERY", 1)
        assert_equal_without([CHAT_START, *done], CHAT_PATH)


@pytest.mark.parametrize(
    "between", [block("input_json_delta", "partial_json", b"{}"), b"data: {", b"\r", b"event: x\n"]
)
def test_what_comes_between_ends_the_refrain(between: bytes) -> None:
    """A block may be another part behind it, the next bytes may be the rest of something."""
    texts = [block("text_delta", "text", text) for text in (b"a", b"b", b"c", b"d")]
    assert_equal_without([MESSAGE_START, *texts[:2], between, *texts[2:]], MESSAGES_PATH)


@pytest.mark.parametrize(
    ("path", "start", "event"),
    [
        (CHAT_PATH, CHAT_START, chat(b"word")),
        (CHAT_PATH, CHAT_START, chat(b"word").replace(b'"content"', b'"reasoning_content"')),
        (MESSAGES_PATH, MESSAGE_START, block("text_delta", "text", b"word")),
        (MESSAGES_PATH, MESSAGE_START, block("thinking_delta", "thinking", b"word")),
        (MESSAGES_PATH, MESSAGE_START, block("input_json_delta", "partial_json", b"word")),
    ],
)
def test_ordinary_events_are_read_at_sight(
    path: str, start: bytes, event: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = flow_of([start, event], path)
    assert flow.reading is not None
    monkeypatch.setattr(Body, "feed", long_way)
    flow.read(Data(CALL, 0, LINK, 4, 2, [400], [400], [event.replace(b"word", b"\\u00e9 more")]))
    part = next(iter(flow.reading.answer.choice().parts.values()))
    flow.end(None)
    assert (flow.events, flow.reading.answer.events) == (3, 3)
    assert getattr(part, "pieces", None) == ["word", "é more"]


def test_a_text_like_the_probe_teaches_nothing() -> None:
    reading = Reading(by_name("openai.chat"), "openai")
    for text in (b"", "\u2047probe\u2047".encode()):
        reading.read(Event(Piece.EVENT, "", chat(text, delta=ROLE)[6:-2], 1))
    assert reading.refrain is None

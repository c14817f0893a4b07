"""Bytes that were lost in the middle of an answer: what was open then never looks whole.

The streams are short: a call or a text of three pieces, of which the second never arrives.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import Any

import pytest

from frames_build import Connection, Log, anthropic_events, chat_events, responses_events, sse
from frames_facts import only
from frames_feed import feed, partition
from streamgauge.processors.reassembly.finished import FinishedStream
from streamgauge.schemas.frames import Frame
from streamgauge.schemas.records import Hole, Part, Reasoning, Text, ToolCall
from streamgauge.schemas.words import ContentMode, How, Outcome, Resumable

PATHS = {"chat": "/v1/chat/completions", "responses": "/v1/responses", "messages": "/v1/messages"}


def chat_call(*, finish: str | None = "tool_calls") -> list[bytes]:
    """A chat completion that calls `find` with `{"q":1}`, in three pieces."""

    def chunk(delta: dict[str, Any], reason: str | None = None) -> bytes:
        choices = [{"index": 0, "delta": delta, "finish_reason": reason}]
        return sse({"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": choices})

    first = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "find", "arguments": ""}}
    pieces = [{"index": 0, "function": {"arguments": piece}} for piece in ('{"q"', ":", "1}")]
    calls = [chunk({"tool_calls": [call]}) for call in (first, *pieces)]
    return [chunk({"role": "assistant"}), *calls, chunk({}, finish), sse("[DONE]")]


def responses_call(*, copies: bool = True, numbered: bool = True) -> list[bytes]:
    """The same as a response; its provider tells the whole call again, or only that it is done."""
    response = {"id": "resp_1", "object": "response", "status": "in_progress", "output": []}
    begun = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "find", "arguments": ""}
    whole = {**begun, "arguments": '{"q":1}', "status": "completed"} if copies else {"type": "function_call"}
    output = [whole] if copies else []
    place = {"output_index": 0, "item_id": "fc_1"}
    arguments = {"arguments": '{"q":1}'} if copies else {}
    bodies: list[dict[str, Any]] = [
        {"type": "response.created", "response": response},
        {"type": "response.output_item.added", "output_index": 0, "item": begun},
        *({"type": "response.function_call_arguments.delta", **place, "delta": d} for d in ('{"q"', ":", "1}")),
        {"type": "response.function_call_arguments.done", **place, **arguments},
        {"type": "response.output_item.done", "output_index": 0, "item": whole},
        {"type": "response.completed", "response": {**response, "status": "completed", "output": output}},
    ]
    return [
        sse({**body, "sequence_number": number} if numbered else body, name=body["type"])
        for number, body in enumerate(bodies)
    ]


def messages_call() -> list[bytes]:
    """The same as a message of Anthropic."""
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": []}
    block = {"type": "tool_use", "id": "call_1", "name": "find", "input": {}}
    bodies: list[dict[str, Any]] = [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": block},
        *(
            {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": piece}}
            for piece in ('{"q"', ":", "1}")
        ),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 3}},
        {"type": "message_stop"},
    ]
    return [sse(body, name=body["type"]) for body in bodies]


def told(*frames: Frame) -> FinishedStream:
    log = Log()
    log.add(*frames)
    log.wait(200)
    return only(feed(log.arrivals, partition()))


def without(events: list[bytes], *lost: int, api: str = "chat", by: str = "drop") -> FinishedStream:
    """The stream of these events, one a chunk, without some: dropped by the shim, lost on the way, never sent."""
    c = Connection(path=PATHS[api])
    frames: list[Frame] = [c.open(), c.head()]
    for at, event in enumerate(events):
        if at not in lost:
            frames.append(c.data(event))
        elif by == "drop":
            c.drop()
        elif by == "lose":
            c.data(event)
    return told(*frames, c.close())


def parts_of(stream: FinishedStream) -> list[Part]:
    return [
        part
        for answer in stream.answers
        for i in answer.choices
        for part in answer.choice(i).choice(generation=0).parts
    ]


def calls_of(stream: FinishedStream) -> list[tuple[str | None, Any, bool | None]]:
    return [(part.name, part.arguments, part.complete) for part in parts_of(stream) if isinstance(part, ToolCall)]


CALLS = [
    ("chat", chat_call(), 3),
    ("messages", messages_call(), 3),
    ("responses", responses_call(copies=False), 3),
    ("responses", responses_call(copies=False, numbered=False), 3),
]


@pytest.mark.parametrize("by", ["drop", "lose"])
@pytest.mark.parametrize(("api", "events", "lost"), CALLS)
def test_a_tool_call_that_misses_a_piece_is_not_complete(api: str, events: list[bytes], lost: int, by: str) -> None:
    stream = without(events, lost, api=api, by=by)
    assert calls_of(stream) == [("find", '{"q"1}', False)]
    assert parts_of(stream)[-1] == Hole()
    assert stream.verdict.outcome is Outcome.COMPLETED
    assert (stream.verdict.content_complete, stream.verdict.stream_complete) == (None, False)
    assert calls_of(without(events, api=api)) == [("find", '{"q":1}', True)]


@pytest.mark.parametrize("by", ["drop", "lose"])
@pytest.mark.parametrize("numbered", [True, False])
def test_the_providers_own_copy_makes_a_torn_call_whole(numbered: bool, by: str) -> None:
    events = responses_call(numbered=numbered)
    stream = without(events, 3, api="responses", by=by)
    assert parts_of(stream) == [ToolCall(id="call_1", name="find", arguments='{"q":1}', complete=True, json_valid=True)]
    assert stream.answers[0].warnings == []


@pytest.mark.parametrize(("api", "events", "lost"), CALLS)
def test_a_tool_call_whose_beginning_is_missing_is_not_complete(api: str, events: list[bytes], lost: int) -> None:
    stream = without(events, lost - 2, api=api)
    assert [(name, complete) for name, _, complete in calls_of(stream)] == [(None, False)]


def test_a_tool_call_that_was_whole_before_the_loss_stays_so() -> None:
    events = messages_call()
    text = anthropic_events("one", " two", " three")[1:6]
    second = [event.replace(b'"index": 0', b'"index": 1') for event in text]
    stream = without([*events[:6], *second, *events[6:]], 8, api="messages")
    assert parts_of(stream) == [
        ToolCall(id="call_1", name="find", arguments='{"q":1}', complete=True, json_valid=True),
        Text(text="one"),
        Hole(),
        Text(text=" three"),
    ]


@pytest.mark.parametrize(
    ("api", "events", "lost"),
    [
        ("chat", chat_events("one", " two", " three"), 2),
        ("messages", anthropic_events("one", " two", " three"), 3),
        ("responses", [*responses_events("one", " two", " three", done=False)], 5),
        ("responses", [*responses_events("one", " two", " three", done=False, numbered=False)], 5),
    ],
)
@pytest.mark.parametrize("by", ["drop", "lose"])
def test_a_text_that_misses_a_piece_is_divided_there(api: str, events: list[bytes], lost: int, by: str) -> None:
    stream = without(events, lost, api=api, by=by)
    assert parts_of(stream) == [Text(text="one"), Hole(), Text(text=" three")]


def test_the_providers_own_copy_makes_a_torn_text_whole() -> None:
    stream = without(responses_events("one", " two", " three"), 5, api="responses")
    assert parts_of(stream) == [Text(text="one two three")]
    assert stream.answers[0].warnings == [], "a copy contradicts nobody who missed a piece"


@pytest.mark.parametrize("lost", [(0, 1), (0,), (1,)])
def test_a_text_whose_beginning_may_be_missing_stands_behind_a_hole(lost: tuple[int, ...]) -> None:
    stream = without(chat_events("one", " two"), *lost)
    assert parts_of(stream)[0] == Hole()


def test_a_text_whose_end_is_missing_stands_before_a_hole() -> None:
    stream = without(chat_events("one", " two", done=False, finish=None), 2)
    assert parts_of(stream) == [Text(text="one"), Hole()]
    stream = without(responses_events("one", " two", done=False), 5, api="responses")
    assert parts_of(stream) == [Text(text="one"), Hole()]


def test_what_comes_behind_the_finish_belongs_to_no_part() -> None:
    stream = without(chat_events("one"), 3)  # the usage
    assert parts_of(stream) == [Text(text="one")]
    assert stream.verdict.stream_complete is False


def test_two_losses_in_one_place_are_one_hole() -> None:
    c = Connection()
    events = chat_events("one", " two")
    frames: list[Frame] = [c.open(), c.head(), *map(c.data, events[:2])]
    c.drop()
    frames.append(c.data(b": alive\n\n"))
    c.drop()
    stream = told(*frames, *map(c.data, events[2:]), c.close())
    assert parts_of(stream) == [Text(text="one"), Hole(), Text(text=" two")]


def test_reasoning_is_divided_too_and_its_signature_stays_at_its_end() -> None:
    deltas = [{"thinking": "a"}, {"thinking": "b"}, {"thinking": "c"}]
    events = anthropic_events(done=False)
    events[1] = events[1].replace(b'{"type": "text", "text": ""}', b'{"type": "thinking", "thinking": ""}')
    events += [
        sse({"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", **delta}})
        for delta in deltas
    ]
    events.append(
        sse({"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "s"}})
    )
    stream = without(events, 3, api="messages")
    assert parts_of(stream) == [Reasoning(text="a"), Hole(), Reasoning(text="c", signature="s")]


def test_a_resumption_that_brings_what_was_lost_leaves_no_hole() -> None:
    events = responses_events("one", " two", " three", done=False)
    first = Connection(b"link-0--", path="/v1/responses")
    frames: list[Frame] = [first.open(), first.head(), *map(first.data, events[:5])]
    first.drop()
    frames += [first.data(events[6]), first.close(How.READ_ERROR, resumable=Resumable.MAYBE)]
    second = Connection(b"link-1--", link_no=1, after=b"link-0--", path="/v1/responses/resp_1", method="GET")
    stream = told(*frames, second.open(), second.head(), *map(second.data, events[3:]), second.close())
    assert parts_of(stream) == [Text(text="one two three")]
    assert stream.holes == 0


# ---------------------------------------------------------------------- numbers


def test_a_number_that_is_missing_in_a_connection_is_a_hole() -> None:
    """No frame is missing and no chunk was dropped: the event never came over the connection."""
    stream = without(responses_events("one", " two", " three", done=False), 5, api="responses", by="nothing")
    assert (stream.holes, stream.missing_chunks) == (1, None)
    assert parts_of(stream) == [Text(text="one"), Hole(), Text(text=" three")]


def test_a_hole_among_numbers_leaves_the_end_what_it_was_and_the_content_open() -> None:
    verdict = without(responses_events("one", " two", " three"), 5, api="responses", by="nothing").verdict
    assert (verdict.outcome, verdict.evidence) == (Outcome.COMPLETED, "response.completed")
    assert (verdict.content_complete, verdict.stream_complete) == (None, False)


@pytest.mark.parametrize("by", ["drop", "lose"])
def test_a_number_that_is_missing_with_its_frame_is_counted_once(by: str) -> None:
    stream = without(responses_events("one", " two", " three"), 5, api="responses", by=by)
    assert stream.holes == (1 if by == "lose" else 0)
    assert stream.missing_chunks == (1 if by == "lose" else 0)


@pytest.mark.parametrize("rest", [b": still here\n\n", b':"x","sequence_number":5}\n\n'], ids=["comment", "half"])
def test_a_number_that_is_missing_before_a_comment_is_counted_once(rest: bytes) -> None:
    """The rest of a torn event looks like a comment where it begins with a colon."""
    events = responses_events("one", " two", " three")
    stream = without([*events[:6], rest, *events[6:]], 5, api="responses", by="lose")
    assert (stream.holes, stream.missing_chunks) == (1, 1)
    assert stream.answers[0].response_id == "resp_1"


def test_events_without_a_number_may_have_taken_one_each() -> None:
    """An error has a number nobody keys by; events of the future may have none; old recordings have none at all."""
    unnumbered = sse({"type": "response.new", "what": 1})
    for more in ([], [unnumbered], [unnumbered, unnumbered]):
        events = responses_events("one", " two", done=False)
        stream = without([*events[:5], *more, events[5]], api="responses")
        assert stream.holes == 0
        missing = without([*events[:4], *more, events[5]], api="responses")
        assert missing.holes == (0 if more else 1)
    assert without(responses_events("one", " two", numbered=False), 4, api="responses", by="nothing").holes == 0


def test_numbers_may_begin_anywhere() -> None:
    assert without(responses_events("one", " two"), 0, 1, api="responses", by="nothing").holes == 0


# ---------------------------------------------------------------------- bytes that were kept back, or cannot be read


def test_sizes_alone_miss_nothing() -> None:
    c = Connection(content=ContentMode.SIZES_ONLY)
    stream = told(c.open(), c.head(), c.sizes(10, 20), c.close())
    assert stream.warnings == []
    assert stream.verdict.stream_complete is None


def test_bytes_that_were_kept_back_between_others_leave_a_hole() -> None:
    c = Connection()
    events = chat_events("one", " two", " three")
    frames: list[Frame] = [c.open(), c.head(), *map(c.data, events[:2]), c.sizes(len(events[2]))]
    stream = told(*frames, *map(c.data, events[3:]), c.close())
    assert parts_of(stream) == [Text(text="one"), Hole(), Text(text=" three")]
    assert stream.warnings == []


def test_a_text_that_ends_where_the_coding_is_broken_stands_before_a_hole() -> None:
    c = Connection()
    sent = bytearray(gzip.compress(b"".join(chat_events("one", "x" * 9999, finish=None, done=False))))
    sent[-20] ^= 255
    stream = told(c.open(), c.head(content_encoding="gzip"), c.data(bytes(sent)), c.close())
    assert "content_coding_damaged" in stream.warnings
    assert parts_of(stream)[-1] == Hole()


# ---------------------------------------------------------------------- events that come broken


@pytest.mark.parametrize("cut", [lambda event: event[:30] + event[60:], lambda event: event[3:]])
def test_an_event_that_comes_broken_tears_what_was_open(cut: Callable[[bytes], bytes]) -> None:
    events = chat_events("one", " two", " three")
    events[2] = cut(events[2])
    stream = without(events)
    assert parts_of(stream) == [Text(text="one"), Hole(), Text(text=" three")]
    assert (stream.verdict.outcome, stream.verdict.evidence) == (Outcome.COMPLETED, "[DONE]")
    assert (stream.verdict.content_complete, stream.verdict.stream_complete) == (None, False)


def test_the_half_of_an_event_that_was_glued_to_another_stream_tears_the_one_it_belonged_to() -> None:
    first, second = chat_events("one", " two"), chat_events("eins", response_id="chatcmpl-2")
    stream = without([*first[:2], first[2][:-20] + second[0], *second[1:]])
    assert parts_of(stream) == [Text(text="one"), Hole(), Text(text="eins")]
    assert len(stream.answers) == 2
    assert (stream.verdict.content_complete, stream.verdict.stream_complete) == (True, True)

"""Several connections of one stream, and what they come to together."""

from __future__ import annotations

from typing import Any

from frames_build import SECOND, WALL_US, Connection, Log, anthropic_events, chat_events, responses_events, sse
from frames_facts import only, texts
from frames_feed import feed, partition
from streamgauge.processors.reassembly.finished import Arrival, FinishedStream
from streamgauge.schemas.frames import Frame
from streamgauge.schemas.words import How, Outcome, Resumable


def connection(number: int, **opening: Any) -> Connection:
    """The connection of this number, three seconds after the one before."""
    after = b"link-%d--" % (number - 1) if number else None
    wall_us = WALL_US + number * 3 * SECOND
    return Connection(b"link-%d--" % number, **{"link_no": number, "after": after, "wall_us": wall_us, **opening})


def cut(link: Connection, *events: bytes, status: int = 200) -> list[Frame]:
    """A connection that broke."""
    frames: list[Frame] = [link.open(), link.head(status), *map(link.data, events)]
    return [*frames, link.close(How.READ_ERROR, resumable=Resumable.MAYBE)]


def whole(link: Connection, *events: bytes) -> list[Frame]:
    """A connection that came to its end."""
    return [link.open(), link.head(), *map(link.data, events), link.close()]


def _logged(frames: list[Frame]) -> list[Arrival]:
    log = Log()
    return log.add(*frames)


def told(*connections: list[Frame]) -> FinishedStream:
    """The stream of these connections, and the same whatever their order."""
    streams = []
    for order in (connections, connections[::-1]):
        log = Log()
        log.add(*(frame for frames in order for frame in frames))
        log.wait(200)
        streams.append(only(feed(log.arrivals, partition())))
    assert texts(streams[0]) == texts(streams[1])
    assert streams[0].verdict == streams[1].verdict
    assert streams[0].marks == streams[1].marks
    return streams[0]


# ---------------------------------------------------------------------- without numbers


def test_a_link_that_tells_the_answer_again_replaces_the_first() -> None:
    first = cut(connection(0), *chat_events("one", " two", done=False, finish=None))
    stream = told(first, whole(connection(1), *chat_events("one", " two", " three")))
    assert texts(stream) == ["one two three"]
    assert stream.verdict.outcome is Outcome.COMPLETED
    assert stream.marks.first_text_us == 30_000
    assert stream.marks.last_output_us == 3 * SECOND + 50_000


def test_a_link_that_tells_something_else_is_another_generation() -> None:
    first = cut(connection(0), *chat_events("one", " two", done=False, finish=None))
    stream = told(first, whole(connection(1), *chat_events("eins", " zwei", response_id="chatcmpl-2")))
    assert texts(stream) == ["one two", "eins zwei"]
    assert stream.verdict.outcome is Outcome.COMPLETED


def test_a_telling_that_got_less_far_is_another_generation() -> None:
    first = cut(connection(0), *chat_events("one", " two", done=False, finish=None))
    stream = told(first, cut(connection(1), *chat_events("one", done=False, finish=None)))
    assert texts(stream) == ["one two", "one"]
    assert stream.verdict.outcome is Outcome.TRUNCATED


def test_what_is_told_again_is_no_new_output() -> None:
    first = cut(connection(0), *chat_events("one", " two", done=False, finish=None))
    stream = told(first, whole(connection(1), *chat_events("one", " two")))
    assert texts(stream) == ["one two"]
    assert stream.marks.last_output_us == 40_000


def _tool_call(*arguments: str, name: str = "look") -> list[bytes]:
    """A chat completion that thinks and then calls a tool."""

    def chunk(delta: dict[str, Any]) -> bytes:
        return sse({"id": "c", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta}]})

    first = {"index": 0, "id": "call_1", "type": "function", "function": {"name": name, "arguments": ""}}
    pieces = [{"index": 0, "function": {"arguments": piece}} for piece in arguments]
    return [
        chunk({"role": "assistant", "reasoning_content": "hm"}),
        *(chunk({"tool_calls": [call]}) for call in [first, *pieces]),
    ]


def test_thoughts_and_tool_calls_are_told_again_too() -> None:
    first, again = cut(connection(0), *_tool_call('{"a"')), cut(connection(1), *_tool_call('{"a"', ":1}"))
    stream = told(first, again)
    assert len(stream.answers) == 1
    assert [tool.pieces for tool in stream.answers[0].choices[0].tools()] == [['{"a"', ":1}"]]


def test_another_tool_is_another_generation() -> None:
    first, other = cut(connection(0), *_tool_call('{"a"')), cut(connection(1), *_tool_call('{"a"', name="find"))
    assert len(told(first, other).answers) == 2


def test_a_refusal_is_no_telling_of_a_text() -> None:
    refused = sse({"id": "c", "choices": [{"index": 0, "delta": {"role": "assistant", "refusal": "no"}}]})
    first = cut(connection(0), *chat_events("no", done=False, finish=None))
    assert len(told(first, cut(connection(1), refused)).answers) == 2


def test_only_the_last_generation_of_a_spliced_body_is_told_again() -> None:
    spliced = [*anthropic_events("a", done=False), *anthropic_events("b", done=False, response_id="msg_2")]
    first = cut(connection(0, path="/v1/messages"), *spliced)
    stream = told(first, whole(connection(1, path="/v1/messages"), *anthropic_events("bc", response_id="msg_3")))
    assert texts(stream) == ["a", "bc"]


def test_a_link_that_brought_no_event_is_no_generation() -> None:
    stream = told(cut(connection(0)), whole(connection(1), *chat_events("a")))
    assert texts(stream) == ["a"]
    assert len(stream.links) == 2


def test_a_refused_resumption_decides_nothing() -> None:
    refused = connection(1, path="/v1/responses/resp_1", method="GET")
    body = refused.open(), refused.head(404, "application/json"), refused.data(b'{"error":{"message":"gone"}}')
    first = cut(connection(0, path="/v1/responses"), *responses_events("a", "b")[:5])
    stream = told(first, [*body, refused.close()])
    assert texts(stream) == ["a"]
    assert (stream.verdict.outcome, stream.verdict.evidence) == (Outcome.TRUNCATED, "read_error")
    assert "resume_refused" in stream.warnings


def test_a_call_that_was_refused_has_nothing_to_resume() -> None:
    stream = only(feed(_logged(cut(connection(0), status=503)), partition()))
    assert stream.verdict.outcome is Outcome.REJECTED
    assert "resume_refused" not in stream.warnings


# ---------------------------------------------------------------------- with numbers


def test_three_links_are_read_in_their_order_whatever_they_repeat() -> None:
    events = responses_events("one", " two", " three", " four")
    stream = told(
        cut(connection(0, path="/v1/responses"), *events[:5]),
        cut(connection(1, path="/v1/responses/resp_1", method="GET"), *events[2:7]),
        whole(connection(2, path="/v1/responses/resp_1", method="GET"), *events),
    )
    assert texts(stream) == ["one two three four"]
    assert [link.replayed_events for link in stream.links] == [0, 3, 7]
    assert stream.duplicates_dropped == 0
    assert stream.marks.last_output_us is not None
    assert stream.marks.last_output_us > 6 * SECOND


def test_replayed_events_are_no_new_output() -> None:
    events = responses_events("one", " two")
    first = cut(connection(0, path="/v1/responses"), *events[:6])
    again = cut(connection(1, path="/v1/responses/resp_1", method="GET"), *events[:6])
    stream = told(first, again)
    assert texts(stream) == ["one two"]
    assert stream.marks.last_output_us == 70_000


def test_what_one_link_lost_another_fills_in_its_place() -> None:
    events = responses_events("one", " two", " three", " four")
    first = connection(0, path="/v1/responses")
    frames: list[Frame] = [first.open(), first.head(), *map(first.data, events[:5])]
    first.drop()
    frames += [first.data(events[6]), first.close(How.READ_ERROR, resumable=Resumable.MAYBE)]
    stream = told(frames, cut(connection(1, path="/v1/responses/resp_1", method="GET"), *events[:8]))
    assert texts(stream) == ["one two three four"]
    assert stream.links[1].replayed_events == 6


def test_what_a_numbered_link_lost_and_nobody_fills_stays_missing() -> None:
    events = responses_events("one", " two", " three")
    link = connection(0, path="/v1/responses")
    frames: list[Frame] = [link.open(), link.head(), *map(link.data, events[:5])]
    link.drop()
    stream = told([*frames, link.data(events[6]), link.close(How.CLOSED_EARLY)])
    assert texts(stream) == ["one three"]
    assert stream.marks.last_output_us == 70_000
    assert "bytes_missing" in stream.warnings


def test_another_response_on_a_later_link_is_another_generation() -> None:
    first = cut(connection(0, path="/v1/responses"), *responses_events("one", " two")[:6])
    second = whole(connection(1, path="/v1/responses"), *responses_events("eins", " zwei", response_id="resp_2"))
    stream = told(first, second)
    assert texts(stream) == ["one two", "eins zwei"]
    assert [link.replayed_events for link in stream.links] == [0, 0]


def test_a_link_that_begins_right_behind_the_last_leaves_no_hole() -> None:
    events = responses_events("one", " two")
    first = cut(connection(0, path="/v1/responses"), *events[:5])
    stream = told(first, whole(connection(1, path="/v1/responses/resp_1", method="GET"), *events[5:]))
    assert (texts(stream), stream.holes) == (["one two"], 0)


def test_numbers_that_begin_anew_are_not_mixed_with_those_before() -> None:
    events = responses_events("one", " two", " three")
    stream = told(
        cut(connection(0, path="/v1/responses"), *events[:5]),
        cut(connection(1, path="/v1/responses/resp_1", method="GET"), *events[4:7]),
        whole(connection(2, path="/v1/responses"), *responses_events("eins", " zwei", response_id="resp_2")),
    )
    assert texts(stream) == ["one two three", "eins zwei"]


def test_numbered_events_do_not_carry_on_an_answer_without_numbers() -> None:
    first = cut(connection(0, path="/v1/responses"), *responses_events("one", " two", numbered=False)[:6])
    second = cut(connection(1, path="/v1/responses"), *responses_events("one", " two", " three")[:7])
    stream = told(first, second)
    assert texts(stream) == ["one two three"]
    assert [link.replayed_events for link in stream.links] == [0, 0]


def test_a_numbered_answer_whose_first_link_never_came_is_read_from_the_second() -> None:
    events = responses_events("one", " two")
    stream = told(whole(connection(1, path="/v1/responses/resp_1", method="GET"), *events))
    assert texts(stream) == ["one two"]
    assert stream.holes == 1


def test_a_last_event_that_lacks_only_its_line_end_is_numbered_like_any_other() -> None:
    events = responses_events("one", " two")
    first = cut(connection(0, path="/v1/responses"), events[0])
    second = cut(connection(1, path="/v1/responses/resp_1", method="GET"), events[0][:-2])
    third = whole(connection(2, path="/v1/responses/resp_1", method="GET"), *events)
    stream = told(first, second, third)
    assert texts(stream) == ["one two"]
    assert [link.replayed_events for link in stream.links] == [0, 1, 1]

"""The simulator seen through the official SDKs, without a gauge: what they read is what it says it said."""

import contextlib
import json
import time
from collections.abc import Callable
from typing import Any

import anthropic
import openai
import pytest

from played import Play, Played, script
from streamgauge.processors.demo.script import Ending, Refusal
from streamgauge.processors.demo.simulator import HEADER
from streamgauge.processors.demo.speech import answer
from streamgauge.processors.demo.truth import Ended, Said, Truth, Usage

PLAIN = answer(2, sentences=2)


def chat(client: Any, **more: Any) -> tuple[dict[int, str], list[tuple[str, ...]], list[str], Any]:
    """Read a chat stream to its end; return its text, tools, finish reasons and usage."""
    text: dict[int, str] = {}
    tools: dict[int, list[str]] = {}
    finish: list[str] = []
    usage = None
    chunks = client.chat.completions.create(
        model="m", messages=[{"role": "user", "content": "?"}], stream=True, extra_headers={HEADER: "s"}, **more
    )
    for chunk in chunks:
        usage = chunk.usage or usage
        for choice in chunk.choices:
            text[choice.index] = text.get(choice.index, "") + (choice.delta.content or "")
            finish += [choice.finish_reason] if choice.finish_reason else []
            for call in choice.delta.tool_calls or ():
                known = tools.setdefault(int(call.index), ["", ""])
                known[0] += call.function.name or ""
                known[1] += call.function.arguments or ""
    return text, [tuple(tools[index]) for index in sorted(tools)], finish, usage


def messages(client: Any, **more: Any) -> Any:
    with client.messages.stream(
        model="m", max_tokens=9, messages=[{"role": "user", "content": "?"}], extra_headers={HEADER: "s"}, **more
    ) as stream:
        return stream.get_final_message()


def test_a_chat_stream_reads_as_it_was_said(play: Play) -> None:
    played = play(script())
    text, tools, finish, usage = chat(played.openai, stream_options={"include_usage": True})
    truth = truth_of(played)
    assert text == {0: truth.text()}
    assert tools == truth.tools()
    assert [json.loads(arguments) for _, arguments in tools]
    assert finish == ["tool_calls"]
    assert truth.usage == Usage(usage.prompt_tokens, usage.completion_tokens)
    assert truth.ended is Ended.PROPER


def test_a_chat_stream_that_was_not_asked_for_usage_states_none(play: Play) -> None:
    played = play(script())
    assert chat(played.openai)[3] is None
    assert truth_of(played).usage is None


def test_choices_of_one_stream_take_turns(play: Play) -> None:
    played = play(script(answers=(PLAIN, PLAIN)))
    text, _, finish, _ = chat(played.openai, n=2)
    truth = truth_of(played)
    assert text == {0: truth.text(), 1: truth.text(choice=1)}
    assert finish == ["stop", "stop"]
    assert truth.choices == 2


def test_together_says_its_text_twice_and_its_usage_last(play: Play) -> None:
    played = play(script(answers=(PLAIN,), cached_tokens=8))
    text, _, finish, usage = chat(played.together)
    assert text == {0: truth_of(played).text()}
    assert finish == ["stop"]
    assert usage.total_tokens == 40 + len(PLAIN.text)


def test_a_message_reads_as_it_was_said(play: Play) -> None:
    played = play(script(cached_tokens=10))
    message = messages(played.anthropic)
    truth = truth_of(played)
    thinking, text, *calls = message.content
    assert thinking.thinking == truth.text(Said.REASONING)
    assert text.text == truth.text()
    assert [(call.name, call.input) for call in calls] == [(name, json.loads(args)) for name, args in truth.tools()]
    assert message.usage.input_tokens + message.usage.cache_read_input_tokens == script().input_tokens
    assert message.stop_reason == "tool_use"


def test_a_responses_stream_reads_as_it_was_said_and_is_numbered_without_gaps(play: Play) -> None:
    played = play(script())
    events = list(played.openai.responses.create(model="m", input="?", stream=True, extra_headers={HEADER: "s"}))
    truth = truth_of(played)
    assert [event.sequence_number for event in events] == list(range(len(events)))
    final = events[-1].response
    assert final.output_text == truth.text()
    assert [(item.name, item.arguments) for item in final.output if item.type == "function_call"] == truth.tools()
    assert final.usage.output_tokens == script().output_tokens


def test_a_plain_response_says_the_same_as_a_stream(play: Play) -> None:
    played = play(script())
    completion = played.openai.chat.completions.create(model="m", messages=[], extra_headers={HEADER: "s"})
    response = played.openai.responses.create(model="m", input="?", extra_headers={HEADER: "s"})
    message = played.anthropic.messages.create(model="m", max_tokens=9, messages=[], extra_headers={HEADER: "s"})
    other = played.together.chat.completions.create(model="m", messages=[], extra_headers={HEADER: "s"})
    truth = truth_of(played, 3)
    assert not truth.streamed
    said = truth.text()
    assert completion.choices[0].message.content == said
    assert response.output_text == said
    assert message.content[1].text == said
    assert other.choices[0].message.content == said


@pytest.mark.parametrize("resets", [True, False])
def test_a_cut_breaks_the_connection_inside_an_event(play: Play, resets: bool) -> None:
    played = play(script(ending=Ending.CUT, ends_after=5, resets=resets))
    with pytest.raises(openai.APIConnectionError):
        chat(played.openai)
    truth = truth_of(played)
    assert truth.ended is Ended.CUT
    assert truth.text() == "".join(script().answers[0].text[:5])


def test_an_error_event_comes_after_status_200(play: Play) -> None:
    played = play(script(ending=Ending.ERROR))
    with pytest.raises(openai.APIError):
        chat(played.openai)
    with pytest.raises(anthropic.APIStatusError):
        messages(played.anthropic)
    with pytest.raises(openai.APIError):
        list(played.openai.responses.create(model="m", input="?", stream=True, extra_headers={HEADER: "s"}))
    assert [truth_of(played, attempt).ended for attempt in range(3)] == [Ended.ERROR] * 3


def test_a_failed_response_keeps_its_id_and_its_numbers(play: Play) -> None:
    played = play(script(ending=Ending.ERROR))
    with played.openai.responses.with_streaming_response.create(
        model="m", input="?", stream=True, extra_headers={HEADER: "s"}
    ) as response:
        payloads = [json.loads(line[5:]) for line in response.iter_lines() if line.startswith("data:")]
    assert [payload["sequence_number"] for payload in payloads] == list(range(len(payloads)))
    assert payloads[0]["response"]["id"] == payloads[-1]["response"]["id"]
    assert payloads[-1]["response"]["status"] == "failed"


def test_a_dropped_stream_ends_cleanly_without_its_ending(play: Play) -> None:
    played = play(script(ending=Ending.DROPPED, ends_after=5))
    text, _, finish, _ = chat(played.openai)
    assert text == {0: "".join(script().answers[0].text[:5])}
    assert finish == []


def test_a_silent_provider_keeps_its_connection(play: Play) -> None:
    played = play(script(ending=Ending.SILENT))
    with pytest.raises(openai.APITimeoutError):
        chat(played.openai.with_options(timeout=0.2, max_retries=0))
    assert truth_of(played).text()


def test_a_refused_request_is_tried_again_by_the_sdk(play: Play) -> None:
    played = play(script(refusals=(Refusal(status=429, retry_after_ms=1),)))
    assert chat(played.openai)[0]
    first, second = (truth_of(played, attempt) for attempt in (0, 1))
    assert (first.ended, first.status) == (Ended.REFUSED, 429)
    assert (second.ended, second.status) == (Ended.PROPER, 200)


def test_a_wrong_key_is_refused_for_good(play: Play) -> None:
    played = play(script(refusals=(Refusal(status=401),)))
    with pytest.raises(openai.AuthenticationError):
        chat(played.openai)
    assert played.simulator.truths.of("s", 1) is None


def test_a_background_response_goes_on_where_its_client_asks(play: Play) -> None:
    played = play(script(ending=Ending.CUT, ends_after=20))
    seen, text, response_id = -1, "", ""
    events = played.openai.responses.create(
        model="m", input="?", stream=True, background=True, extra_headers={HEADER: "s"}
    )
    with contextlib.suppress(openai.APIConnectionError):
        for event in events:
            seen = event.sequence_number
            if event.type == "response.created":
                response_id = event.response.id
            text += event.delta if event.type == "response.output_text.delta" else ""
    for event in played.openai.responses.retrieve(response_id, stream=True, starting_after=seen - 3):
        new = event.sequence_number > seen
        text += event.delta if new and event.type == "response.output_text.delta" else ""
    truth = truth_of(played)
    assert text == truth.text() == "".join(script().answers[0].text)
    assert (truth.connections, truth.replayed, truth.ended) == (2, 3, Ended.PROPER)


def test_a_client_that_leaves_is_noticed(play: Play) -> None:
    played = play(script(tokens_per_s=20))
    stream = played.openai.chat.completions.create(model="m", messages=[], stream=True, extra_headers={HEADER: "s"})
    read = next(stream).choices[0].delta.content
    stream.close()
    truth = truth_of(played)
    wait_for(lambda: truth.ended is Ended.LEFT)
    assert truth.text().startswith(read)


def test_the_same_script_gives_the_same_text_and_ids(play: Play) -> None:
    ids = set()
    for _ in range(2):
        played = play(script())
        completion = played.openai.chat.completions.create(model="m", messages=[], extra_headers={HEADER: "s"})
        ids.add((completion.id, completion.choices[0].message.content))
    assert len(ids) == 1


def test_what_no_script_names_is_not_found(play: Play) -> None:
    played = play(script())
    with pytest.raises(openai.NotFoundError):
        played.openai.chat.completions.create(model="m", messages=[], extra_headers={HEADER: "other"})
    with pytest.raises(openai.NotFoundError):
        played.openai.responses.retrieve("resp_unknown")


def test_stopping_breaks_every_connection(play: Play) -> None:
    played = play(script(ending=Ending.SILENT))
    stream = played.openai.chat.completions.create(model="m", messages=[], stream=True, extra_headers={HEADER: "s"})
    next(stream)
    played.simulator.stop()
    with pytest.raises(openai.APIConnectionError):
        list(stream)


def truth_of(played: Played, attempt: int = 0) -> Truth:
    truth = played.simulator.truths.of("s", attempt)
    assert truth is not None
    return truth


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.005)

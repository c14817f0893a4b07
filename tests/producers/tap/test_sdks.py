"""The official SDKs against a provider on loopback: their results stay, the gauge has the bytes."""

from __future__ import annotations

import asyncio
import gc
import gzip
import json
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import anthropic
import groq
import openai
import pytest
import together

from endpoint import Answer, Endpoint
from streamgauge.producers.gauge import Gauge
from streamgauge.producers.tap import instrument
from streamgauge.schemas.words import AttemptKind, How

Published = Callable[[], Any]


def sse(*events: dict[str, Any], done: bool = False) -> list[bytes]:
    """Server-sent events, one a chunk; a `type` is the event's name too."""
    named = [f"event: {event['type']}\n" if "type" in event else "" for event in events]
    lines = [f"{name}data: {json.dumps(event)}\n\n".encode() for name, event in zip(named, events, strict=True)]
    return [*lines, b"data: [DONE]\n\n"] if done else lines


def chat(*texts: str) -> list[bytes]:
    """A chat completion in chunks."""
    head = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    deltas = [{**head, "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]} for text in texts]
    return sse(*deltas, {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}, done=True)


def message(*texts: str) -> list[bytes]:
    """An Anthropic message in chunks."""
    start = {
        "type": "message_start",
        "message": {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "m",
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": 1, "output_tokens": 1},
        },
    }
    return sse(
        start,
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}} for text in texts),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
        {"type": "message_stop"},
    )


def chat_text(events: Iterable[Any]) -> str:
    return "".join(choice.delta.content or "" for event in events for choice in event.choices)


def message_text(events: Iterable[Any]) -> str:
    return "".join(event.delta.text for event in events if event.type == "content_block_delta")


class Sdk(NamedTuple):
    """One SDK: its two clients, how to ask for a stream, what comes and how it reads."""

    name: str
    client: Callable[..., Any]
    aclient: Callable[..., Any]
    path: str
    base: str
    body: Callable[..., list[bytes]]
    text: Callable[[Iterable[Any]], str]

    def create(self, client: Any) -> Any:
        """Ask for a stream."""
        asks: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True}
        if self.name == "anthropic":
            return client.messages.create(max_tokens=9, **asks)
        return client.chat.completions.create(**asks)


SDKS = [
    Sdk("openai", openai.OpenAI, openai.AsyncOpenAI, "/v1/chat/completions", "/v1", chat, chat_text),
    Sdk("anthropic", anthropic.Anthropic, anthropic.AsyncAnthropic, "/v1/messages", "", message, message_text),
    Sdk("together", together.Together, together.AsyncTogether, "/v1/chat/completions", "", chat, chat_text),
    Sdk("groq", groq.Groq, groq.AsyncGroq, "/openai/v1/chat/completions", "", chat, chat_text),
]


@pytest.fixture(params=SDKS, ids=lambda sdk: sdk.name)
def sdk(request: pytest.FixtureRequest) -> Sdk:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(autouse=True)
def no_waiting_between_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    for package in (openai, anthropic, together, groq):
        base: Any = package._base_client
        monkeypatch.setattr(base.BaseClient, "_calculate_retry_timeout", lambda *_, **__: 0.0)


def test_an_sdk_s_stream_reads_the_same_and_its_bytes_are_published(
    sdk: Sdk, provider: Endpoint, gauge: Gauge, published: Published
) -> None:
    body = sdk.body("Hello", ", ", "world")
    provider.answers(Answer(chunks=body))
    with sdk.client(api_key="k", base_url=provider.url + sdk.base) as client:
        instrument(gauge, client)
        assert sdk.text(sdk.create(client)) == "Hello, world"
    frames = published()
    assert frames.body == b"".join(body)
    (opened,) = frames.opens
    assert (opened.path, opened.attempt, opened.attempt_kind) == (sdk.path, 0, AttemptKind.FIRST)
    assert opened.request == provider.requests[0].body
    assert opened.sdk.partition("/")[0] == f"{sdk.name}-python"
    assert opened.client_timeout_us > 0
    assert frames.close.how in (How.EOF, How.CLOSED_EARLY)  # some close as soon as they have `[DONE]`


async def test_an_sdk_s_asynchronous_stream_reads_the_same_and_its_bytes_are_published(
    sdk: Sdk, provider: Endpoint, gauge: Gauge, published: Published
) -> None:
    body = sdk.body("Hello", ", ", "world")
    provider.answers(Answer(chunks=body))
    async with sdk.aclient(api_key="k", base_url=provider.url + sdk.base) as client:
        instrument(gauge, client)
        stream = await sdk.create(client)
        assert sdk.text([event async for event in stream]) == "Hello, world"
    assert published().body == b"".join(body)


def test_a_retried_call_has_two_attempts(sdk: Sdk, provider: Endpoint, gauge: Gauge, published: Published) -> None:
    refusal = Answer(status=429, headers={"content-type": "application/json"}, chunks=[b'{"error":{}}'])
    provider.answers(refusal, refusal, Answer(chunks=sdk.body("Hello")))
    with sdk.client(api_key="k", base_url=provider.url + sdk.base) as client:
        instrument(gauge, client)
        assert sdk.text(sdk.create(client)) == "Hello"
    opens = published().opens
    assert len({opened.call for opened in opens}) == 1
    assert [(opened.attempt, opened.attempt_kind, opened.parent_attempt) for opened in opens] == [
        (0, AttemptKind.FIRST, None),
        (1, AttemptKind.SDK_RETRY, 0),
        (2, AttemptKind.SDK_RETRY, 1),
    ]


async def test_calls_retried_side_by_side_keep_apart(
    sdk: Sdk, provider: Endpoint, gauge: Gauge, published: Published
) -> None:
    """Equal requests of one client, retried at the same time: each try follows the try of its own task."""
    refusal = Answer(status=503, headers={"content-type": "application/json"}, chunks=[b"{}"])
    provider.answers(*[refusal] * 8, *[Answer(chunks=sdk.body("Hello"))] * 8)
    async with sdk.aclient(api_key="k", base_url=provider.url + sdk.base, max_retries=8) as client:
        instrument(gauge, client)

        async def calls() -> str:
            return sdk.text([event async for event in await sdk.create(client)])

        assert await asyncio.gather(*(calls() for _ in range(8))) == ["Hello"] * 8
    opens = published().opens
    assert len({opened.call for opened in opens}) == 8
    assert len(opens) == 16
    assert len({(opened.call, opened.attempt) for opened in opens}) == 16
    assert all(opened.parent_attempt == opened.attempt - 1 for opened in opens if opened.attempt)


def test_asking_again_is_a_new_call(sdk: Sdk, provider: Endpoint, gauge: Gauge, published: Published) -> None:
    answer = Answer(chunks=sdk.body("Hello"))
    provider.answers(answer, answer)
    with sdk.client(api_key="k", base_url=provider.url + sdk.base) as client:
        instrument(gauge, client)
        for _ in range(2):
            sdk.text(sdk.create(client))
    opens = published().opens
    assert len({opened.call for opened in opens}) == 2
    assert [opened.attempt for opened in opens] == [0, 0]


def test_a_stream_closed_by_the_application_is_closed_early(
    sdk: Sdk, provider: Endpoint, gauge: Gauge, published: Published
) -> None:
    provider.answers(Answer(chunks=sdk.body("Hello")[:2], end="hang"))
    with sdk.client(api_key="k", base_url=provider.url + sdk.base) as client:
        instrument(gauge, client)
        with sdk.create(client) as stream:
            next(iter(stream))
    assert published().close.how is How.CLOSED_EARLY


@pytest.mark.usefixtures("young_heap")
@pytest.mark.parametrize("name", ["openai", "anthropic", "together"])
def test_a_stream_dropped_after_some_events_is_collected(
    name: str, provider: Endpoint, gauge: Gauge, published: Published
) -> None:
    """groq's stream has no generator that would close the response: there only the bytes' own generator is left."""
    sdk = next(one for one in SDKS if one.name == name)
    provider.answers(Answer(chunks=sdk.body("Hello")[:2], end="hang"))
    with sdk.client(api_key="k", base_url=provider.url + sdk.base) as client:
        instrument(gauge, client)
        for _ in sdk.create(client):
            break
        gc.collect()
        assert published().close.how is How.COLLECTED


@pytest.mark.usefixtures("young_heap")
@pytest.mark.parametrize("name", ["openai", "anthropic", "together"])
async def test_an_asynchronous_stream_dropped_after_some_events_is_collected(
    name: str, provider: Endpoint, gauge: Gauge, published: Published
) -> None:
    sdk = next(one for one in SDKS if one.name == name)
    provider.answers(Answer(chunks=sdk.body("Hello")[:2], end="hang"))
    async with sdk.aclient(api_key="k", base_url=provider.url + sdk.base) as client:
        instrument(gauge, client)
        async for _ in await sdk.create(client):
            break
        for _ in range(10):  # generator by generator: the loop closes each in a task of its own
            gc.collect()
            await asyncio.sleep(0)
        assert published().close.how is How.COLLECTED


@pytest.mark.usefixtures("young_heap")
def test_a_stream_dropped_unread_is_collected(sdk: Sdk, provider: Endpoint, gauge: Gauge, published: Published) -> None:
    provider.answers(Answer(chunks=sdk.body("Hello"), end="hang"))
    with sdk.client(api_key="k", base_url=provider.url + sdk.base) as client:
        instrument(gauge, client)
        sdk.create(client)
        gc.collect()
        assert published().close.how is How.COLLECTED


def test_a_plain_response_is_published_like_a_stream(provider: Endpoint, gauge: Gauge, published: Published) -> None:
    body = json.dumps(
        {
            "id": "c1",
            "object": "chat.completion",
            "created": 1,
            "model": "m",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
        }
    ).encode()
    provider.answers(Answer(headers={"content-type": "application/json"}, chunks=[body]))
    with openai.OpenAI(api_key="k", base_url=provider.url + "/v1") as client:
        instrument(gauge, client)
        answer = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
    assert answer.choices[0].message.content == "Hello"
    frames = published()
    assert frames.body == body
    assert frames.close.how is How.EOF


def test_azure_is_openai_at_another_address(provider: Endpoint, gauge: Gauge, published: Published) -> None:
    provider.answers(Answer(chunks=chat("Hello")))
    with openai.AzureOpenAI(api_key="k", azure_endpoint=provider.url, api_version="2026-01-01") as client:
        instrument(gauge, client)
        stream = client.chat.completions.create(model="dep", messages=[{"role": "user", "content": "hi"}], stream=True)
        assert chat_text(stream) == "Hello"
    (opened,) = published().opens
    assert opened.path == "/openai/deployments/dep/chat/completions"
    assert opened.query == {"api-version": "2026-01-01"}
    assert opened.sdk.startswith("openai-python/")


async def test_openai_over_aiohttp_is_seen_too(provider: Endpoint, gauge: Gauge, published: Published) -> None:
    body = gzip.compress(b"".join(chat("Hello")), mtime=0)
    provider.answers(Answer(headers={"content-type": "text/event-stream", "content-encoding": "gzip"}, chunks=[body]))
    http_client = openai.DefaultAioHttpClient()
    async with openai.AsyncOpenAI(api_key="k", base_url=provider.url + "/v1", http_client=http_client) as client:
        instrument(gauge, client)
        asks: Any = {"model": "m", "messages": [], "stream": True}
        assert chat_text([event async for event in await client.chat.completions.create(**asks)]) == "Hello"
    assert published().body == body


def response_events(*numbers: int) -> list[bytes]:
    """Events of an OpenAI response; 0 names it."""
    created = {
        "type": "response.created",
        "sequence_number": 0,
        "response": {
            "id": "resp_1",
            "object": "response",
            "created_at": 1,
            "model": "m",
            "output": [],
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
            "background": True,
        },
    }
    delta = {
        "type": "response.output_text.delta",
        "item_id": "i",
        "output_index": 0,
        "content_index": 0,
        "logprobs": [],
    }
    return sse(*(created if number == 0 else {**delta, "sequence_number": number} for number in numbers))


def test_a_resumed_response_is_a_link_of_its_attempt(provider: Endpoint, gauge: Gauge, published: Published) -> None:
    provider.answers(Answer(chunks=response_events(0, 1, 2), end="cut"), Answer(chunks=response_events(3, 4)))
    with openai.OpenAI(api_key="k", base_url=provider.url + "/v1", max_retries=0) as client:
        instrument(gauge, client)
        seen: list[int] = []
        begun = client.responses.create(model="m", input="hi", background=True, stream=True)
        with pytest.raises(openai.APIConnectionError):
            seen.extend(event.sequence_number for event in begun)
        resumed = client.responses.retrieve("resp_1", stream=True, starting_after=2)
        seen.extend(event.sequence_number for event in resumed)
    assert seen == [0, 1, 2, 3, 4]
    first, second = published().opens
    assert (second.call, second.attempt) == (first.call, first.attempt)
    assert (second.link_no, second.after, second.cursor) == (1, first.link, "2")
    assert second.attempt_kind is AttemptKind.RESUME

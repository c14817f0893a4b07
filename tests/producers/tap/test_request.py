"""What is told of a request, and what is left alone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from endpoint import Answer, Endpoint
from streamgauge.producers.gauge import Gauge
from streamgauge.producers.tap import instrument

Published = Callable[[], Any]


def test_an_open_says_what_is_asked_of_whom(host: Any, provider: Endpoint, gauge: Gauge, published: Published) -> None:
    provider.answers(Answer())
    client = host.client(timeout=host.package.Timeout(30, read=12.5))
    instrument(gauge, client)
    host.posts(
        client, provider.url, params={"api-version": "2026-01-01", "key": "secret"}, content=b'{"a":1}', json=None
    )
    (opened,) = published().opens
    assert (opened.method, opened.host, opened.path) == ("POST", provider.netloc, "/v1/chat/completions")
    assert opened.query == {"api-version": "2026-01-01"}
    assert opened.request == b'{"a":1}'
    assert opened.client_timeout_us == 12_500_000
    assert opened.sdk == f"python-{host.package.__name__}/{host.package.__version__}"


def test_a_request_body_that_streams_is_never_read(
    host: Any, provider: Endpoint, gauge: Gauge, published: Published
) -> None:
    pieces = [b'{"model"', b': "m"}']

    async def apieces() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    provider.answers(Answer())
    client = host.client()
    instrument(gauge, client)
    host.posts(client, provider.url, content=apieces() if host.is_async else iter(pieces), json=None)
    assert provider.requests[0].body == b"".join(pieces)
    (opened,) = published().opens
    assert (opened.request, opened.request_bytes) == (None, None)


@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/models"), ("POST", "/v1/files"), ("HEAD", "/")])
def test_other_requests_pass_untouched(host: Any, gauge: Gauge, published: Published, method: str, path: str) -> None:
    answers: list[Any] = []

    def handler(request: Any) -> Any:
        answers.append(host.package.Response(200, stream=host.package.ByteStream(b"{}")))
        return answers[0]

    client = host.answering(handler)
    instrument(gauge, client)
    transport = client._transport
    request = client.build_request(method, "http://provider" + path)

    def threads() -> Any:
        return transport.handle_request(request)

    async def tasks() -> Any:
        return await transport.handle_async_request(request)

    response = host.run(threads, tasks)
    assert response is answers[0]
    assert type(response.stream) is host.package.ByteStream
    assert published().all == []


def test_the_response_is_the_transport_s_own_object(host: Any, gauge: Gauge) -> None:
    body = host.package.ByteStream(b"{}")
    answer = host.package.Response(200, stream=body, extensions={"http_version": b"HTTP/2", "network_stream": object()})
    extensions = dict(answer.extensions)
    client = host.answering(lambda request: answer)
    instrument(gauge, client)
    transport = client._transport
    request = client.build_request("POST", "http://provider/v1/chat/completions", json={})

    def threads() -> Any:
        return transport.handle_request(request)

    async def tasks() -> Any:
        return await transport.handle_async_request(request)

    response = host.run(threads, tasks)
    assert response is answer
    assert response.extensions == extensions
    assert isinstance(response.stream, host.package.SyncByteStream)  # a body in memory is of both kinds, and stays so
    assert isinstance(response.stream, host.package.AsyncByteStream)


def test_the_head_carries_status_version_and_headers(
    host: Any, provider: Endpoint, gauge: Gauge, published: Published
) -> None:
    provider.answers(
        Answer(status=503, headers={"content-type": "text/event-stream", "x-secret": "s", "retry-after": "2"})
    )
    client = host.client()
    instrument(gauge, client)
    host.posts(client, provider.url)
    (head,) = published().heads
    assert (head.status, head.http_version) == (503, "HTTP/1.1")
    assert head.headers == {"content-type": "text/event-stream", "retry-after": "2", "transfer-encoding": "chunked"}


def test_the_trace_extension_tells_the_same_story(host: Any, provider: Endpoint, gauge: Gauge) -> None:
    def story(tap: bool) -> list[str]:
        told: list[str] = []

        async def atold(event: str, info: Any) -> None:
            told.append(event)

        provider.answers(Answer(chunks=[b"a", b"b"]))
        client = host.client()
        if tap:
            instrument(gauge, client)
        trace = atold if host.is_async else (lambda event, info: told.append(event))
        host.posts(client, provider.url, extensions={"trace": trace})
        return told

    assert story(tap=True) == story(tap=False) != []


@pytest.mark.parametrize(
    ("user_agent", "sdk"),
    [
        ("OpenAI/Python 3.57.0", "openai-python/3.57.0"),
        ("AsyncAzureOpenAI/Python 3.57.0", "openai-python/3.57.0"),
        ("AsyncAnthropicVertex/Python 2.13.0", "anthropic-python/2.13.0"),
        ("Together/Python 3.1.1", "together-python/3.1.1"),
        ("AsyncGroq/Python 1.7.0", "groq-python/1.7.0"),
        ("ollama-python/0.6.0 (x86_64 linux) Python/3.11.9", "ollama-python/0.6.0"),
        ("AcmeOpenAI/Python 3.57.0", None),
        ("Mozilla/5.0 of alice@acme.com", None),
        ("OpenAI/Python 3 alice", None),
        ("", None),
    ],
)
def test_only_known_names_of_sdks_travel(
    host: Any, gauge: Gauge, published: Published, user_agent: str, sdk: str | None
) -> None:
    client = host.answering(host.streaming(lambda: iter(())))
    instrument(gauge, client)
    host.posts(client, headers={"user-agent": user_agent})
    assert published().opens[0].sdk == sdk


def test_every_chunk_says_when_it_was_asked_for_and_when_it_came(host: Any, gauge: Gauge, published: Published) -> None:
    def source() -> Iterator[bytes]:
        yield from (b"a", b"b", b"c")

    client = host.answering(host.streaming(source))
    instrument(gauge, client)
    host.posts(client)
    data = published().data
    asked = [time for frame in data for time in _undelta(frame.asked)]
    got = [time for frame in data for time in _undelta(frame.got)]
    assert len(asked) == len(got) == 3
    times = [time for pair in zip(asked, got, strict=True) for time in pair]
    assert times == sorted(times)


def _undelta(deltas: list[int] | None) -> list[int]:
    assert deltas
    return [sum(deltas[: place + 1]) for place in range(len(deltas))]

"""Whatever a host reads and however it ends: the host gets what it would have got, the gauge gets a copy."""

from __future__ import annotations

import asyncio
import gc
import gzip
import traceback
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from endpoint import Answer, Endpoint
from streamgauge.producers.gauge import Gauge
from streamgauge.producers.tap import instrument
from streamgauge.schemas.words import How

URL = "http://provider/v1/chat/completions"
CHUNKS = [b'data: {"a"', b": 1}\n", b"\n", b"data: [DO", b"NE]\n\n"]
ZIPPED = gzip.compress(b"".join(CHUNKS), mtime=0)

Published = Callable[[], Any]


@pytest.mark.parametrize(
    ("answer", "how", "cause"),
    [
        pytest.param(Answer(chunks=CHUNKS), How.EOF, None, id="a body in odd pieces"),
        pytest.param(Answer(), How.EOF, None, id="no body"),
        pytest.param(
            Answer(headers={"content-encoding": "gzip"}, chunks=[ZIPPED[:7], ZIPPED[7:]]), How.EOF, None, id="gzip"
        ),
        pytest.param(Answer(status=429, chunks=[b"{}"]), How.EOF, None, id="refused"),
        pytest.param(Answer(chunks=CHUNKS[:2], end="cut"), How.READ_ERROR, "RemoteProtocolError", id="cut"),
        pytest.param(Answer(chunks=CHUNKS[:2], end="reset"), How.READ_ERROR, "ReadError", id="reset"),
        pytest.param(Answer(chunks=CHUNKS[:2], end="hang"), How.READ_ERROR, "ReadTimeout", id="silent"),
        pytest.param(Answer(before="nothing"), How.SEND_ERROR, "RemoteProtocolError", id="no answer"),
    ],
)
def test_a_host_gets_the_same_with_and_without_the_tap(
    host: Any, provider: Endpoint, gauge: Gauge, published: Published, answer: Answer, how: How, cause: str | None
) -> None:
    provider.answers(answer, answer)
    timeout = 0.4 if answer.end == "hang" else 5.0
    plain, tapped = host.client(timeout=timeout), host.client(timeout=timeout)
    instrument(gauge, tapped)

    without = host.posts(plain, provider.url)
    assert host.posts(tapped, provider.url) == without

    frames = published()
    assert frames.chunks == list(without.chunks)
    assert (frames.close.how, frames.close.cause) == (how, cause)
    assert frames.close.reading == (cause is not None)
    assert frames.close.byte_count == len(b"".join(without.chunks))


def test_no_answer_leaves_no_head(host: Any, provider: Endpoint, gauge: Gauge, published: Published) -> None:
    provider.answers(Answer(before="nothing"))
    client = host.client()
    instrument(gauge, client)
    assert host.posts(client, provider.url).error
    assert not published().heads


def test_stopping_to_read_is_closed_early(host: Any, provider: Endpoint, gauge: Gauge, published: Published) -> None:
    provider.answers(Answer(chunks=CHUNKS, end="hang"))
    client = host.client()
    instrument(gauge, client)
    host.posts(client, provider.url, take=2)
    frames = published()
    assert frames.chunks == CHUNKS[:2]
    assert (frames.close.how, frames.close.reading) == (How.CLOSED_EARLY, False)


@pytest.mark.usefixtures("young_heap")
def test_a_response_nobody_closes_is_collected(host: Any, gauge: Gauge, published: Published) -> None:
    client = host.answering(host.streaming(lambda: iter(CHUNKS)))
    instrument(gauge, client)
    request = client.build_request("POST", URL, json={})

    def threads() -> None:
        client.send(request, stream=True)

    async def tasks() -> None:
        await client.send(request, stream=True)

    host.run(threads, tasks)
    gc.collect()
    assert published().close.how is How.COLLECTED


@pytest.mark.usefixtures("young_heap")
def test_a_pass_over_the_body_keeps_it_from_being_collected(host: Any, gauge: Gauge, published: Published) -> None:
    """Who holds only the iterator of the transport's stream can still read: nothing is collected under it."""
    client = host.answering(host.streaming(lambda: iter(CHUNKS)))
    instrument(gauge, client)
    transport = client._transport
    request = client.build_request("POST", URL, json={})

    def threads() -> list[bytes]:
        reads = iter(transport.handle_request(request).stream)
        gc.collect()
        return list(reads)

    async def tasks() -> list[bytes]:
        response = await transport.handle_async_request(request)
        reads = aiter(response.stream)
        del response
        gc.collect()
        return [chunk async for chunk in reads]

    assert host.run(threads, tasks) == CHUNKS
    assert published().close.how is How.EOF


@pytest.mark.parametrize("stroke", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_an_interrupt_while_reading_is_closed_early(
    host: Any, gauge: Gauge, published: Published, stroke: type[BaseException]
) -> None:
    def broken() -> Iterator[bytes]:
        yield CHUNKS[0]
        raise stroke

    client = host.answering(host.streaming(broken))
    instrument(gauge, client)

    def threads() -> None:
        with client.stream("POST", URL, json={}) as response:
            response.read()

    async def tasks() -> None:
        async with client.stream("POST", URL, json={}) as response:
            await response.aread()

    with pytest.raises(stroke):
        host.run(threads, tasks)
    close = published().close
    assert (close.how, close.cause, close.reading) == (How.CLOSED_EARLY, stroke.__name__, True)


async def test_a_task_cancelled_while_reading_is_closed_early(
    package: Any, provider: Endpoint, gauge: Gauge, published: Published
) -> None:
    provider.answers(Answer(chunks=CHUNKS[:1], end="hang"))
    first = asyncio.Event()

    async def reads() -> None:
        async with package.AsyncClient() as client:
            instrument(gauge, client)
            async with client.stream("POST", provider.url + "/v1/chat/completions", json={}) as response:
                async for _ in response.aiter_raw():
                    first.set()

    task = asyncio.create_task(reads())
    await first.wait()
    await asyncio.sleep(0)  # into the next read
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    close = published().close
    assert (close.how, close.cause, close.reading) == (How.CLOSED_EARLY, "CancelledError", True)


async def test_a_task_cancelled_before_the_answer_is_closed_early(
    package: Any, gauge: Gauge, published: Published
) -> None:
    asked = asyncio.Event()

    async def silent(request: Any) -> Any:
        asked.set()
        await asyncio.Event().wait()

    async def posts() -> None:
        async with package.AsyncClient(transport=package.MockTransport(silent)) as client:
            instrument(gauge, client)
            await client.post(URL, json={})

    task = asyncio.create_task(posts())
    await asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    close = published().close
    assert (close.how, close.cause, close.reading) == (How.CLOSED_EARLY, "CancelledError", True)


def test_an_exception_comes_through_as_the_very_same_object(host: Any, gauge: Gauge) -> None:
    before = ValueError("before")
    broken = OSError("the network")

    def fails() -> Iterator[bytes]:
        yield CHUNKS[0]
        raise broken from before

    client = host.answering(host.streaming(fails))
    instrument(gauge, client)

    def threads() -> None:
        with client.stream("POST", URL, json={}) as response:
            response.read()

    async def tasks() -> None:
        async with client.stream("POST", URL, json={}) as response:
            await response.aread()

    with pytest.raises(OSError, match="the network") as caught:
        host.run(threads, tasks)
    assert caught.value is broken
    assert (broken.__cause__, broken.__context__) == (before, None)
    assert traceback.extract_tb(broken.__traceback__)[-1].name == "fails"


def test_a_body_in_memory_is_one_chunk(host: Any, gauge: Gauge, published: Published) -> None:
    """It is read before the client gets it, and decoded: so the head no longer claims a content coding."""
    client = host.answering(
        lambda request: host.package.Response(200, content=ZIPPED, headers={"content-encoding": "gzip"})
    )
    instrument(gauge, client)

    def threads() -> bytes:
        return client.post(URL, json={}).content  # type: ignore[no-any-return]

    async def tasks() -> bytes:
        return (await client.post(URL, json={})).content  # type: ignore[no-any-return]

    assert host.run(threads, tasks) == b"".join(CHUNKS)
    frames = published()
    assert frames.chunks == [b"".join(CHUNKS)]
    assert "content-encoding" not in frames.heads[0].headers
    assert frames.close.how is How.EOF


async def test_a_second_pass_over_a_body_goes_on_with_the_same_link(
    package: Any, provider: Endpoint, gauge: Gauge, published: Published
) -> None:
    """So openai's async stream drains what follows `[DONE]`, while its first pass still stands."""
    provider.answers(Answer(chunks=CHUNKS))
    async with package.AsyncClient() as client:
        instrument(gauge, client)
        async with client.stream("POST", provider.url + "/v1/chat/completions", json={}) as response:
            first = response.aiter_raw()
            begun = [await anext(first), await anext(first)]
            rest = [chunk async for chunk in response.stream]
            await first.aclose()
    assert begun + rest == CHUNKS
    frames = published()
    assert frames.chunks == CHUNKS
    assert frames.close.how is How.EOF


async def test_an_asynchronous_generator_below_can_be_closed_by_who_reads(package: Any, gauge: Gauge) -> None:
    """httpx2 closes what is a generator in the task that read it; else the loop would, later, in a task of its own."""
    closed = []

    async def generator() -> AsyncIterator[bytes]:
        try:
            yield b"a"
            yield b"b"
        finally:
            closed.append(asyncio.current_task())

    class Iterator:
        def __aiter__(self) -> Any:
            return self

        async def __anext__(self) -> bytes:
            return b"a"

    class Stream(package.AsyncByteStream):  # type: ignore[misc]
        def __init__(self, source: Any) -> None:
            self.source = source

        def __aiter__(self) -> Any:
            return aiter(self.source)

    answers = [package.Response(200, stream=Stream(source)) for source in (generator(), Iterator())]
    client = package.AsyncClient(transport=package.MockTransport(lambda request: answers.pop(0)))
    instrument(gauge, client)
    request = client.build_request("POST", URL, json={})
    reads = aiter((await client._transport.handle_async_request(request)).stream)
    assert isinstance(reads, AsyncGenerator)
    assert await anext(reads) == b"a"
    await reads.aclose()
    assert closed == [asyncio.current_task()]
    reads = aiter((await client._transport.handle_async_request(request)).stream)
    assert not isinstance(reads, AsyncGenerator)
    assert await anext(reads) == b"a"


def test_reading_what_was_consumed_is_no_read_error(host: Any, gauge: Gauge, published: Published) -> None:
    client = host.answering(host.streaming(lambda: (chunk for chunk in CHUNKS)))
    instrument(gauge, client)

    def threads() -> None:
        with client.stream("POST", URL, json={}) as response:
            next(response.iter_raw())
            with pytest.raises(host.package.StreamConsumed):
                next(iter(response.stream))

    async def tasks() -> None:
        async with client.stream("POST", URL, json={}) as response:
            first = response.aiter_raw()
            await anext(first)
            with pytest.raises(host.package.StreamConsumed):
                await anext(aiter(response.stream))
            await first.aclose()

    host.run(threads, tasks)
    assert published().close.how is How.CLOSED_EARLY


async def test_closing_under_a_reader_says_that_a_read_was_outstanding(
    package: Any, gauge: Gauge, published: Published
) -> None:
    asked = asyncio.Event()

    class Silent(package.AsyncByteStream):  # type: ignore[misc]
        async def __aiter__(self) -> Any:
            asked.set()
            await asyncio.Event().wait()
            yield b""

    client = package.AsyncClient(
        transport=package.MockTransport(lambda request: package.Response(200, stream=Silent()))
    )
    instrument(gauge, client)
    async with client, client.stream("POST", URL, json={}) as response:
        reader = asyncio.create_task(response.aread())
        await asked.wait()
        await response.aclose()
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
    close = published().close
    assert (close.how, close.reading) == (How.CLOSED_EARLY, True)

"""A host with each HTTP client there is, a provider on loopback, and a gauge that keeps its frames."""

from __future__ import annotations

import asyncio
import gc
import importlib
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any, NamedTuple

import pytest

from endpoint import Endpoint
from streamgauge.producers.gauge import Gauge
from streamgauge.producers.testing import MemorySink
from streamgauge.schemas.frames import Close, Data, Frame, Head, Open

CHAT = "/v1/chat/completions"
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # a client of its own settings would load all certificates there are
ASK = {"model": "m", "stream": True, "messages": []}


class Got(NamedTuple):
    """What a host sees of one exchange."""

    status: int | None = None
    headers: Sequence[tuple[bytes, bytes]] = ()
    extensions: Sequence[str] = ()
    chunks: Sequence[bytes] = ()
    error: tuple[str, str] | None = None
    timed: bool = False
    downloaded: int | None = None


class Host:
    """An application that posts a chat request and reads the raw body, with one of the four clients."""

    def __init__(self, package: Any, *, is_async: bool) -> None:
        self.package = package
        self.is_async = is_async

    def client(self, **settings: Any) -> Any:
        """A client."""
        return (self.package.AsyncClient if self.is_async else self.package.Client)(verify=NO_TLS, **settings)

    def answering(self, handler: Callable[[Any], Any], **settings: Any) -> Any:
        """A client that is answered from memory."""
        return self.client(transport=self.package.MockTransport(handler), **settings)

    def streaming(self, source: Callable[[], Iterator[bytes]], **response: Any) -> Callable[[Any], Any]:
        """A handler that answers with a stream, for `answering`."""

        async def aread() -> AsyncIterator[bytes]:
            for chunk in source():
                yield chunk

        def answer(request: Any) -> Any:
            return self.package.Response(200, content=aread() if self.is_async else source(), **response)

        return answer

    def run(self, threads: Callable[..., Any], tasks: Callable[..., Any], *arguments: Any) -> Any:
        """Run the work, written for threads and for tasks."""
        return asyncio.run(tasks(*arguments)) if self.is_async else threads(*arguments)

    def posts(self, client: Any, url: str = "http://provider", *, take: int | None = None, **request: Any) -> Got:
        """Post, read `take` chunks or all of them, close the response and the client."""
        return self.run(_posts, _aposts, client, url + CHAT, take, {"json": ASK, **request})  # type: ignore[no-any-return]

    def sends(self, client: Any, url: str, *requests: dict[str, Any]) -> None:
        """Post one after the other in one context, then close the client."""
        settled = [{"url": url + request.pop("path", CHAT), "json": ASK, **request} for request in map(dict, requests)]

        def threads() -> None:
            with client:
                for request in settled:
                    client.post(**request)

        async def tasks() -> None:
            async with client:
                for request in settled:
                    await client.post(**request)

        self.run(threads, tasks)


def _posts(client: Any, url: str, take: int | None, request: dict[str, Any]) -> Got:
    chunks: list[bytes] = []
    response: Any = None
    with client:
        try:
            with client.stream("POST", url, **request) as response:
                for chunk in response.iter_raw():
                    chunks.append(chunk)
                    if len(chunks) == take:
                        break
        except Exception as error:  # noqa: BLE001 - whatever it is, the host sees it
            return _got(response, chunks, error)
        return _got(response, chunks, None)


async def _aposts(client: Any, url: str, take: int | None, request: dict[str, Any]) -> Got:
    chunks: list[bytes] = []
    response: Any = None
    async with client:
        try:
            async with client.stream("POST", url, **request) as response:
                async for chunk in response.aiter_raw():
                    chunks.append(chunk)
                    if len(chunks) == take:
                        break
        except Exception as error:  # noqa: BLE001 - whatever it is, the host sees it
            return _got(response, chunks, error)
        return _got(response, chunks, None)


def _got(response: Any, chunks: list[bytes], error: Exception | None) -> Got:
    described = None if error is None else (type(error).__qualname__, str(error))
    if response is None:
        return Got(error=described)
    return Got(
        status=response.status_code,
        headers=response.headers.raw,
        extensions=sorted(response.extensions),
        chunks=chunks,
        error=described,
        timed=response.elapsed.total_seconds() >= 0,
        downloaded=response.num_bytes_downloaded,
    )


class Frames:
    """What a gauge has published, by kind."""

    def __init__(self, sink: MemorySink) -> None:
        self.all: list[Frame] = list(sink.frames)
        self.opens = [frame for frame in self.all if isinstance(frame, Open)]
        self.heads = [frame for frame in self.all if isinstance(frame, Head)]
        self.data = [frame for frame in self.all if isinstance(frame, Data)]
        self.closes = [frame for frame in self.all if isinstance(frame, Close)]

    @property
    def chunks(self) -> list[bytes]:
        """All chunks, in the order published."""
        return [chunk for frame in self.data for chunk in frame.chunks or ()]

    @property
    def body(self) -> bytes:
        """All bytes."""
        return b"".join(self.chunks)

    @property
    def close(self) -> Close:
        """The only Close."""
        (close,) = self.closes
        return close


@pytest.fixture(params=["httpx", "httpx2"])
def package(request: pytest.FixtureRequest) -> Any:
    """Each of the two packages."""
    return importlib.import_module(request.param)


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def host(package: Any, request: pytest.FixtureRequest) -> Host:
    """Each of the four clients."""
    return Host(package, is_async=request.param)


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def newer(request: pytest.FixtureRequest) -> Host:
    """The clients of one package, where nothing differs between the two."""
    return Host(importlib.import_module("httpx2"), is_async=request.param)


@pytest.fixture
def young_heap() -> Iterator[None]:
    """Let `gc.collect` look at what the test makes only: the SDKs leave a million objects behind their import."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def provider() -> Iterator[Endpoint]:
    """A provider on loopback."""
    with Endpoint() as endpoint:
        yield endpoint


@pytest.fixture
def sink() -> MemorySink:
    """Where the frames go."""
    return MemorySink()


@pytest.fixture
def gauge(sink: MemorySink) -> Iterator[Gauge]:
    """A gauge whose own failures do not hide."""
    with Gauge(tenant="test", sink=sink, raise_internal_errors=True) as gauge:
        yield gauge


@pytest.fixture
def published(gauge: Gauge, sink: MemorySink) -> Callable[[], Frames]:
    """Wait until all has left the gauge, and look."""

    def look() -> Frames:
        assert gauge.flush(5.0), "the gauge did not get rid of its frames"
        return Frames(sink)

    return look

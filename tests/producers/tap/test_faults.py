"""A host whose tap fails, at any line there is, reads on as if nothing were there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import faults
import streamgauge.producers.tap
from streamgauge.producers.gauge import Gauge
from streamgauge.producers.tap import instrument
from streamgauge.producers.testing import MemorySink

PRODUCERS = str(Path(streamgauge.producers.tap.__file__).parent.parent)
CHUNKS = [b"data: 1\n\n", b"data: 2\n\n", b"data: [DONE]\n\n"]


class NetworkError(Exception):
    """What the host's network brings up."""


def whole() -> Iterator[bytes]:
    yield from CHUNKS


def broken() -> Iterator[bytes]:
    yield from CHUNKS[:2]
    raise NetworkError("gone")


def interrupted() -> Iterator[bytes]:
    yield from CHUNKS[:2]
    raise KeyboardInterrupt


@pytest.fixture
def gauge() -> Iterator[Gauge]:
    """A gauge as hosts have it: what fails inside is counted and not raised."""
    with Gauge(tenant="test", sink=MemorySink()) as gauge:
        yield gauge


@pytest.mark.parametrize("source", [whole, broken, interrupted])
@pytest.mark.parametrize("take", [None, 1])
def test_a_failure_at_any_line_of_ours_changes_nothing_for_who_reads_a_stream(
    host: Any, gauge: Gauge, source: Callable[[], Iterator[bytes]], take: int | None
) -> None:
    def play() -> object:
        client = host.answering(host.streaming(source))
        with instrument(gauge, client):
            return host.posts(client, take=take)

    assert_unnoticed(play)


def test_a_failure_at_any_line_of_ours_changes_nothing_where_no_response_comes(host: Any, gauge: Gauge) -> None:
    def refuses(request: Any) -> Any:
        raise NetworkError("refused")

    def play() -> object:
        client = host.answering(refuses)
        with instrument(gauge, client):
            return host.posts(client)

    assert_unnoticed(play)


def test_a_failure_at_any_line_of_ours_changes_nothing_for_a_body_in_memory(host: Any, gauge: Gauge) -> None:
    def play() -> object:
        client = host.answering(lambda request: host.package.Response(200, content=b"{}"))
        with instrument(gauge, client):
            return host.run(
                lambda: client.post("http://provider/v1/chat/completions", json={}).content,
                lambda: aposts(client),
            )

    async def aposts(client: Any) -> bytes:
        return (await client.post("http://provider/v1/chat/completions", json={})).content  # type: ignore[no-any-return]

    assert_unnoticed(play)


def test_a_failure_at_any_line_of_ours_changes_nothing_when_a_stream_is_dropped(host: Any, gauge: Gauge) -> None:
    def play() -> object:
        client = host.answering(host.streaming(whole))
        request = client.build_request("POST", "http://provider/v1/chat/completions", json={})
        with instrument(gauge, client):
            return host.run(
                lambda: client.send(request, stream=True).status_code,
                lambda: asends(client, request),
            )

    async def asends(client: Any, request: Any) -> int:
        return (await client.send(request, stream=True)).status_code  # type: ignore[no-any-return]

    assert_unnoticed(play)


def test_a_failure_is_counted_and_ends_what_is_seen(package: Any) -> None:
    """What follows a failure may be incomplete: it is better not seen than taken for all there was."""
    sink = MemorySink()
    with Gauge(tenant="test", sink=sink) as gauge:
        client = package.Client(transport=package.MockTransport(lambda _: package.Response(200, content=whole())))
        instrument(gauge, client)
        with client.stream("POST", "http://provider/v1/chat/completions", json={}) as response:
            reads = response.iter_raw()
            next(reads)
            tee = response.stream._stream.tee
            tee._stream = None
            assert list(reads) == CHUNKS[1:]
        assert gauge.counters.internal_errors


def assert_unnoticed(play: Callable[[], object]) -> None:
    differences = faults.each_line(play, package=PRODUCERS, at_least=40)
    assert not differences, "\n".join(map(str, differences))

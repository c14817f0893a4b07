"""A host whose tap fails, at any line there is, reads on as if nothing were there."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import faults
import streamgauge.producers.tap
from streamgauge.producers.gauge import Gauge
from streamgauge.producers.tap import instrument
from streamgauge.producers.tap.body import Tee
from streamgauge.producers.testing import MemorySink
from streamgauge.schemas.frames import Close, Data
from streamgauge.schemas.words import How

PRODUCERS = str(Path(streamgauge.producers.tap.__file__).parent.parent)
URL = "http://provider/v1/chat/completions"
CHUNKS = [b"data: 1\n\n", b"data: 2\n\n", b"data: [DONE]\n\n"]


SHIM = """
def bare(host):
    prepared = len(host)
    return host


def late(host):
    try:
        prepared = len(host)
    except Exception:
        pass
    return host


def guarded(host):
    try: prepared = len(host)
    except Exception: pass
    return host
"""


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


def test_a_failure_at_any_line_of_ours_changes_nothing_for_who_reads_a_stream(host: Any, gauge: Gauge) -> None:
    tap = tapped(host, gauge, host.streaming(whole))
    assert_unnoticed(lambda: host.posts(host.client(transport=tap)))


@pytest.mark.parametrize(("source", "take"), [(whole, 1), (broken, None), (interrupted, None)])
def test_a_failure_at_any_line_of_ours_changes_nothing_for_whose_stream_ends_early(
    newer: Any, gauge: Gauge, source: Callable[[], Iterator[bytes]], take: int | None
) -> None:
    tap = tapped(newer, gauge, newer.streaming(source))
    assert_unnoticed(lambda: newer.posts(newer.client(transport=tap), take=take))


def test_a_failure_at_any_line_of_ours_changes_nothing_where_no_response_comes(newer: Any, gauge: Gauge) -> None:
    def refuses(request: Any) -> Any:
        raise NetworkError("refused")

    tap = tapped(newer, gauge, refuses)
    assert_unnoticed(lambda: newer.posts(newer.client(transport=tap)))


def test_a_failure_at_any_line_of_ours_changes_nothing_for_a_body_in_memory(newer: Any, gauge: Gauge) -> None:
    tap = tapped(newer, gauge, lambda request: newer.package.Response(200, content=b"{}"))

    def threads() -> bytes:
        return newer.client(transport=tap).post(URL, json={}).content  # type: ignore[no-any-return]

    async def tasks() -> bytes:
        return (await newer.client(transport=tap).post(URL, json={})).content  # type: ignore[no-any-return]

    assert_unnoticed(lambda: newer.run(threads, tasks))


@pytest.mark.usefixtures("young_heap")
def test_a_failure_at_any_line_of_ours_changes_nothing_when_a_stream_is_dropped(newer: Any, gauge: Gauge) -> None:
    tap = tapped(newer, gauge, newer.streaming(whole))

    def threads() -> int:
        client = newer.client(transport=tap)
        return client.send(client.build_request("POST", URL, json={}), stream=True).status_code  # type: ignore[no-any-return]

    async def tasks() -> int:
        client = newer.client(transport=tap)
        response = await client.send(client.build_request("POST", URL, json={}), stream=True)
        return response.status_code  # type: ignore[no-any-return]

    assert_unnoticed(lambda: (newer.run(threads, tasks), gc.collect())[0])


def test_a_gauge_without_a_broker_changes_nothing(host: Any) -> None:
    gauge = Gauge(tenant="test", bootstrap_servers="127.0.0.1:1")
    tap = tapped(host, gauge, host.streaming(whole))
    assert host.posts(host.client(transport=tap)).chunks == CHUNKS
    assert gauge.close(0.05) is False  # something was given up


def test_a_gauge_whose_buffer_is_full_changes_nothing_and_says_what_it_dropped(host: Any) -> None:
    many = [b"x" * 10_000] * 50
    gauge = Gauge(tenant="test", bootstrap_servers="127.0.0.1:1", buffer_bytes=128 * 1024)
    tap = tapped(host, gauge, host.streaming(lambda: iter(many)))
    assert host.posts(host.client(transport=tap)).chunks == many
    gauge.close(0.05)
    assert 0 < gauge.counters.chunks_dropped < gauge.counters.chunks == len(many)


def test_the_harness_finds_a_line_that_is_not_guarded(tmp_path: Path) -> None:
    """Else all of the above would prove nothing."""
    module = tmp_path / "shim.py"
    module.write_text(SHIM)
    shim: dict[str, Any] = {}
    exec(compile(module.read_text(), str(module), "exec"), shim)
    (difference,) = faults.each_line(lambda: shim["bare"]([1]), package=str(tmp_path))
    assert str(difference.line) == "shim.py:3: prepared = len(host)"
    (difference,) = faults.each_line(lambda: shim["late"]([1]), package=str(tmp_path))
    assert str(difference.line) == "shim.py:8: try:"
    assert faults.each_line(lambda: shim["guarded"]([1]), package=str(tmp_path)) == []


def test_a_failure_is_counted_and_ends_what_is_seen(host: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What follows a failure may be incomplete: it is better not seen than taken for all there was."""

    def fails(tee: Tee, data: bytes) -> None:
        raise RuntimeError("a bug of ours")

    sink = MemorySink()
    with Gauge(tenant="test", sink=sink) as gauge:
        tap = tapped(host, gauge, host.streaming(whole))
        monkeypatch.setattr(Tee, "got", fails)
        assert host.posts(host.client(transport=tap)).chunks == CHUNKS
        assert gauge.flush(5.0)
        assert gauge.counters.internal_errors
    (close,) = [frame for frame in sink.frames if isinstance(frame, Close)]
    assert close.how is How.UNKNOWN
    assert not [frame for frame in sink.frames if isinstance(frame, Data)]


def tapped(host: Any, gauge: Gauge, handler: Callable[[Any], Any]) -> Any:
    """A tapped transport. Putting taps on is configuration and may raise, so it stays out of what is played."""
    client = host.answering(handler)
    instrument(gauge, client)
    return client._transport


def assert_unnoticed(play: Callable[[], object]) -> None:
    differences = faults.each_line(play, package=PRODUCERS, at_least=40)
    assert not differences, "\n".join(map(str, differences))

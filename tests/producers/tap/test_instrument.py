"""A client is tapped in place, keeps everything it had, and gets its transports back."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import weakref
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import anthropic
import groq
import openai
import pytest
import together

from endpoint import Answer, Endpoint
from streamgauge.producers.errors import ConfigurationError
from streamgauge.producers.gauge import Gauge
from streamgauge.producers.tap import instrument, uninstrument
from streamgauge.producers.tap.transport import AsyncTap, SyncTap
from streamgauge.producers.testing import MemorySink

Published = Callable[[], Any]

KEY = "sk-test"
SDK_CLIENTS: list[Callable[[], Any]] = [
    lambda: openai.OpenAI(api_key=KEY),
    lambda: openai.AsyncOpenAI(api_key=KEY),
    lambda: openai.AzureOpenAI(api_key=KEY, azure_endpoint="http://azure", api_version="2026-01-01"),
    lambda: anthropic.Anthropic(api_key=KEY),
    lambda: anthropic.AsyncAnthropic(api_key=KEY),
    lambda: together.Together(api_key=KEY),
    lambda: together.AsyncTogether(api_key=KEY),
    lambda: groq.Groq(api_key=KEY),
    lambda: groq.AsyncGroq(api_key=KEY),
]


def settings_of(sdk: Any) -> dict[str, Any]:
    """All that decides how a client of an SDK behaves."""
    client = sdk._client
    return {
        "sdk": (sdk.timeout, sdk.max_retries, str(sdk.base_url)),
        "client": {name: value for name, value in vars(client).items() if name not in ("_transport", "_mounts")},
        "limits": [limits_of(client._transport), *(limits_of(mount) for mount in client._mounts.values())],
        "mounts": [pattern.pattern for pattern in client._mounts],
        "proxies": [getattr(getattr(mount, "_pool", None), "_proxy_url", None) for mount in client._mounts.values()],
        "identity": (id(sdk._client), id(client._mounts)),
    }


def limits_of(transport: Any) -> tuple[Any, ...] | None:
    if transport is None:
        return None
    pool = transport._pool
    return pool._max_connections, pool._max_keepalive_connections, pool._keepalive_expiry, pool._retries, id(pool)


@pytest.mark.parametrize("make", SDK_CLIENTS)
def test_an_instrumented_sdk_keeps_timeout_redirects_mounts_proxies_and_limits(
    make: Callable[[], Any], gauge: Gauge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    monkeypatch.setenv("NO_PROXY", "internal")
    sdk = make()
    before = settings_of(sdk)
    transports = [sdk._client._transport, *sdk._client._mounts.values()]
    assert len(before["mounts"]) >= 2

    instrumented = instrument(gauge, sdk)
    assert settings_of(sdk) == before
    taps = [sdk._client._transport, *sdk._client._mounts.values()]
    assert all(isinstance(tap, SyncTap | AsyncTap) for tap in taps if tap is not None)
    assert [tap is None for tap in taps] == [transport is None for transport in transports]

    instrumented.undo()
    assert [sdk._client._transport, *sdk._client._mounts.values()] == transports
    assert settings_of(sdk) == before


def test_a_request_through_a_mount_is_seen(host: Any, gauge: Gauge, published: Published) -> None:
    answer = host.streaming(lambda: iter((b"{}",)))
    client = host.client(mounts={"http://provider": host.package.MockTransport(answer)})
    instrument(gauge, client)
    host.posts(client)
    assert published().body == b"{}"


def test_a_transport_that_stands_in_two_places_gets_one_tap(host: Any, gauge: Gauge) -> None:
    own = host.package.MockTransport(host.streaming(lambda: iter(())))
    client = host.client(transport=own, mounts={"http://provider": own})
    with instrument(gauge, client):
        (mount,) = client._mounts.values()
        assert mount is client._transport is not own
    assert [client._transport, *client._mounts.values()] == [own, own]


def test_instrumenting_twice_is_once(host: Any, gauge: Gauge, published: Published) -> None:
    client = host.answering(host.streaming(lambda: iter((b"{}",))))
    own = client._transport
    first = instrument(gauge, client)
    tap = client._transport
    second = instrument(gauge, client)
    assert client._transport is tap
    host.posts(client)
    assert len(published().opens) == 1
    second.undo()
    first.undo()
    assert client._transport is own


def test_undoing_twice_is_once_and_instrumenting_again_works(host: Any, gauge: Gauge, published: Published) -> None:
    client = host.answering(host.streaming(lambda: iter((b"{}",))))
    own = client._transport
    with instrument(gauge, client) as instrumented:
        instrumented.undo()
        assert client._transport is own
        instrument(gauge, client)
    assert client._transport is not own  # what was undone does not undo what came later
    host.posts(client)
    assert len(published().opens) == 1
    uninstrument(gauge, client)
    assert client._transport is own


def test_a_tap_that_others_have_wrapped_stays_and_sees_nothing(host: Any, gauge: Gauge, published: Published) -> None:
    class Theirs(host.package.BaseTransport, host.package.AsyncBaseTransport):  # type: ignore[misc]
        def __init__(self, inner: Any) -> None:
            self.inner = inner

        def handle_request(self, request: Any) -> Any:
            return self.inner.handle_request(request)

        async def handle_async_request(self, request: Any) -> Any:
            return await self.inner.handle_async_request(request)

    client = host.answering(host.streaming(lambda: iter((b"{}",))))
    instrumented = instrument(gauge, client)
    client._transport = theirs = Theirs(client._transport)
    instrument(gauge, client)  # known by the client, not by what is outermost
    assert client._transport is theirs
    instrumented.undo()
    assert client._transport is theirs
    assert host.posts(client).chunks == [b"{}"]
    assert published().all == []


def test_a_tap_that_others_have_patched_stays_and_sees_nothing(host: Any, gauge: Gauge, published: Published) -> None:
    """OpenTelemetry puts its `handle_request` on the transport it finds, which is then the tap."""
    client = host.answering(host.streaming(lambda: iter((b"{}",))))
    instrumented = instrument(gauge, client)
    tap = client._transport
    name = "handle_async_request" if host.is_async else "handle_request"
    calls: list[Any] = []
    ours = getattr(tap, name)

    def patch(request: Any) -> Any:
        calls.append(request)
        return ours(request)

    setattr(tap, name, patch)
    instrumented.undo()
    host.posts(client)
    assert len(calls) == 1
    assert published().all == []


def test_streams_under_way_are_followed_beyond_the_undoing(package: Any, gauge: Gauge, published: Published) -> None:
    client = package.Client(
        transport=package.MockTransport(lambda request: package.Response(200, content=iter((b"a", b"b"))))
    )
    instrumented = instrument(gauge, client)
    with client.stream("POST", "http://provider/v1/chat/completions", json={}) as response:
        instrumented.undo()
        response.read()
    assert published().body == b"ab"


def test_two_gauges_see_the_same_client(host: Any, gauge: Gauge, published: Published) -> None:
    other = MemorySink()
    with Gauge(tenant="other", sink=other) as second:
        client = host.answering(host.streaming(lambda: iter((b"{}",))))
        own = client._transport
        inner, outer = instrument(gauge, client), instrument(second, client)
        host.posts(client)
        inner.undo()
        assert client._transport is not own
        outer.undo()
        assert client._transport is own
        assert second.flush(5.0)
    assert len(published().opens) == 1
    assert len([frame for frame in other.frames if type(frame).__name__ == "Open"]) == 1


@pytest.mark.parametrize("make", [lambda: openai.OpenAI(api_key=KEY), lambda: groq.Groq(api_key=KEY)])
def test_copies_of_an_sdk_client_share_its_taps(make: Callable[[], Any], gauge: Gauge) -> None:
    sdk = make()
    copy = sdk.with_options(timeout=3.0, max_retries=7)
    own = sdk._client._transport
    instrumented = instrument(gauge, sdk)
    tap = sdk._client._transport
    assert copy._client._transport is tap
    instrument(gauge, copy)
    assert copy._client._transport is tap
    assert (copy.timeout, copy.max_retries) == (3.0, 7)
    instrumented.undo()
    assert copy._client._transport is own


@pytest.mark.parametrize(
    "wrap",
    [
        pytest.param(lambda client: SimpleNamespace(client=SimpleNamespace(_client=client)), id="instructor"),
        pytest.param(lambda client: SimpleNamespace(sdk_configuration=SimpleNamespace(client=client)), id="mistralai"),
        pytest.param(
            lambda client: SimpleNamespace(
                _client_wrapper=SimpleNamespace(httpx_client=SimpleNamespace(httpx_client=client))
            ),
            id="cohere",
        ),
        pytest.param(
            lambda client: SimpleNamespace(_api_client=SimpleNamespace(_httpx_client=client)), id="google-genai"
        ),
        pytest.param(lambda client: SimpleNamespace(__pydantic_private__={"_client": client}), id="pydantic"),
    ],
)
def test_an_http_client_is_found_where_known_sdks_keep_it(
    host: Any, gauge: Gauge, published: Published, wrap: Callable[[Any], Any]
) -> None:
    client = host.answering(host.streaming(lambda: iter((b"{}",))))
    instrument(gauge, wrap(client))
    host.posts(client)
    assert len(published().opens) == 1


def test_all_clients_that_an_object_holds_are_tapped(package: Any, gauge: Gauge) -> None:
    both = SimpleNamespace(client=package.Client(), async_client=package.AsyncClient())
    both.http_client = both  # a ring has an end
    instrument(gauge, both)
    assert isinstance(both.client._transport, SyncTap)
    assert isinstance(both.async_client._transport, AsyncTap)


def test_the_search_runs_no_property(gauge: Gauge) -> None:
    class Lazy:
        @property
        def client(self) -> Any:
            raise AssertionError("the search made a client")

    with pytest.raises(ConfigurationError):
        instrument(gauge, Lazy())


@pytest.mark.parametrize("unknown", [object(), None, "client", openai.OpenAI, 1])
def test_what_holds_no_http_client_is_named_and_the_way_out_too(gauge: Gauge, unknown: object) -> None:
    with pytest.raises(ConfigurationError, match=r"cannot instrument '[\w.]+': .*`gauge\.stream\(\)`"):
        instrument(gauge, unknown)


def test_a_client_that_keeps_its_transports_elsewhere_is_refused(host: Any, gauge: Gauge) -> None:
    client = host.client()
    del client._mounts
    with pytest.raises(ConfigurationError, match="keeps its transports elsewhere"):
        instrument(gauge, client)


@pytest.mark.usefixtures("young_heap")
def test_a_tap_keeps_no_client_alive(host: Any, gauge: Gauge) -> None:
    client = host.answering(host.streaming(lambda: iter((b"{}",))))
    instrumented = instrument(gauge, client)
    host.posts(client)
    gone = weakref.ref(client)
    del client
    gc.collect()
    assert gone() is None
    instrumented.undo()


def test_a_tap_looks_like_the_transport_behind_it(host: Any, gauge: Gauge) -> None:
    client = host.client()
    own = client._transport
    instrument(gauge, client)
    assert client._transport._pool is own._pool
    assert isinstance(
        client._transport, host.package.AsyncBaseTransport if host.is_async else host.package.BaseTransport
    )
    assert repr(own) in repr(client._transport)


def test_a_closed_gauge_lets_everything_pass(host: Any, provider: Endpoint, sink: MemorySink) -> None:
    provider.answers(Answer(chunks=[b"a", b"b"]))
    client = host.client()
    with Gauge(tenant="test", sink=sink) as gauge:
        instrument(gauge, client)
    assert host.posts(client, provider.url).chunks == [b"a", b"b"]
    assert sink.frames == []


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")  # the gauge's thread is there on purpose
def test_a_forked_child_reads_on_and_publishes_streams_of_its_own(
    host: Any, gauge: Gauge, published: Published, sink: MemorySink
) -> None:
    client = host.answering(host.streaming(lambda: iter((b"{}",))))
    instrument(gauge, client)
    host.sends(client, "http://provider", {})
    parent = published().opens
    child = os.fork()
    if child == 0:
        code = 1
        try:
            sink.sent.clear()
            again = host.client(transport=client._transport)
            code = not (host.posts(again).chunks == [b"{}"] and len(published().opens) == 1)
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert published().opens == parent


def test_neither_http_package_is_loaded_by_the_tap() -> None:
    program = (
        "import sys, streamgauge.producers, streamgauge.producers.tap\n"
        "assert not {'httpx', 'httpx2', 'anyio'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)

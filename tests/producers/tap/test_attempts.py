"""Requests that follow each other in one client: attempts of one call, or calls of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from endpoint import Answer, Endpoint
from streamgauge.producers.gauge import Gauge
from streamgauge.producers.tap import instrument
from streamgauge.schemas.words import AttemptKind

Published = Callable[[], Any]

CHALLENGE = 'Digest realm="r", nonce="n", qop="auth", algorithm=MD5'


def test_a_redirected_request_is_the_next_attempt(
    host: Any, provider: Endpoint, gauge: Gauge, published: Published
) -> None:
    provider.answers(
        Answer(status=307, headers={"location": "/eu/v1/chat/completions"}),
        Answer(status=308, headers={"location": provider.url + "/fr/v1/chat/completions"}),
        Answer(chunks=[b"{}"]),
    )
    client = host.client(follow_redirects=True)
    instrument(gauge, client)
    assert host.posts(client, provider.url).chunks == [b"{}"]
    opens = published().opens
    assert len({opened.call for opened in opens}) == 1
    assert [(opened.path, opened.attempt_kind, opened.parent_attempt) for opened in opens] == [
        ("/v1/chat/completions", AttemptKind.FIRST, None),
        ("/eu/v1/chat/completions", AttemptKind.REDIRECT, 0),
        ("/fr/v1/chat/completions", AttemptKind.REDIRECT, 1),
    ]


def test_a_redirect_nobody_follows_makes_no_attempt_of_what_comes_next(
    host: Any, provider: Endpoint, gauge: Gauge, published: Published
) -> None:
    provider.answers(Answer(status=307, headers={"location": "/elsewhere"}), Answer())
    client = host.client()
    instrument(gauge, client)
    host.sends(client, provider.url, {}, {})
    assert [opened.attempt_kind for opened in published().opens] == [AttemptKind.FIRST] * 2


def test_the_second_request_of_an_authentication_flow_is_the_next_attempt(
    host: Any, provider: Endpoint, gauge: Gauge, published: Published
) -> None:
    provider.answers(Answer(status=401, headers={"www-authenticate": CHALLENGE}), Answer(chunks=[b"{}"]))
    client = host.client(auth=host.package.DigestAuth("user", "password"))
    instrument(gauge, client)
    assert host.posts(client, provider.url).chunks == [b"{}"]
    first, second = published().opens
    assert (second.call, second.attempt) == (first.call, 1)
    assert (second.attempt_kind, second.parent_attempt) == (AttemptKind.AUTH, 0)


@pytest.mark.parametrize("changed", ["body", "path", "client"])
def test_a_retry_count_alone_makes_no_retry(
    host: Any, provider: Endpoint, gauge: Gauge, published: Published, changed: str
) -> None:
    """An SDK's retry is the same request of the same client: whatever else says so is a call of its own."""
    provider.answers(Answer(status=503), Answer())
    client = host.client()
    instrument(gauge, client)
    first: dict[str, Any] = {"json": {"n": 0}, "headers": {"x-stainless-retry-count": "0"}}
    second: dict[str, Any] = {"json": {"n": 0}, "headers": {"x-stainless-retry-count": "1"}}
    changes: dict[str, dict[str, Any]] = {"body": {"json": {"n": 1}}, "path": {"path": "/v2/chat/completions"}}
    second |= changes.get(changed, {})
    if changed == "client":
        host.sends(client, provider.url, first)
        client = host.client()
        instrument(gauge, client)
        host.sends(client, provider.url, second)
    else:
        host.sends(client, provider.url, first, second)
    opens = published().opens
    assert len(opens) == len({opened.call for opened in opens}) == 2


def test_the_same_request_with_a_higher_retry_count_is_a_retry(
    host: Any, provider: Endpoint, gauge: Gauge, published: Published
) -> None:
    provider.answers(Answer(status=503), Answer())
    client = host.client()
    instrument(gauge, client)
    host.sends(client, provider.url, *({"headers": {"x-stainless-retry-count": str(count)}} for count in range(2)))
    assert [opened.attempt_kind for opened in published().opens] == [AttemptKind.FIRST, AttemptKind.SDK_RETRY]


def test_no_secret_leaves_the_host(
    host: Any, provider: Endpoint, gauge: Gauge, published: Published, sink: Any
) -> None:
    secret = b"5eCr3t"
    provider.answers(Answer(headers={"set-cookie": "5eCr3t", "x-api-key": "5eCr3t"}, chunks=[b"{}"]))
    client = host.client()
    instrument(gauge, client)
    tools = [{"type": "mcp", "authorization": "5eCr3t", "headers": {"x": "5eCr3t"}}]
    host.posts(
        client,
        f"http://user:5eCr3t@{provider.netloc}",
        params={"key": "5eCr3t"},
        headers={"authorization": "Bearer 5eCr3t", "x-api-key": "5eCr3t", "user-agent": "5eCr3t/1.0"},
        json={"tools": tools, "mcp_servers": [{"authorization_token": "5eCr3t"}]},
    )
    assert published().opens
    assert not [sent for sent in sink.sent if secret in sent.message.value or secret in sent.message.key]


def test_no_secret_leaves_the_host_in_an_error(host: Any, gauge: Gauge, published: Published, sink: Any) -> None:
    def fails(request: Any) -> Any:
        raise host.package.ConnectError(f"cannot reach {request.url}")

    client = host.answering(fails)
    instrument(gauge, client)
    host.posts(client, "http://user:5eCr3t@provider", params={"key": "5eCr3t"})
    assert published().close.message.startswith("cannot reach")
    assert not [sent for sent in sink.sent if b"5eCr3t" in sent.message.value]

"""What an Open says: all of it allow-listed, scrubbed and within the contract's bounds."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest

from streamgauge.producers.asked import Asked
from streamgauge.producers.opening import allowed_headers
from streamgauge.schemas import codec
from streamgauge.schemas.frames import Open
from streamgauge.schemas.limits import FRAME_BYTES_MAX, KIB, REQUEST_BYTES_MAX, TAGS_BYTES_MAX, TAGS_MAX
from streamgauge.schemas.words import AttemptKind, ContentMode, Format

Rigged = Callable[..., Any]


def opened(rig: Any, asked: Asked | None = None, **said: Any) -> Open:
    stream = rig.gauge.stream(**said) if asked is None else rig.gauge.open(asked)
    stream.close("eof")
    return rig.only(Open)  # type: ignore[no-any-return]


def test_an_open_says_all_that_a_tap_knows(rig: Any) -> None:
    asked = Asked(
        method="POST",
        host="api.openai.com",
        path="/v1/chat/completions",
        query="api-version=2026&key=secret&alt=sse&stream=&x=y",
        body=b'{"model": "m", "tools": [{"token": "t"}]}',
        timeout_s=600.5,
        sdk="openai-python/3.57.0",
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    )
    open_ = opened(rig, asked)
    assert (open_.tenant, open_.wall_us, open_.n) == ("acme", 1_700_000_000_000_000, 0)
    assert (open_.method, open_.host, open_.path) == ("POST", "api.openai.com", "/v1/chat/completions")
    assert open_.query == {"api-version": "2026", "alt": "sse", "stream": ""}
    assert open_.request == b'{"model":"m","tools":[{"token":"[secret]"}]}'
    assert (open_.request_bytes, open_.request_sha256) == (
        len(asked.body or b""),
        hashlib.sha256(asked.body or b"").digest(),
    )
    assert (open_.client_timeout_us, open_.sdk) == (600_500_000, "openai-python/3.57.0")
    assert open_.shim is not None
    assert open_.shim.startswith("streamgauge-producers/")
    assert (open_.context.trace_id, open_.context.span_id) == ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")
    assert (open_.format, open_.content, open_.attempt_kind) == (Format.HTTP, ContentMode.KEEP, AttemptKind.FIRST)
    assert (open_.provider, open_.api, open_.model) == (None, None, None), "only if the user said so"


def test_an_open_says_what_the_user_says(rig: Any) -> None:
    open_ = opened(rig, provider="acme", api="openai.chat", model="m", format="http", call="order 17", request={"q": 1})
    assert (open_.provider, open_.api, open_.model, open_.format) == ("acme", "openai.chat", "m", Format.HTTP)
    assert (open_.call_ref, open_.request) == ("order 17", b'{"q":1}')


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        (b'{"a":"' + b"x" * (REQUEST_BYTES_MAX - 8) + b'"}', True),
        (b'{"a":"' + b"x" * (REQUEST_BYTES_MAX - 7) + b'"}', False),
        (b'--boundary\r\nContent-Disposition: form-data; name="model"', False),
        (b"", False),
    ],
)
def test_a_request_that_is_too_large_or_no_json_is_named_by_size_and_hash(rig: Any, body: bytes, kept: bool) -> None:
    open_ = opened(rig, Asked(body=body))
    assert open_.request == (body if kept else None)
    assert (open_.request_bytes, open_.request_sha256) == (len(body), hashlib.sha256(body).digest())
    assert rig.gauge.counters.requests_dropped == (not kept)


def test_sizes_only_tells_no_more_of_a_request_than_its_size(rigged: Rigged) -> None:
    open_ = opened(rigged(content="sizes_only"), Asked(body=b'{"a": 1}'))
    assert (open_.content, open_.request, open_.request_bytes) == (ContentMode.SIZES_ONLY, None, 8)
    assert open_.request_sha256 is None, "a hash would let a short prompt be guessed"


def test_measure_only_travels_as_keep_with_its_name(rigged: Rigged) -> None:
    open_ = opened(rigged(content="measure_only"), Asked(body=b'{"a": 1}'))
    assert (open_.content, open_.request) == (ContentMode.MEASURE_ONLY, b'{"a": 1}')


def test_context_and_tags_come_from_around_from_here_and_from_the_settings(rigged: Rigged) -> None:
    rig = rigged(service_name="web", environment="prod")
    with (
        rig.gauge.context(user_id="u1", session_id="s1", tags={"team": "a", "tier": "x"}),
        rig.gauge.context(user_id="u2", service_name="job", tags={"team": "b"}, plan="gold"),
    ):
        open_ = opened(rig, session_id=None, prompt_id="p", tags={"tier": "y"}, region="eu")
    context = open_.context
    assert (context.user_id, context.prompt_id, context.service_name) == ("u2", "p", "job")
    assert (context.session_id, context.environment) == (None, "prod"), "a null takes the outer value away"
    assert open_.tags == {"team": "b", "tier": "y", "plan": "gold", "region": "eu"}


def test_tags_beyond_the_bounds_are_counted_and_the_others_kept(rig: Any) -> None:
    many = {f"k{number}": "v" for number in range(TAGS_MAX + 5)}
    assert len(opened(rig, tags=many).tags) == TAGS_MAX
    assert rig.gauge.counters.tags_dropped == 5


def test_a_tag_that_is_too_long_makes_room_for_others(rig: Any) -> None:
    tags = opened(rig, tags={"a": "x", "long": "x" * TAGS_BYTES_MAX, "b": 7}).tags
    assert tags == {"a": "x", "b": "7"}
    assert rig.gauge.counters.tags_dropped == 1


def test_no_value_makes_an_open_too_large_or_unencodable(rig: Any) -> None:
    open_ = opened(rig, user_id="u" * 10_000_000, model="\ud800", provider=5, tags={"\ud800": "\udfff"})
    assert len(codec.encode(open_)) < FRAME_BYTES_MAX
    assert len(open_.context.user_id or "") == 4 * KIB
    assert (open_.model, open_.provider, open_.tags) == ("?", "5", {"?": "?"})


def test_only_allow_listed_headers_are_kept_by_lower_case_name() -> None:
    headers: list[tuple[str | bytes, str | bytes]] = [
        (b"Content-Type", b"text/event-stream"),
        (b"Set-Cookie", b"secret"),
        ("X-RateLimit-Remaining", "7"),
        ("openai-organization", "secret"),
        (b"via", b"1.1 a"),
        (b"Via", b"1.1 \xe9"),
        (b"server", b"x" * 5000),
    ]
    kept = allowed_headers(headers)
    assert kept == {
        "content-type": "text/event-stream",
        "x-ratelimit-remaining": "7",
        "via": "1.1 a, 1.1 \xe9",
        "server": "x" * 1000,
    }

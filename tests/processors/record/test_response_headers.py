"""What response headers tell of a request."""

from __future__ import annotations

import pytest

from streamgauge.processors.record.response_headers import recorded, region, request_id, retry_after_us
from streamgauge.schemas.routes import HEADERS_ALLOWED

AT_US = 1_794_000_000_000_000  # 2026-11-06 21:20:00 UTC


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({"x-request-id": "req_1", "cf-ray": "ray"}, "req_1"),
        ({"request-id": "req_2"}, "req_2"),
        ({"apim-request-id": "a", "x-ms-request-id": "b"}, "a"),
        ({"cf-ray": "ray"}, "ray"),
        ({"x-request-id": ""}, None),
        ({}, None),
    ],
)
def test_the_provider_s_own_id_comes_before_a_proxy_s(headers: dict[str, str], found: str | None) -> None:
    assert request_id(headers) == found


def test_the_region_is_what_a_header_says() -> None:
    assert region({"x-ms-region": "Sweden Central"}) == "Sweden Central"
    assert region({"server": "cloudflare"}) is None


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({"retry-after": "3"}, 3_000_000),
        ({"retry-after": "0.5"}, 500_000),
        ({"retry-after": "0"}, 0),
        ({"retry-after-ms": "20", "retry-after": "3"}, 20_000),
        ({"retry-after": "Fri, 06 Nov 2026 21:20:30 GMT"}, 30_000_000),
        ({"retry-after": "Fri, 06 Nov 2026 21:19:30 GMT"}, None),  # passed already
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "1e400"}, None),
        ({"retry-after": "Fri, 99 Nov 2026 21:20:30 GMT"}, None),
        ({}, None),
    ],
)
def test_how_long_to_wait(headers: dict[str, str], found: int | None) -> None:
    assert retry_after_us(headers, answered_us=AT_US) == found


@pytest.mark.parametrize(
    "name",
    ["authorization", "Authorization", "set-cookie", "Cookie", "x-api-key", "api-key", "x-amz-security-token"],
)
def test_a_header_that_holds_a_credential_is_not_recorded(name: str) -> None:
    assert recorded({name: "planted", "via": "1.1 a"}) == {"via": "1.1 a"}


def test_a_listed_header_is_recorded_by_its_lower_case_name() -> None:
    assert recorded({"X-Request-Id": "req_1", "cf-ray": "ray"}) == {"cf-ray": "ray", "x-request-id": "req_1"}


def test_the_headers_that_are_asked_for_travel_at_all() -> None:
    from streamgauge.processors.record import response_headers

    assert {
        *response_headers._REQUEST_IDS,
        *response_headers._REGIONS,
        "retry-after",
        "retry-after-ms",
    } <= HEADERS_ALLOWED

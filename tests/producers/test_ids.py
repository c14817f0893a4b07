"""Identities as RFC 9562 and the contract want them."""

from __future__ import annotations

import time
import uuid

from streamgauge.producers.ids import RandomIds


def test_a_call_is_a_uuid_of_version_7_with_the_time_in_front() -> None:
    before = time.time_ns() // 1_000_000
    calls = [uuid.UUID(bytes=RandomIds().call()) for _ in range(1000)]
    after = time.time_ns() // 1_000_000
    assert {(call.version, call.variant) for call in calls} == {(7, uuid.RFC_4122)}
    assert all(before <= int.from_bytes(call.bytes[:6], "big") <= after for call in calls)
    assert len(set(calls)) == 1000


def test_a_link_is_8_bytes_and_never_the_same() -> None:
    links = {RandomIds().link() for _ in range(1000)}
    assert {len(link) for link in links} == {8}
    assert len(links) == 1000


def test_a_foreign_attempt_stands_in_its_range() -> None:
    attempts = {RandomIds().attempt() for _ in range(1000)}
    assert all(1 << 16 <= attempt < 1 << 31 for attempt in attempts)
    assert len(attempts) > 990

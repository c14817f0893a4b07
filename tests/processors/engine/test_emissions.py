"""Emissions: topic, partition, key, value, headers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.processors.engine.emissions import Sinks, contents_message, dead_letter, record_message
from streamgauge.processors.engine.ports import Message
from streamgauge.processors.reassembly.finished import Arrival, Dead
from streamgauge.schemas import codec
from streamgauge.schemas.limits import DEAD_BYTES_MAX, MIB
from streamgauge.schemas.records import Contents, Record

SINKS = Sinks(chunks="c", records="r", contents="co", dead="d", ledger="l", worker="w-1", now_us=lambda: 12345)


def size(message: Message) -> int:
    headers = sum(len(name) + len(value) for name, value in message.headers)
    return len(message.key or b"") + len(message.value or b"") + headers


def test_a_record_goes_to_its_source_partition_under_its_id() -> None:
    record = Record(id="acme/x.0", tenant="acme", call_id="x", attempt=0)
    message = record_message(record, sinks=SINKS, partition=3)
    assert (message.topic, message.partition, message.key) == ("r", 3, b"acme/x.0")
    assert codec.decode_record(message.value or b"") == record
    assert dict(message.headers) == {"sg-tenant": b"acme", "sg-worker": b"w-1", "sg-emitted-at": b"12345"}


def test_contents_stand_under_the_same_id() -> None:
    contents = Contents(id="acme/x.0", tenant="acme")
    message = contents_message(contents, topic="co", sinks=SINKS, partition=3)
    assert (message.topic, message.partition, message.key) == ("co", 3, b"acme/x.0")
    assert codec.decode_contents(message.value or b"") == contents


def test_worker_and_clock_stand_in_headers_alone() -> None:
    record = Record(id="acme/x.0", tenant="acme", call_id="x", attempt=0)
    other = Sinks(chunks="c", records="r", contents=None, dead="d", ledger="l", worker="w-2", now_us=lambda: 99)
    one = record_message(record, sinks=SINKS, partition=3)
    two = record_message(record, sinks=other, partition=3)
    assert one._replace(headers=[]) == two._replace(headers=[])


def test_a_dead_letter_carries_the_message_as_it_came_and_its_coordinates() -> None:
    arrival = Arrival(42, 1_000_000, b"key", b"value", [("sg-tenant", b"acme"), ("other", b"x")])
    message = dead_letter(Dead(arrival, "undecodable", "expected an array"), sinks=SINKS, partition=5)
    assert (message.topic, message.partition, message.key, message.value) == ("d", 5, b"key", b"value")
    assert dict(message.headers) == {
        "reason": b"undecodable",
        "detail": b"expected an array",
        "topic": b"c",
        "partition": b"5",
        "offset": b"42",
        "time": b"1000000",
        "sg-tenant": b"acme",
        "sg-worker": b"w-1",
        "sg-emitted-at": b"12345",
    }


def test_a_null_stays_null() -> None:
    message = dead_letter(Dead(Arrival(1, 2, None, None, []), "undecodable", ""), sinks=SINKS, partition=0)
    assert (message.key, message.value) == (None, None)


@pytest.mark.parametrize(("key", "value"), [(b"k", b"v" * MIB), (b"k" * MIB, b"v" * MIB), (b"k" * MIB, None)])
def test_a_letter_too_long_is_cut_and_says_how_long_it_was(key: bytes, value: bytes | None) -> None:
    message = dead_letter(Dead(Arrival(1, 2, key, value, []), "x", "y"), sinks=SINKS, partition=0)
    assert dict(message.headers)["cut"] == str(len(key) + len(value or b"")).encode()
    assert size(message) <= DEAD_BYTES_MAX
    assert key.startswith(message.key or b"?")
    assert (value or b"").startswith(message.value or b"")


def test_a_letter_that_fits_only_without_its_headers_is_cut() -> None:
    headers = [("sg-tenant", b"t" * 1000)]
    message = dead_letter(
        Dead(Arrival(1, 2, b"key", bytes(DEAD_BYTES_MAX), headers), "x", "y"), sinks=SINKS, partition=0
    )
    assert dict(message.headers)["cut"] == str(DEAD_BYTES_MAX + 3).encode()
    assert size(message) <= DEAD_BYTES_MAX


def test_of_several_tenants_a_letter_names_the_first() -> None:
    arrival = Arrival(1, 2, None, b"v", [("sg-tenant", b"acme"), ("sg-tenant", b"other")])
    message = dead_letter(Dead(arrival, "undecodable", ""), sinks=SINKS, partition=0)
    assert [value for name, value in message.headers if name == "sg-tenant"] == [b"acme"]


@given(
    st.binary(max_size=30) | st.none(), st.integers(0, 2 * MIB), st.integers(0, 2 * MIB), st.text(max_size=5000),
    st.binary(max_size=5000),
)  # fmt: skip
def test_no_dead_letter_is_beyond_the_bound(
    start: bytes | None, key_size: int, value_size: int, detail: str, tenant: bytes
) -> None:
    key = None if start is None else start + bytes(key_size)
    arrival = Arrival(1, 2, key, bytes(value_size), [("sg-tenant", tenant)])
    message = dead_letter(Dead(arrival, "reason", detail), sinks=SINKS, partition=0)
    assert size(message) <= DEAD_BYTES_MAX

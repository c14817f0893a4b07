"""From what the core emits to what stands in Kafka: topic, partition, key, value, headers.

A finished stream becomes a record and, unless switched off, its contents, both under the record's id. A letter nobody
could read becomes a dead letter: key and value as they came, with its coordinates and the reason in headers.

Rules: the sink's partition is the source's. Keys and values depend on the log alone, so a repeat is the same byte for
byte; what may differ between two workings (worker, clock) stands in headers. A dead letter that would be longer than
the bound is cut, and the header `cut` tells how long it was.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import msgspec

from streamgauge.processors.engine.ports import Message
from streamgauge.processors.reassembly.finished import Arrival, Dead
from streamgauge.schemas import codec, topics
from streamgauge.schemas.limits import DEAD_BYTES_MAX, KIB
from streamgauge.schemas.records import Contents, Record

__all__ = ["Sinks", "contents_message", "dead_letter", "record_message", "worker_headers"]

Headers = list[tuple[str, bytes]]

_KEY_BYTES_MAX: Final = 64 * KIB
_HEADER_BYTES_MAX: Final = 4 * KIB  # reserved for the headers of a dead letter


class Sinks(msgspec.Struct, frozen=True, kw_only=True):
    """Where emissions go, and in whose name."""

    chunks: str
    records: str
    contents: str | None  # null: switched off
    dead: str
    ledger: str
    worker: str
    now_us: Callable[[], int] = lambda: time.time_ns() // 1000


def worker_headers(sinks: Sinks) -> Headers:
    """What may differ between two workings of the same log."""
    return [
        (topics.HEADER_WORKER, sinks.worker.encode()),
        (topics.HEADER_EMITTED_AT, str(sinks.now_us()).encode()),
    ]


def record_message(record: Record, *, sinks: Sinks, partition: int) -> Message:
    """The facts, for the topic of records."""
    return Message(sinks.records, partition, record.id.encode(), codec.encode_record(record), _headers(record, sinks))


def contents_message(contents: Contents, *, topic: str, sinks: Sinks, partition: int) -> Message:
    """Request and response, for the topic of contents."""
    return Message(topic, partition, contents.id.encode(), codec.encode_contents(contents), _headers(contents, sinks))


def _headers(emitted: Record | Contents, sinks: Sinks) -> Headers:
    return codec.tenant_headers(emitted.tenant) + worker_headers(sinks)


def dead_letter(dead: Dead, *, sinks: Sinks, partition: int) -> Message:
    """The message as it came, with coordinates and reason."""
    arrival = dead.arrival
    headers: Headers = [
        (topics.HEADER_REASON, dead.reason.encode()),
        (topics.HEADER_DETAIL, dead.detail.encode()[:KIB]),
        (topics.HEADER_TOPIC, sinks.chunks.encode()),
        (topics.HEADER_PARTITION, str(partition).encode()),
        (topics.HEADER_OFFSET, str(arrival.offset).encode()),
        (topics.HEADER_TIME, str(arrival.append_us).encode()),
        *_tenant_as_it_came(arrival),
    ]
    key, value = arrival.key, arrival.value
    came = len(key or b"") + len(value or b"")
    if came > DEAD_BYTES_MAX - _HEADER_BYTES_MAX:
        headers.append((topics.HEADER_CUT, str(came).encode()))
        key = key and key[:_KEY_BYTES_MAX]
        value = value and value[: DEAD_BYTES_MAX - _HEADER_BYTES_MAX - len(key or b"")]
    return Message(sinks.dead, partition, key, value, headers + worker_headers(sinks))


def _tenant_as_it_came(arrival: Arrival) -> Headers:
    """The first tenant header, whatever it says: a dead letter may be dead because of it."""
    found = (value for name, value in arrival.headers if name == topics.HEADER_TENANT)
    return [(topics.HEADER_TENANT, (value or b"")[:KIB]) for value in found][:1]

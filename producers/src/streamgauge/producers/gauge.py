"""`Gauge`: what an application holds. It measures LLM response streams and publishes their chunks to Kafka.

    gauge = Gauge(bootstrap_servers="kafka:9092", tenant="acme")
    gauge.instrument(client)                      # the official SDKs, in place
    with gauge.stream(provider="acme", model="x") as stream:        # anything else
        for piece in generate():
            stream.chunk(piece)

A gauge is a guest. Its constructor is the only thing that raises (`ConfigurationError`); from then on nothing it does
raises in, blocks or slows the application, and what it cannot keep it counts (`gauge.counters`).

    host's threads                     the gauge's thread, its own event loop
    stream.chunk ──▶ one deque ──▶  outbox: links, segments, pulses ──▶ lanes, one a partition ──▶ sink (Kafka)
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Self

from streamgauge.producers.asked import Asked
from streamgauge.producers.clock import Clock
from streamgauge.producers.counters import Counters
from streamgauge.producers.ids import Ids
from streamgauge.producers.manual import ManualStream
from streamgauge.producers.sink import Sink
from streamgauge.producers.stream import Stream

__all__ = ["Gauge"]


class Gauge:
    """Measures the LLM streams of one tenant."""

    def __init__(
        self,
        *,
        bootstrap_servers: str | list[str] | None = None,
        tenant: str | None = None,
        sink: Sink | None = None,
        clock: Clock | None = None,
        ids: Ids | None = None,
        **settings: Any,
    ) -> None: ...

    def instrument(self, client: Any) -> Any: ...

    def uninstrument(self, client: Any) -> None: ...

    def context(
        self, *, call: str | None = None, tags: Mapping[str, str] | None = None, **fields: str | None
    ) -> AbstractContextManager[None]: ...

    def open(self, asked: Asked) -> Stream: ...

    def stream(self, **said: Any) -> ManualStream: ...

    def flush(self, timeout: float | None = None) -> bool: ...

    def close(self, timeout: float | None = None) -> bool: ...

    @property
    def counters(self) -> Counters: ...

    @property
    def guard(self) -> Any: ...

    def now_ns(self) -> int: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

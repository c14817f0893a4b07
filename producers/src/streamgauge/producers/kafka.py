"""The sink that is Kafka: one aiokafka producer on the gauge's loop.

* `acks=all`, batches compressed with zstd where its library is there, else gzip.
* Idempotent where the broker can: that is tried once, at the first start. A broker that answers the request for a
  producer id with an error gets a plain producer: what it may then write twice, readers drop by number.
* aiokafka logs every failed attempt, and at level DEBUG whole messages. What it logs on the gauge's thread is dropped:
  the courier tells the news, and no content reaches the host's log.
"""

from __future__ import annotations

import asyncio
import encodings.idna  # noqa: F401  # pyright: ignore[reportUnusedImport] - resolving a name imports it: see `courier`
import logging
import ssl
import threading
from collections.abc import Sequence
from typing import Any, Final

from aiokafka import AIOKafkaProducer, errors
from aiokafka.codec import has_zstd
from aiokafka.partitioner import murmur2

from streamgauge.producers.settings import Settings
from streamgauge.producers.sink import Message, Rejected, Unavailable

__all__ = ["KafkaSink"]

CONNECT_S: Final = 10.0
REQUEST_S: Final = 10.0
SEND_S: Final = 30.0  # an idempotent producer tries for ever: then another one is started
STOP_S: Final = 0.5
BATCH_BYTES_MAX: Final = 1_000_000  # a broker takes 1,048,588 by default; one frame is at most 960 KiB

# What sending again cannot change.
_FOR_GOOD: Final = (
    errors.MessageSizeTooLargeError,
    errors.RecordListTooLargeError,
    errors.InvalidTimestampError,
    errors.UnsupportedForMessageFormatError,
    errors.PolicyViolationError,
    errors.CorruptRecordException,
)
_TOO_LARGE: Final = (errors.MessageSizeTooLargeError, errors.RecordListTooLargeError)
_TRANSIENT: Final = (errors.KafkaError, OSError, TimeoutError, AssertionError)  # aiokafka asserts what it is told
_LOGGERS: Final = (
    "aiokafka",
    "aiokafka.cluster",
    "aiokafka.conn",
    "aiokafka.helpers",
    "aiokafka.producer.producer",
    "aiokafka.producer.sender",
)


class KafkaSink:
    """Sends to one topic of one cluster."""

    def __init__(self, settings: Settings) -> None:
        self._topic = settings.topic
        self._servers = ",".join(settings.bootstrap_servers)
        self._options = _options(settings)
        self._idempotent: bool | None = None  # null: not yet tried
        self._producer: AIOKafkaProducer | None = None
        self._partitions = [0]  # as last heard of; asked for after `start` only
        self._starting = asyncio.Lock()

    async def start(self) -> None:
        """Connect and learn the topic's partitions."""
        _QUIET.on_this_thread()
        self._producer, self._starting = None, asyncio.Lock()  # what a forked child inherits is not its own
        await self._ready()

    def partition(self, key: bytes) -> int:
        """Where Kafka's own default partitioner would put this key now."""
        if self._producer is not None:
            known: set[int] | None = self._producer.client.cluster.partitions_for_topic(self._topic)
            self._partitions = sorted(known) if known else self._partitions
        hashed: int = murmur2(key) & 0x7FFFFFFF
        return self._partitions[hashed % len(self._partitions)]

    async def send(self, partition: int, messages: Sequence[Message]) -> None:
        """Return when all of them are acknowledged by every replica that is in sync."""
        producer = await self._ready()
        waiting = list(messages)
        try:
            while waiting:
                async with asyncio.timeout(SEND_S):
                    del waiting[: await self._send_some(producer, partition, waiting)]
        except _FOR_GOOD as error:
            await self._start_over(producer)
            if len(waiting) == 1 or not isinstance(error, _TOO_LARGE):
                raise Rejected(f"{self._topic!r}: {_said(error)}") from error
            half = len(waiting) // 2
            await self.send(partition, waiting[:half])
            await self.send(partition, waiting[half:])
        except _TRANSIENT as error:
            await self._start_over(producer)
            raise Unavailable(f"{self._topic!r} at {self._servers}: {_said(error)}") from error

    async def stop(self) -> None:
        """Let go of the connections."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await _stopped(producer)

    async def _ready(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                try:
                    self._producer = await self._connected()
                except _TRANSIENT as error:
                    raise Unavailable(f"{self._topic!r} at {self._servers}: {_said(error)}") from error
            return self._producer

    async def _connected(self) -> AIOKafkaProducer:
        if self._idempotent is not False:
            try:
                producer = await self._started(idempotent=True)
            except (errors.BrokerResponseError, errors.IncompatibleBrokerVersion) as error:
                if error.retriable:
                    raise
                self._idempotent = False
            else:
                self._idempotent = True
                return producer
        return await self._started(idempotent=False)

    async def _started(self, *, idempotent: bool) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(**self._options, enable_idempotence=idempotent)
        try:
            async with asyncio.timeout(CONNECT_S):
                await producer.start()
                await producer.partitions_for(self._topic)
        except BaseException:
            await _stopped(producer)
            raise
        return producer

    async def _send_some(self, producer: AIOKafkaProducer, partition: int, messages: Sequence[Message]) -> int:
        """Send as many as fit into one batch; say how many."""
        batch = producer.create_batch()
        count = 0
        for key, value, headers in messages:
            if batch.append(timestamp=None, key=key, value=value, headers=headers) is None:
                break
            count += 1
        await (await producer.send_batch(batch, self._topic, partition=partition))
        return count

    async def _start_over(self, producer: AIOKafkaProducer) -> None:
        """An idempotent producer that failed once fails for ever: the next send begins with another."""
        if self._idempotent and self._producer is producer:
            await self.stop()


async def _stopped(producer: AIOKafkaProducer) -> None:
    """Stop a producer, which waits for what it cannot send; but not for long."""
    try:
        async with asyncio.timeout(STOP_S):
            await producer.stop()
    except (*_TRANSIENT, *_FOR_GOOD):
        pass


def _options(settings: Settings) -> dict[str, Any]:
    compression = "gzip" if settings.compression == "zstd" and not has_zstd() else settings.compression
    return {
        "bootstrap_servers": list(settings.bootstrap_servers),
        "client_id": "streamgauge-producers",
        "acks": "all",
        "compression_type": None if compression == "none" else compression,
        "max_batch_size": BATCH_BYTES_MAX,
        "request_timeout_ms": round(REQUEST_S * 1000),
        "security_protocol": settings.security_protocol,
        "ssl_context": _tls(settings),
        "sasl_mechanism": settings.sasl_mechanism,
        "sasl_plain_username": settings.sasl_username,
        "sasl_plain_password": settings.sasl_password,
    }


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if settings.ssl_context is not None or "SSL" not in settings.security_protocol.removeprefix("SASL_"):
        return settings.ssl_context
    return ssl.create_default_context(cafile=settings.ssl_cafile)


def _said(error: BaseException) -> str:
    """An error in one line that names its class: aiokafka's do so themselves, and often say no more."""
    name, text = type(error).__name__, str(error)
    return text if name in text else f"{name}: {text}".rstrip(": ")


class _Quiet(logging.Filter):
    """Drops what is logged on the gauges' threads."""

    def __init__(self) -> None:
        super().__init__()
        self._here = threading.local()

    def on_this_thread(self) -> None:
        """Let nothing through from here on."""
        self._here.quiet = True
        for name in _LOGGERS:
            logging.getLogger(name).addFilter(self)  # once is enough, and twice is once

    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002 - the signature is logging's
        """Say whether the record may pass."""
        return not getattr(self._here, "quiet", False)


_QUIET: Final = _Quiet()

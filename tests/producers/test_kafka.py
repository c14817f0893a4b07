"""The sink that is Kafka: on the embedded broker and on real Kafka, and where no Kafka is."""

from __future__ import annotations

import asyncio
import logging
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import InvalidTimestampError, KafkaConnectionError, MessageSizeTooLargeError, UnknownError

from streamgauge.processors.broker import EmbeddedBroker
from streamgauge.producers import Gauge, Message, Rejected, Unavailable, courier
from streamgauge.producers.kafka import KafkaSink
from streamgauge.producers.settings import load
from streamgauge.schemas import codec
from streamgauge.schemas.frames import Data, Frame

PARTITIONS = 3


@pytest.fixture(
    params=[
        pytest.param("embedded_broker", marks=pytest.mark.broker),
        pytest.param("kafka", marks=[pytest.mark.broker, pytest.mark.kafka]),
    ]
)
def broker(request: pytest.FixtureRequest) -> Any:
    """Each test runs on the embedded broker, and on real Kafka where there is one."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def topic(broker: Any) -> str:
    """A topic of its own."""
    name = f"chunks-{uuid.uuid4().hex[:8]}"
    asyncio.run(_create(broker.bootstrap_servers, name))
    return name


async def _create(servers: str, name: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, PARTITIONS, 1)])
    finally:
        await admin.close()


async def _read(servers: str, topic: str, count: int) -> list[Any]:
    consumer = AIOKafkaConsumer(bootstrap_servers=servers, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, partition) for partition in range(PARTITIONS)])
        found: list[Any] = []
        async with asyncio.timeout(20):
            while len(found) < count:
                for records in (await consumer.getmany(timeout_ms=500)).values():
                    found += records
        return found
    finally:
        await consumer.stop()


def stored(broker: Any, topic: str, count: int) -> list[Any]:
    """What stands in the topic."""
    return asyncio.run(_read(broker.bootstrap_servers, topic, count))


def plays(gauge: Gauge, *, streams: int = 20, chunks: int = 50) -> None:
    for number in range(streams):
        with gauge.stream(call=f"call {number}") as stream:
            for at in range(chunks):
                stream.chunk({"at": at, "text": "x" * 200})


@pytest.mark.parametrize("compression", ["zstd", "gzip", "none"])
def test_frames_arrive_in_order_each_call_on_the_partition_of_its_key(
    broker: Any, topic: str, compression: str
) -> None:
    with Gauge(
        bootstrap_servers=broker.bootstrap_servers, tenant="acme", topic=topic, compression=compression
    ) as gauge:
        plays(gauge)
        assert gauge.flush(20.0)
        sent = gauge.counters.frames_sent
        assert (gauge.counters.frames_failed, gauge.counters.internal_errors) == (0, 0)
    records = stored(broker, topic, sent)
    by_call: dict[bytes, list[Any]] = {}
    for record in records:
        assert record.headers == (("sg-tenant", b"acme"),)
        by_call.setdefault(record.key, []).append(record)
    assert len(by_call) == 20
    assert len({record.partition for record in records}) == PARTITIONS
    for key, of_call in by_call.items():
        frames: list[Any] = [codec.decode(record.value) for record in of_call]
        assert {frame.call for frame in frames} == {key}
        assert [frame.n for frame in frames] == list(range(len(frames)))
        assert sum(len(frame.got) for frame in frames if isinstance(frame, Data)) == 50
        assert {record.partition for record in of_call} == {_default_partition(key)}


def _default_partition(key: bytes) -> int:
    from aiokafka.partitioner import DefaultPartitioner

    partitions = list(range(PARTITIONS))
    return int(DefaultPartitioner()(key, partitions, partitions))


def test_what_aiokafka_logs_on_our_thread_reaches_nobodys_log(
    broker: Any, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="aiokafka")
    with Gauge(bootstrap_servers=broker.bootstrap_servers, tenant="acme", topic=topic) as gauge:
        plays(gauge, streams=1)
        assert gauge.flush(20.0)
    assert not [record for record in caplog.records if record.name.startswith("aiokafka")]
    logging.getLogger("aiokafka").warning("the host's own")
    assert "the host's own" in caplog.text


def test_the_producer_is_idempotent_exactly_where_the_broker_can_be(broker: Any, topic: str) -> None:
    with Gauge(bootstrap_servers=broker.bootstrap_servers, tenant="acme", topic=topic) as gauge:
        plays(gauge, streams=1)
        assert gauge.flush(20.0)
        assert gauge._sink._idempotent is broker.transactions  # type: ignore[attr-defined]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def until(condition: Callable[[], Any], *, seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.01)


@pytest.mark.broker
def test_a_broker_that_comes_late_gets_everything_from_the_beginning() -> None:
    port = _free_port()
    gauge = Gauge(bootstrap_servers=f"127.0.0.1:{port}", tenant="acme")
    plays(gauge, streams=5)
    until(lambda: gauge.counters.connects_failed >= 1)
    with EmbeddedBroker(port=port):
        assert gauge.flush(20.0)
        assert (gauge.counters.chunks, gauge.counters.chunks_dropped) == (250, 0)
        assert gauge.counters.frames_sent >= 15
        assert gauge.close()


@pytest.mark.broker
def test_a_broker_that_goes_and_comes_back_gets_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier, "RETRY_LAST_S", 0.2)
    port = _free_port()
    gauge = Gauge(bootstrap_servers=f"127.0.0.1:{port}", tenant="acme")
    with EmbeddedBroker(port=port) as broker:
        stream = gauge.stream()
        stream.chunk({"n": 1})
        assert gauge.flush(20.0)
        assert broker._process is not None
        broker._process.kill()
    before = gauge.counters.frames_sent
    stream.chunk({"n": 2})
    assert gauge.flush(0.3) is False
    began = time.process_time()
    time.sleep(1.0)
    assert time.process_time() - began < 0.5, "the thread spins"
    with EmbeddedBroker(port=port):
        stream.close("eof")
        assert gauge.flush(30.0)
        assert gauge.counters.frames_sent == before + 2
        assert (gauge.counters.frames_failed, gauge.counters.internal_errors) == (0, 0)
        assert gauge.close()


class DeafServer:
    """Takes connections and never says a word."""

    def __enter__(self) -> str:
        self._server = socket.create_server(("127.0.0.1", 0))
        return f"127.0.0.1:{self._server.getsockname()[1]}"

    def __exit__(self, *exit_of_the_block: object) -> None:
        self._server.close()


@pytest.fixture(params=["closed port", "no Kafka", "no such host", "deaf"])
def nowhere(request: pytest.FixtureRequest) -> Iterator[str]:
    """Addresses where no Kafka is."""
    match request.param:
        case "closed port":
            yield f"127.0.0.1:{_free_port()}"
        case "no such host":
            yield "no-such-host.invalid:9092"
        case "deaf":
            with DeafServer() as address:
                yield address
        case _:
            with socket.create_server(("127.0.0.1", 0)) as server:
                threading.Thread(target=_answers_nonsense, args=(server,), daemon=True).start()
                yield f"127.0.0.1:{server.getsockname()[1]}"


def _answers_nonsense(server: socket.socket) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        with connection:
            connection.recv(1000)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def test_where_no_kafka_is_the_host_streams_on_and_the_end_keeps_its_deadline(nowhere: str) -> None:
    gauge = Gauge(bootstrap_servers=nowhere, tenant="acme", buffer_bytes=128 * 1024)
    slowest = 0.0
    began = time.process_time()
    for number in range(10):
        with gauge.stream() as stream:
            for _ in range(100):
                before = time.perf_counter()
                stream.chunk({"n": number, "text": "x" * 500})
                slowest = max(slowest, time.perf_counter() - before)
    time.sleep(0.5)
    assert time.process_time() - began < 1.0, "the thread spins"
    assert slowest < 0.5, "a chunk never waits for the network"
    ended = time.monotonic()
    assert gauge.close(0.1) is False
    assert time.monotonic() - ended < 2.0
    counters = gauge.counters
    assert counters.links + counters.links_dropped == 10
    assert counters.chunks_dropped > 0
    assert counters.frames_failed >= 2 * counters.links
    assert (counters.frames_sent, counters.internal_errors) == (0, 0)


class Producer:
    """Stands for aiokafka's, with failures by script."""

    def __init__(self, failures: list[Exception], limit: int = 10**9) -> None:
        self.failures, self.limit, self.stopped = failures, limit, False
        self.sent: list[list[bytes]] = []

    def create_batch(self) -> Any:
        return AIOKafkaProducer.create_batch(self)

    @property
    def _message_accumulator(self) -> Any:
        return self

    _key_serializer = _value_serializer = None

    def create_builder(self, **options: Any) -> Any:
        producer = self

        class Builder:
            def __init__(self) -> None:
                self.values: list[bytes] = []

            def append(self, *, timestamp: None, key: bytes, value: bytes, headers: Any) -> object:
                if self.values and sum(map(len, self.values)) + len(value) > producer.limit:
                    return None
                self.values.append(value)
                return self

        return Builder()

    async def send_batch(self, batch: Any, topic: str, *, partition: int) -> Any:
        if self.failures:
            raise self.failures.pop(0)
        future = asyncio.get_running_loop().create_future()
        if max(map(len, batch.values)) > 100 or sum(map(len, batch.values)) > 200:
            future.set_exception(MessageSizeTooLargeError())
        else:
            self.sent.append(batch.values)
            future.set_result(None)
        return future

    async def stop(self) -> None:
        self.stopped = True


def sink_with(producer: Producer, *, idempotent: bool = False) -> KafkaSink:
    settings = load({"tenant": "acme", "bootstrap_servers": "kafka:9092"}, {}, own_sink=False)
    sink = KafkaSink(settings)
    sink._producer, sink._idempotent = producer, idempotent
    return sink


def messages(*values: bytes) -> list[Message]:
    return [Message(b"key", value, []) for value in values]


async def test_what_does_not_fit_into_one_batch_goes_into_the_next() -> None:
    producer = Producer([], limit=20)
    await sink_with(producer).send(0, messages(b"a" * 15, b"b" * 15, b"c" * 5))
    assert producer.sent == [[b"a" * 15], [b"b" * 15, b"c" * 5]]


async def test_a_batch_the_broker_finds_too_large_is_halved() -> None:
    producer = Producer([])
    await sink_with(producer).send(0, messages(*[b"x" * 90] * 4))
    assert producer.sent == [[b"x" * 90] * 2] * 2


async def test_a_message_the_broker_finds_too_large_is_refused_for_good() -> None:
    with pytest.raises(Rejected, match="MessageSizeTooLargeError"):
        await sink_with(Producer([])).send(0, messages(b"x" * 101))


@pytest.mark.parametrize("error", [KafkaConnectionError("reset"), UnknownError(), TimeoutError(), OSError("x")])
async def test_what_may_pass_is_worth_another_try(error: Exception) -> None:
    producer = Producer([error])
    sink = sink_with(producer)
    with pytest.raises(Unavailable, match="at kafka:9092") as caught:
        await sink.send(0, messages(b"x"))
    assert str(caught.value).count(type(error).__name__) == 1  # aiokafka's errors name their class themselves
    await sink.send(0, messages(b"x"))
    assert (producer.sent, producer.stopped) == ([[b"x"]], False)


@pytest.mark.parametrize("error", [KafkaConnectionError("fenced"), InvalidTimestampError()])
async def test_an_idempotent_producer_that_failed_is_let_go(error: Exception) -> None:
    producer = Producer([error])
    sink = sink_with(producer, idempotent=True)
    with pytest.raises((Unavailable, Rejected)):
        await sink.send(0, messages(b"x"))
    assert producer.stopped
    assert sink._producer is None


def test_frames_are_as_the_memory_sink_shows_them(broker: Any, topic: str) -> None:
    """What users test against is what Kafka gets."""
    from streamgauge.producers.testing import CountingIds, FakeClock, MemorySink

    def frames(gauge: Gauge) -> None:
        with gauge.stream(call="c", request={"a": 1}) as stream:
            stream.chunk({"b": 2})

    memory = MemorySink()
    with Gauge(tenant="acme", sink=memory, clock=FakeClock(), ids=CountingIds()) as gauge:
        frames(gauge)
    with Gauge(
        tenant="acme",
        topic=topic,
        bootstrap_servers=broker.bootstrap_servers,
        clock=FakeClock(),
        ids=CountingIds(),
    ) as gauge:
        frames(gauge)
    got: list[Frame] = [codec.decode(record.value) for record in stored(broker, topic, 3)]  # type: ignore[misc]
    assert got == memory.frames


FORKS = """
import os, sys
from streamgauge.producers import Gauge
gauge = Gauge(bootstrap_servers=sys.argv[1], tenant="acme", topic=sys.argv[2])
stream = gauge.stream(call="parent")
stream.chunk({"n": 1})
assert gauge.flush(20)
for number in range(3):
    pid = os.fork()
    if pid == 0:
        with gauge.stream(call=f"child {number}") as of_child:
            of_child.chunk({"n": 1})
        sys.exit(0 if gauge.close(20) else 1)
    assert os.waitpid(pid, 0)[1] == 0
    stream.chunk({"n": 2})
    assert gauge.flush(20)
stream.close("eof")
assert gauge.close(20)
assert gauge.counters.sends_retried == gauge.counters.frames_failed == 0
"""


def test_a_forked_child_connects_by_itself_and_leaves_its_parents_connection_alone(broker: Any, topic: str) -> None:
    command = [sys.executable, "-W", "error", "-c", FORKS, broker.bootstrap_servers, topic]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    frames: list[Any] = [codec.decode(record.value) for record in stored(broker, topic, 15)]
    by_call: dict[bytes, list[int]] = {}
    for frame in frames:
        by_call.setdefault(frame.call, []).append(frame.n)
    assert sorted(by_call.values()) == [[0, 1, 2]] * 3 + [[0, 1, 2, 3, 4, 5]]

"""The brokers of the tests do what the tests rely on."""

from __future__ import annotations

import uuid

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from kafka_brokers import Broker

LOG_APPEND_TIME = 1
BEFORE_KAFKA = 1_000_000_000_000  # 2001, in milliseconds: no broker appended anything then


async def new_topic(broker: Broker, **config: str) -> str:
    """A topic of the test's own, with one partition."""
    name = f"test-{uuid.uuid4()}"
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap_servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, num_partitions=1, replication_factor=1, topic_configs=config)])
    finally:
        await admin.close()
    return name


async def read(broker: Broker, topic: str, *, count: int, isolation_level: str = "read_uncommitted") -> list[bytes]:
    """The first `count` values of the topic."""
    consumer = AIOKafkaConsumer(bootstrap_servers=broker.bootstrap_servers, isolation_level=isolation_level)
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, 0)])
        await consumer.seek_to_beginning()
        return [(await consumer.getone()).value for _ in range(count)]
    finally:
        await consumer.stop()


@pytest.mark.broker
async def test_any_broker_keeps_what_was_sent_in_order(any_broker: Broker) -> None:
    topic = await new_topic(any_broker)
    async with AIOKafkaProducer(bootstrap_servers=any_broker.bootstrap_servers) as producer:
        for value in (b"1", b"2", b"3"):
            await producer.send_and_wait(topic, value, headers=[("sg-tenant", b"acme")])
    assert await read(any_broker, topic, count=3) == [b"1", b"2", b"3"]


@pytest.mark.broker
async def test_the_embedded_broker_keeps_headers_and_groups(embedded_broker: Broker) -> None:
    topic = await new_topic(embedded_broker)
    servers = embedded_broker.bootstrap_servers
    async with AIOKafkaProducer(bootstrap_servers=servers) as producer:
        await producer.send_and_wait(topic, b"x", key=b"k", headers=[("sg-tenant", b"acme")])
    async with AIOKafkaConsumer(
        topic, bootstrap_servers=servers, group_id=f"group-{uuid.uuid4()}", auto_offset_reset="earliest"
    ) as consumer:
        record = await consumer.getone()
        await consumer.commit()
        assert await consumer.committed(TopicPartition(topic, 0)) == 1
    assert (record.key, record.value, record.headers) == (b"k", b"x", (("sg-tenant", b"acme"),))
    assert not embedded_broker.transactions


@pytest.mark.kafka
async def test_real_kafka_stamps_records_with_its_own_clock(kafka: Broker) -> None:
    topic = await new_topic(kafka, **{"message.timestamp.type": "LogAppendTime"})
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers) as producer:
        await producer.send_and_wait(topic, b"x", timestamp_ms=BEFORE_KAFKA)
    async with AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap_servers) as consumer:
        consumer.assign([TopicPartition(topic, 0)])
        await consumer.seek_to_beginning()
        record = await consumer.getone()
    assert record.timestamp_type == LOG_APPEND_TIME
    assert record.timestamp > BEFORE_KAFKA


@pytest.mark.kafka
async def test_real_kafka_hides_what_was_aborted_from_committed_readers(kafka: Broker) -> None:
    topic = await new_topic(kafka)
    producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers, transactional_id=f"test-{uuid.uuid4()}")
    async with producer:
        await producer.begin_transaction()
        await producer.send_and_wait(topic, b"aborted")
        await producer.abort_transaction()
        async with producer.transaction():
            await producer.send_and_wait(topic, b"committed")
    assert await read(kafka, topic, count=1, isolation_level="read_committed") == [b"committed"]
    assert await read(kafka, topic, count=2) == [b"aborted", b"committed"]


@pytest.mark.kafka
async def test_real_kafka_fences_the_older_of_two_owners(kafka: Broker) -> None:
    """What exactly-once stands on: who starts later owns the id."""
    topic = await new_topic(kafka)
    owner = f"test-{uuid.uuid4()}"
    old = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers, transactional_id=owner)
    await old.start()
    await old.begin_transaction()
    await old.send_and_wait(topic, b"old")
    new = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers, transactional_id=owner)
    async with new, new.transaction():
        await new.send_and_wait(topic, b"new")
    with pytest.raises(Exception, match=r"(?i)fenced|epoch|newer"):
        await old.commit_transaction()
    await old.stop()
    assert await read(kafka, topic, count=1, isolation_level="read_committed") == [b"new"]

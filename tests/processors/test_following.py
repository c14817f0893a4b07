"""Records and their contents meet again, whichever comes first, and nothing is created by looking."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.processors.broker import EmbeddedBroker
from streamgauge.processors.engine.admin import create_topics, verify_topics
from streamgauge.processors.engine.errors import RefusalError, UnreachableError
from streamgauge.processors.following import JOIN_WITHIN_S, Emitted, Unreadable, _Join, follow
from streamgauge.processors.settings import Settings, load
from streamgauge.schemas import codec
from streamgauge.schemas.records import Contents, Record

RECORDS, CONTENTS = "records", "contents"


def record(name: str, revision: int = 0) -> bytes:
    return codec.encode_record(Record(id=name, tenant="t", call_id=name, attempt=0, revision=revision))


def contents(name: str, revision: int = 0) -> bytes:
    return codec.encode_contents(Contents(id=name, tenant="t", revision=revision))


def message(topic: str, value: bytes) -> Any:
    return SimpleNamespace(topic=topic, partition=3, offset=7, value=value)


def joined(messages: list[Any], *, wanted: bool = True) -> list[Emitted | Unreadable]:
    join = _Join(contents=wanted, topic_contents=CONTENTS)
    return [emitted for one in messages for emitted in join.take(one)]


@given(st.permutations([(topic, name) for topic in (RECORDS, CONTENTS) for name in ("a", "b", "c")]))
def test_every_record_comes_once_with_its_own_contents_in_whatever_order(order: list[tuple[str, str]]) -> None:
    messages = [message(topic, record(name) if topic == RECORDS else contents(name)) for topic, name in order]
    found = joined(messages)
    pairs = [(one.record.id, one.contents.id) for one in found if isinstance(one, Emitted) and one.contents]
    assert sorted(pairs) == [("a", "a"), ("b", "b"), ("c", "c")]


def test_contents_of_another_revision_are_not_the_records() -> None:
    assert joined([message(RECORDS, record("a", 1)), message(CONTENTS, contents("a", 0))]) == []


def test_without_contents_a_record_waits_for_nothing() -> None:
    (found,) = joined([message(RECORDS, record("a"))], wanted=False)
    assert isinstance(found, Emitted)
    assert found.raw == record("a")


def test_a_record_whose_contents_stay_away_comes_without_them() -> None:
    join = _Join(contents=True, topic_contents=CONTENTS)
    assert list(join.take(message(RECORDS, record("a")))) == []
    since = join._records["a", 0][0]
    assert list(join.give_up(since + JOIN_WITHIN_S)) == []
    (found,) = join.give_up(since + JOIN_WITHIN_S + 0.1)
    assert found.record.id == "a"
    assert found.contents is None


@pytest.mark.parametrize("topic", [RECORDS, CONTENTS])
def test_what_is_no_record_is_named_by_its_place_and_not_by_its_content(topic: str) -> None:
    (found,) = joined([message(topic, b"my secret")])
    assert isinstance(found, Unreadable)
    assert f"{topic}[3] at offset 7" in str(found)
    assert "secret" not in str(found)


async def test_only_committed_emissions_are_asked_for_and_no_group_is_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most readers' default is the other: they would show what a transaction took back."""
    asked: dict[str, object] = {}

    class Consumer(AIOKafkaConsumer):  # type: ignore[misc]
        def __init__(self, **settings: object) -> None:
            asked.update(settings)
            super().__init__(**settings)

    async def counts(_: Settings, *topics: str) -> dict[str, int]:
        return dict.fromkeys(topics, 1)

    monkeypatch.setattr("streamgauge.processors.following.AIOKafkaConsumer", Consumer)
    monkeypatch.setattr("streamgauge.processors.following.partitions_of", counts)
    with pytest.raises(UnreachableError):
        await everything(settings_of("127.0.0.1:1"))
    assert asked["isolation_level"] == "read_committed"
    assert asked["group_id"] is None


# ---------------------------------------------------------------------- on a broker


@pytest.fixture(scope="module")
def servers() -> Iterator[str]:
    with EmbeddedBroker() as broker:
        yield broker.bootstrap_servers


def settings_of(servers: str, **given: object) -> Settings:
    return load(None, bootstrap_servers=servers, replication=1, partitions=2, time="producer", **given)


async def emit(settings: Settings, *values: tuple[str, bytes]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=settings.bootstrap_servers)
    await producer.start()
    for index, (topic, value) in enumerate(values):
        await producer.send_and_wait(topic, value, partition=index % 2)
    await producer.stop()


async def everything(settings: Settings, **how: bool) -> list[Emitted | Unreadable]:
    return [one async for one in follow(settings, from_beginning=True, to_the_end=True, **how)]


@pytest.mark.broker
async def test_everything_there_is_is_read_to_the_end(servers: str) -> None:
    settings = settings_of(servers, topic_records="r1", topic_contents="c1", topic_chunks="k1")
    await create_topics(settings)
    assert await everything(settings, contents=True) == []
    await emit(settings, ("r1", record("a")), ("c1", contents("b")), ("r1", b"junk"), ("r1", record("b")))
    found = await everything(settings, contents=True)
    told = {one.record.id: one.contents is not None for one in found if isinstance(one, Emitted)}
    assert told == {"a": False, "b": True}
    assert sum(isinstance(one, Unreadable) for one in found) == 1


@pytest.mark.broker
async def test_only_what_is_emitted_from_now_on_is_followed(servers: str) -> None:
    settings = settings_of(servers, topic_records="r2", topic_contents="c2", topic_chunks="k2")
    await create_topics(settings)
    await emit(settings, ("r2", record("old")))
    records = follow(settings)
    first = asyncio.ensure_future(anext(records))
    while not first.done():  # it may start to look later than we write
        await emit(settings, ("r2", record("new")))
        await asyncio.wait({first}, timeout=0.2)
    found = first.result()
    assert isinstance(found, Emitted)
    assert found.record.id == "new"
    await records.aclose()


@pytest.mark.broker
async def test_a_missing_topic_is_named_and_not_created(servers: str) -> None:
    settings = settings_of(servers, topic_records="r3")
    with pytest.raises(RefusalError, match="'r3' does not exist"):
        await everything(settings)
    assert any(finding.topic == "r3" for finding in await verify_topics(settings))


@pytest.mark.broker
async def test_topics_that_appear_while_it_connects_are_missing_or_read_but_no_mistake(
    servers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The consumer looked before the topics were made, whoever looks next sees them: one look must decide."""
    settings = settings_of(servers, topic_records="r4", topic_contents="c4", topic_chunks="k4")

    class Consumer(AIOKafkaConsumer):  # type: ignore[misc]
        async def start(self) -> None:
            await super().start()
            await create_topics(settings)

    monkeypatch.setattr("streamgauge.processors.following.AIOKafkaConsumer", Consumer)
    with pytest.raises(RefusalError, match="'r4' does not exist"):
        await everything(settings)
    await create_topics(settings)
    assert await everything(settings) == []


@pytest.mark.broker
async def test_what_the_consumer_has_not_heard_of_yet_is_read_all_the_same(
    servers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another broker of the cluster may tell it of the topics, and that one may be behind."""

    class Consumer(AIOKafkaConsumer):  # type: ignore[misc]
        async def start(self) -> None:
            await super().start()
            self._client.cluster._partitions.clear()

    settings = settings_of(servers, topic_records="r5", topic_contents="c5", topic_chunks="k5")
    await create_topics(settings)
    await emit(settings, ("r5", record("a")))
    monkeypatch.setattr("streamgauge.processors.following.AIOKafkaConsumer", Consumer)
    (found,) = await everything(settings)
    assert isinstance(found, Emitted)
    assert found.record.id == "a"


async def test_a_topic_that_is_still_being_made_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    class Admin:
        async def describe_topics(self) -> list[dict[str, Any]]:
            return [{"topic": "r6", "partitions": []}]

    @asynccontextmanager
    async def connected(_: Settings) -> AsyncGenerator[Admin]:
        yield Admin()

    monkeypatch.setattr("streamgauge.processors.engine.admin.connected", connected)
    with pytest.raises(RefusalError, match="'r6' is being made"):
        await everything(settings_of("127.0.0.1:1", topic_records="r6"))


async def test_without_a_broker_the_error_says_where_it_looked() -> None:
    with pytest.raises(UnreachableError, match=r"127\.0\.0\.1:1"):
        await everything(settings_of("127.0.0.1:1"))

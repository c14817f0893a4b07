"""`streamgauge tail` on a broker: what it prints, and that it stops where it is told to."""

import asyncio
import json
from collections.abc import Iterator

import pytest
from aiokafka import AIOKafkaProducer

from streamgauge.processors.broker import EmbeddedBroker
from streamgauge.processors.cli.app import app
from streamgauge.processors.cli.boundary import run
from streamgauge.processors.engine.admin import create_topics
from streamgauge.processors.settings import load
from streamgauge.schemas import codec
from streamgauge.schemas.records import Choice, Contents, Record, Text
from streamgauge.schemas.words import Outcome

pytestmark = pytest.mark.broker

NAMES = ("acme/a.0", "acme/b.0", "acme/c.0")


@pytest.fixture(scope="module")
def servers() -> Iterator[str]:
    """A broker with three records, their contents, and a message that is no record."""
    with EmbeddedBroker() as broker:
        asyncio.run(_fill(broker.bootstrap_servers))
        yield broker.bootstrap_servers


async def _fill(servers: str) -> None:
    settings = load(None, bootstrap_servers=servers, replication=1, partitions=1, time="producer")
    await create_topics(settings)
    producer = AIOKafkaProducer(bootstrap_servers=servers)
    await producer.start()
    for name in NAMES:
        record = Record(id=name, tenant="acme", call_id=name, attempt=0, outcome=Outcome.COMPLETED)
        choice = Choice(index=0, parts=[Text(text=f"the answer of {name}")])
        contents = Contents(id=name, tenant="acme", choices=[choice])
        await producer.send_and_wait(settings.topic_records, codec.encode_record(record))
        await producer.send_and_wait(settings.topic_contents, codec.encode_contents(contents))
    await producer.send_and_wait(settings.topic_records, b"\x00junk")
    await producer.stop()


def tail(servers: str, *options: str) -> int:
    return run(app, ["tail", "-b", servers, "--from-beginning", *options])


def test_every_record_is_a_line(servers: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert tail(servers, "--no-follow") == 0
    said = capsys.readouterr()
    assert [line.split()[-1] for line in said.out.splitlines()] == list(NAMES)
    assert "no record" in said.err


def test_json_is_the_record_as_it_was_emitted(servers: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert tail(servers, "--no-follow", "--json") == 0
    objects = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["id"] for one in objects] == list(NAMES)
    assert all("contents" not in one for one in objects)


def test_contents_are_joined_if_asked_for(servers: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert tail(servers, "--no-follow", "--json", "--contents") == 0
    objects = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["contents"]["choices"][0]["parts"][0]["text"] for one in objects] == [
        f"the answer of {name}" for name in NAMES
    ]


def test_for_people_the_answer_stands_below_its_record(servers: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert tail(servers, "--no-follow", "--contents") == 0
    assert "    the answer of acme/a.0\n" in capsys.readouterr().out


def test_a_limit_stops_it(servers: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert tail(servers, "--limit", "2") == 0
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_topics_are_verified_and_made(servers: str, capsys: pytest.CaptureFixture[str]) -> None:
    common = ["-b", servers, "--set", "replication=1", "--set", "time=producer", "--set", "partitions=1"]
    assert run(app, ["topics", "verify", *common]) == 0
    assert run(app, ["topics", "create", *common]) == 0
    assert run(app, ["topics", "verify", *common, "--set", "topic_records=other"]) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[:2] == ["the topics are as they must be", "all topics exist"]
    assert said[2].startswith("wrong: topic 'other'")

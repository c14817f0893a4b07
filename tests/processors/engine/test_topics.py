"""What must be true of the topics before a worker may start."""

from __future__ import annotations

import pytest

from streamgauge.processors.engine.topics import Finding, Topic, judge, plans
from streamgauge.processors.settings import Settings, load

HOUR_MS = 3600 * 1000


@pytest.fixture
def settings() -> Settings:
    return load(replication=3, partitions=8)


@pytest.fixture
def topics(settings: Settings) -> dict[str, Topic]:
    """All topics, as `create` makes them."""
    return {plan.name: Topic(settings.partitions, settings.replication, dict(plan.configs)) for plan in plans(settings)}


def change(topics: dict[str, Topic], name: str, *, partitions: int = 8, replication: int = 3, **configs: str) -> None:
    changed = {key.replace("_", "."): value for key, value in configs.items()}
    topics[name] = Topic(partitions, replication, {**topics[name].configs, **changed})


def test_what_create_makes_is_right(settings: Settings, topics: dict[str, Topic]) -> None:
    assert judge(settings, topics) == []


def test_the_chunk_topic_is_made_last_and_the_ledger_first(settings: Settings) -> None:
    names = [plan.name for plan in plans(settings)]
    assert (names[0], names[-1]) == (settings.topic_ledger, settings.topic_chunks)


def test_contents_switched_off_need_no_topic() -> None:
    assert "streamgauge.contents" not in [plan.name for plan in plans(load(contents=False))]


def test_the_producers_clock_asks_for_no_clock_of_the_broker() -> None:
    chunks = plans(load(time="producer"))[-1]
    assert "message.timestamp.type" not in chunks.configs
    assert plans(load())[-1].configs["message.timestamp.type"] == "LogAppendTime"


@pytest.mark.parametrize(("replication", "in_sync"), [(1, "1"), (2, "1"), (3, "2"), (5, "2")])
def test_in_sync_replicas_follow_replication(replication: int, in_sync: str) -> None:
    assert {plan.configs["min.insync.replicas"] for plan in plans(load(replication=replication))} == {in_sync}


def test_each_missing_topic_is_told_and_nothing_else(settings: Settings, topics: dict[str, Topic]) -> None:
    del topics[settings.topic_dead], topics[settings.topic_chunks]
    assert [finding.topic for finding in judge(settings, topics)] == [settings.topic_dead, settings.topic_chunks]


@pytest.mark.parametrize(
    ("name", "changed", "told"),
    [
        ("streamgauge.records", {"partitions": 4}, "it has 4 partitions, 'streamgauge.chunks' has 8"),
        ("streamgauge.chunks", {"message_timestamp_type": "CreateTime"}, "message.timestamp.type is 'CreateTime'"),
        ("streamgauge.chunks", {"cleanup_policy": "compact,delete"}, "compaction would tear streams"),
        ("streamgauge.chunks", {"retention_ms": str(HOUR_MS)}, "no longer than a stream may run"),
        ("streamgauge.chunks", {"retention_ms": "-1"}, None),  # then the ledger's is too short
        ("streamgauge.ledger", {"cleanup_policy": "compact"}, "compaction would forget closed streams"),
        ("streamgauge.ledger", {"retention_ms": str(HOUR_MS)}, "the ledger must be kept at least as long"),
        ("streamgauge.contents", {"max_message_bytes": "500000"}, "max.message.bytes is 500000"),
    ],
)
def test_what_would_lose_or_double_something_is_wrong(
    settings: Settings, topics: dict[str, Topic], name: str, changed: dict[str, str], told: str | None
) -> None:
    change(topics, name, **changed)  # type: ignore[arg-type]
    findings = judge(settings, topics)
    assert all(finding.wrong for finding in findings)
    (finding,) = findings
    if told is None:
        assert finding.topic == settings.topic_ledger
    else:
        assert finding.topic == name
        assert told in finding.text


def test_more_partitions_in_a_sink_are_no_fault(settings: Settings, topics: dict[str, Topic]) -> None:
    change(topics, settings.topic_records, partitions=16)
    assert judge(settings, topics) == []


def test_fewer_replicas_are_worth_knowing(settings: Settings, topics: dict[str, Topic]) -> None:
    change(topics, settings.topic_records, replication=1)
    change(topics, settings.topic_dead, min_insync_replicas="1")
    assert [(finding.topic, finding.wrong) for finding in judge(settings, topics)] == [
        (settings.topic_records, False),
        (settings.topic_dead, False),
    ]


def test_what_the_broker_does_not_tell_is_not_judged(settings: Settings) -> None:
    """The embedded broker knows only some settings."""
    assert judge(settings, {plan.name: Topic(8, 3, {}) for plan in plans(settings)}) == []


def test_a_finding_names_its_topic() -> None:
    assert str(Finding("chunks", "it is gone")) == "topic 'chunks': it is gone"

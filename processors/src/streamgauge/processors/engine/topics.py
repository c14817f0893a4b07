"""The topics a worker needs: how they are made, and what must be true of them before a worker may start.

Faust lives silently with wrong partition counts and wrong settings, and a broker may create a missing topic by itself
with one partition and the producers' clock. So topics are made and checked by a step of our own; a worker refuses to
start on what `judge` calls wrong.

All here is pure: plans and findings are values; `admin` talks to the broker. The order of the plans is the order of
creation: ledger, sinks and dead letters first, the chunk topic last, so that nothing can be worked that has nowhere to
go. The same holds for partitions that are added later.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from streamgauge.processors.settings import Settings
from streamgauge.schemas.limits import FRAME_BYTES_MAX, KIB, RECORD_BYTES_MAX

__all__ = ["Finding", "Plan", "Topic", "judge", "plans"]

_DAY_MS: Final = 24 * 3600 * 1000
_MESSAGE_BYTES: Final = "1048588"  # Kafka's own default: 1 MiB and the overhead of a batch
_OVERHEAD: Final = 16 * KIB  # key, headers and batch around a value at its bound

CLEANUP: Final = "cleanup.policy"
RETENTION: Final = "retention.ms"
MESSAGE: Final = "max.message.bytes"
CLOCK: Final = "message.timestamp.type"
IN_SYNC: Final = "min.insync.replicas"


class Plan(msgspec.Struct, frozen=True):
    """A topic as it is to be made."""

    name: str
    configs: Mapping[str, str]


class Topic(msgspec.Struct, frozen=True):
    """A topic as the broker describes it."""

    partitions: int
    replication: int
    configs: Mapping[str, str | None]  # what the broker does not tell is left out


class Finding(msgspec.Struct, frozen=True):
    """Something about a topic that is wrong, or only worth knowing."""

    topic: str
    text: str  # what is, and what to do
    wrong: bool = True  # a worker refuses to start

    def __str__(self) -> str:
        return f"topic {self.topic!r}: {self.text}"


def plans(settings: Settings) -> list[Plan]:
    """All topics of these settings, in the order they are to be made."""
    in_sync = {IN_SYNC: "2" if settings.replication >= 3 else "1"}

    def plan(name: str, days: int, **configs: str) -> Plan:
        kept = {CLEANUP: "delete", RETENTION: str(days * _DAY_MS), MESSAGE: _MESSAGE_BYTES}
        return Plan(name, {**kept, **in_sync, **configs})

    clock = {CLOCK: "LogAppendTime"} if settings.time == "broker" else {}
    contents = [plan(settings.topic_contents, 3)] if settings.contents else []
    return [
        plan(settings.topic_ledger, 7),  # at least as long as the chunks, or a restart could emit twice
        plan(settings.topic_records, 7),
        *contents,
        plan(settings.topic_dead, 14),
        plan(settings.topic_chunks, 3, **clock),
    ]


def judge(settings: Settings, topics: Mapping[str, Topic]) -> list[Finding]:
    """What is to be said about these topics; empty if all is well."""
    findings = [
        Finding(plan.name, "it does not exist; 'streamgauge topics create' makes it")
        for plan in plans(settings)
        if plan.name not in topics
    ]
    if not findings:
        findings = [*_partitions(settings, topics), *_chunks(settings, topics), *_ledger(settings, topics)]
        findings += [*_sizes(settings, topics), *_safety(settings, topics)]
    return findings


def _partitions(settings: Settings, topics: Mapping[str, Topic]) -> Iterator[Finding]:
    chunks = topics[settings.topic_chunks].partitions
    for plan in plans(settings):
        if topics[plan.name].partitions < chunks:
            yield Finding(
                plan.name,
                f"it has {topics[plan.name].partitions} partitions, {settings.topic_chunks!r} has {chunks}: what comes "
                "from a partition goes to the same number; 'streamgauge topics create' adds them",
            )


def _chunks(settings: Settings, topics: Mapping[str, Topic]) -> Iterator[Finding]:
    name = settings.topic_chunks
    configs = topics[name].configs
    clock = configs.get(CLOCK)
    if settings.time == "broker" and clock is not None and clock != "LogAppendTime":
        yield Finding(name, f"{CLOCK} is {clock!r}: deadlines need the broker's clock, set it to 'LogAppendTime'")
    if "compact" in (configs.get(CLEANUP) or ""):
        yield Finding(name, f"{CLEANUP} is {configs[CLEANUP]!r}: compaction would tear streams, set it to 'delete'")
    kept_ms = _milliseconds(configs.get(RETENTION))
    if kept_ms is not None and 0 <= kept_ms <= settings.total_age_s * 1000:
        yield Finding(
            name,
            f"{RETENTION} is {kept_ms}, no longer than a stream may run (total_age_s {settings.total_age_s:g}): after "
            "an outage frames of open streams would be gone",
        )


def _ledger(settings: Settings, topics: Mapping[str, Topic]) -> Iterator[Finding]:
    configs = topics[settings.topic_ledger].configs
    if "compact" in (configs.get(CLEANUP) or ""):
        yield Finding(
            settings.topic_ledger, f"{CLEANUP} is {configs[CLEANUP]!r}: compaction would forget closed streams, set it "
            "to 'delete'",
        )  # fmt: skip
    ledger_ms = _milliseconds(configs.get(RETENTION))
    chunks_ms = _milliseconds(topics[settings.topic_chunks].configs.get(RETENTION))
    if ledger_ms is None or chunks_ms is None or ledger_ms < 0:
        return
    if chunks_ms < 0 or ledger_ms < chunks_ms:
        yield Finding(
            settings.topic_ledger,
            f"{RETENTION} is {ledger_ms}, that of {settings.topic_chunks!r} is {chunks_ms}: the ledger must be kept at "
            "least as long as the chunks, or a restart could emit twice",
        )


def _sizes(settings: Settings, topics: Mapping[str, Topic]) -> Iterator[Finding]:
    for plan in plans(settings):
        needed = (FRAME_BYTES_MAX if plan.name == settings.topic_chunks else RECORD_BYTES_MAX) + _OVERHEAD
        allowed = topics[plan.name].configs.get(MESSAGE)
        if allowed is not None and int(allowed) < needed:
            yield Finding(plan.name, f"{MESSAGE} is {allowed}: messages may have {needed}, set it to {_MESSAGE_BYTES}")


def _safety(settings: Settings, topics: Mapping[str, Topic]) -> Iterator[Finding]:
    for plan in plans(settings):
        topic = topics[plan.name]
        in_sync = topic.configs.get(IN_SYNC)
        if topic.replication < settings.replication:
            yield Finding(
                plan.name, f"it has {topic.replication} replicas, settings say {settings.replication}", wrong=False
            )
        elif topic.replication >= 3 and in_sync is not None and int(in_sync) < 2:
            yield Finding(
                plan.name, f"{IN_SYNC} is {in_sync}: with 2 the loss of one broker loses nothing", wrong=False
            )


def _milliseconds(value: str | None) -> int | None:
    return int(value) if value is not None else None

"""Creating and checking topics at the broker: `streamgauge topics create` and `verify`, and every worker at its start.

What is to be true stands in `topics`. Here is only the talking: list, describe, create, add partitions. All topics are
listed and the wanted ones picked out, since a broker may create a topic when it is asked for it by name.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaConnectionError, KafkaError, NodeNotReadyError, TopicAlreadyExistsError, for_code

from streamgauge.processors.engine import logbook
from streamgauge.processors.engine.errors import RefusalError, UnreachableError
from streamgauge.processors.engine.reach import reach, unreachable
from streamgauge.processors.engine.topics import Finding, Plan, Topic, judge, plans
from streamgauge.processors.settings import Settings

__all__ = ["connected", "create_topics", "partitions_of", "verify_topics"]

SHOWN_LOOKS: Final = 300
LOOK_EVERY_S: Final = 0.1


async def create_topics(settings: Settings) -> list[str]:
    """Make what is missing, topics and partitions, and say what was done, one line each. What exists is not altered."""
    done: list[str] = []
    async with connected(settings) as admin:
        present = await _describe(admin, settings)
        for plan in plans(settings):
            topic = present.get(plan.name)
            if topic is None:
                await _create(admin, plan, settings)
                done.append(f"created topic {plan.name!r} with {settings.partitions} partitions")
            elif topic.partitions < settings.partitions:
                await _extend(admin, plan, topic, settings)
                done.append(f"added partitions to topic {plan.name!r}: {topic.partitions} to {settings.partitions}")
        await _shown(admin, settings)
    return done


async def _shown(admin: AIOKafkaAdminClient, settings: Settings) -> None:
    """Brokers show a new topic a little after its creation; who calls us wants to use it."""
    for _ in range(SHOWN_LOOKS):
        if _complete(await _describe(admin, settings), settings):
            return
        await asyncio.sleep(LOOK_EVERY_S)
    raise RefusalError(f"the broker at {settings.bootstrap_servers!r} does not show the topics that were made there")


def _complete(topics: Mapping[str, Topic], settings: Settings) -> bool:
    names = [plan.name for plan in plans(settings)]
    return all(name in topics and topics[name].partitions >= settings.partitions for name in names)


async def verify_topics(settings: Settings) -> list[Finding]:
    """What is wrong with the topics, or worth knowing; empty if all is well."""
    async with connected(settings) as admin:
        return judge(settings, await _describe(admin, settings))


async def partitions_of(settings: Settings, *topics: str) -> dict[str, int]:
    """How many partitions each of these topics has, all seen in one look. Raises `RefusalError` where one is missing,
    or is shown before its partitions are, as brokers do while they make it."""
    async with connected(settings) as admin:
        seen = {topic["topic"]: len(topic["partitions"]) for topic in await admin.describe_topics()}
    for topic in topics:
        if topic not in seen:
            raise RefusalError(f"topic {topic!r} does not exist; 'streamgauge topics create' makes it")
        if not seen[topic]:
            raise RefusalError(f"topic {topic!r} is being made and has no partitions yet: try again in a moment")
    return {topic: seen[topic] for topic in topics}


@asynccontextmanager
async def connected(settings: Settings) -> AsyncGenerator[AIOKafkaAdminClient]:
    """An admin client; what it cannot do becomes an error of the engine."""
    await reach(settings)
    admin = AIOKafkaAdminClient(**settings.client())
    with logbook.hushed("aiokafka"):
        try:
            await admin.start()
        except KafkaConnectionError as error:
            await admin.close()
            raise unreachable(settings) from error
        try:
            yield admin
        except KafkaConnectionError as error:
            raise unreachable(settings) from error
        except (NodeNotReadyError, TimeoutError) as error:  # it went on with the addresses that the broker named
            raise UnreachableError(
                f"a broker answers at {settings.bootstrap_servers!r}, but not at the addresses it names for the "
                "cluster: are its advertised.listeners right, and can they be reached from here?"
            ) from error
        except KafkaError as error:
            raise RefusalError(f"the broker at {settings.bootstrap_servers!r} refuses: {_words(error)}") from error
        finally:
            await admin.close()


def _words(error: KafkaError) -> str:
    return " ".join(str(error).split()) or type(error).__name__


async def _describe(admin: AIOKafkaAdminClient, settings: Settings) -> dict[str, Topic]:
    wanted = {plan.name for plan in plans(settings)}
    described = [topic for topic in await admin.describe_topics() if topic["topic"] in wanted]
    configs = await _configs(admin, [topic["topic"] for topic in described])
    return {
        topic["topic"]: Topic(
            partitions=len(topic["partitions"]),
            replication=min((len(partition["replicas"]) for partition in topic["partitions"]), default=0),
            configs=configs.get(topic["topic"], {}),
        )
        for topic in described
    }


async def _configs(admin: AIOKafkaAdminClient, names: list[str]) -> Mapping[str, Mapping[str, str | None]]:
    """The settings of these topics, as far as the broker tells them."""
    if not names:
        return {}
    responses = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in names])
    resources: list[dict[str, Any]] = [
        resource for response in responses for resource in response.to_object()["resources"]
    ]
    return {
        resource["resource_name"]: {
            entry["config_names"]: entry["config_value"] for entry in resource["config_entries"]
        }
        for resource in resources
        if resource["error_code"] == 0
    }


async def _create(admin: AIOKafkaAdminClient, plan: Plan, settings: Settings) -> None:
    topic = NewTopic(plan.name, settings.partitions, settings.replication, topic_configs=dict(plan.configs))
    response = await admin.create_topics([topic])
    for error in response.to_object()["topic_errors"]:
        if (code := error["error_code"]) not in (0, TopicAlreadyExistsError.errno):
            reason = error.get("error_message") or for_code(code).__name__
            raise RefusalError(f"topic {plan.name!r} cannot be created: {reason} (replication={settings.replication})")


async def _extend(admin: AIOKafkaAdminClient, plan: Plan, topic: Topic, settings: Settings) -> None:
    try:
        await admin.create_partitions({plan.name: NewPartitions(settings.partitions)})
    except KafkaError as error:
        raise RefusalError(
            f"topic {plan.name!r} has {topic.partitions} partitions and cannot be given {settings.partitions}: "
            f"{_words(error)}"
        ) from error

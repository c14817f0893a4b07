"""The brokers that tests run against, in three tiers:

external   named by STREAMGAUGE_TEST_BOOTSTRAP; taken as real Kafka
docker     real Kafka in a container of our own, where a Docker engine runs and has the image
embedded   Tansu, in memory: no transactions, no LogAppendTime
"""

from __future__ import annotations

import os
import socket
from typing import Final, Literal, NamedTuple

import docker
from docker.errors import DockerException, ImageNotFound
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import LogMessageWaitStrategy

__all__ = ["IMAGE", "Broker", "KafkaContainer", "external_broker", "missing_for_docker"]

IMAGE: Final = "apache/kafka:4.1.0"
HOST: Final = "127.0.0.1"
START_WITHIN_S: Final = 90

testcontainers_config.ryuk_disabled = True  # its helper is one more image to have; fixtures stop what they start


class Broker(NamedTuple):
    """A broker that runs."""

    bootstrap_servers: str
    tier: Literal["external", "docker", "embedded"]

    @property
    def transactions(self) -> bool:
        """Whether it is real Kafka, with transactions, idempotence and LogAppendTime."""
        return self.tier != "embedded"


class KafkaContainer(DockerContainer):
    """One node, broker and controller, published on a free port of the loopback interface."""

    def __init__(self) -> None:
        super().__init__(IMAGE)
        self.port = _free_port()
        self.ports = {"9092/tcp": (HOST, self.port)}  # type: ignore[dict-item]  # Docker takes both
        for name, value in _environment(self.port).items():
            self.with_env(name, value)
        started = LogMessageWaitStrategy("Kafka Server started").with_startup_timeout(START_WITHIN_S)
        self.waiting_for(started)

    @property
    def bootstrap_servers(self) -> str:
        """Where clients on this machine connect."""
        return f"{HOST}:{self.port}"


def external_broker() -> Broker | None:
    """The broker somebody else runs for us."""
    named = os.environ.get("STREAMGAUGE_TEST_BOOTSTRAP")
    return Broker(named, "external") if named else None


def missing_for_docker() -> str | None:
    """Why real Kafka cannot be run in Docker here; null if it can."""
    if not _engine_listens():
        return "no Docker engine runs"
    try:
        engine = docker.from_env()
    except DockerException:
        return "no Docker engine answers"
    try:
        engine.images.get(IMAGE)
    except ImageNotFound:
        return f"Docker has no image {IMAGE}: pull it, or build it with deploy/kafka/build"
    except DockerException:
        return "the Docker engine does not tell its images"
    finally:
        engine.close()
    return None


def _engine_listens() -> bool:
    """Whether it is worth asking: the SDK leaves a socket open where nobody answers."""
    scheme, _, path = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").partition("://")
    if scheme != "unix":
        return True
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(path) == 0


def _environment(port: int) -> dict[str, str]:
    """The broker's properties. The coordinator of transactions must reach its own advertised address: hence `BROKER`,
    a listener inside the container beside the published one."""
    return {
        "CLUSTER_ID": "c3RyZWFtZ2F1Z2UtMDAwMQ",
        "KAFKA_NODE_ID": "1",
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_LISTENERS": "PLAINTEXT://:9092,BROKER://localhost:9094,CONTROLLER://localhost:9093",
        "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://{HOST}:{port},BROKER://localhost:9094",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "PLAINTEXT:PLAINTEXT,BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "KAFKA_INTER_BROKER_LISTENER_NAME": "BROKER",
        "KAFKA_LOG_DIRS": "/tmp/kafka-logs",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
        # Fewer internal partitions to create before the first commit; groups start at once.
        "KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS": "5",
        "KAFKA_TRANSACTION_STATE_LOG_NUM_PARTITIONS": "5",
        "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port

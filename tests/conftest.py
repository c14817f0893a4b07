"""Brokers for tests, and the rule that CI leaves no test on real Kafka out.

    any_broker        the best broker that can be had: external, in Docker, embedded
    embedded_broker   the embedded one
    kafka             real Kafka: external or in Docker; where neither can be had the test is skipped

A test that asks for one is marked for it (`broker`, `kafka`). With STREAMGAUGE_REQUIRE_KAFKA=1 a test on real Kafka
that is skipped has failed, and so has a run without any.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from typing import Final

import pytest
from hypothesis import settings

from kafka_brokers import Broker, KafkaContainer, external_broker, missing_for_docker
from streamgauge.processors.broker import EmbeddedBroker

REQUIRED: Final = os.environ.get("STREAMGAUGE_REQUIRE_KAFKA") == "1"
RAN: Final = pytest.StashKey[dict[str, str]]()

# Two shared cores say nothing about the speed of the code under test.
settings.register_profile("streamgauge", deadline=None, print_blob=True)
settings.load_profile("streamgauge")


@pytest.fixture(scope="session")
def embedded_broker() -> Iterator[Broker]:
    """The embedded broker, one for all tests: name topics and groups of your own."""
    with EmbeddedBroker() as broker:
        yield Broker(broker.bootstrap_servers, "embedded")


@pytest.fixture(scope="session")
def kafka_broker() -> Iterator[Broker]:
    """Real Kafka, one for all tests: name topics and groups of your own."""
    external = external_broker()
    missing = None if external is not None else missing_for_docker()
    if external is not None:
        yield external
    elif missing is None:
        with KafkaContainer() as container:
            yield Broker(container.bootstrap_servers, "docker")
    else:
        pytest.skip(f"needs real Kafka: STREAMGAUGE_TEST_BOOTSTRAP is not set, and {missing}")


@pytest.fixture(scope="session")
def kafka(kafka_broker: Broker) -> Broker:
    """Real Kafka."""
    return kafka_broker


@pytest.fixture(scope="session")
def any_broker(request: pytest.FixtureRequest) -> Broker:
    """The best broker that can be had."""
    real = external_broker() is not None or missing_for_docker() is None
    broker: Broker = request.getfixturevalue("kafka_broker" if real else "embedded_broker")
    return broker


def pytest_configure(config: pytest.Config) -> None:
    config.stash[RAN] = {}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        asked = set(getattr(item, "fixturenames", ()))
        if "kafka_broker" in asked:
            item.add_marker("kafka")
        if asked & {"kafka_broker", "embedded_broker", "any_broker"}:
            item.add_marker("broker")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if item.get_closest_marker("kafka") is None:
        return report
    if REQUIRED and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, but STREAMGAUGE_REQUIRE_KAFKA=1: {report.longrepr}"
    if report.when == "call" or report.outcome != "passed":
        item.config.stash[RAN][item.nodeid] = report.outcome
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    ran = session.config.stash[RAN]
    if REQUIRED and not session.config.option.collectonly and not any(outcome == "passed" for outcome in ran.values()):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    ran = config.stash[RAN]
    if not ran and not REQUIRED:
        return
    terminalreporter.section("real Kafka")
    for test, outcome in ran.items():
        terminalreporter.line(f"{outcome:8} {test}")
    passed = sum(outcome == "passed" for outcome in ran.values())
    terminalreporter.line(f"{passed} of {len(ran)} tests on real Kafka passed")
    if REQUIRED and not passed:
        terminalreporter.line("STREAMGAUGE_REQUIRE_KAFKA=1 asks for some: this run has failed")

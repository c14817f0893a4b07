"""The app: what of Faust is used, and what is switched off."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable

import pytest
from faust.auth import SASLCredentials, SSLCredentials
from faust.types import TP

from engine_run import CHUNKS
from streamgauge.processors.app import SLICES_BUFFERED, WorkerApp, create_app
from streamgauge.processors.engine.slices import AsFetched, SliceConsumer, SliceTransport
from streamgauge.processors.record import Measures
from streamgauge.processors.settings import Settings, load

MakeApp = Callable[[Settings], WorkerApp]


@pytest.fixture
async def make_app() -> AsyncGenerator[MakeApp]:
    """An app that never connects; its clients are put away."""
    made: list[WorkerApp] = []

    def make(settings: Settings) -> WorkerApp:
        made.append(create_app(settings, Measures()))
        return made[-1]

    yield make
    for app in made:
        await app.engine.stop()


async def test_nothing_of_faust_runs_that_is_not_needed(make_app: MakeApp) -> None:
    app = make_app(load(group="g"))
    assert app.conf.id == "g"
    assert not app.conf.web_enabled
    assert app.conf.topic_disable_leader
    assert not app.conf.topic_allow_declare
    assert not app.tables
    assert list(app.agents) == ["streamgauge.processors.app.reassemble"]


async def test_the_agent_is_fed_by_slices_that_are_never_acknowledged(make_app: MakeApp) -> None:
    app = make_app(load())
    (agent,) = app.agents.values()
    topic = agent.channel
    assert topic.topics == (CHUNKS,)
    assert not topic.acks
    assert isinstance(topic.schema, AsFetched)
    assert isinstance(app.transport, SliceTransport)
    assert app.transport.Consumer is SliceConsumer
    assert app.conf.stream_buffer_maxsize == SLICES_BUFFERED
    assert not app.conf.stream_wait_empty


async def test_the_assignor_is_fausts_own(make_app: MakeApp) -> None:
    assert make_app(load()).conf.table_standby_replicas == 1


async def test_static_membership_and_session_are_passed_on(make_app: MakeApp) -> None:
    conf = make_app(load(instance_id="worker-3", session_timeout_s=10)).conf
    assert conf.consumer_group_instance_id == "worker-3"
    assert (conf.broker_session_timeout, conf.broker_heartbeat_interval) == (10, 2)


async def test_security_is_passed_on(make_app: MakeApp) -> None:
    plain = make_app(load())
    tls = make_app(load(security_protocol="SSL"))
    sasl = make_app(load(security_protocol="SASL_SSL", sasl_username="me", sasl_password="hunter2"))
    assert plain.conf.broker_credentials is None
    assert isinstance(tls.conf.broker_credentials, SSLCredentials)
    credentials = sasl.conf.broker_credentials
    assert isinstance(credentials, SASLCredentials)
    assert (credentials.username, credentials.password, credentials.mechanism.value) == (
        "me",
        "hunter2",
        "SCRAM-SHA-512",
    )
    assert credentials.ssl_context is not None


async def test_a_worker_without_partitions_has_no_positions(make_app: MakeApp) -> None:
    app = make_app(load())
    assert app.positions() == {}
    await app.engine.take([], 1)
    await app.engine.take([TP("another-topic", 0)], 1)
    assert app.positions() == {}


async def test_what_a_hook_raises_is_a_fault_of_ours_and_never_fausts(make_app: MakeApp) -> None:
    app = make_app(load())

    async def broken() -> None:
        raise OSError("gone")

    await app.engine.guard(broken())
    assert isinstance(app.engine.fault, OSError)
    assert app.engine.faulted.is_set()
    app.engine.fail(ValueError("a consequence"))
    assert isinstance(app.engine.fault, OSError)

"""The topology of a worker on one page: topics and agent in the order data flows.

    streamgauge.chunks ──slices──▶ reassemble ──▶ streamgauge.records, streamgauge.contents
         ▲                             │    └───▶ streamgauge.dead
         │ ticks, while a log is       └────────▶ streamgauge.ledger   (positions and closed streams)
         └ silent and streams wait

Faust brings the group, the assignment, rebalances and flow control; the transport of `engine.slices` hands the agent
one event a fetch. Everything behind the slice is the engine's, which knows no Faust. There are no tables, no internal
topics, no web server and no leader.

Partitions are taken when a rebalance is complete, before Faust seeks and resumes; they are released when they are
revoked, and before shutdown, where Faust sends no revocation. A hook that raised would kill Faust's recovery task
without a word and leave a worker that holds partitions for ever, so all of them report to the engine instead.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final, cast

import faust
from faust.auth import SASLCredentials, SSLCredentials
from faust.types import TP, StreamT
from faust.types.auth import CredentialsT, SASLMechanism

from streamgauge.processors import record
from streamgauge.processors.engine.engine import Engine
from streamgauge.processors.engine.ports import Slice
from streamgauge.processors.engine.slices import AsFetched, SliceConsumer, SliceTransport
from streamgauge.processors.reassembly.finished import FinishedStream
from streamgauge.processors.reassembly.partition import Partition
from streamgauge.processors.reassembly.sessions import streams_of
from streamgauge.processors.record import Measures
from streamgauge.processors.settings import Settings, own_prices
from streamgauge.schemas.records import Contents, Record

__all__ = ["WorkerApp", "create_app"]

SLICE_RECORDS_MAX: Final = 2000  # without a bound one slice is up to 25,000 records, and the loop waits for it
SLICES_BUFFERED: Final = 16  # the agent's buffer counts slices
STATUS_EVERY_S: Final = 5.0
TICK_LOOKS: Final = 4  # looks for silent logs per tick interval


class WorkerApp(faust.App):
    """The Faust app of a worker."""

    def __init__(self, settings: Settings, measures: Measures) -> None:
        super().__init__(settings.group, **_faust_settings(settings))
        self.transport = SliceTransport(self.conf.broker_consumer, self)

        def write(stream: FinishedStream, partition: int, rules: str) -> list[tuple[Record, Contents]]:
            return [
                record.write(one, topic=settings.topic_chunks, partition=partition, rules=rules, measures=measures)
                for one in streams_of(stream)
            ]

        self.engine = Engine(settings, write=write, core=Partition, group=lambda: cast("SliceConsumer", self.consumer))

    def positions(self) -> Mapping[TP, int]:
        """Where the transport seeks to."""
        return self.engine.positions()

    async def every(self, seconds: float, step: Callable[[], Awaitable[None]]) -> None:
        """Take a step again and again, with so many seconds between two of them. (Faust's timers complain of steps that
        take longer than that.)"""
        while not self.should_stop:
            await self.engine.guard(step())
            await self.sleep(seconds)

    async def on_first_start(self) -> None:
        """Connect the engine before Faust starts its own. Faust's would only make directories for tables."""
        await self.engine.start()

    async def on_stop(self) -> None:
        """Faust stops the flow and calls `release`; then the engine may go."""
        await super().on_stop()
        await self.engine.stop()


def create_app(settings: Settings, measures: Measures | None = None) -> WorkerApp:
    """The app of a worker. Needs a running event loop."""
    if measures is None:
        measures = Measures(own_prices(settings.prices))
        measures.load()  # now, not while a record waits for it
    app = WorkerApp(settings, measures)
    engine, assignment = app.engine, app.engine.assignment
    chunks = app.topic(settings.topic_chunks, schema=AsFetched(), acks=False)

    async def reassemble(slices: StreamT[Any]) -> None:
        async for event in cast("AsyncIterable[Any]", slices.events()):
            message = event.message
            await assignment.work(Slice(message.partition, message.generation_id, event.value))

    async def take(*_: Any, **__: Any) -> None:
        await engine.take(app.consumer.assignment(), app.consumer_generation_id)

    async def release(*_: Any, **__: Any) -> None:
        await engine.release()

    app.agent(chunks)(reassemble)
    app.on_rebalance_complete.connect(cast("Any", take))
    app.on_partitions_revoked.connect(cast("Any", release))
    app.on_before_shutdown.connect(cast("Any", release))
    app.task(partial(app.every, settings.commit_interval_s, assignment.flush))
    app.task(partial(app.every, settings.tick_s / TICK_LOOKS, assignment.tick))
    app.task(partial(app.every, STATUS_EVERY_S, engine.report))
    return app


def _faust_settings(settings: Settings) -> dict[str, Any]:
    return {
        "broker": [f"kafka://{server}" for server in settings.bootstrap_servers.split(",")],
        "broker_credentials": _credentials(settings),
        "broker_max_poll_records": SLICE_RECORDS_MAX,
        "broker_session_timeout": settings.session_timeout_s,
        "broker_heartbeat_interval": min(3.0, settings.session_timeout_s / 5),
        "consumer_auto_offset_reset": "earliest",
        "consumer_group_instance_id": settings.instance_id,
        "stream_buffer_maxsize": SLICES_BUFFERED,
        "stream_wait_empty": False,  # it would wait for slices nobody acknowledges
        "table_standby_replicas": 1,  # keeps Faust's own, sticky assignor; there are no tables
        "topic_allow_declare": False,
        "topic_disable_leader": True,
        "web_enabled": False,
    }


def _credentials(settings: Settings) -> CredentialsT | None:
    context = settings.ssl_context()
    if settings.security_protocol.startswith("SASL") and settings.sasl_password is not None:
        return SASLCredentials(
            mechanism=SASLMechanism(settings.sasl_mechanism),
            username=settings.sasl_username,
            password=settings.sasl_password.get_secret_value(),
            ssl_context=context,
        )
    return SSLCredentials(context) if context is not None else None

"""`Gauge`: what an application holds. It measures LLM response streams and publishes their chunks to Kafka.

    gauge = Gauge(bootstrap_servers="kafka:9092", tenant="acme")
    gauge.instrument(client)                      # an SDK's client, in place
    with gauge.stream(provider="acme", model="x") as stream:        # anything else
        for piece in generate():
            stream.chunk(piece)

A gauge is a guest. Only what is wrong at construction raises (`ConfigurationError`): a setting, or a client that cannot
be tapped. From then on nothing it does raises in, blocks or slows the application, and what it cannot keep it counts
(`gauge.counters`).

    host's threads                     the gauge's thread, its own event loop
    stream.chunk ──▶ one deque ──▶  outbox: links, segments, pulses ──▶ lanes, one a partition ──▶ sink (Kafka)

A forked child starts anew: the links open in the parent stay the parent's.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from types import TracebackType
from typing import Any, Final, Self, TypeVar
from uuid import UUID

from streamgauge.producers import context as contexts
from streamgauge.producers.asked import Asked
from streamgauge.producers.calls import Calls
from streamgauge.producers.clock import Clock, SystemClock
from streamgauge.producers.counters import Counters, Tally
from streamgauge.producers.courier import Courier
from streamgauge.producers.errors import ConfigurationError
from streamgauge.producers.events import Noted, Opened, Said
from streamgauge.producers.given import Given
from streamgauge.producers.guard import Guard, guarded
from streamgauge.producers.ids import Ids, RandomIds
from streamgauge.producers.manual import ManualStream
from streamgauge.producers.outbox import Outbox
from streamgauge.producers.settings import Settings, load
from streamgauge.producers.sink import Sink
from streamgauge.producers.stream import Stream
from streamgauge.schemas import identity
from streamgauge.schemas.bounds import ATTEMPT_MAX
from streamgauge.schemas.words import AttemptKind, Format, Resumable

__all__ = ["Gauge"]

S = TypeVar("S", bound=Stream)

_GAUGES: Final[weakref.WeakSet[Gauge]] = weakref.WeakSet()
# What a forked child inherits and must not touch: sockets and an event loop shared with its parent, whose destructors
# would close them.
_INHERITED: Final[list[object]] = []


class Gauge:
    """Measures the LLM streams of one tenant."""

    def __init__(
        self,
        *,
        bootstrap_servers: str | list[str] | None = None,
        tenant: str | None = None,
        sink: Sink | None = None,
        clock: Clock | None = None,
        ids: Ids | None = None,
        **settings: Any,
    ) -> None:
        """Settle the settings (see `settings`), or raise `ConfigurationError`. Nothing is connected to yet.

        `sink`, `clock` and `ids` replace Kafka, the system's clock and random identities, in tests above all.
        """
        said = {"bootstrap_servers": bootstrap_servers, "tenant": tenant, **settings}
        self._settings = load(said, os.environ, own_sink=sink is not None)
        self._clock = SystemClock() if clock is None else clock
        self._ids = RandomIds() if ids is None else ids
        self._own_sink = sink
        self.now_ns = self._clock.now_ns
        self._begin(Calls(self._ids))
        _GAUGES.add(self)

    def _begin(self, calls: Calls) -> None:
        """Set up what has threads and state: again in a forked child."""
        self._calls = calls
        self._tally = Tally()
        self.guard = Guard(self._tally, raises=self._settings.raise_internal_errors)
        self._given = Given(self.guard)
        self._outbox = self._new_outbox()
        self._nowhere = self._new_outbox()  # of streams nobody will hear of
        self._nowhere.shut = True
        self._sink = _kafka(self._settings) if self._own_sink is None else self._own_sink
        self._courier = Courier(self._outbox, self._sink, guard=self.guard, tally=self._tally)

    @guarded
    def instrument(self, client: Any) -> Any:
        """Tap the HTTP clients that `client` is or holds, in place; `uninstrument`, or `undo()` of what this returns,
        takes the taps off again. Raises `ConfigurationError` for a client that cannot be tapped."""
        from streamgauge.producers import tap

        return tap.instrument(self, client)

    @guarded
    def uninstrument(self, client: Any) -> None:
        """Take the taps off again."""
        from streamgauge.producers import tap

        tap.uninstrument(self, client)

    @guarded
    def context(
        self, *, call: str | UUID | None = None, tags: Mapping[str, str] | None = None, **fields: str | None
    ) -> AbstractContextManager[None]:
        """Say where the streams opened inside belong: `with gauge.context(user_id="u7", tags={"team": "x"}):`.

        Fields are those of the contract (`session_id`, `user_id`, `prompt_id`, …); others become tags. `call` names the
        call: what is opened inside are its attempts.
        """
        scope = contexts.Scope(fields, self._given.pairs(tags, "tags"), self._given.call(call))
        return contexts.Holding(self.guard, scope)

    @guarded
    def open(self, asked: Asked) -> Stream:
        """Open a stream for a request that is about to leave. For taps."""
        scope = contexts.current()
        call, call_ref = self._named(scope.call)
        return self._opened(Stream, asked, Said(call=call, call_ref=call_ref), scope)

    @guarded
    def stream(
        self,
        *,
        call: str | UUID | None = None,
        model: str | None = None,
        provider: str | None = None,
        api: str | None = None,
        request: object = None,
        format: Format | str = Format.OBJECTS,  # noqa: A002 - the contract's word
        tags: Mapping[str, str] | None = None,
        attempt: int | None = None,
        attempt_kind: AttemptKind | str | None = None,
        call_from_elsewhere: bool = False,
        resumable: Resumable | str | None = None,
        **context: str | None,
    ) -> ManualStream:
        """Open a stream that the application feeds itself (see `manual`), as the request leaves.

        `api` names the wire API where chunks are of one ("openai.chat"). `call` names the call, of which this is the
        next attempt; `call_from_elsewhere` where other processes use the same id: its attempts are then numbered at
        random.
        """
        given, outer = self._given, contexts.current()
        all_tags = {**outer.tags, **given.pairs(tags, "tags")}
        scope = contexts.Scope({**outer.fields, **context}, all_tags, given.call(call) or outer.call)
        named, call_ref = self._named(scope.call)
        said = Said(
            provider=provider,
            api=api,
            model=model,
            format=given.word(Format, format, "format") or Format.OBJECTS,
            request=request,
            call=named,
            call_ref=call_ref,
            attempt=given.number(attempt, "attempt", most=ATTEMPT_MAX),
            attempt_kind=given.word(AttemptKind, attempt_kind, "attempt_kind"),
            foreign=call_from_elsewhere is True,
            resumable=given.word(Resumable, resumable, "resumable"),
        )
        return self._opened(ManualStream, Asked(), said, scope)

    @guarded
    def note(
        self,
        call: str | UUID,
        *,
        attempt: int = 0,
        tags: Mapping[str, str] | None = None,
        model: str | None = None,
        error: str | None = None,
        tool_event: Mapping[str, Any] | None = None,
        **context: str | None,
    ) -> None:
        """Add to a stream that is named by its call, running or ended, here or elsewhere."""
        named, _ = self._named(self._given.call(call))
        number = self._given.number(attempt, "attempt", most=ATTEMPT_MAX)
        self._courier.start()
        if named is None or number is None:  # of which stream it is, nobody knows
            self._tally.add("notes_dropped")
            return
        said = (self._given.pairs(tags, "tags"), context, model, error, self._given.pairs(tool_event, "tool_event"))
        self._outbox.note(None, Noted(self._clock.wall_us(), *said, call=named, attempt=number))

    @guarded
    def flush(self, timeout: float | None = None) -> bool:
        """Wait until everything that came so far has arrived; false if `timeout` (default `flush_s`) was too short."""
        return self._courier.flush(self._settings.flush_s if timeout is None else timeout)

    @guarded
    def close(self, timeout: float | None = None) -> bool:
        """Close what is open, send what is here, and stop. False if something had to be given up.

        Runs by itself at the end of the process. A second close does nothing; streams opened later go nowhere.
        """
        return self._courier.end(self._settings.flush_s if timeout is None else timeout)

    @property
    def counters(self) -> Counters:
        """What was counted so far."""
        return self._tally.snapshot()

    @guarded
    def __enter__(self) -> Self:
        return self

    @guarded
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _named(self, call: str | UUID | None) -> tuple[bytes | None, str | None]:
        return (None, None) if call is None else identity.call_bytes(call, tenant=self._settings.tenant)

    def _opened(self, kind: type[S], asked: Asked, said: Said, scope: contexts.Scope) -> S:
        """Make a stream and put its Open into the outbox, at once; a stream nobody hears of if there is no room."""
        link = self._outbox.link(said.call or self._ids.call(), opened_ns=self.now_ns(), pulled=kind is Stream)
        link.whole = said.format is Format.OBJECTS
        opened = Opened(
            self._clock.wall_us(),
            asked,
            said,
            scope.fields,
            scope.tags,
            trace=self._trace(),
            body_bytes=None,
            before=contexts.LATEST.get(),
        )
        self._courier.start()
        if link.pulled:
            contexts.LATEST.set(link.serial)
        # Made before its Open is put: whatever fails behind that, the collector closes it.
        stream = kind(link, self._outbox)
        return stream if self._outbox.open(link, opened) else self._deaf(kind)

    def _trace(self) -> tuple[str, str] | None:
        try:
            return contexts.trace_of_otel()
        except Exception as error:  # noqa: BLE001 - a span may be anybody's
            self.guard.caught(error, "trace")
            return None

    def _new_outbox(self) -> Outbox:
        return Outbox(
            self._settings,
            clock=self._clock,
            ids=self._ids,
            guard=self.guard,
            tally=self._tally,
            calls=self._calls,
        )

    def _deaf(self, kind: type[S]) -> S:
        return kind(self._nowhere.link(bytes(16), opened_ns=0, pulled=False), self._nowhere)

    def _failed(self, error: Exception, where: str) -> Any:
        if isinstance(error, ConfigurationError) and where in {"instrument", "uninstrument"}:
            raise error
        with suppress(Exception):
            self._courier.start()  # it tells of the error
        self.guard.caught(error, where)
        match where:
            case "open":
                return self._deaf(Stream)
            case "stream":
                return self._deaf(ManualStream)
            case "context":
                return nullcontext()
            case "instrument":
                return _nothing_tapped()
            case "__enter__":
                return self
            case _:
                return False if where in {"flush", "close"} else None

    def _forked(self) -> None:
        """In a forked child: leave to the parent what is the parent's, and begin anew."""
        self._outbox.shut = True
        _INHERITED.append((self._outbox, self._courier, self._sink, self._courier.disown()))
        self._begin(Calls(self._ids, foreign=self._calls.named()))


def _kafka(settings: Settings) -> Sink:
    from streamgauge.producers.kafka import KafkaSink  # loads aiokafka, which tests with a sink of their own go without

    return KafkaSink(settings)


def _nothing_tapped() -> Any:
    from streamgauge.producers.tap import Instrumented

    return Instrumented(())


def _in_the_child() -> None:
    for gauge in list(_GAUGES):
        gauge._forked()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - one module


if hasattr(os, "register_at_fork"):  # where there is no fork there is nothing to do
    os.register_at_fork(after_in_child=_in_the_child)

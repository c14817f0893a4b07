"""The tap: a transport around a client's own, for `httpx` and `httpx2`, threads and tasks.

The two packages share their shape and not one class, and each checks for its own. So everything is written once, as
plain classes, and `kit` makes them subclasses of one package's types. Neither package is imported here: a client that
can be tapped has loaded its own already.
"""

# ruff: noqa: BLE001, E701 - the guest's rule: whatever of ours fails, the host goes on; a door is one line (`through`)

from __future__ import annotations

import functools
import itertools
import sys
import weakref
from collections.abc import MutableMapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from streamgauge.producers.stream import Stream
from streamgauge.producers.tap.body import UNSEEN, AsyncBody, Bodies, SyncBody, Tee, Unseen
from streamgauge.producers.tap.request import asked
from streamgauge.producers.tap.through import Through

if TYPE_CHECKING:
    from streamgauge.producers.gauge import Gauge

__all__ = ["AsyncTap", "Kit", "SyncTap", "Watch", "kit"]

_NUMBERS: Final = itertools.count(1)


class Watch:
    """What the taps of one client share: the gauge, who the client is, and whether we look at all."""

    def __init__(self, gauge: Gauge, *, bodies: Bodies) -> None:
        self.gauge = gauge
        self.on = True
        self._number = next(_NUMBERS)  # not `id()`: the next client may stand where the last one stood
        self._bodies = bodies
        # An authentication flow sends the very same request object again. Nothing is kept alive by this.
        self._sent: MutableMapping[Any, weakref.ref[Stream]] = weakref.WeakKeyDictionary()

    def opened(self, request: Any) -> Unseen:
        """A request is about to leave: watch it if it is one of ours."""
        if not self.on:
            return UNSEEN
        before = self._sent.get(request)
        asks = asked(request, client=self._number, again=None if before is None else before())
        if asks is None:
            return UNSEEN
        stream = self.gauge.open(asks)
        self._sent[request] = weakref.ref(stream)
        return Tee(stream, bodies=self._bodies, guard=self.gauge.guard)

    def missed(self, error: Exception) -> Unseen:
        """We failed before anything was opened."""
        self.gauge.guard.caught(error, "tap")
        return UNSEEN


class _Tap(Through):
    def __init__(self, inner: Any, watch: Watch) -> None:
        super().__init__(inner)
        self.watch = watch

    @property
    def inner(self) -> Any:
        """The transport it stands in front of."""
        return self._inner


class SyncTap(_Tap):
    """Around a transport used by threads."""

    def handle_request(self, request: Any) -> Any:
        """Send the request, unchanged."""
        try: seen = self.watch.opened(request)  # fmt: skip
        except Exception as error: seen = self.watch.missed(error)  # fmt: skip
        try: response = self._inner.handle_request(request)  # fmt: skip
        except BaseException as refusal:
            try: seen.refused(refusal)  # fmt: skip
            except Exception as error: seen.blind(error)  # fmt: skip
            raise
        try: seen.answered(response)  # fmt: skip
        except Exception as error: seen.blind(error)  # fmt: skip
        return response

    def close(self) -> None:
        """Close the client's own transport."""
        self._inner.close()

    def __enter__(self) -> Self:
        self._inner.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> Any:
        return self._inner.__exit__(kind, error, trace)


class AsyncTap(_Tap):
    """Around a transport used by tasks."""

    async def handle_async_request(self, request: Any) -> Any:
        """Send the request, unchanged."""
        try: seen = self.watch.opened(request)  # fmt: skip
        except Exception as error: seen = self.watch.missed(error)  # fmt: skip
        try: response = await self._inner.handle_async_request(request)  # fmt: skip
        except BaseException as refusal:
            try: seen.refused(refusal)  # fmt: skip
            except Exception as error: seen.blind(error)  # fmt: skip
            raise
        try: seen.answered(response)  # fmt: skip
        except Exception as error: seen.blind(error)  # fmt: skip
        return response

    async def aclose(self) -> None:
        """Close the client's own transport."""
        await self._inner.aclose()

    async def __aenter__(self) -> Self:
        await self._inner.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> Any:
        return await self._inner.__aexit__(kind, error, trace)


class Kit(NamedTuple):
    """Taps and bodies that are of one package's types."""

    sync_client: type[Any]
    async_client: type[Any]
    sync_tap: type[SyncTap]
    async_tap: type[AsyncTap]
    bodies: Bodies


def kit(package: str) -> Kit | None:
    """Fit everything to `package`, if the application has loaded it."""
    module = sys.modules.get(package)
    return None if module is None else _fitted(module)


@functools.cache
def _fitted(module: Any) -> Kit:
    sync_type, async_type = module.SyncByteStream, module.AsyncByteStream
    return Kit(
        module.Client,
        module.AsyncClient,
        type("Tap", (SyncTap, module.BaseTransport), {}),
        type("AsyncTap", (AsyncTap, module.AsyncBaseTransport), {}),
        Bodies(
            sync_type,
            async_type,
            type("Body", (SyncBody, sync_type), {}),
            type("AsyncBody", (AsyncBody, async_type), {}),
            type("EitherBody", (SyncBody, AsyncBody, async_type, sync_type), {}),
        ),
    )

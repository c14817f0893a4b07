"""Put taps around the transports of a client, in place, and take them off again.

A client is never given another `http_client`: that would silently change its timeout, redirects and proxies. Instead
its own transport and each of its mounts (proxies among them) get a tap in front, and nothing else of it changes.

Taking off gives back the very transports that were there. Where somebody else has put a wrapper around a tap in the
meantime, or patched it, the tap stays where it is and lets everything pass unseen.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, MutableMapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from streamgauge.producers.errors import ConfigurationError
from streamgauge.producers.tap.clients import HttpClient, http_clients
from streamgauge.producers.tap.transport import AsyncTap, SyncTap, Watch

if TYPE_CHECKING:
    from streamgauge.producers.gauge import Gauge

__all__ = ["Instrumented", "instrument", "uninstrument"]


class Tapped:
    """One HTTP client with taps on it."""

    def __init__(self, found: HttpClient, gauge: Gauge) -> None:
        self.watch = Watch(gauge, bodies=found.kit.bodies)
        self._client = weakref.ref(found.client)
        tap = found.kit.async_tap if found.is_async else found.kit.sync_tap
        taps: dict[int, Any] = {}  # a transport that stands in two places gets one tap
        _exchange(found.client, lambda transport: taps.setdefault(id(transport), tap(transport, self.watch)))

    def undo(self) -> None:
        """Give the client its transports back; twice is once."""
        self.watch.on = False
        client = self._client()
        if client is not None:
            _exchange(client, _bare)


class Instrumented:
    """The clients that one `instrument` found. As a context manager it undoes that at the end."""

    def __init__(self, tapped: Sequence[Tapped]) -> None:
        self._tapped = tuple(tapped)

    def undo(self) -> None:
        """Give all of them their transports back. Streams under way are followed to their end."""
        for one in self._tapped:
            one.undo()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.undo()


_METHODS: Final = frozenset({"handle_request", "handle_async_request"})
_TAPPED: Final[MutableMapping[Any, list[Tapped]]] = weakref.WeakKeyDictionary()


def instrument(gauge: Gauge, client: object) -> Instrumented:
    """Tap every HTTP client that `client` is or holds; those that `gauge` taps already stay as they are."""
    found = http_clients(client)
    if not found:
        raise ConfigurationError(
            f"cannot instrument {_name(client)!r}: it neither is nor holds an httpx or httpx2 client. Pass the HTTP "
            "client it uses, or report its chunks with `gauge.stream()`"
        )
    for one in found:
        _supported(one.client)
    return Instrumented([_tapped(gauge, one.client) or _tap(gauge, one) for one in found])


def uninstrument(gauge: Gauge, client: object) -> None:
    """Undo what `gauge` did to every HTTP client that `client` is or holds."""
    for one in http_clients(client):
        tapped = _tapped(gauge, one.client)
        if tapped is not None:
            tapped.undo()


def _tapped(gauge: Gauge, client: Any) -> Tapped | None:
    return next((one for one in _TAPPED.get(client, ()) if one.watch.on and one.watch.gauge is gauge), None)


def _tap(gauge: Gauge, found: HttpClient) -> Tapped:
    tapped = Tapped(found, gauge)
    _TAPPED[found.client] = [*(one for one in _TAPPED.get(found.client, ()) if one.watch.on), tapped]
    return tapped


def _exchange(client: Any, change: Callable[[Any], Any]) -> None:
    """Change the client's transport and every mount; a mount of null stands for the client's transport."""
    client._transport = change(client._transport)  # noqa: SLF001 - see `_supported`
    for pattern, transport in list(client._mounts.items()):  # noqa: SLF001
        client._mounts[pattern] = None if transport is None else change(transport)  # noqa: SLF001


def _bare(transport: Any) -> Any:
    """What stands behind the taps that see nothing any more, as far as nobody has patched them.

    OpenTelemetry puts its own `handle_request` on the transport it finds: it would be lost with the tap.
    """
    while isinstance(transport, SyncTap | AsyncTap) and not transport.watch.on and not _patched(transport):
        transport = transport.inner
    return transport


def _patched(tap: object) -> bool:
    return not _METHODS.isdisjoint(vars(tap))


def _supported(client: Any) -> None:
    """The two attributes are not public, yet all instrumentation of httpx is built on them."""
    if not (hasattr(client, "_transport") and isinstance(getattr(client, "_mounts", None), dict)):
        raise ConfigurationError(
            f"cannot instrument {_name(client)!r}: its version keeps its transports elsewhere. "
            "Known to work are httpx 0.28 and httpx2 2.16"
        )


def _name(client: object) -> str:
    kind = client if isinstance(client, type) else type(client)
    return f"{kind.__module__}.{kind.__qualname__}"

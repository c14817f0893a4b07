"""Which HTTP clients an object holds.

An HTTP client of `httpx` or `httpx2` is its own answer. Anything else is searched: attributes of the names below, and
theirs, four steps deep. Only what stands in an instance is looked at (its `__dict__`, and pydantic's private
attributes), so the search runs no property and makes no client that was not there.

    openai, anthropic, together, groq     _client
    mistralai                             sdk_configuration.client, .async_client
    cohere                                _client_wrapper.httpx_client.httpx_client
    google-genai                          _api_client._httpx_client, ._async_httpx_client
    ollama                                _client
    instructor                            client, and on as above
    langchain's chat models               root_client, root_async_client, _client, _async_client, and on as above
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple, cast

from streamgauge.producers.tap.transport import Kit, kit

__all__ = ["HttpClient", "http_clients"]

PACKAGES: Final = ("httpx2", "httpx")
NAMES: Final = (
    "_client",
    "client",
    "http_client",
    "_http_client",
    "httpx_client",
    "_httpx_client",
    "_async_httpx_client",
    "async_client",
    "_async_client",
    "root_client",
    "root_async_client",
    "sdk_configuration",
    "_client_wrapper",
    "_api_client",
)
STEPS_MAX: Final = 4


class HttpClient(NamedTuple):
    """A client that can be tapped, and what to tap it with."""

    client: Any
    kit: Kit
    is_async: bool


def http_clients(holder: object) -> list[HttpClient]:
    """All HTTP clients `holder` is or holds, each once."""
    kits = [found for package in PACKAGES if (found := kit(package)) is not None]
    clients: dict[int, HttpClient] = {}
    reached = [holder]
    for _ in range(STEPS_MAX + 1):  # so that a ring ends too
        clients |= {id(one): client for one in reached if (client := _http_client(one, kits)) is not None}
        reached = [part for one in reached if id(one) not in clients for part in _parts(one)]
    return list(clients.values())


def _http_client(one: object, kits: list[Kit]) -> HttpClient | None:
    for fitting in kits:
        if isinstance(one, fitting.sync_client):
            return HttpClient(one, fitting, is_async=False)
        if isinstance(one, fitting.async_client):
            return HttpClient(one, fitting, is_async=True)
    return None


def _parts(one: object) -> Iterator[object]:
    for store in ("__dict__", "__pydantic_private__"):
        attributes = getattr(one, store, None)
        if isinstance(attributes, Mapping):
            held = cast("Mapping[str, object]", attributes)
            yield from (held[name] for name in NAMES if held.get(name) is not None)

"""What an application asks of a provider, as a tap sees it before the request leaves.

It is made on the host's thread, so nothing in it is computed there: headers, query and body are handed over as they
are. Allow-lists, scrubbing, hashing and the question which call and attempt it belongs to are the gauge's thread's.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from streamgauge.producers.stream import Stream

_OF_RESPONSES: Final = re.compile(r".*/responses(/[^/]+)?/?")

__all__ = ["Asked"]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One request. Every field may be left out; what is not known stays null."""

    method: str | None = None
    host: str | None = None  # with the port where it is not the scheme's own: "api.openai.com", "127.0.0.1:8080"
    path: str | None = None  # as sent, without the query
    query: str = ""  # raw; only allow-listed names travel
    last_event_id: str | None = None  # the header: the cursor of a resumed SSE stream
    body: bytes | None = None  # only where the request already holds its bytes
    client: int = 0  # which client sends it, a number never used again; equal clients only share a call
    retry_count: int = 0  # `x-stainless-retry-count`
    again: Stream | None = None  # the very same request object was sent before: an authentication flow
    timeout_s: float | None = None  # the read timeout the client set
    sdk: str | None = None  # "openai-python/3.57.0"
    traceparent: str | None = None  # the W3C header the request carries, if any

    @property
    def is_of_responses(self) -> bool:
        """It asks for a response of the Responses API, which can be resumed by its id."""
        return self.path is not None and _OF_RESPONSES.fullmatch(self.path) is not None

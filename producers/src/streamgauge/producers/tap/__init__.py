"""The HTTP tap: what an application asks of a provider and what it gets, seen where the bytes pass.

An `httpx` or `httpx2` client sends every request through a transport. The tap puts one of its own around it::

    SDK ── client (timeout, redirects, auth, decoding) ── tap ── the client's own transport ── network

Down there a request is final and a response is raw: bytes after transfer decoding and before content decoding. The tap
opens a stream before the request leaves, copies each read with its times, and hands on what it got: the same objects,
the same exceptions, in the same order.

    clients     which HTTP clients an SDK holds
    instrument  puts taps around their transports, and takes them off again
    transport   the tap itself, once for both packages
    request     what is told of a request
    body        the body of a response, read through
"""

from __future__ import annotations

from streamgauge.producers.tap.instrument import Instrumented, instrument, uninstrument

__all__ = ["Instrumented", "instrument", "uninstrument"]

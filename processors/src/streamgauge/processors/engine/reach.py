"""Whether Kafka can be reached at all, and if not, what stands in the way.

aiokafka waits for 40 s, its patience with any request, where a port takes the connection and says nothing, and tells no
more than that it could not begin. So every address is asked first, all at once, for its API versions: the one question
a broker answers to anybody, before a login too. One answer is enough; without one the error says, address by address,
what came instead.

    refused, no such host, TLS fails      said at once
    silent                                said after `REACH_WITHIN_S`
    HTTP, TLS, anything else              said at once: whatever answers there is no Kafka broker
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import struct
from typing import Final

from streamgauge.processors.engine.errors import UnreachableError
from streamgauge.processors.settings import Settings

__all__ = ["REACH_WITHIN_S", "reach", "unreachable"]

REACH_WITHIN_S: Final = 10.0
_MARK: Final = 0x53_47_41_55  # which answer is ours
# ApiVersions, version 0, without a client id; its length before it.
_QUESTION: Final = struct.pack(">ihhih", 10, 18, 0, _MARK, -1)
_BEGINNING: Final = struct.Struct(">iI")  # of an answer: its length, and the mark it answers
_ANSWER_BYTES_MAX: Final = 1 << 20
_LOOK: Final = {  # a wrong protocol looks like no broker, and aiokafka tells a wrong password like one
    "PLAINTEXT": "is bootstrap_servers",
    "SSL": "are bootstrap_servers and security_protocol",
    "SASL_PLAINTEXT": "are bootstrap_servers, security_protocol and the sasl settings",
    "SASL_SSL": "are bootstrap_servers, security_protocol and the sasl settings",
}


async def reach(settings: Settings) -> None:
    """Return when a broker answers; raise `UnreachableError` when it is certain that none does."""
    context = settings.ssl_context()
    servers = settings.bootstrap_servers.split(",")
    asking = [asyncio.ensure_future(_obstacle(server, context)) for server in servers]
    try:
        for asked in asyncio.as_completed(asking):
            if await asked is None:
                return
    finally:
        for one in asking:
            one.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
    raise unreachable(settings, [one.result() or "" for one in asking])


def unreachable(settings: Settings, obstacles: list[str] | None = None) -> UnreachableError:
    """No broker answers: where, what came instead (by address), and what to look at."""
    servers = settings.bootstrap_servers.split(",")
    told = [f"{server}: {text}" for server, text in zip(servers, obstacles or (), strict=False)]
    what = "".join(f"{text}; " for text in (told if len(servers) > 1 else obstacles or ()))
    return UnreachableError(
        f"no broker answers at {settings.bootstrap_servers!r} ({settings.security_protocol}): {what}"
        f"is it running, and {_LOOK[settings.security_protocol]} right?"
    )


async def _obstacle(server: str, context: ssl.SSLContext | None) -> str | None:
    """What stands between us and a broker at this address; null if nothing does."""
    host, _, port = server.rpartition(":")
    try:
        async with asyncio.timeout(REACH_WITHIN_S):
            answer = await _ask(host.strip("[]"), int(port), context)
    except TimeoutError:
        return f"silent for {REACH_WITHIN_S:g} s"
    except socket.gaierror:
        return "no such host"
    except ssl.SSLError as error:
        return f"TLS fails, {getattr(error, 'verify_message', None) or error.reason or 'no reason given'}"
    except (OSError, UnicodeError) as error:
        number = getattr(error, "errno", None)  # none where each of a host's addresses failed in its own way
        return os.strerror(number).lower() if number else "no connection to any address of the host"
    return _unlike_kafka(answer)


async def _ask(host: str, port: int, context: ssl.SSLContext | None) -> bytes:
    """The beginning of what answers there; shorter, if the connection ends."""
    reader, writer = await asyncio.open_connection(host, port, ssl=context)
    try:
        writer.write(_QUESTION)
        return await reader.readexactly(_BEGINNING.size)
    except asyncio.IncompleteReadError as ended:
        return ended.partial
    finally:
        writer.transport.abort()  # there is nothing to wait for: who is silent may be so at the end too


def _unlike_kafka(answer: bytes) -> str | None:
    if len(answer) == _BEGINNING.size:
        length, mark = _BEGINNING.unpack(answer)
        if mark == _MARK and 0 < length <= _ANSWER_BYTES_MAX:
            return None
    if not answer:
        return "closed without an answer"
    if answer[:2] == b"\x15\x03":  # a TLS alert
        return "it speaks TLS"
    if answer.startswith((b"HTTP", b"<")):
        return "it speaks HTTP"
    return "it speaks something else than Kafka"

"""What stands between us and a broker is found out soon, and said by its name."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamgauge.processors.broker import EmbeddedBroker
from streamgauge.processors.engine import reach as module
from streamgauge.processors.engine.errors import UnreachableError
from streamgauge.processors.engine.reach import reach, unreachable
from streamgauge.processors.settings import Settings, load

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
NOWHERE = "127.0.0.1:1"


@asynccontextmanager
async def port(answer: Answer) -> AsyncGenerator[str]:
    """A port of this machine where somebody answers so."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await answer(reader, writer)
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


def says(words: bytes) -> Answer:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(words)
        await writer.drain()

    return answer


async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def kafka(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """As a broker: the answer bears the question's mark."""
    (length,) = struct.unpack(">i", await reader.readexactly(4))
    mark = (await reader.readexactly(length))[4:8]
    writer.write(struct.pack(">i", 10) + mark + bytes(6))
    await writer.drain()


def settings_of(servers: str, **given: Any) -> Settings:
    return load(None, bootstrap_servers=servers, **given)


async def obstacle(servers: str, **given: Any) -> str:
    with pytest.raises(UnreachableError) as caught:
        await reach(settings_of(servers, **given))
    return str(caught.value)


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REACH_WITHIN_S", 0.2)


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        (says(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "it speaks HTTP"),
        (says(b"<!DOCTYPE HTML>"), "it speaks HTTP"),
        (says(b"\x15\x03\x03\x00\x02\x02\x46"), "it speaks TLS"),
        (says(b"SSH-2.0-OpenSSH_9.9\r\n"), "something else than Kafka"),
        (says(b""), "closed without an answer"),
    ],
)
async def test_a_port_that_speaks_something_else_is_named(answer: Answer, named: str) -> None:
    async with port(answer) as server:
        said = await obstacle(server)
    assert f"no broker answers at {server!r} (PLAINTEXT): " in said
    assert named in said


@pytest.mark.usefixtures("soon")
async def test_a_port_that_accepts_and_is_silent_is_not_waited_for() -> None:
    async with port(silent) as server:
        assert "silent for 0.2 s" in await obstacle(server)


def test_nobody_waits_longer_than_ten_seconds() -> None:
    assert module.REACH_WITHIN_S <= 10


async def test_where_nobody_listens_the_reason_is_said() -> None:
    assert "connection refused" in await obstacle(NOWHERE)


async def test_a_name_that_is_none_is_called_so(monkeypatch: pytest.MonkeyPatch) -> None:
    async def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
    assert "no such host" in await obstacle("kafka.invalid:9092")


async def test_a_name_whose_addresses_fail_each_in_its_own_way(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(*_: Any, **__: Any) -> Any:
        raise OSError("Multiple exceptions: one, another")

    monkeypatch.setattr(asyncio, "open_connection", fails)
    assert "no connection to any address" in await obstacle("localhost:9092")


async def test_tls_that_fails_says_how() -> None:
    async with port(says(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as server:
        assert "TLS fails, " in await obstacle(server, security_protocol="SSL")


async def test_one_broker_that_answers_is_enough_and_the_silent_are_not_waited_for() -> None:
    async with port(silent) as one, port(kafka) as other, asyncio.timeout(module.REACH_WITHIN_S / 2):
        await reach(settings_of(f"{one},{NOWHERE},{other}"))


@pytest.mark.usefixtures("soon")
async def test_of_several_each_is_named_with_its_own_obstacle() -> None:
    async with port(silent) as one, port(says(b"HTTP/1.1 400")) as other:
        said = await obstacle(f"{one},{other}")
    assert f"{one}: silent for 0.2 s; {other}: it speaks HTTP; is it running" in said


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=st.binary(max_size=40))
async def test_no_bytes_whatever_are_taken_for_a_broker(words: bytes) -> None:
    async with port(says(words)) as server:
        assert server in await obstacle(server)


def test_what_may_be_wrong_beside_the_address_is_part_of_the_advice() -> None:
    sasl = settings_of(NOWHERE, security_protocol="SASL_PLAINTEXT", sasl_username="me", sasl_password="hunter2")
    assert str(unreachable(sasl)).endswith("are bootstrap_servers, security_protocol and the sasl settings right?")
    tls = settings_of(NOWHERE, security_protocol="SSL")
    assert str(unreachable(tls)).endswith("are bootstrap_servers and security_protocol right?")
    assert "hunter2" not in str(unreachable(sasl))


@pytest.mark.broker
async def test_the_embedded_broker_is_reached() -> None:
    with EmbeddedBroker() as broker:
        await reach(settings_of(broker.bootstrap_servers))

"""Planted secrets: every byte that is sent, and every line that is logged, is searched for them."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from streamgauge.producers import Gauge
from streamgauge.producers.testing import MemorySink
from streamgauge.schemas import codec
from streamgauge.schemas.frames import Close, Data, Open

SECRETS = {
    "header": "sk-planted-in-the-header-0001",
    "query": "AIzaPlantedInTheQuery0002",
    "tool": "planted in tools authorization 0003",
    "tool header": "planted in tools headers 0004",
    "mcp": "planted in mcp_servers 0005",
    "mcp url": "planted-in-server-url-0006",
    "error": "plantedInTheErrorText0007",
    "user": "planted-user-0008",
    "cookie": "planted-cookie-0009",
    "top": "planted at the top 0010",
    "redirect": "planted-in-the-location-0011",
    "note": "sk-planted-in-a-note-0012",
    "metadata": "planted in metadata 0013",
    "provider": "planted in provider 0014",
    "message": "planted in a tool call 0015",
    "image": "planted-in-an-image-url-0016",
    "refusal": "planted-in-a-refusal-0017",
    "tag": "planted in a tag 0018",
    "tool event": "planted in a tool event 0019",
}
REQUEST: dict[str, Any] = {
    "model": "m",
    "input": "hello",
    "api_key": SECRETS["top"],
    "tools": [
        {"type": "mcp", "server_url": f"https://mcp/sse?key={SECRETS['mcp url']}", "authorization": SECRETS["tool"]},
        {"type": "mcp", "headers": {"X-Api-Key": SECRETS["tool header"]}},
    ],
    "mcp_servers": [{"type": "url", "authorization_token": SECRETS["mcp"]}],
    "metadata": {"apiKey": SECRETS["metadata"], "x": [{"Client-Secret": SECRETS["metadata"]}]},
    "provider": {"authorization": {"scheme": "basic", "value": SECRETS["provider"]}},
    "messages": [
        {"content": [{"type": "tool_use", "input": {"db_password": SECRETS["message"]}}]},
        {"content": [{"type": "image_url", "image_url": {"url": f"https://x/a.png?sig={SECRETS['image']}&w=1"}}]},
    ],
}
URL = f"https://{SECRETS['user']}:pw@api.example/v1/responses?api-version=1&key={SECRETS['query']}"


@pytest.fixture
def sink() -> MemorySink:
    return MemorySink()


@pytest.fixture
def gauge(sink: MemorySink, caplog: pytest.LogCaptureFixture) -> Iterator[Gauge]:
    caplog.set_level(logging.DEBUG)
    with Gauge(tenant="acme", sink=sink, raise_internal_errors=True) as gauge:
        yield gauge


def assert_no_secret(sink: MemorySink, caplog: pytest.LogCaptureFixture) -> None:
    assert sink.sent, "nothing was sent: this checks nothing"
    every_byte = b"".join(
        part
        for _, message in sink.sent
        for part in (message.key, message.value, *(name.encode() + value for name, value in message.headers))
    )
    ours = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("streamgauge"))
    for place, secret in SECRETS.items():
        assert secret.encode() not in every_byte, place
        assert secret not in ours, place


def answers(request: httpx.Request) -> httpx.Response:
    headers = {
        "set-cookie": SECRETS["cookie"],
        "location": f"https://elsewhere/?sig={SECRETS['redirect']}",
        "openai-organization": SECRETS["header"],
        "x-request-id": "req_1",
    }
    return httpx.Response(302, headers=headers, stream=Body())


class Body(httpx.SyncByteStream):
    """Breaks off with an error that tells too much."""

    def __iter__(self) -> Iterator[bytes]:
        yield b"data: {}\n\n"
        raise httpx.ReadTimeout(f"GET https://api.example/v1/x?key={SECRETS['error']} and Bearer {SECRETS['header']}")


def rejects(request: httpx.Request) -> httpx.Response:
    said = f"Incorrect API key provided: {SECRETS['refusal']}. See https://x/?key={SECRETS['query']}"
    return httpx.Response(401, json={"error": {"message": said, "seen": {"x-api-key": SECRETS["refusal"]}}})


def refuses(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError(f"cannot reach {request.url}")


@pytest.mark.parametrize("handler", [answers, refuses])
def test_no_secret_of_a_tapped_request_is_sent(
    gauge: Gauge, sink: MemorySink, caplog: pytest.LogCaptureFixture, handler: Callable[..., Any]
) -> None:
    headers = {"authorization": f"Bearer {SECRETS['header']}", "x-api-key": SECRETS["header"]}
    cookies = {"a": SECRETS["cookie"]}
    with httpx.Client(transport=httpx.MockTransport(handler), headers=headers, cookies=cookies) as client:
        gauge.instrument(client)
        with pytest.raises(httpx.TransportError):
            client.post(URL, json=REQUEST)
    assert gauge.close()
    assert_no_secret(sink, caplog)
    frames: list[Any] = [codec.decode(message.value) for _, message in sink.sent]
    (opened,) = [frame for frame in frames if isinstance(frame, Open)]
    assert b'"authorization":"[secret]"' in (opened.request or b""), "it was there to be found"
    (close,) = [frame for frame in frames if isinstance(frame, Close)]
    assert close.message is not None


def test_no_secret_in_the_answer_to_a_failure_is_sent(
    gauge: Gauge, sink: MemorySink, caplog: pytest.LogCaptureFixture
) -> None:
    with httpx.Client(transport=httpx.MockTransport(rejects)) as client:
        gauge.instrument(client)
        answer = client.post(URL, json=REQUEST)
    assert SECRETS["refusal"] in answer.text, "the host sees what came"
    assert gauge.close()
    assert_no_secret(sink, caplog)
    frames: list[Any] = [codec.decode(message.value) for _, message in sink.sent]
    body = b"".join(chunk for frame in frames if isinstance(frame, Data) for chunk in frame.chunks or ())
    assert len(body) == len(answer.content)
    assert json.loads(body)["error"]["message"].startswith("Incorrect API key provided: ***")


def test_no_secret_of_a_manual_stream_is_sent(gauge: Gauge, sink: MemorySink, caplog: pytest.LogCaptureFixture) -> None:
    error = ValueError(f"401 for https://{SECRETS['user']}@x/?key={SECRETS['query']}: Bearer {SECRETS['error']}")
    secret_tag = {"client-secret": SECRETS["tag"]}
    with pytest.raises(ValueError, match="401"), gauge.stream(request=REQUEST, tags=secret_tag) as stream:  # noqa: PT012
        stream.head(401, {"Set-Cookie": SECRETS["cookie"], "Authorization": SECRETS["header"]})
        stream.note(error=f"gave up with {SECRETS['note']}", tags={"api_key": SECRETS["tag"]})
        stream.note(tool_event={"name": "search", "input": {"token": SECRETS["tool event"]}})
        stream.chunk({"error": {"message": f"x-api-key: {SECRETS['refusal']}"}})
        raise error
    assert gauge.close()
    assert_no_secret(sink, caplog)

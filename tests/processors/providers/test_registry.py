"""What is known of a stream before its events are read."""

from __future__ import annotations

import pytest

from streamgauge.processors.providers.hosts import provider_at
from streamgauge.processors.providers.registry import APIS, by_name, detect
from streamgauge.schemas.framing.kinds import Framing


def found(**known: str | None) -> tuple[str | None, str | None]:
    blank: dict[str, str | None] = dict.fromkeys(["api", "provider", "method", "host", "path", "content_type"])
    detected = detect(**(blank | known), body_start=b"")
    return detected.api.name if detected.api else None, detected.provider


def test_every_api_is_found_by_its_name() -> None:
    assert [by_name(api.name) for api in APIS] == list(APIS)
    assert by_name("nonsense") is None
    assert by_name(None) is None


@pytest.mark.parametrize(
    ("known", "api", "provider"),
    [
        ({"method": "POST", "host": "api.openai.com", "path": "/v1/chat/completions"}, "openai.chat", "openai"),
        (
            {"method": "POST", "host": "x.openai.azure.com", "path": "/openai/deployments/d/chat/completions"},
            "openai.chat",
            "azure",
        ),
        ({"method": "POST", "host": "api.together.xyz", "path": "/v1/chat/completions"}, "openai.chat", "together"),
        ({"method": "POST", "host": "localhost:8000", "path": "/v1/responses"}, "openai.responses", None),
        ({"method": "GET", "host": "api.openai.com", "path": "/v1/responses/resp_1"}, "openai.responses", "openai"),
        ({"method": "POST", "host": "api.anthropic.com", "path": "/v1/messages"}, "anthropic.messages", "anthropic"),
        (
            {
                "method": "POST",
                "host": "us-central1-aiplatform.googleapis.com",
                "path": "/v1/projects/p/locations/l/publishers/google/models/gemini-2.5-pro:streamGenerateContent",
            },
            "google.generateContent",
            "vertexai",
        ),
        ({"method": "POST", "host": "api.openai.com", "path": "/v1/files"}, None, "openai"),
        ({"method": "GET", "host": None, "path": None}, None, None),
        (
            {
                "api": "anthropic.messages",
                "provider": "mine",
                "host": "api.openai.com",
                "method": "POST",
                "path": "/v1/chat/completions",
            },
            "anthropic.messages",
            "mine",
        ),
        ({"api": "nonsense", "method": "POST", "path": "/v1/messages"}, "anthropic.messages", None),
    ],
)
def test_what_was_said_comes_before_the_route(
    known: dict[str, str | None], api: str | None, provider: str | None
) -> None:
    assert found(**known) == (api, provider)


@pytest.mark.parametrize(
    ("host", "provider"),
    [
        ("api.openai.com", "openai"),
        ("API.OpenAI.com:443", "openai"),
        ("eu.api.openai.com.", "openai"),
        ("notapi.openai.com.evil.org", None),
        ("myresource.services.ai.azure.com", "azure"),
        ("api.together.ai", "together"),
        ("codestral.mistral.ai", "mistral"),
        ("api.x.ai", "xai"),
        ("netflix.ai", None),
        ("org-account.snowflakecomputing.com", "snowflake"),
        ("api.z.ai", "zai"),
        ("router.huggingface.co", "huggingface"),
        ("localhost:11434", "ollama"),
        ("localhost", None),
        ("bedrock-runtime.us-east-1.amazonaws.com:443", "bedrock"),
        ("bedrock-mantle.eu-west-1.api.aws", "bedrock"),
        ("bedrock-agent-runtime.us-east-1.amazonaws.com", "bedrock"),
        ("bedrock-runtime-fips.us-gov-west-1.amazonaws.com", "bedrock"),
        ("vpce-0ab-1cd.bedrock-runtime.eu-west-1.vpce.amazonaws.com", "bedrock"),
        ("bedrock.example.com", None),
        ("s3.us-east-1.amazonaws.com", None),
        ("us-central1-aiplatform.googleapis.com", "vertexai"),
        ("generativelanguage.googleapis.com", "google"),
        ("", None),
        (None, None),
    ],
)
def test_a_host_names_its_provider(host: str | None, provider: str | None) -> None:
    assert provider_at(host) == provider


@pytest.mark.parametrize(
    ("content_type", "start", "framing"),
    [
        ("text/event-stream; charset=utf-8", b"", Framing.SSE),
        ("text/event-stream", b'{"error"', Framing.SSE),
        ("application/json", b'{"id"', Framing.JSON),
        ("application/json", b"\xef\xbb\xbf\r\n [", Framing.JSON),
        ("application/json", b"", Framing.JSON),
        ("application/json", b"data: {", Framing.SSE),
        ("application/problem+json", b"", Framing.JSON),
        ("Application/X-NDJSON", b"{", Framing.NDJSON),
        ("text/html", b"\n", Framing.JSON),
        ("application/vnd.amazon.eventstream", b"\x00", Framing.EVENT_STREAM),
        ("application/vnd.amazon.eventstream", b"{", Framing.EVENT_STREAM),
        ("application/json", b"\x00", Framing.EVENT_STREAM),
        (None, b"\x00\x00\x00", Framing.EVENT_STREAM),
        ("text/plain", b"<html>", Framing.JSON),
        ("text/plain", b"no", Framing.SSE),
        (None, b"{", Framing.JSON),
        (None, b"d", Framing.SSE),
        (None, b"", Framing.SSE),
    ],
)
def test_the_framing_is_the_content_types_or_the_first_bytes(
    content_type: str | None, start: bytes, framing: Framing
) -> None:
    detected = detect(
        api=None, provider=None, method=None, host=None, path=None, content_type=content_type, body_start=start
    )
    assert detected.framing is framing


@pytest.mark.parametrize(
    ("path", "content_type", "start", "framing"),
    [
        ("/v1beta/models/g:streamGenerateContent", "application/json", b"\xef\xbb\xbf[{", Framing.JSON_ARRAY),
        ("/v1beta/models/g:streamGenerateContent", "application/json", b'{"error"', Framing.JSON),
        ("/v1beta/models/g:streamGenerateContent", "text/event-stream", b"[{", Framing.SSE),
        ("/v1/embeddings", "application/json", b"[1", Framing.JSON),
    ],
)
def test_an_array_is_a_stream_where_the_api_streams_arrays(
    path: str, content_type: str, start: bytes, framing: Framing
) -> None:
    detected = detect(
        api=None, provider=None, method="POST", host=None, path=path, content_type=content_type, body_start=start
    )
    assert detected.framing is framing

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.schemas.routes import (
    HEADERS_ALLOWED,
    HEADERS_ALLOWED_PREFIXES,
    QUERY_ALLOWED,
    ROUTES,
    Route,
    header_travels,
    route,
)
from streamgauge.schemas.words import Operation

CORPUS = Path(__file__).parents[3] / "shared" / "corpus" / "recorded-streams.jsonl.gz"


def example(line: Route) -> tuple[str, str]:
    """A request that fits a line of the table."""
    method, _, end = line.pattern.partition(" ")
    return method, re.sub(r"\{[a-z]+\}", "some-1", end.removeprefix("^"))


@pytest.mark.parametrize("line", ROUTES)
def test_every_line_of_the_table_is_found(line: Route) -> None:
    assert route(*example(line)) == line


@pytest.mark.parametrize("line", [line for line in ROUTES if "^" not in line.pattern])
def test_what_a_gateway_puts_before_a_path_changes_nothing(line: Route) -> None:
    method, path = example(line)
    assert route(method, f"/router/v9/acme{path}") == line


@pytest.mark.parametrize("line", ROUTES)
def test_every_line_has_its_method_alone(line: Route) -> None:
    method, path = example(line)
    assert route({"POST": "GET", "GET": "POST"}[method], path) is None
    assert route("DELETE", path) is None


@pytest.mark.parametrize(
    ("path", "api"),
    [
        ("/v1/chat/completions", "openai.chat"),
        ("/openai/deployments/gpt-5/chat/completions", "openai.chat"),
        ("/models/chat/completions", "openai.chat"),
        ("/api/v2/cortex/v1/chat/completions", "openai.chat"),
        ("/api/v2/cortex/inference:complete", "openai.chat"),
        ("/api/paas/v4/chat/completions", "openai.chat"),
        ("/router/v2/openai/v1/chat/completions", "openai.chat"),
        ("/v1/projects/p/locations/l/endpoints/openapi/chat/completions", "openai.chat"),
        ("/v1/fim/completions", "openai.chat"),
        ("/ml/v1/text/chat_stream", "openai.chat"),
        ("/v1/completions", "openai.completions"),
        ("/responses", "openai.responses"),
        ("/openai/v1/responses", "openai.responses"),
        ("/v1/messages", "anthropic.messages"),
        ("/anthropic/v1/messages", "anthropic.messages"),
        ("/v1/projects/p/locations/l/publishers/anthropic/models/claude@1:streamRawPredict", "anthropic.messages"),
        ("/v1/projects/p/locations/l/publishers/meta/models/llama:streamRawPredict", None),
        ("/v1beta/models/gemini-2.5-flash:streamGenerateContent", "google.generateContent"),
        ("/v1beta/models/gemini-2.5-flash%3AstreamGenerateContent", "google.generateContent"),
        ("/v1/projects/p/locations/l/publishers/google/models/g:generateContent", "google.generateContent"),
        ("/v1/projects/p/locations/l/endpoints/7:streamGenerateContent", "google.generateContent"),
        ("/v1beta/interactions", "google.interactions"),
        ("/model/us.amazon.nova-lite-v1%3A0/converse-stream", "bedrock.converse"),
        ("/model/arn:aws:bedrock:eu-west-1:1:inference-profile/eu.nova/converse", "bedrock.converse"),
        ("/model/anthropic.claude-v2/invoke", "bedrock.invoke"),
        ("/model/anthropic.claude-v2/invoke-with-response-stream", "bedrock.invoke"),
        ("/agents/A/agentAliases/B/sessions/C/text", "bedrock.agent"),
        ("/v2/chat", "cohere.v2"),
        ("/v1/chat", None),
        ("/api/chat", "ollama.chat"),
        ("/api/generate", "ollama.generate"),
        ("/generate_stream", "tgi.generate"),
        ("/ml/v1-beta/generation/text_stream", "watsonx.generate"),
        ("/ml/v1/text/generation_stream", "watsonx.generate"),
        ("/ml/v1/deployments/d/text/generation_stream", "watsonx.generate"),
        ("/v1/models/meta/llama/predictions", "replicate.predictions"),
        ("/v1/audio/transcriptions", "openai.transcription"),
        ("/v1/embeddings", "openai.embeddings"),
    ],
)
def test_a_post_to_an_api_is_captured(path: str, api: str | None) -> None:
    found = route("POST", path)
    assert found is not None
    assert found.api == api
    assert route("post", path + "/") == found


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/models"),
        ("GET", "/v1/responses"),
        ("GET", "/v1/responses/resp_1/input_items"),
        ("POST", "/v1/responses/resp_1/cancel"),
        ("DELETE", "/v1/responses/resp_1"),
        ("POST", "/v1/messages/count_tokens"),
        ("POST", "/v1/messages/batches"),
        ("POST", "/v1/threads/thread_1/messages"),
        ("POST", "/v1/files"),
        ("POST", "/v1beta/models/gemini-2.5-flash:countTokens"),
        ("POST", "/v1beta/cachedContents"),
        ("POST", "/v1/agents/agent_1"),
        ("POST", "/xcompletions"),
        ("POST", "/v1/chat/completions/x"),
        ("POST", "/model/x/y/z/invoke"),
        ("POST", "/invoke"),
        ("POST", "/"),
        ("POST", ""),
        ("GET", "/responses/"),
    ],
)
def test_all_else_passes_untouched(method: str, path: str) -> None:
    assert route(method, path) is None


def test_a_resumed_stream_is_captured() -> None:
    found = route("GET", "/v1/responses/resp_0af")
    assert found == Route("GET /responses/{id}", "openai.responses", Operation.CHAT)


@given(method=st.sampled_from(["GET", "POST"]) | st.text(), path=st.text())
def test_any_request_has_a_route_or_none(method: str, path: str) -> None:
    assert route(method, path) in (None, *ROUTES)


@given(st.lists(st.sampled_from(["v1", "chat", "completions", "responses", "models", "x:generateContent", "api", ""])))
def test_a_route_fits_the_end_of_its_path(segments: list[str]) -> None:
    path = "/" + "/".join(segments)
    found = route("POST", path)
    if found is not None:
        end = re.escape(found.pattern.partition(" ")[2].removeprefix("^"))
        assert re.search(re.sub(r"\\\{[a-z]+\\\}", "[^/]+", end) + "/*$", path)


def recorded_requests() -> Iterator[tuple[str, str, str]]:
    with gzip.open(CORPUS, "rt", encoding="utf-8") as lines:
        for line in lines:
            recording = json.loads(line)
            request = recording["request"] or {}
            if request.get("url"):
                yield recording["api"], request["method"], urlsplit(request["url"]).path


@pytest.mark.skipif(not CORPUS.is_file(), reason="the recorded streams are not on this machine")
def test_every_recorded_request_routes_to_its_api() -> None:
    """Or to a line that leaves the API to the events, where two providers share the path."""
    seen = 0
    for api, method, path in recorded_requests():
        found = route(method, path)
        assert found is not None, (api, path)
        if found.api is None:
            assert (api, found.pattern) in {("cohere.v1", "POST /v1/chat"), ("openai.chat", "POST /v1/chat")}
        elif api != "http-error":  # the recording of an error whose API nobody can tell from its body
            assert found.api == api, path
        seen += 1
    assert seen > 300


def test_allowed_names_are_written_in_lower_case() -> None:
    names = [*HEADERS_ALLOWED, *HEADERS_ALLOWED_PREFIXES, *QUERY_ALLOWED]
    assert [name for name in names if name != name.lower()] == []


@pytest.mark.parametrize(
    "name",
    [
        "authorization",
        "set-cookie",
        "cookie",
        "x-api-key",
        "api-key",
        "openai-organization",
        "openai-project",
        "anthropic-organization-id",
        "anthropic-workspace-id",
        "x-litellm-key-spend",
        "x-amz-security-token",
        "location",
    ],
)
def test_headers_that_say_who_somebody_is_stay_with_the_host(name: str) -> None:
    assert not header_travels(name)


@pytest.mark.parametrize(
    "name",
    [
        "content-type",
        "content-encoding",
        "retry-after-ms",
        "x-request-id",
        "request-id",
        "apim-request-id",
        "x-amzn-requestid",
        "x-ratelimit-remaining-tokens",
        "anthropic-ratelimit-requests-reset",
        "x-amzn-bedrock-output-token-count",
        "openai-processing-ms",
        "x-ms-region",
        "via",
    ],
)
def test_headers_that_say_how_a_stream_went_travel(name: str) -> None:
    assert header_travels(name)

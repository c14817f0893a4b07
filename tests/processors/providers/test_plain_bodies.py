"""Embeddings, moderations, rankings: usage and counts, and no content."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from sse_play import play, sse
from streamgauge.processors.providers.answer import Usage
from streamgauge.processors.providers.reading import Reading

VECTOR = {"object": "embedding", "index": 0, "embedding": [0.1, 0.2]}


def read(path: str, document: dict[str, Any]) -> Reading:
    return play(msgspec.json.encode(document), path=path, content_type="application/json")


@pytest.mark.parametrize(
    ("path", "document", "api", "units", "usage"),
    [
        (
            "/v1/embeddings",
            {
                "object": "list",
                "data": [VECTOR, VECTOR],
                "model": "m",
                "usage": {"prompt_tokens": 8, "total_tokens": 8},
            },
            "openai.embeddings",
            {"embeddings": 2.0},
            Usage(input=8, total=8),
        ),
        ("/v1/embeddings", {"data": [], "usage": {"total_tokens": 8}}, "openai.embeddings", {"embeddings": 0.0}, None),
        (
            "/v2/embed",
            {"id": "e1", "embeddings": {"float": [[0.1], [0.2]]}, "meta": {"billed_units": {"input_tokens": 4}}},
            "cohere.embed",
            {"embeddings": 2.0, "billed_input_tokens": 4.0},
            Usage(),
        ),
        (
            "/v1/embed",
            {"embeddings": [[0.1]], "meta": {"tokens": {"input_tokens": 4}}},
            "cohere.embed",
            {"embeddings": 1.0},
            Usage(input=4),
        ),
        (
            "/api/embed",
            {"model": "m", "embeddings": [[0.1], [0.2], [0.3]], "prompt_eval_count": 8},
            "ollama.embed",
            {"embeddings": 3.0},
            Usage(input=8),
        ),
        (
            "/v1beta/models/gemini-embedding-001:embedContent",
            {"embedding": {"values": [0.1, 0.2]}, "usageMetadata": {"promptTokenCount": 6}},
            "google.embedContent",
            {"embeddings": 1.0},
            Usage(input=6),
        ),
        (
            "/v1beta/models/gemini-embedding-001:batchEmbedContents",
            {"embeddings": [{"values": [0.1]}, {"values": [0.2]}]},
            "google.embedContent",
            {"embeddings": 2.0},
            Usage(),
        ),
        (
            "/v1/moderations",
            {"id": "modr-1", "model": "m", "results": [{"flagged": False}]},
            "openai.moderations",
            {"moderations": 1.0},
            Usage(),
        ),
        (
            "/v2/rerank",
            {"id": "r1", "results": [{"index": 1}, {"index": 0}], "meta": {"billed_units": {"search_units": 1}}},
            "cohere.rerank",
            {"documents": 2.0, "search_queries": 1.0},
            Usage(),
        ),
        (
            "/v1/rerank",
            {"model": "m", "results": [], "usage": {"total_tokens": 15}},
            "cohere.rerank",
            {"documents": 0.0},
            Usage(input=15, total=15),
        ),
    ],
)
def test_what_is_counted_is_kept_and_no_content(
    path: str, document: dict[str, Any], api: str, units: dict[str, float], usage: Usage | None
) -> None:
    reading = read(path, document)
    answer = reading.answer
    assert reading.api is not None
    assert (reading.api.name, answer.units, answer.choices) == (api, units, {})
    assert (answer.model, answer.response_id) == (document.get("model"), document.get("id"))
    assert reading.api.usage(answer.usage_raw or {}) == (usage or Usage(input=8, total=8))
    assert reading.ending is not None
    assert (reading.ending.evidence, reading.content_complete(), answer.warnings) == ("json body", True, [])


@pytest.mark.parametrize(
    ("path", "document", "api"),
    [
        ("/api/embeddings", {"object": "list", "data": [VECTOR]}, "openai.embeddings"),
        ("/rerank", {"results": [{"index": 0, "relevance_score": 0.9}]}, "cohere.rerank"),
        ("/x", {"results": [{"flagged": True}]}, "openai.moderations"),
        ("/api/embeddings", {"embedding": [0.1]}, None),
    ],
)
def test_where_the_route_does_not_tell_the_body_may(path: str, document: dict[str, Any], api: str | None) -> None:
    found = read(path, document).api
    assert (found.name if found is not None else None) == api


def test_one_vector_is_one() -> None:
    reading = play(b'{"embedding":[0.1,0.2]}', api="ollama.embed", content_type="application/json")
    assert reading.answer.units == {"embeddings": 1.0}


def test_another_document_is_no_answer() -> None:
    reading = read("/v1/moderations", {"hello": 1})
    assert (reading.ending, reading.unknown_events) == (None, 1)
    failed = read("/v1/moderations", {"error": {"message": "broke"}})
    assert failed.ending is not None
    assert (failed.ending.kind, failed.unknown_events) == ("failed", 0)
    assert play(sse(b"data: words\n\n"), api="openai.moderations").unknown_events == 1

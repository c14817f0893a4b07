"""What is captured: which requests, and which of their query values and response headers travel.

`ROUTES` is the table. A pattern is the *end* of a path, since gateways and deployments put prefixes of their own before
it: `POST /chat/completions` fits `/openai/deployments/x/chat/completions` and `/router/v2/openai/v1/chat/completions`.
In a pattern `{…}` is any one segment or part of one, and a leading `^` means that nothing stands before it. Of two
patterns that fit, the one with more letters of its own wins. All else passes untouched.

A route names the wire API where the path alone decides it. Where it does not (two providers answer on `/v1/chat`, and
what a hosted model says is the model's affair) it is null: then the events tell.

`route` runs on the host's thread for every request of a tapped client, so it costs one look into a dictionary for a
path that is none of ours, and little more for the others.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from streamgauge.schemas.words import Operation

__all__ = [
    "HEADERS_ALLOWED",
    "HEADERS_ALLOWED_PREFIXES",
    "QUERY_ALLOWED",
    "ROUTES",
    "Route",
    "header_travels",
    "route",
]


class Route(NamedTuple):
    """One line of the table."""

    pattern: str  # method and the end of the path
    api: str | None  # null: the path does not tell
    operation: Operation  # UNKNOWN: the model decides


ROUTES: Final = (
    # OpenAI, and all who speak its language
    Route("POST /chat/completions", "openai.chat", Operation.CHAT),
    Route("POST /agents/completions", "openai.chat", Operation.CHAT),  # Mistral
    Route("POST /fim/completions", "openai.chat", Operation.COMPLETION),  # Mistral
    Route("POST /cortex/inference:complete", "openai.chat", Operation.CHAT),  # Snowflake
    Route("POST /text/chat", "openai.chat", Operation.CHAT),  # watsonx
    Route("POST /text/chat_stream", "openai.chat", Operation.CHAT),
    Route("POST /completions", "openai.completions", Operation.COMPLETION),
    Route("POST /responses", "openai.responses", Operation.CHAT),
    Route("GET /responses/{id}", "openai.responses", Operation.CHAT),  # a resumed stream
    Route("POST /threads/runs", "openai.assistants", Operation.CHAT),
    Route("POST /threads/{id}/runs", "openai.assistants", Operation.CHAT),
    Route("POST /threads/{id}/runs/{id}/submit_tool_outputs", "openai.assistants", Operation.CHAT),
    Route("POST /embeddings", "openai.embeddings", Operation.EMBEDDINGS),
    Route("POST /images/generations", "openai.images", Operation.IMAGE),
    Route("POST /images/edits", "openai.images", Operation.IMAGE),
    Route("POST /images/variations", "openai.images", Operation.IMAGE),
    Route("POST /audio/speech", "openai.speech", Operation.SPEECH),
    Route("POST /audio/transcriptions", "openai.transcription", Operation.TRANSCRIPTION),
    Route("POST /audio/translations", "openai.transcription", Operation.TRANSCRIPTION),
    Route("POST /moderations", "openai.moderations", Operation.MODERATION),
    # Anthropic, also on Vertex
    Route("POST /v1/messages", "anthropic.messages", Operation.CHAT),
    Route("POST /v1/complete", "anthropic.complete", Operation.COMPLETION),
    Route("POST /publishers/anthropic/models/{model}:rawPredict", "anthropic.messages", Operation.CHAT),
    Route("POST /publishers/anthropic/models/{model}:streamRawPredict", "anthropic.messages", Operation.CHAT),
    Route("POST /publishers/{publisher}/models/{model}:rawPredict", None, Operation.UNKNOWN),
    Route("POST /publishers/{publisher}/models/{model}:streamRawPredict", None, Operation.UNKNOWN),
    # Gemini, also on Vertex
    Route("POST /models/{model}:generateContent", "google.generateContent", Operation.CHAT),
    Route("POST /models/{model}:streamGenerateContent", "google.generateContent", Operation.CHAT),
    Route("POST /tunedModels/{model}:generateContent", "google.generateContent", Operation.CHAT),
    Route("POST /tunedModels/{model}:streamGenerateContent", "google.generateContent", Operation.CHAT),
    Route("POST /endpoints/{id}:generateContent", "google.generateContent", Operation.CHAT),
    Route("POST /endpoints/{id}:streamGenerateContent", "google.generateContent", Operation.CHAT),
    Route("POST /models/{model}:embedContent", "google.embedContent", Operation.EMBEDDINGS),
    Route("POST /models/{model}:batchEmbedContents", "google.embedContent", Operation.EMBEDDINGS),
    Route("POST /models/{model}:predict", None, Operation.UNKNOWN),  # images, embeddings
    Route("POST /interactions", "google.interactions", Operation.CHAT),
    # Amazon Bedrock. A model named by its ARN has a slash in it, which not every client escapes.
    Route("POST /converse-stream", "bedrock.converse", Operation.CHAT),
    Route("POST /model/{model}/converse", "bedrock.converse", Operation.CHAT),
    Route("POST /model/{arn}/{model}/converse", "bedrock.converse", Operation.CHAT),
    Route("POST /invoke-with-response-stream", "bedrock.invoke", Operation.UNKNOWN),
    Route("POST /model/{model}/invoke", "bedrock.invoke", Operation.UNKNOWN),
    Route("POST /model/{arn}/{model}/invoke", "bedrock.invoke", Operation.UNKNOWN),
    Route("POST ^/agents/{session}", "bedrock.agent", Operation.CHAT),  # an inline agent
    Route("POST /agents/{agent}/agentAliases/{alias}/sessions/{session}/text", "bedrock.agent", Operation.CHAT),
    Route("POST ^/retrieveAndGenerate", "bedrock.agent", Operation.CHAT),
    Route("POST ^/retrieveAndGenerateStream", "bedrock.agent", Operation.CHAT),
    # Cohere
    Route("POST /v1/chat", None, Operation.CHAT),  # Cohere's first API, and Writer's, which speaks OpenAI's language
    Route("POST /v2/chat", "cohere.v2", Operation.CHAT),
    Route("POST /v1/embed", "cohere.embed", Operation.EMBEDDINGS),
    Route("POST /v2/embed", "cohere.embed", Operation.EMBEDDINGS),
    Route("POST /v1/rerank", "cohere.rerank", Operation.RERANK),  # Jina, Together and Voyage too
    Route("POST /v2/rerank", "cohere.rerank", Operation.RERANK),
    Route("POST /rerank", None, Operation.RERANK),
    # Servers of open models
    Route("POST /api/chat", "ollama.chat", Operation.CHAT),
    Route("POST /api/generate", "ollama.generate", Operation.COMPLETION),
    Route("POST /api/embed", "ollama.embed", Operation.EMBEDDINGS),
    Route("POST /api/embeddings", None, Operation.EMBEDDINGS),  # Ollama, or OpenAI's language behind a gateway
    Route("POST /generate_stream", "tgi.generate", Operation.COMPLETION),
    Route("POST /generate", None, Operation.COMPLETION),  # TGI, SGLang
    # Others who host models
    Route("POST /text/generation", "watsonx.generate", Operation.COMPLETION),
    Route("POST /text/generation_stream", "watsonx.generate", Operation.COMPLETION),
    Route("POST /generation/text", "watsonx.generate", Operation.COMPLETION),
    Route("POST /generation/text_stream", "watsonx.generate", Operation.COMPLETION),
    Route("POST /text/embeddings", None, Operation.EMBEDDINGS),  # watsonx
    Route("POST /v1/predictions", "replicate.predictions", Operation.UNKNOWN),
    Route("POST /models/{owner}/{name}/predictions", "replicate.predictions", Operation.UNKNOWN),
    Route("POST /deployments/{owner}/{name}/predictions", "replicate.predictions", Operation.UNKNOWN),
    Route("GET /v1/streams/{id}", "replicate.stream", Operation.COMPLETION),  # a prediction's output
    Route("POST /serving-endpoints/{name}/invocations", None, Operation.UNKNOWN),  # Databricks
)

QUERY_ALLOWED: Final = frozenset({"alt", "api-version", "starting_after", "stream"})

# Lower-case names. What names an organisation, a project or a key stays with the host, as do cookies.
HEADERS_ALLOWED: Final = frozenset(
    {
        # the body
        "content-encoding",
        "content-length",
        "content-type",
        "transfer-encoding",
        "x-vercel-ai-ui-message-stream",
        # request ids
        "apim-request-id",
        "cf-ray",
        "mistral-correlation-id",
        "request-id",
        "x-amz-cf-id",
        "x-amzn-requestid",
        "x-amzn-trace-id",
        "x-cloud-trace-context",
        "x-correlation-id",
        "x-debug-trace-id",  # Cohere
        "x-ds-trace-id",  # DeepSeek
        "x-generation-id",  # OpenRouter
        "x-global-transaction-id",  # watsonx
        "x-goog-request-id",
        "x-kong-request-id",
        "x-litellm-call-id",
        "x-ms-client-request-id",
        "x-ms-request-id",
        "x-request-id",
        "x-trace-id",
        # asking again
        "retry-after",
        "retry-after-ms",
        "x-litellm-attempted-fallbacks",
        "x-litellm-attempted-retries",
        "x-max-retry-attempts-reached",
        "x-should-retry",
        # who answered, and where
        "openai-model",
        "openai-version",
        "server",
        "via",
        "x-amz-cf-pop",
        "x-groq-region",
        "x-litellm-model-region",
        "x-litellm-version",
        "x-ms-deployment-name",
        "x-ms-is-spilled-over",
        "x-ms-region",
        "x-ppl-region",
        "x-served-by",
        "x-vercel-id",
        # how long it took, and how much it was
        "openai-processing-ms",
        "server-timing",
        "x-compute-time",  # TGI, down to x-validation-time
        "x-generated-tokens",
        "x-inference-time",
        "x-prompt-tokens",
        "x-queue-time",
        "x-time-per-token",
        "x-total-time",
        "x-validation-time",
        "x-envoy-upstream-service-time",
        "x-kong-proxy-latency",
        "x-kong-upstream-latency",
        "x-litellm-response-duration-ms",
    }
)
HEADERS_ALLOWED_PREFIXES: Final = (
    "anthropic-ratelimit-",
    "fireworks-",  # processing time, token counts
    "ratelimit",
    "x-amzn-bedrock-",  # latency, token counts
    "x-ratelimit",
    "x-trial-endpoint-call-",
)


def header_travels(name: str) -> bool:
    """Whether a response header of this lower-case name is published, and recorded. The shim asks, and so does the
    worker, which trusts no producer."""
    return name in HEADERS_ALLOWED or name.startswith(HEADERS_ALLOWED_PREFIXES)


def route(method: str, path: str) -> Route | None:
    """The route of a request, or null where it is none of ours. `path` is without its query."""
    head, _, last = path.rstrip("/").rpartition("/")
    if "%" in last:
        last = last.replace("%3A", ":")
    candidates = _BY_WORD.get(last.rpartition(":")[2]) or _BY_WORD.get(head[head.rfind("/") + 1 :])
    if candidates is None:
        return None
    line = f"{method.upper()} {head}/{last}"
    for fits, found in candidates:
        if fits(line):
            return found
    return None


def _word(pattern: str) -> str:
    """What a path must hold to be compared with the pattern: its last verb or segment that is no variable."""
    *_, before, last = pattern.split("/")
    return before if last.startswith("{") and last.endswith("}") else last.rpartition(":")[2]


def _expression(pattern: str) -> re.Pattern[str]:
    method, _, end = pattern.partition(" ")
    prefix = "" if end.startswith("^") else ".*"
    words = re.split(r"\{[a-z]+\}", end.removeprefix("^"))
    return re.compile(f"{method} {prefix}" + "[^/]+".join(map(re.escape, words)))


def _by_word() -> dict[str, list[tuple[Callable[[str], object], Route]]]:
    """The table by word, the patterns with more letters of their own first."""
    table: dict[str, list[tuple[Callable[[str], object], Route]]] = {}
    for line in sorted(ROUTES, key=lambda line: -len(re.sub(r"\{[a-z]+\}", "", line.pattern))):
        table.setdefault(_word(line.pattern), []).append((_expression(line.pattern).fullmatch, line))
    return table


_BY_WORD: Final = _by_word()

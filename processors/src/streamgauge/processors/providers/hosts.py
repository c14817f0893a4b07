"""Providers by the host that serves them. A host nobody knows names no provider."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["provider_at"]

_HOSTS: Final[dict[str, str]] = {  # the host itself, and every host below it
    "api.openai.com": "openai",
    "openai.azure.com": "azure",
    "services.ai.azure.com": "azure",
    "models.ai.azure.com": "azure",
    "inference.ai.azure.com": "azure",
    "cognitiveservices.azure.com": "azure",
    "api.anthropic.com": "anthropic",
    "api.together.xyz": "together",
    "api.together.ai": "together",
    "api.groq.com": "groq",
    "mistral.ai": "mistral",
    "deepseek.com": "deepseek",
    "x.ai": "xai",
    "openrouter.ai": "openrouter",
    "perplexity.ai": "perplexity",
    "writer.com": "writer",
    "snowflakecomputing.com": "snowflake",
    "z.ai": "zai",
    "bigmodel.cn": "zai",
    "ollama.com": "ollama",
    "cerebras.ai": "cerebras",
    "fireworks.ai": "fireworks",
    "huggingface.co": "huggingface",
    "endpoints.huggingface.cloud": "huggingface",
    "moonshot.ai": "moonshot",
    "moonshot.cn": "moonshot",
    "aliyuncs.com": "alibaba",
    "crusoe.ai": "crusoe",
    "novita.ai": "novita",
    "deepinfra.com": "deepinfra",
    "sambanova.ai": "sambanova",
    "hyperbolic.xyz": "hyperbolic",
    "nebius.com": "nebius",
    "minimax.io": "minimax",
    "integrate.api.nvidia.com": "nvidia",
    "models.github.ai": "github",
    "githubcopilot.com": "copilot",
    "ai-gateway.vercel.sh": "vercel",
    "gateway.ai.cloudflare.com": "cloudflare",
    "databricks.com": "databricks",
    "azuredatabricks.net": "databricks",
    "generativelanguage.googleapis.com": "google",
    "cohere.com": "cohere",
    "cohere.ai": "cohere",
    "ml.cloud.ibm.com": "watsonx",
    "replicate.com": "replicate",
    "replicate.net": "replicate",
    "jina.ai": "jina",
    "voyageai.com": "voyage",
}
_PATTERNS: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    (re.compile(r"(.+\.)?bedrock(-[a-z]+)*\.[^.]+\.((vpce\.)?amazonaws\.com(\.cn)?|api\.aws)"), "bedrock"),
    (re.compile(r"([a-z0-9-]+-)?aiplatform(\.[a-z0-9-]+)?\.googleapis\.com"), "vertexai"),
)
_OLLAMA_PORT: Final = "11434"


def provider_at(host: str | None) -> str | None:
    """The provider behind this host (with or without a port), or null."""
    if not host:
        return None
    name, _, port = host.strip().lower().rstrip(".").partition(":")
    if port == _OLLAMA_PORT:
        return "ollama"
    labels = name.split(".")
    for at in range(len(labels) - 1):
        found = _HOSTS.get(".".join(labels[at:]))
        if found is not None:
            return found
    return next((provider for pattern, provider in _PATTERNS if pattern.fullmatch(name)), None)

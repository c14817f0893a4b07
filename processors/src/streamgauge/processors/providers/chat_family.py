"""The providers that speak OpenAI's chat completions, where they differ in what a reader must know.

Most differences need no entry here, because the reader takes every spelling everywhere: `reasoning_content` and
`reasoning`, usage on the last chunk or on one of its own, content as a list. What stands here cannot be seen in one
chunk, or names the provider.

    marker    whether a stream ends with `[DONE]` (or another marker); without one, the finish of every choice and a
              proper end of the body are all the evidence there is
    signs     fields of a chunk that only this provider sends
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from streamgauge.processors.providers.json_values import Document, documents, fields

__all__ = ["FAMILY", "Provider", "ends_with_marker", "provider_in"]


class Provider(NamedTuple):
    """What sets one provider apart."""

    marker: bool = True
    signs: Callable[[Document], bool] | None = None


def _has(*names: str) -> Callable[[Document], bool]:
    return lambda chunk: all(name in chunk for name in names)


def _delta_has(name: str) -> Callable[[Document], bool]:
    return lambda chunk: any(name in fields(choice.get("delta")) for choice in documents(chunk.get("choices")))


def _is_ollama(chunk: Document) -> bool:
    return chunk.get("system_fingerprint") == "fp_ollama"


def _is_openrouter(chunk: Document) -> bool:
    return "provider" in chunk and str(chunk.get("id")).startswith("gen-")


FAMILY: Final[dict[str, Provider]] = {
    "openai": Provider(),
    "azure": Provider(signs=_has("prompt_filter_results")),
    "together": Provider(),
    "groq": Provider(signs=_has("x_groq")),
    "mistral": Provider(),
    "deepseek": Provider(),
    "xai": Provider(),
    "openrouter": Provider(signs=_is_openrouter),
    "perplexity": Provider(marker=False, signs=_has("citations", "search_results")),  # a last object names itself done
    "writer": Provider(marker=False, signs=_delta_has("graph_data")),
    "snowflake": Provider(),
    "zai": Provider(),
    "ollama": Provider(signs=_is_ollama),
    "vllm": Provider(),
    "sglang": Provider(),
    "llamacpp": Provider(),
    "gpustack": Provider(marker=False),
    "tgi": Provider(),
    "cerebras": Provider(),
    "fireworks": Provider(),
    "huggingface": Provider(),
}


def ends_with_marker(provider: str | None) -> bool:
    """Whether this provider's streams end with a marker. Unknown providers are held to it: a missing marker is what
    a cut stream looks like."""
    known = FAMILY.get(provider or "")
    return known is None or known.marker


def provider_in(chunk: Document) -> str | None:
    """The provider this chunk can only be of."""
    return next((name for name, known in FAMILY.items() if known.signs is not None and known.signs(chunk)), None)

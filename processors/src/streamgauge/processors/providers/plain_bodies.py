"""Bodies that generate nothing: embeddings, moderations, rankings. What they count is kept, and no content.

    embeddings     {"data": [{"embedding"}], "usage"}    {"embeddings", "meta"}    {"embedding": {"values"}}
    moderations    {"id", "model", "results": [{"flagged"}]}
    rankings       {"id", "results": [{"index", "relevance_score"}], "meta" | "usage"}

The vectors, flags and scores are what an application asked for and no answer of a model's; they are counted as units.
Input is the only usage there is: where a provider states a total and nothing else, that is it.
"""

from __future__ import annotations

from typing import Any, Final

from streamgauge.processors.providers.answer import Answer, Output, Usage
from streamgauge.processors.providers.api import Ordinary
from streamgauge.processors.providers.cohere_usage import note_billed_units
from streamgauge.processors.providers.json_values import Document, count, documents, fields, text
from streamgauge.schemas.framing.events import Event
from streamgauge.schemas.words import Operation

__all__ = [
    "COHERE_EMBED",
    "COHERE_RERANK",
    "GOOGLE_EMBED_CONTENT",
    "OLLAMA_EMBED",
    "OPENAI_EMBEDDINGS",
    "OPENAI_MODERATIONS",
    "PlainBody",
]


class PlainBody(Ordinary):
    """A wire API of plain bodies. `lists` are the fields of which any holds what was asked for, counted as `unit`;
    `sign` is a field of what stands in them that no other API has. Without one only the route tells."""

    gives_reasons = False

    def __init__(
        self, name: str, operation: Operation, *, lists: tuple[str, ...], unit: str, sign: str | None = None
    ) -> None:
        self.name = name
        self.operation = operation
        self._lists = lists
        self._unit = unit
        self._sign = sign

    def recognises(self, document: Document) -> bool:
        return self._sign is not None and any(
            self._sign in one for name in self._lists for one in documents(document.get(name))
        )

    def is_body(self, document: Document) -> bool:
        return any(name in document for name in self._lists)

    def read(self, answer: Answer, event: Event, document: Document | None) -> Output:  # noqa: ARG002 - it never streams
        answer.unknown_events += document is None or "error" not in document
        return Output.NOTHING

    def read_body(self, answer: Answer, document: Document, *, end: int) -> Output:  # noqa: ARG002 - nothing ends early
        answer.response_id = text(document.get("id"))
        answer.model = text(document.get("model"))
        found = next((document[name] for name in self._lists if name in document), None)
        answer.units[self._unit] = float(_size(found))
        _read_usage(answer, document)
        return Output.NOTHING

    def usage(self, raw: Document) -> Usage:
        tokens = fields(raw.get("tokens")) or raw
        total = count(tokens.get("total_tokens"))
        names = ("prompt_tokens", "input_tokens", "prompt_eval_count", "promptTokenCount")
        given = next((found for name in names if (found := count(tokens.get(name))) is not None), total)
        return Usage(input=given, output=count(tokens.get("output_tokens")), total=total)


OPENAI_EMBEDDINGS: Final = PlainBody(
    "openai.embeddings", Operation.EMBEDDINGS, lists=("data",), unit="embeddings", sign="embedding"
)
OPENAI_MODERATIONS: Final = PlainBody(
    "openai.moderations", Operation.MODERATION, lists=("results",), unit="moderations", sign="flagged"
)
COHERE_EMBED: Final = PlainBody("cohere.embed", Operation.EMBEDDINGS, lists=("embeddings",), unit="embeddings")
COHERE_RERANK: Final = PlainBody(
    "cohere.rerank", Operation.RERANK, lists=("results", "data"), unit="documents", sign="relevance_score"
)
OLLAMA_EMBED: Final = PlainBody(
    "ollama.embed", Operation.EMBEDDINGS, lists=("embeddings", "embedding"), unit="embeddings"
)
GOOGLE_EMBED_CONTENT: Final = PlainBody(
    "google.embedContent", Operation.EMBEDDINGS, lists=("embeddings", "embedding"), unit="embeddings"
)


def _size(found: Any) -> int:
    """How many there are: of lists by type (Cohere's `float`, `int8`) those of one; a list of numbers is one vector,
    and so is Google's object around one."""
    if type(found) is dict:
        found = next((value for value in found.values() if type(value) is list), [])
    if type(found) is not list or not found:
        return 0
    return 1 if type(found[0]) in (int, float) else len(found)


def _read_usage(answer: Answer, document: Document) -> None:
    """A report of its own, Cohere's in `meta`, Google's `usageMetadata`, or Ollama's count beside the vectors."""
    meta = fields(document.get("meta"))
    note_billed_units(answer, meta.get("billed_units"))
    for name in ("usage", "usageMetadata"):
        if type(document.get(name)) is dict:
            answer.add_usage(document[name])
            return
    if meta.get("tokens"):
        answer.add_usage({"tokens": meta["tokens"]})
    elif document.get("prompt_eval_count") is not None:
        answer.add_usage({"prompt_eval_count": document["prompt_eval_count"]})

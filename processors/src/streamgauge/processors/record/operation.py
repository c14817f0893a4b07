"""What the provider was asked to do.

The route tells, mostly. Where one address serves models of every kind (Bedrock's InvokeModel, Vertex's `predict`), the
name of the model does: `amazon.titan-embed-text-v2:0`, `cohere.rerank-v3-5:0`. A name that says nothing leaves it to
the API.
"""

from __future__ import annotations

import re
from typing import Final

from streamgauge.processors.providers.api import Api
from streamgauge.schemas.frames import Open
from streamgauge.schemas.routes import route
from streamgauge.schemas.words import Operation

__all__ = ["operation_of"]

_BY_MODEL: Final = (
    (re.compile(r"embed|gecko"), Operation.EMBEDDINGS),
    (re.compile(r"rerank"), Operation.RERANK),
    (re.compile(r"image|canvas|stability\.|stable-"), Operation.IMAGE),
)


def operation_of(opening: Open, api: Api | None, *, model: str | None) -> Operation | None:
    """The operation of a request for this model; null where nothing tells."""
    found = route(opening.method, opening.path) if opening.method and opening.path else None
    if found is not None and found.operation is not Operation.UNKNOWN:
        return found.operation
    named = (operation for words, operation in _BY_MODEL if found is not None and words.search((model or "").lower()))
    told = next(named, api.operation if api is not None else None)
    return None if told is Operation.UNKNOWN else told

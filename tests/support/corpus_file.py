"""Recorded provider streams: third-party data, read where it lies and never copied into the project.

`STREAMGAUGE_CORPUS` names the file; without it the one beside the checkout is taken, if there is one.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

__all__ = ["CORPUS", "Recording", "load", "recordings"]

CORPUS = Path(os.environ.get("STREAMGAUGE_CORPUS", "../shared/corpus/recorded-streams.jsonl.gz"))


class Recording(msgspec.Struct, frozen=True):
    """One recorded response: the body as it came, and what a naive reading expects of it."""

    id: str
    provider: str
    api: str
    status: int
    expected: dict[str, Any]
    evidence: dict[str, Any]
    body: bytes = msgspec.field(name="body_base64")
    request: dict[str, Any] | None = None
    response_headers: dict[str, str] | None = None
    model: str | None = None

    @property
    def content_type(self) -> str | None:
        return (self.response_headers or {}).get("content-type")

    @property
    def url(self) -> str | None:
        return (self.request or {}).get("url")


def load(path: Path) -> Iterator[Recording]:
    """All recordings in the file."""
    decoder = msgspec.json.Decoder(Recording)
    with gzip.open(path, "rb") as lines:
        for line in lines:
            yield decoder.decode(line)


@cache
def recordings(*apis: str) -> list[Recording]:
    """The recordings of these APIs; none where the file is absent."""
    if not CORPUS.exists():
        return []
    return [recording for recording in load(CORPUS) if recording.api in apis]

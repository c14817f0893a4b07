"""Recorded provider streams: third-party data, read where it lies and never copied into the project.

`STREAMGAUGE_CORPUS` names the file; without it the one beside the checkout is taken, if there is one. A test of an API
that nothing was recorded of is skipped and says why.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest

__all__ = ["CORPUS", "Recording", "load", "needs_recordings", "of_each", "recordings", "url_of"]

CORPUS = Path(os.environ.get("STREAMGAUGE_CORPUS", "../shared/corpus/recorded-streams.jsonl.gz"))
GZIP = b"\x1f\x8b"
# Where a recording does not say where it came from, the front door of its API.
FRONT_DOORS = {
    "openai.chat": "https://api.openai.com/v1/chat/completions",
    "openai.responses": "https://api.openai.com/v1/responses",
    "anthropic.messages": "https://api.anthropic.com/v1/messages",
    "bedrock.converse": "https://bedrock-runtime.us-east-1.amazonaws.com/model/unknown/converse-stream",
    "bedrock.invoke": "https://bedrock-runtime.us-east-1.amazonaws.com/model/unknown/invoke-with-response-stream",
    "bedrock.agent": "https://bedrock-agent-runtime.us-east-1.amazonaws.com/agents/unknown",
    "google.interactions": "https://generativelanguage.googleapis.com/v1beta/interactions",
    "google.generateContent": "https://generativelanguage.googleapis.com/v1beta/models/gemini:streamGenerateContent",
}
NOWHERE = "https://unknown.invalid/"


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
    """All recordings of a file, one JSON object a line, gzipped or not. Raises OSError, msgspec.MsgspecError."""
    decoder = msgspec.json.Decoder(Recording)
    with path.open("rb") as file:
        zipped = file.read(len(GZIP)) == GZIP
    with gzip.open(path) if zipped else path.open("rb") as lines:
        for line in lines:
            yield decoder.decode(line)


@cache
def recordings(*apis: str) -> list[Recording]:
    """The recordings of these APIs; none where the file is absent."""
    if not CORPUS.exists():
        return []
    return [recording for recording in load(CORPUS) if recording.api in apis]


def needs_recordings(*apis: str) -> pytest.MarkDecorator:
    """The mark of tests that have nothing to play where no recording is of these APIs."""
    lack = f"holds nothing of {', '.join(apis)}" if CORPUS.exists() else "does not exist"
    reason = (
        f"no recorded streams: {str(CORPUS)!r} {lack}. They are third-party data and no part of the project: name a "
        "file of them in STREAMGAUGE_CORPUS (its form: tests/support/corpus_file.py)"
    )
    return pytest.mark.skipif(not recordings(*apis), reason=reason)


def of_each(apis: Iterable[str]) -> pytest.MarkDecorator:
    """The mark of tests that take one `api` at a time; each needs recordings of its own."""
    return pytest.mark.parametrize("api", [pytest.param(api, marks=needs_recordings(api)) for api in apis])


def url_of(recording: Recording) -> str:
    """Where the recording came from; a host its publisher blanked out becomes a name that can stand in a URL."""
    url = recording.url or ""
    url = url.replace("<", "").replace(">", "").replace("_", "-") if "<" in url else url
    if url and "://" not in url:
        url = f"https://{url}"
    return url if urlsplit(url).hostname else FRONT_DOORS.get(recording.api, NOWHERE)

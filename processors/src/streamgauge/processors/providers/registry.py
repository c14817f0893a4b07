"""Which wire API a stream speaks, and which provider serves it.

One line an API. It is asked in this order: what the user said, a header only one protocol has, the route, the first
event that can only be of one API (`recognise`, which `Reading` does). A provider is named by the user, by the host, or
by a shape of events that only one provider has. A stream of an API nobody knows is framed all the same, so that its
events and bytes count.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from streamgauge.processors.providers.anthropic_complete import ANTHROPIC_COMPLETE
from streamgauge.processors.providers.anthropic_messages import ANTHROPIC_MESSAGES
from streamgauge.processors.providers.api import Api
from streamgauge.processors.providers.bedrock_agent import BEDROCK_AGENT
from streamgauge.processors.providers.bedrock_converse import BEDROCK_CONVERSE
from streamgauge.processors.providers.bedrock_invoke import BEDROCK_INVOKE
from streamgauge.processors.providers.cohere_v1 import COHERE_V1
from streamgauge.processors.providers.cohere_v2 import COHERE_V2
from streamgauge.processors.providers.google_generate_content import GOOGLE_GENERATE_CONTENT
from streamgauge.processors.providers.google_interactions import GOOGLE_INTERACTIONS
from streamgauge.processors.providers.google_live import GOOGLE_LIVE
from streamgauge.processors.providers.hosts import provider_at
from streamgauge.processors.providers.json_values import Document
from streamgauge.processors.providers.ollama import OLLAMA_CHAT, OLLAMA_GENERATE
from streamgauge.processors.providers.openai_assistants import OPENAI_ASSISTANTS
from streamgauge.processors.providers.openai_audio import OPENAI_SPEECH, OPENAI_TRANSCRIPTION
from streamgauge.processors.providers.openai_chat import OPENAI_CHAT
from streamgauge.processors.providers.openai_completions import OPENAI_COMPLETIONS
from streamgauge.processors.providers.openai_images import OPENAI_IMAGES
from streamgauge.processors.providers.openai_realtime import OPENAI_REALTIME
from streamgauge.processors.providers.openai_responses import OPENAI_RESPONSES
from streamgauge.processors.providers.plain_bodies import (
    COHERE_EMBED,
    COHERE_RERANK,
    GOOGLE_EMBED_CONTENT,
    OLLAMA_EMBED,
    OPENAI_EMBEDDINGS,
    OPENAI_MODERATIONS,
)
from streamgauge.processors.providers.replicate import REPLICATE_PREDICTIONS, REPLICATE_STREAM
from streamgauge.processors.providers.tgi_generate import TGI_GENERATE
from streamgauge.processors.providers.vercel_ui import VERCEL_UI
from streamgauge.processors.providers.watsonx_generate import WATSONX_GENERATE
from streamgauge.schemas.framing.kinds import Framing
from streamgauge.schemas.routes import route

__all__ = ["APIS", "Detected", "by_name", "detect", "recognise"]

APIS: Final[tuple[Api, ...]] = (  # in this order an event is looked at: a session's responses look like others
    OPENAI_CHAT,
    OPENAI_REALTIME,
    OPENAI_RESPONSES,
    ANTHROPIC_MESSAGES,
    OPENAI_COMPLETIONS,
    ANTHROPIC_COMPLETE,
    OLLAMA_CHAT,
    OLLAMA_GENERATE,
    TGI_GENERATE,
    WATSONX_GENERATE,
    REPLICATE_STREAM,
    REPLICATE_PREDICTIONS,
    OPENAI_ASSISTANTS,
    OPENAI_SPEECH,
    OPENAI_TRANSCRIPTION,
    OPENAI_IMAGES,
    VERCEL_UI,
    OPENAI_EMBEDDINGS,
    OPENAI_MODERATIONS,
    COHERE_EMBED,
    COHERE_RERANK,
    OLLAMA_EMBED,
    GOOGLE_EMBED_CONTENT,
    COHERE_V1,
    COHERE_V2,
    BEDROCK_CONVERSE,
    GOOGLE_GENERATE_CONTENT,
    BEDROCK_INVOKE,
    BEDROCK_AGENT,
    GOOGLE_INTERACTIONS,
    GOOGLE_LIVE,
)

_BY_NAME: Final = {api.name: api for api in APIS}
_FRAMINGS: Final[dict[str, Framing]] = {
    "text/event-stream": Framing.SSE,
    "text/html": Framing.JSON,  # a page is one document too
    "application/x-ndjson": Framing.NDJSON,
    "application/ndjson": Framing.NDJSON,
    "application/jsonl": Framing.NDJSON,
    "application/x-jsonlines": Framing.NDJSON,
    "application/stream+json": Framing.NDJSON,
    "application/vnd.amazon.eventstream": Framing.EVENT_STREAM,
}
_ARRAYS: Final = frozenset({GOOGLE_GENERATE_CONTENT.name})  # the APIs that stream an array where nobody asks for SSE
_BINARY: Final = ("audio/", "image/", "video/")  # how such media types begin
_EVENTLESS: Final = {  # what a body is that has a media type which is no stream's: subtitles are one document too
    OPENAI_SPEECH.name: Framing.BINARY,
    OPENAI_TRANSCRIPTION.name: Framing.JSON,
}
_BLANK: Final = b"\xef\xbb\xbf \t\r\n"


class Detected(NamedTuple):
    """What is known of a stream before its events are read."""

    api: Api | None
    provider: str | None
    framing: Framing


def by_name(name: str | None) -> Api | None:
    """The API of this name."""
    return _BY_NAME.get(name or "")


def recognise(document: Document) -> Api | None:
    """The API this event, or this whole body, can only be of."""
    return next((api for api in APIS if api.recognises(document)), None)


def detect(
    *,
    api: str | None,
    provider: str | None,
    method: str | None,
    host: str | None,
    path: str | None,
    content_type: str | None,
    body_start: bytes,
    ui_stream: str | None = None,
) -> Detected:
    """API, provider and framing from what was said and seen. A null API may still be recognised by its events.

    `ui_stream` is the response's header `x-vercel-ai-ui-message-stream`.
    """
    named = by_name(api)
    if named is None and ui_stream is not None:
        named = VERCEL_UI
    if named is None and method is not None and path is not None:
        found = route(method, path)
        named = by_name(found.api) if found is not None else None
    framing = _framing(content_type, body_start)
    if framing is Framing.JSON and named is not None and named.name in _ARRAYS and _first(body_start) == b"[":
        framing = Framing.JSON_ARRAY
    if framing in (Framing.SSE, Framing.EVENT_STREAM) and named is not None and named.name in _EVENTLESS:
        media = _media(content_type)
        framing = _EVENTLESS[named.name] if media and media not in _FRAMINGS else framing
    return Detected(named, provider or provider_at(host), framing)


def _framing(content_type: str | None, body_start: bytes) -> Framing:
    """The framing by content type; where that says nothing of streams, the first byte tells a document from a stream,
    and a stream of text from a binary one.

    An SSE body whose content type says JSON is recorded (a proxy's), and JSON under SSE is common (errors): the framer
    of SSE keeps such bytes, so the type is believed there.
    """
    media = _media(content_type)
    known = _FRAMINGS.get(media)
    if known is not None:
        return known
    if media.startswith(_BINARY):
        return Framing.BINARY
    first = _first(body_start)
    if first in (b"{", b"[", b"<") or (not first and media.endswith("json")):
        return Framing.JSON
    return Framing.EVENT_STREAM if first == b"\x00" else Framing.SSE


def _media(content_type: str | None) -> str:
    return (content_type or "").partition(";")[0].strip().lower()


def _first(body_start: bytes) -> bytes:
    """The first byte that is not blank."""
    return body_start.lstrip(_BLANK)[:1]

"""Bodies built from documents, and read as a stream would be: what tests of providers are made of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from streamgauge.processors.providers.answer import Answer, Output
from streamgauge.processors.providers.reading import Reading
from streamgauge.processors.providers.registry import by_name, detect
from streamgauge.schemas.framing.kinds import framer
from streamgauge.schemas.records import Choice, Opaque, Part, Reasoning, Refusal, Text, ToolCall

__all__ = ["choices", "play", "play_body", "said", "sse", "tools"]

DONE = b"data: [DONE]\n\n"


def sse(*events: dict[str, Any] | bytes, named: bool = False) -> bytes:
    """The documents as server-sent events (named by their `type` on request); bytes stand as they are."""
    body = b""
    for event in events:
        if isinstance(event, bytes):
            body += event
            continue
        name = f"event: {event['type']}\n".encode() if named else b""
        body += name + b"data: " + msgspec.json.encode(event) + b"\n\n"
    return body


def play(
    body: bytes | Iterable[bytes],
    *,
    api: str | None = None,
    provider: str | None = None,
    host: str | None = None,
    path: str | None = None,
    method: str = "POST",
    status: int = 200,
    content_type: str | None = "text/event-stream",
    ui_stream: str | None = None,
    proper_eof: bool = True,
) -> Reading:
    """Frame and read a body, or its reads one after the other."""
    reading, _ = play_body(
        body,
        api=api,
        provider=provider,
        host=host,
        path=path,
        method=method,
        status=status,
        content_type=content_type,
        ui_stream=ui_stream,
        proper_eof=proper_eof,
    )
    return reading


def play_body(
    body: bytes | Iterable[bytes],
    *,
    api: str | None = None,
    provider: str | None = None,
    host: str | None = None,
    path: str | None = None,
    method: str = "POST",
    status: int = 200,
    content_type: str | None = "text/event-stream",
    ui_stream: str | None = None,
    proper_eof: bool = True,
) -> tuple[Reading, list[Output]]:
    """As `play`, with the output each piece brought."""
    reads = [body] if isinstance(body, bytes) else list(body)
    start = next((read for read in reads if read.strip()), b"")
    found = detect(
        api=api,
        provider=provider,
        method=method if path else None,
        host=host,
        path=path,
        content_type=content_type,
        body_start=start,
        ui_stream=ui_stream,
    )
    assert api is None or found.api is by_name(api)
    reading = Reading(found.api, found.provider, status=status, framing=found.framing)
    cutter = framer(found.framing)
    outputs = [reading.read(piece) for read in reads for piece in cutter.feed(read)]
    outputs += [reading.read(piece) for piece in cutter.finish()]
    reading.finish(proper_eof=proper_eof)
    return reading, outputs


def choices(answer: Answer) -> list[Choice]:
    """The choices of an answer, by index."""
    return [answer.choices[index].choice(generation=0) for index in sorted(answer.choices)]


def parts(answer: Answer) -> list[Part]:
    """The parts of its first choice."""
    found = choices(answer)
    return found[0].parts if found else []


def said(answer: Answer, kind: type[Text | Reasoning | Refusal] = Text) -> str:
    """What its first choice says in parts of this kind."""
    return "".join(str(part.text) for part in parts(answer) if isinstance(part, kind))


def tools(answer: Answer) -> list[ToolCall]:
    """The tool calls of its first choice."""
    return [part for part in parts(answer) if isinstance(part, ToolCall)]


def carried(answer: Answer) -> list[tuple[str, Any]]:
    """The parts of its first choice that are only carried: kind and value."""
    return [(part.kind, msgspec.json.decode(part.value)) for part in parts(answer) if isinstance(part, Opaque)]

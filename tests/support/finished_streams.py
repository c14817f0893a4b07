"""Finished streams made by hand, for tests of what is written about them."""

from __future__ import annotations

from typing import Any

import msgspec

from streamgauge.processors.measures.timing import Gaps
from streamgauge.processors.providers.answer import Answer
from streamgauge.processors.providers.api import Api
from streamgauge.processors.providers.registry import by_name
from streamgauge.processors.reassembly.finished import FinishedLink, FinishedStream, Marks, StreamId, Verdict
from streamgauge.schemas.frames import Close, Context, Head, Note, Open
from streamgauge.schemas.words import EndedBy, How, Outcome

CALL = bytes(range(16))
LINK = b"link-one"
AT_US = 1_794_000_000_000_000
COMPLETED = Verdict(
    outcome=Outcome.COMPLETED,
    ended_by=EndedBy.PROVIDER,
    evidence="[DONE]",
    evidence_offset=99,
    content_complete=True,
    stream_complete=True,
)
CANCELLED = Verdict(outcome=Outcome.CANCELLED, ended_by=EndedBy.CLIENT, evidence="closed_early", content_complete=False)
REJECTED = Verdict(outcome=Outcome.REJECTED, ended_by=EndedBy.PROVIDER, evidence="status 429")


def chat_api() -> Api:
    """OpenAI's chat completions."""
    api = by_name("openai.chat")
    assert api is not None
    return api


def opening(**changes: Any) -> Open:
    """A chat request to OpenAI."""
    given: dict[str, Any] = {
        "tenant": "t1",
        "wall_us": AT_US,
        "method": "POST",
        "host": "api.openai.com",
        "path": "/v1/chat/completions",
        "request": msgspec.json.encode({"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]}),
    }
    return Open(CALL, 0, LINK, 0, **(given | changes))


def head(status: int = 200, *, time_us: int = 200_000, **headers: str) -> Head:
    """Response headers; `_` stands for `-` in their names."""
    return Head(CALL, 0, LINK, 1, time_us, status, headers={k.replace("_", "-"): v for k, v in headers.items()})


def close(how: How = How.EOF, **changes: Any) -> Close:
    """The end of a connection."""
    return Close(CALL, 0, LINK, 3, how=how, **changes)


def link(**changes: Any) -> FinishedLink:
    """A connection that brought two chunks."""
    given: dict[str, Any] = {
        "opening": opening(),
        "head": head(),
        "close": close(),
        "how": How.EOF,
        "opened_us": 0,
        "ended_us": 900_000,
        "chunks": 2,
    }
    return FinishedLink(**(given | changes))


def note(wall_us: int = AT_US, **changes: Any) -> Note:
    """Something the application adds."""
    return Note(CALL, 0, b"notelink", 0, wall_us, **({"context": Context()} | changes))


def answer(text: str = "hi there", *, usage: dict[str, Any] | None = None, finish: str | None = "stop") -> Answer:
    """A chat answer of one choice."""
    made = Answer()
    made.events = 3
    made.response_id = "chatcmpl-1"
    made.model = "gpt-4o-2024-08-06"
    choice = made.choice()
    choice.role = "assistant"
    choice.finish_reason = finish
    if text:
        choice.text().pieces.append(text)
    if usage is not None:
        made.add_usage(usage)
    return made


def stream(**changes: Any) -> FinishedStream:
    """A chat stream that completed, with usage; or whatever is changed."""
    first = changes.pop("opening", None) or opening()
    given: dict[str, Any] = {
        "id": StreamId("t1", CALL, 0),
        "opening": first,
        "links": [link(opening=first)],
        "notes": [],
        "api": chat_api(),
        "provider": "openai",
        "streamed": True,
        "answers": [answer(usage={"prompt_tokens": 8, "completion_tokens": 3, "total_tokens": 11})],
        "verdict": COMPLETED,
        "marks": Marks(headers_us=200_000, first_output_us=300_000, last_output_us=700_000, ended_us=900_000),
        "gaps": Gaps(),
        "chunks": 2,
        "first_append_us": AT_US + 5,
        "first_offset": 10,
        "last_offset": 13,
        "closing_offset": 13,
        "closed_at_us": AT_US + 900_005,
    }
    return FinishedStream(**(given | changes))

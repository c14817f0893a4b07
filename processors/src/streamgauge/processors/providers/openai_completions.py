"""OpenAI's legacy completions, and who still speaks them: text that goes on where the prompt ends.

    data: {"id", "object": "text_completion", "model", "choices": [{"text", "index", "finish_reason"}], "usage"}
    data: {"value"}                                                                          Writer, and nothing else
    data: [DONE]

* Every prompt and every alternative (`n`) is a choice of its own, found by `index`; their chunks interleave.
* A plain body has the shape of a chunk.
* Writer's stream of values has neither finish nor marker: a proper end of the body is all the evidence there is.
* A chunk with another id is another generation, unless ids changed from the first chunk on.
"""

from __future__ import annotations

from typing import Any, Final

from streamgauge.processors.providers.answer import Answer, Output, Usage
from streamgauge.processors.providers.api import MARKER, Ordinary, is_marker
from streamgauge.processors.providers.chat_family import ends_with_marker
from streamgauge.processors.providers.chat_usage import chat_usage
from streamgauge.processors.providers.costs import note_cost
from streamgauge.processors.providers.growing import grow
from streamgauge.processors.providers.json_values import Document, documents, text
from streamgauge.processors.providers.refrain import Growth
from streamgauge.schemas.framing.events import Event
from streamgauge.schemas.words import Operation

__all__ = ["OPENAI_COMPLETIONS", "OpenAiCompletions"]

_OBJECT: Final = "text_completion"
_RUNNING: Final = frozenset({"output", "total"})  # canonical fields that still grow while a choice does


class OpenAiCompletions(Ordinary):
    """The wire API `openai.completions`."""

    name = "openai.completions"
    operation = Operation.COMPLETION
    events_are_bodies = True

    def recognises(self, document: Document) -> bool:
        return document.get("object") == _OBJECT

    def provider_in(self, document: Document) -> str | None:
        return "writer" if _is_value(document) else None

    def is_body(self, document: Document) -> bool:
        return bool(_choices(document))

    def read(self, answer: Answer, event: Event, document: Document | None) -> Output:
        if document is None:
            if is_marker(event):
                answer.end("completed", MARKER.decode(), offset=event.end)
            else:
                answer.unknown_events += 1
            return Output.NOTHING
        if _is_value(document):
            answer.scratch["values"] = True
            return grow(answer.choice().text(), document["value"], Output.TEXT)
        answer.unknown_events += not ("choices" in document or "usage" in document or "error" in document)
        return _read_chunk(answer, document)

    def read_body(self, answer: Answer, document: Document, *, end: int) -> Output:  # noqa: ARG002 - nothing ends early
        output = _read_chunk(answer, document)
        answer.preliminary = frozenset()
        return output

    def starts_anew(self, answer: Answer, document: Document) -> bool:
        if not answer.choices or document.get("error"):
            return False
        if answer.ending is not None:
            return answer.ending.kind == "completed" and any(one.get("text") for one in _choices(document))
        chunk_id = text(document.get("id"))
        if chunk_id is None or answer.response_id in (None, chunk_id) or answer.scratch.get("ids_vary"):
            return False
        if answer.events == 1 and not answer.finished() and document.get("model") == answer.model:
            answer.scratch["ids_vary"] = True  # from the second chunk on: this provider gives every chunk its own
            return False
        return True

    def growth(self, answer: Answer, document: Document) -> Growth | None:
        choices = _choices(document)
        if len(choices) != 1 or document.get("usage") or answer.ending is not None or answer.model is None:
            return None
        choice, so_far = choices[0], answer.choices.get(_index(choices[0]))
        known = so_far is not None and choice.get("finish_reason") is None and document.get("id") == answer.response_id
        if not known or so_far is None or type(choice.get("text")) is not str or "error" in document:
            return None
        return Growth(choice, "text", so_far.text().pieces)

    def ends_at_eof(self, answer: Answer, *, provider: str | None, documents_only: bool) -> bool:
        if answer.scratch.get("values"):
            return True
        return (documents_only or not ends_with_marker(provider)) and answer.finished()

    def usage(self, raw: Document) -> Usage:
        return chat_usage(raw)


OPENAI_COMPLETIONS: Final = OpenAiCompletions()


def _is_value(document: Document) -> bool:
    return type(document.get("value")) is str and "choices" not in document


def _choices(document: Document) -> list[Document]:
    return documents(document.get("choices"))


def _index(choice: Document) -> int:
    index = choice.get("index")
    return index if type(index) is int else 0


def _read_chunk(answer: Answer, document: Document) -> Output:
    answer.response_id = answer.response_id or text(document.get("id"))
    answer.model = answer.model or text(document.get("model"))
    answer.service_tier = answer.service_tier or text(document.get("service_tier"))
    choices = _choices(document)
    output = _read_choices(answer, choices)
    _read_usage(answer, document.get("usage"), running=bool(choices) and not answer.finished())
    return output


def _read_choices(answer: Answer, choices: list[Document]) -> Output:
    output = Output.NOTHING
    for choice in choices:
        so_far = answer.choice(_index(choice))
        output |= grow(so_far.text(), choice.get("text"), Output.TEXT)
        reason = text(choice.get("finish_reason"))
        if reason is not None:
            if so_far.finish_reason not in (None, reason):
                answer.warn("finish_reason_changed")
            so_far.finish_reason = reason
    return output


def _read_usage(answer: Answer, usage: Any, *, running: bool) -> None:
    if type(usage) is dict:
        answer.add_usage(usage, preliminary=_RUNNING if running else frozenset())
        note_cost(answer, usage)

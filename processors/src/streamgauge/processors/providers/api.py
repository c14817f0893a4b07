"""What a wire API must tell us, so that everything else can treat all of them alike.

Each API is one module with one object that satisfies `Api`, named by one line in `registry`. An API keeps no state of
its own: what it must remember between events stands in the `Answer`. `Ordinary` answers what most APIs answer alike, so
that a module says only what is its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from streamgauge.processors.providers.answer import Answer, Output, Usage
from streamgauge.processors.providers.json_values import Document
from streamgauge.processors.providers.refrain import Growth
from streamgauge.schemas.framing.events import Event
from streamgauge.schemas.words import Operation

__all__ = ["MARKER", "Api", "Document", "Ordinary", "is_marker"]

MARKER: Final = b"[DONE]"  # the one payload that is no JSON; the SDKs test for it as a prefix too


def is_marker(event: Event) -> bool:
    """Whether the event is the end marker that is no JSON."""
    return event.data.strip().startswith(MARKER)


class Api(Protocol):
    """One provider's wire API: events in, answer out. No method raises, whatever the document holds."""

    @property
    def name(self) -> str:
        """The API's name in records: `openai.chat`, `anthropic.messages`, ..."""
        ...

    @property
    def operation(self) -> Operation: ...

    @property
    def text_events(self) -> frozenset[str]:
        """Names of the events whose payload is generated text, whatever it looks like: text is never parsed."""
        ...

    @property
    def gives_reasons(self) -> bool:
        """Whether a choice that has ended says why: without it, a missing finish reason is nothing odd."""
        ...

    @property
    def is_session(self) -> bool:
        """Whether a stream is a session of many responses, each an answer of its own that ends by itself. An error is
        then news of the session, which goes on, and the session ends with its connection."""
        ...

    @property
    def events_are_bodies(self) -> bool:
        """Whether every event of a stream has the shape of a plain body, so that only the framing tells them apart."""
        ...

    def recognises(self, document: Document) -> bool:
        """Whether this event, or this whole body, can only be of this API."""
        ...

    def provider_in(self, document: Document) -> str | None:
        """The provider this event can only be of, where its shape betrays one."""
        ...

    def is_body(self, document: Document) -> bool:
        """Whether this is a whole plain response, not an event of a stream."""
        ...

    def read(self, answer: Answer, event: Event, document: Document | None) -> Output:
        """Fold one streamed event into the answer; say what output it brought. `document` is null for no JSON object
        (`[DONE]`)."""
        ...

    def read_body(self, answer: Answer, document: Document, *, end: int) -> Output:
        """Fold a plain JSON response body into the answer."""
        ...

    def starts_anew(self, answer: Answer, document: Document) -> bool:
        """Whether this event begins another generation: two streams were spliced into one body."""
        ...

    def answer_of(self, answers: Sequence[Answer], document: Document) -> Answer | None:
        """The answer of a session this event belongs to, where several can grow side by side; null: it names none, or
        one that has not begun."""
        ...

    def event_key(self, document: Document) -> int | None:
        """The event's own number, where the API numbers its events (Responses: `sequence_number`)."""
        ...

    def growth(self, answer: Answer, document: Document) -> Growth | None:
        """If all that this event did, which was just read, was to append a string to a part: which. Another event that
        is the same but for that string must do the same, see `refrain`. Null is always right, and only slower."""
        ...

    def ends_at_eof(self, answer: Answer, *, provider: str | None, documents_only: bool) -> bool:
        """Whether a proper end of the body now is terminal evidence: this provider sends no end marker here and every
        choice has finished."""
        ...

    def content_complete(self, answer: Answer) -> bool:
        """Whether the generated content is whole, whatever became of the rest of the stream."""
        ...

    def usage(self, raw: Document) -> Usage:
        """The canonical reading of a usage report."""
        ...


class Ordinary:
    """The answers of an API that has nothing special to say: one generation a body, which a plain body never is; no
    numbers, no text without JSON, and an end that shows in the bytes."""

    text_events: frozenset[str] = frozenset()
    gives_reasons: bool = True
    is_session: bool = False
    events_are_bodies: bool = False

    def provider_in(self, document: Document) -> str | None:  # noqa: ARG002 - no shape of events gives one away
        return None

    def is_body(self, document: Document) -> bool:  # noqa: ARG002 - a plain body reads like the last event
        return False

    def read_body(self, answer: Answer, document: Document, *, end: int) -> Output:  # noqa: ARG002 - there is none
        return Output.NOTHING

    def starts_anew(self, answer: Answer, document: Document) -> bool:  # noqa: ARG002 - nothing shows it
        return False

    def answer_of(self, answers: Sequence[Answer], document: Document) -> Answer | None:  # noqa: ARG002 - one at a time
        return None

    def event_key(self, document: Document) -> int | None:  # noqa: ARG002 - events are not numbered
        return None

    def growth(self, answer: Answer, document: Document) -> Growth | None:  # noqa: ARG002 - always right
        return None

    def ends_at_eof(self, answer: Answer, *, provider: str | None, documents_only: bool) -> bool:  # noqa: ARG002
        return documents_only and answer.finished()

    def content_complete(self, answer: Answer) -> bool:
        """Every choice has finished; or the end came, and no choice of this stream says why it ended."""
        ended = answer.ending is not None and answer.ending.kind == "completed"
        return answer.finished() or (ended and not answer.finish_reasons())

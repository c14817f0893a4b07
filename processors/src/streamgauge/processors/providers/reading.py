"""Reading a body: pieces in, answers out.

A `Reading` takes the pieces a framer found, of one connection or of several that carry the same answer on, and folds
them into answers, one a generation:

* an event's JSON is parsed once, and read by the stream's API; without a known API the first event that can only be of
  one decides;
* where events are numbered, an equal copy is dropped (`duplicates`), an unequal one is a conflict: the first stays;
  where a number is missing, so is an event (`holes`), and the answer is torn there;
* an event that begins another generation opens another answer, so two texts never become one;
* an error is an error in whatever shape and place: in an event, beside choices, outside the grammar, as a whole body;
* an event that was whole but for its last line end is read, and so is one that was glued to the torn half of another
  (a proxy that retries in the middle of an event); the answer is warned of;
* a plain JSON body is one event that holds everything;
* of a session every response is an answer, ended by its own word, and the session ends with its connection;
* an event whose payload is text, as its API says by the event's name, is text, whatever it looks like.

Whatever the bytes are, nothing raises. What is worth saying about oddities stands in the answers' `warnings`.
"""

from __future__ import annotations

import re
import zlib
from array import array
from typing import Any, Final

import msgspec

from streamgauge.processors.providers.answer import Answer, Ending, Output
from streamgauge.processors.providers.api import MARKER, Api
from streamgauge.processors.providers.errors import error_in, error_named, error_of, error_outside, error_page
from streamgauge.processors.providers.json_values import Document, decode
from streamgauge.processors.providers.refrain import Refrain, learn
from streamgauge.processors.providers.registry import recognise
from streamgauge.schemas.framing.events import Event, Piece
from streamgauge.schemas.framing.kinds import Framing
from streamgauge.schemas.framing.sse import SseFramer

__all__ = ["Reading"]

_STATUS_REFUSED: Final = 400
_SIGNED_EVENTS: Final = 4  # a provider shows itself in the first events or not at all
_KEPT_BYTES_MAX: Final = 256 * 1024  # of a body without events, kept until its end shows what it was
_LESSON_EVERY: Final = 16  # events
_GLUE: Final = re.compile(rb"\n|data:|event:")  # what stands between two events that were glued together
_HALVES_MAX: Final = 64  # places at which a document is looked for behind the half of another
_NOTHING: Final = Output.NOTHING


class Reading:
    """Folds the pieces of a body into answers.

    `status` is the response's. `framing` tells what the grammar of events cannot: objects carry JSON documents and
    nothing else, so an end marker that is none (`[DONE]`) cannot come; an array has one of its own, its last bracket;
    and what looks like an event may be a plain body.
    """

    __slots__ = (
        "_broke_off",
        "_finished",
        "_framing",
        "_glued",
        "_lesson_at",
        "_numbers",
        "_outside",
        "_refused",
        "_session_end",
        "_text_events",
        "answers",
        "api",
        "comments",
        "conflicts",
        "current",
        "damaged",
        "duplicates",
        "end",
        "events",
        "holes",
        "provider",
        "refrain",
    )

    def __init__(
        self,
        api: Api | None,
        provider: str | None = None,
        *,
        status: int | None = None,
        framing: Framing = Framing.SSE,
    ) -> None:
        self.api = api
        self.provider = provider
        self.answers = [Answer()]
        self.events = 0  # whole events, dropped copies included
        self.comments = 0
        self.duplicates = 0
        self.conflicts = 0
        self.damaged = False  # other bytes came than were sent
        self.holes = 0  # places where numbered events are missing
        self.end = 0  # offset behind the last piece
        self.refrain: Refrain | None = None  # the event that is the same but for its text as the last one
        self._framing = framing
        self._broke_off = False  # the body ended inside an event
        self._glued = False  # another array has begun in this one
        self._refused = status is not None and status >= _STATUS_REFUSED
        self._session_end: Ending | None = None
        self.current: Answer | None = None  # of a session: the response the last event was of
        self._text_events = api.text_events if api is not None else frozenset[str]()
        self._numbers = _Numbers()
        self._outside = b""  # what stands outside the grammar of a body without events
        self._finished = False
        self._lesson_at = 0  # no refrain is looked for before that many events

    @property
    def answer(self) -> Answer:
        """The generation that is being read: the last one."""
        return self.answers[-1]

    @property
    def is_session(self) -> bool:
        """Whether the answers are the responses of a session, each with an ending of its own."""
        return self.api is not None and self.api.is_session

    @property
    def ending(self) -> Ending | None:
        """What decided how the last generation ended, or the session, once something has."""
        return self._session_end if self.is_session else self.answers[-1].ending

    @property
    def unknown_events(self) -> int:
        """Events nobody knows the meaning of, over all generations."""
        return sum(answer.unknown_events for answer in self.answers)

    @property
    def last_number(self) -> int | None:
        """The highest event number of the last generation; null where events are not numbered."""
        return self._numbers.last

    def read(self, event: Event) -> Output:
        """Take one piece; say what kinds of generated output it brought."""
        refrain = self.refrain
        if refrain is not None:
            if not event.piece and event.name == refrain.name and (text := refrain.event.text_in(event.data)):
                refrain.pieces.append(text)
                return self.count_known(refrain, 1, end=event.end)
            self.refrain = None
        self.end = event.end
        if event.piece:
            return self._read_other(event)
        self.events += 1
        if event.name in self._text_events and self.api is not None:
            return self._read_text(self.api, event)
        document = None if event.data.startswith(MARKER) else decode(event.data)
        if type(document) is dict:
            return self._read_document(event, document)
        return self._read_value(event, document)

    def count_known(self, refrain: Refrain, count: int, *, end: int) -> Output:
        """So many more events were the present refrain, and their texts are where they belong."""
        self.end = end
        self.events += count
        refrain.answer.events += count
        return refrain.output

    def tear(self) -> None:
        """Bytes are missing here: what is open in the present generation may miss them."""
        self.answers[-1].tear()

    def _tear_event(self) -> None:
        """The half of an event stands here, and what it said is missing."""
        self.answers[-1].warn("torn_event")
        self.tear()

    def ends_well(self) -> bool:
        """Whether a proper end of the body now is terminal evidence. It is none inside an event: there the sender's own
        source broke off."""
        if self.api is None or self._broke_off or self._framing is Framing.JSON_ARRAY:
            return False
        api, provider, documents_only = self.api, self.provider, self._framing is Framing.OBJECTS
        return all(
            api.ends_at_eof(answer, provider=provider, documents_only=documents_only) for answer in self._in_question()
        )

    def content_complete(self) -> bool | None:
        """Whether the generated content is whole; null where no API says what that means."""
        api = self.api
        return None if api is None else all(api.content_complete(answer) for answer in self._in_question())

    def _in_question(self) -> list[Answer]:
        """The answers an end of the body would end: the last generation; of a session the responses that have begun."""
        return [answer for answer in self.answers if answer.choices] if self.is_session else self.answers[-1:]

    def finish(self, *, proper_eof: bool) -> None:
        """The body is over; `proper_eof` if it ended as bodies should. Draws the conclusions only an end allows."""
        if self._finished:
            return
        self._finished = True
        if self._outside and not self.events:
            self._read_bare_body()
        if proper_eof and self.ending is None and self.ends_well():
            if self.is_session:
                self._session_end = Ending("completed", "eof", self.end)
            else:
                self.answers[-1].end("completed", "eof", offset=self.end)
        for answer in self.answers if self.is_session else self.answers[-1:]:
            self._conclude(answer)

    # ------------------------------------------------------------------ events

    def _read_document(self, event: Event, document: Document) -> Output:
        answer = self.answers[-1]
        api = self.api
        if api is None:
            api = self.api = recognise(document)
        if api is None or self._refused:
            return self._read_foreign(answer, event, document)
        if api.is_session:
            return self._read_in_session(api, event, document)
        glued = self._glued and not document.get("error")
        if answer.events and (glued or api.starts_anew(answer, document)):
            self._glued = False
            answer = self._begin_anew()
            self.provider = api.provider_in(document) or self.provider
        number = api.event_key(document)
        if number is None:
            self._numbers.unnumbered += 1
        elif not self._take(number, event.data):
            return _NOTHING
        answer.events += 1
        if self.provider is None and answer.events <= _SIGNED_EVENTS:
            self.provider = api.provider_in(document)
        erring = "error" in document or event.name == "error" or document.get("type") == "error"
        if erring or document.get("object") == "error":
            _note_error(answer, event, document)
        if answer.events > 1 or not self._is_body(api, document):  # a plain body comes alone
            output = api.read(answer, event, document)
            if output and self.events >= self._lesson_at and number is None and answer.events > 1 and not erring:
                self._learn(api, answer, event, document, output)
            return output
        output = api.read_body(answer, document, end=event.end)
        answer.end("completed", "json body", offset=event.end)
        return output

    def _read_in_session(self, api: Api, event: Event, document: Document) -> Output:
        """An event of one of a session's responses, or of the session, which goes to the last one."""
        before = self.answers[-1]
        answer = api.answer_of(self.answers, document)
        if answer is None:
            answer = self._begin_anew() if before.events and api.starts_anew(before, document) else before
            answer.model = answer.model or before.model
        answer.events += 1
        self.current = answer
        return api.read(answer, event, document)

    def _is_body(self, api: Api, document: Document) -> bool:
        """Whether this is a whole plain body. Where events look like one (Gemini), the framing tells."""
        return (self._framing is Framing.JSON or not api.events_are_bodies) and api.is_body(document)

    def _learn(self, api: Api, answer: Answer, event: Event, document: Document, output: Output) -> None:
        """Look whether events like this one can be read at sight from now on. That costs as much as reading three of
        them, so it is done now and then only."""
        self._lesson_at = self.events + _LESSON_EVERY
        growth = api.growth(answer, document)
        if growth is not None:
            self.refrain = learn(event, document, growth, answer=answer, output=output)

    def _read_text(self, api: Api, event: Event) -> Output:
        """An event of generated text. Whether it begins another generation, its name tells."""
        answer = self.answers[-1]
        if answer.events and api.starts_anew(answer, {"event": event.name}):
            answer = self._begin_anew()
        answer.events += 1
        return api.read(answer, event, None)

    def _read_foreign(self, answer: Answer, event: Event, document: Document) -> Output:
        """An event of no known API, or the body of a refusal."""
        answer.events += 1
        if self._refused:
            answer.fail(error_of(document), "error body", offset=event.end)
        elif not _note_error(answer, event, document):
            answer.unknown_events += 1
        return _NOTHING

    def _read_value(self, event: Event, value: Any) -> Output:
        """An event that is no JSON object: the marker, a list, text, or a whole body that is no JSON."""
        data = event.data
        if value is None and b"data:" in data and event.end == len(data):
            self._framing = Framing.SSE  # a whole body under a content type that lied
            return self._read_block(data, end=event.end)
        if value is None and _has_torn(data or event.name.encode()):
            return self._read_torn(data or event.name.encode(), end=event.end)
        if value is None and (behind := self._behind_half(data)):
            self._tear_event()
            return self.read(event._replace(data=behind))
        answer = self.answers[-1]
        answer.events += 1
        found = error_outside(data) if data[:1] in (b"{", b"[", b"<") and not data.startswith(MARKER) else None
        if self._refused:
            answer.fail(error_page(data) if value is None else error_of(value), "error body", offset=event.end)
        elif found is not None:
            answer.fail(*found, offset=event.end)
        elif event.name == "error":
            answer.fail(error_page(data), "error event", offset=event.end)
        elif self.api is not None:
            if value is None and data.startswith(b"{"):  # the half of an event
                self.tear()
                self._broke_off = self._framing is Framing.JSON_ARRAY  # whose bracket is the last?
            elif self._broke_off:
                return _NOTHING
            return self.api.read(answer, event, None)
        else:
            answer.unknown_events += 1
        return _NOTHING

    # ------------------------------------------------------------------ what is no event

    def _read_other(self, event: Event) -> Output:
        match event.piece:
            case Piece.COMMENT:
                self.comments += 1
                return _NOTHING
            case Piece.OUTSIDE:
                return self._read_outside(event.data, end=event.end)
            case Piece.DAMAGED:
                return self._read_damaged(event)
            case Piece.FAULT:
                return self._read_fault(event)
            case _:
                return self._read_tail(event)

    def _read_fault(self, event: Event) -> Output:
        """An event the framing calls an error."""
        self.events += 1
        answer = self.answers[-1]
        answer.events += 1
        answer.fail(error_named(event.name, event.data), "exception", offset=event.end)
        return _NOTHING

    def _read_damaged(self, event: Event) -> Output:
        """Bytes of a binary framing that are no event: plain text after all, which holds no NUL, or damage."""
        if b"\x00" not in event.data:
            return self._read_outside(event.data, end=event.end)
        self.damaged = True
        self.tear()
        self.answers[-1].warn("damaged")
        return _NOTHING

    def _read_outside(self, data: bytes, *, end: int) -> Output:
        """Bytes the grammar has no place for: an error, an event behind a torn one, or something to warn of."""
        answer = self.answers[-1]
        found = None if self._refused else error_outside(data)
        if found is not None:
            error, evidence = found
            answer.fail(msgspec.structs.replace(error, out_of_grammar=True), evidence, offset=end)
        elif _has_torn(data):
            return self._read_torn(data, end=end)
        elif not self.events and len(self._outside) < _KEPT_BYTES_MAX:
            self._outside += data[:_KEPT_BYTES_MAX] + b"\n"
        else:
            answer.warn("outside_grammar")
            self._glued = self._framing is Framing.JSON_ARRAY and data == b"["
            if b'{"' in data:  # what is left of an event
                self.tear()
        return _NOTHING

    def _read_tail(self, event: Event) -> Output:
        """What was open when the body ended: an event that is whole but for its line end counts."""
        self.answers[-1].warn("tail_unterminated")
        events = self.events
        output = self._read_open(event)
        self._broke_off = self.events == events and not event.data.startswith(b":")
        return output

    def _read_open(self, event: Event) -> Output:
        data = event.data
        if data.startswith(b"\x00"):  # half of a binary message says nothing
            return _NOTHING
        if data.lstrip()[:1] not in (b"{", b"["):
            return self._read_block(data + b"\n\n", end=event.end)
        if error_outside(data) is None and _is_whole(data):  # a line of NDJSON, or a plain body
            return self.read(Event(Piece.EVENT, "", data, event.end))
        return self._read_outside(data, end=event.end)

    def _read_block(self, data: bytes, *, end: int) -> Output:
        """Read bytes as SSE; of events only those that are whole."""
        framer = SseFramer()
        output = _NOTHING
        for piece in [*framer.feed(data), *framer.finish()]:
            if piece.piece is Piece.OUTSIDE:
                self._read_outside(piece.data, end=end)
            elif piece.piece is Piece.EVENT and _is_whole(piece.data):
                output |= self.read(piece._replace(end=end))
        return output

    def _read_torn(self, data: bytes, *, end: int) -> Output:
        """Read the whole events among bytes in which the end of one, or of a stream, is missing."""
        self._tear_event()
        output = _NOTHING
        for part in _GLUE.split(data):
            if _is_whole(part):
                output |= self.read(Event(Piece.EVENT, "", part.strip(), end))
        return output

    def _behind_half(self, data: bytes) -> bytes:
        """The document behind the torn half of another, where a line holds both (NDJSON); nothing if there is none."""
        at = data.find(b'{"', 1) if data.startswith(b"{") else -1
        for _ in range(_HALVES_MAX):
            if at < 0:
                break
            document = decode(data[at:])
            if type(document) is dict and ("error" in document or recognise(document) is not None):
                return data[at:]
            at = data.find(b'{"', at + 1)
        return b""

    def _read_bare_body(self) -> None:
        """A body without one event: one plain document after all, or the text of a refusal."""
        document = decode(self._outside)
        if type(document) is dict:
            self.events += 1
            self._read_document(Event(Piece.EVENT, "", self._outside, self.end), document)
        elif self._refused:
            self.answers[-1].fail(error_page(self._outside), "error body", offset=self.end)
        else:
            self.answers[-1].warn("outside_grammar")

    # ------------------------------------------------------------------ generations and copies

    def _begin_anew(self) -> Answer:
        self._conclude(self.answers[-1])
        self._numbers = _Numbers()
        answer = Answer()
        self.answers.append(answer)
        return answer

    def _take(self, number: int, data: bytes) -> bool:
        """Whether no event of this number was read before."""
        numbers = self._numbers
        missing = numbers.last is not None and number > numbers.last + 1 + numbers.unnumbered
        before, now = numbers.note(number, data)
        if missing:
            self.holes += 1
            self.tear()
        if before is None:
            return True
        if before == now:
            self.duplicates += 1
        else:
            self.conflicts += 1
        return False

    def _conclude(self, answer: Answer) -> None:
        """Nothing more will come for this answer: say so where that leaves things open."""
        api = self.api
        if api is None:
            return
        if not api.content_complete(answer):
            for choice in answer.choices.values():
                choice.abandon_tools()
        ended = answer.ending is not None and answer.ending.kind == "completed"
        if ended and api.gives_reasons and answer.choices and not answer.finished():
            answer.warn("no_finish_reason")


class _Numbers:
    """The event numbers of one generation with a checksum of each event, four bytes a number where they are dense."""

    __slots__ = ("_dense", "_first", "_sparse", "last", "unnumbered")

    def __init__(self) -> None:
        self._first: int | None = None
        self._dense = array("I")
        self._sparse: dict[int, int] = {}
        self.last: int | None = None  # the highest number so far
        self.unnumbered = 0  # events without a number since then: they may have taken one each, or none

    def note(self, number: int, data: bytes) -> tuple[int | None, int]:
        """The checksum noted under this number before, if any, and this one, which is noted if there was none."""
        now = zlib.crc32(data)
        if self._first is None:
            self._first = number
        if self.last is None or number > self.last:
            self.last = number
            self.unnumbered = 0
        at = number - self._first
        if at == len(self._dense):
            if number in self._sparse:
                return self._sparse[number], now
            self._dense.append(now)
            return None, now
        if 0 <= at < len(self._dense):
            return self._dense[at], now
        before = self._sparse.get(number)
        if before is None:
            self._sparse[number] = now
        return before, now


def _note_error(answer: Answer, event: Event, document: Document) -> bool:
    """If the event is or carries an error, the answer has failed."""
    found = error_in(document)
    if found is None and event.name == "error":
        found = error_of(document)
    if found is None:
        return False
    answer.fail(found, "error event", offset=event.end)
    return True


def _has_torn(data: bytes) -> bool:
    """Whether whole events stand among bytes that are none as a whole."""
    parts = _GLUE.split(data)
    return len(parts) > 1 and any(_is_whole(part) for part in parts)


def _is_whole(data: bytes) -> bool:
    """Whether this is the payload of a whole event, not the half of one: an object, or the marker."""
    data = data.strip()
    return data.startswith(MARKER) or (data.startswith(b"{") and type(decode(data)) is dict)

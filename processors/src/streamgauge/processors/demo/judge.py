"""Compares every record with what really happened. The provider knows what it said and how it ended; the act knows what
the client did.

Where the provider ended the stream, the record must hold exactly what it said. Where the client did, some of it was on
its way: then the record must be a beginning of it, and hold everything the client had read. Of a process that was
killed, what it had not published is lost with it: no more than `LOST_S`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from streamgauge.processors.demo.act import Act, Conduct
from streamgauge.processors.demo.playing import TAG
from streamgauge.processors.demo.truth import Ended, Said, Truth
from streamgauge.processors.demo.watch import Watches
from streamgauge.processors.following import Emitted, Unreadable
from streamgauge.schemas.records import Choice, Contents, Reasoning, Record, Text, ToolCall
from streamgauge.schemas.words import Outcome

__all__ = ["Disagreement", "Judge", "key_of"]

LOST_S: Final = 2.0

Key = tuple[str, int]  # name of the act, number of the attempt

_OUTCOMES: Final = {
    Ended.OPEN: Outcome.TIMED_OUT,  # it stood silent until the worker gave up
    Ended.REFUSED: Outcome.REJECTED,
    Ended.PROPER: Outcome.COMPLETED,
    Ended.ERROR: Outcome.FAILED,
    Ended.CUT: Outcome.TRUNCATED,
    Ended.DROPPED: Outcome.TRUNCATED,
}


class Disagreement(NamedTuple):
    """Where record and truth differ. `seen` and `true` are told about texts by length only."""

    stream: str
    what: str
    seen: object
    true: object

    def __str__(self) -> str:
        return f"{self.stream}: {self.what} is {self.seen!r}, in truth {self.true!r}"


class Judge:
    """Knows the acts and the truth."""

    def __init__(
        self, acts: Iterable[Act], truths: Sequence[Truth], watches: Watches, *, killed_at: float | None
    ) -> None:
        self._acts = {act.name: act for act in acts}
        self._truths: Mapping[Key, Truth] = {(truth.name, truth.attempt): truth for truth in truths}
        self._watches = watches
        self._killed_at = killed_at

    def judge(self, emissions: Iterable[Emitted], unreadable: Iterable[Unreadable] = ()) -> list[Disagreement]:
        """Everything in which these records and the truth differ; `unreadable` is what should have been records."""
        found: list[Disagreement] = []
        seen: dict[Key, Emitted] = {}
        for emitted in emissions:
            key = key_of(emitted.record)
            if key not in self._truths:
                found.append(Disagreement(emitted.record.id, "the stream", "recorded", "never played"))
            elif key in seen and seen[key].raw != emitted.raw:
                found.append(Disagreement(_named(key), "a second record", "different", "the same, or none"))
            else:
                seen[key] = emitted
        for key, truth in self._truths.items():
            found += self._one(truth, seen[key]) if key in seen else [_missing(key)]
        found += [Disagreement(str(one), "the message", "unreadable", "a record") for one in unreadable]
        return found + _torn(seen)

    def _one(self, truth: Truth, emitted: Emitted) -> list[Disagreement]:
        record, contents = emitted.record, emitted.contents
        name = _named((truth.name, truth.attempt))
        if contents is None:
            return [Disagreement(name, "contents", None, "emitted with the record")]
        expected = [
            ("outcome", record.outcome, self._outcome(truth)),
            ("api", record.api, truth.api),
            ("model", record.model or record.model_requested, truth.model),
            ("streamed", record.streamed, truth.streamed),
            ("links", len(record.links), truth.connections),
            ("replayed events", sum(link.replayed_events for link in record.links), truth.replayed),
            *self._usage(truth, record),
        ]
        if truth.ended is not Ended.REFUSED:
            expected += self._said(truth, contents)
        return [Disagreement(name, what, seen, true) for what, seen, true in expected if seen != true]

    def _outcome(self, truth: Truth) -> Outcome | None:
        if truth.ended is Ended.LEFT:
            return self._acts[truth.name].leaves  # None: nobody was to leave, and no record agrees with that
        return _OUTCOMES[truth.ended]

    def _usage(self, truth: Truth, record: Record) -> list[tuple[str, object, object]]:
        if truth.usage is None:
            return []
        return [
            ("input tokens", record.usage_input, truth.usage.input),
            ("output tokens", record.usage_output, truth.usage.output),
            ("usage source", record.usage_source, "provider"),
        ]

    def _said(self, truth: Truth, contents: Contents) -> list[tuple[str, object, object]]:
        expected: list[tuple[str, object, object]] = []
        choices = {choice.index: choice for choice in contents.choices}
        for index in range(truth.choices):
            choice = choices.get(index, Choice(index=index))
            said, heard = truth.text(choice=index), self._heard(truth, index)
            expected.append(_text("text", _texts(choice, Text), said, heard, exact=self._exact(truth)))
            thoughts = truth.text(Said.REASONING, choice=index)
            expected.append(_text("reasoning", _texts(choice, Reasoning), thoughts, "", exact=self._exact(truth)))
            if self._exact(truth):
                expected.append(("tool calls", _tools(choice), _parsed(truth.tools(choice=index))))
        return expected

    def _exact(self, truth: Truth) -> bool:
        return truth.ended not in {Ended.LEFT, Ended.OPEN}

    def _heard(self, truth: Truth, choice: int) -> str:
        """What a record must hold at least."""
        if self._acts[truth.name].conduct is Conduct.DIE:
            return truth.text(choice=choice, until=(self._killed_at or 0) - LOST_S)
        return self._watches[truth.name].heard if choice == 0 else ""


def key_of(record: Record) -> Key:
    """By what a record and its truth find each other."""
    return record.tags.get(TAG, ""), record.attempt


def _named(key: Key) -> str:
    return key[0] if key[1] == 0 else f"{key[0]} (attempt {key[1]})"


def _torn(seen: Mapping[Key, Emitted]) -> list[Disagreement]:
    """Attempts that are not of the same call as the first."""
    found: list[Disagreement] = []
    for key, emitted in seen.items():
        first = seen.get((key[0], 0), emitted).record
        if emitted.record.call_id != first.call_id:
            found.append(Disagreement(_named(key), "the call", emitted.record.call_id, first.call_id))
    return found


def _missing(key: Key) -> Disagreement:
    return Disagreement(_named(key), "the record", None, "played, and to be recorded")


def _text(what: str, seen: str, said: str, heard: str, *, exact: bool) -> tuple[str, object, object]:
    """Equal, or a beginning that goes at least as far as what was heard; texts are told by their lengths."""
    fits = seen == said if exact else said.startswith(seen) and seen.startswith(heard)
    length = f"{len(seen)} characters"
    return (what, length, length if fits else f"{len(heard)} to {len(said)} characters, or other ones")


def _texts(choice: Choice, kind: type[Text | Reasoning]) -> str:
    return "".join(part.text for part in choice.parts if isinstance(part, kind) and isinstance(part.text, str))


def _tools(choice: Choice) -> list[tuple[str | None, object]]:
    calls = [part for part in choice.parts if isinstance(part, ToolCall)]
    return [(call.name, _value(str(call.arguments))) for call in calls]


def _parsed(tools: list[tuple[str, str]]) -> list[tuple[str, object]]:
    return [(name, _value(arguments)) for name, arguments in tools]


def _value(arguments: str) -> object:
    """Arguments that were cut are compared as text, whole ones as what they say: plain answers write them anew."""
    try:
        return msgspec.json.decode(arguments)
    except msgspec.DecodeError:
        return arguments

"""How a stream ended, and what says so: the outcome from everything that was seen, the strongest evidence first.

    1  the event in the bytes that ends the answer        completed, failed
    2  the status, before any event                       rejected
    3  how the connection ended, or which deadline passed  truncated, cancelled, abandoned, timed_out, lost, failed;
                                                           null after total_age

A proper end of a body whose API sends no end marker counts among the first: the reading has noted it as an ending.

Where the deciding bytes may be among those that were not seen (sizes only, dropped, lost, capped, an API without
rules), the outcome is null and the evidence says why; unless the way the connection ended decides whatever the bytes
said: a reset body did not end well.

Nothing here looks at a clock, an order or a count of copies, so the same frames give the same verdict.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from streamgauge.processors.providers.answer import Ending
from streamgauge.processors.reassembly.deadlines import Lapse
from streamgauge.processors.reassembly.finished import Verdict
from streamgauge.schemas.words import EndedBy, How, Outcome

__all__ = ["Blind", "Facts", "judge"]

_REFUSED_STATUS: Final = 400


class Blind:
    """Why the deciding bytes may not have been seen: the evidence of a null outcome."""

    NOT_SEEN: Final = "not_seen"
    UNKNOWN_API: Final = "unknown_api"
    CAPPED: Final = "capped"
    DROPPED: Final = "dropped"


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What the verdict is made of."""

    ending: Ending | None = None  # the deciding event of the last generation
    status: int | None = None  # of the link that decides
    streamed: bool = False  # the response was a stream, so `ending` was an event in it
    responded: bool = False  # headers or bytes came
    short: bool = False  # the body ended below the length it announced
    cut_in_coding: bool = False  # the body ended inside its content coding
    blind: str | None = None  # one of `Blind`
    whole: bool = True  # no byte is missing
    content_complete: bool | None = None  # what the API's module says of the answer
    how: How | None = None  # of the link that decides; null: no Close was seen
    reading: bool | None = None
    cause: str | None = None
    lapse: Lapse | None = None  # the deadline that closed the stream, if one did


_ENDINGS: Final = {
    "completed": (Outcome.COMPLETED, EndedBy.PROVIDER),
    "failed": (Outcome.FAILED, EndedBy.PROVIDER),
    "cancelled": (Outcome.CANCELLED, EndedBy.CLIENT),  # a background response is cancelled by who asked for it
}


class _End(NamedTuple):
    """What an end without evidence in the bytes means."""

    outcome: Outcome | None
    ended_by: EndedBy | None
    whatever_was_sent: bool  # decides even where bytes were not seen


_HOWS: Final[dict[How, _End]] = {
    How.EOF: _End(Outcome.TRUNCATED, EndedBy.PROVIDER, whatever_was_sent=False),
    How.CLOSED_EARLY: _End(Outcome.CANCELLED, EndedBy.CLIENT, whatever_was_sent=False),
    How.READ_ERROR: _End(Outcome.TRUNCATED, EndedBy.NETWORK, whatever_was_sent=True),
    How.SEND_ERROR: _End(Outcome.FAILED, EndedBy.NETWORK, whatever_was_sent=True),
    How.COLLECTED: _End(Outcome.ABANDONED, EndedBy.CLIENT, whatever_was_sent=False),
    How.SHUTDOWN: _End(Outcome.LOST, EndedBy.SHIM, whatever_was_sent=False),
    How.CRASHED: _End(Outcome.LOST, EndedBy.SHIM, whatever_was_sent=True),
    How.UNKNOWN: _End(None, None, whatever_was_sent=False),
}
_LAPSES: Final[dict[Lapse, _End]] = {
    Lapse.PRODUCER_SILENT: _End(Outcome.LOST, EndedBy.DEADLINE, whatever_was_sent=True),
    Lapse.PROVIDER_SILENT: _End(Outcome.TIMED_OUT, EndedBy.DEADLINE, whatever_was_sent=True),
    Lapse.TOTAL_AGE: _End(None, EndedBy.DEADLINE, whatever_was_sent=True),  # nobody waits any longer: no more is known
}
_READ_TIMEOUT: Final = _End(Outcome.TIMED_OUT, EndedBy.CLIENT, whatever_was_sent=True)
_NO_RESPONSE: Final = _End(Outcome.FAILED, EndedBy.NETWORK, whatever_was_sent=True)
_SHORT: Final = _End(Outcome.TRUNCATED, EndedBy.PROVIDER, whatever_was_sent=True)
_OTHER_WAITS: Final = ("connect", "pool", "write")  # what a timeout before the headers may be of, besides reading
_SOURCE_ENDS: Final = (How.EOF, How.READ_ERROR)
_UNKNOWN: Final = _End(None, None, whatever_was_sent=False)


def judge(facts: Facts) -> Verdict:
    """The verdict of the strongest evidence there is."""
    for rule in _RULES:
        verdict = rule(facts)
        if verdict is not None:
            return verdict
    return _by_end(facts)


def _by_event(facts: Facts) -> Verdict | None:
    """The bytes say it. An error body under an error status is no event of a stream: the status has it."""
    ending = facts.ending
    if ending is None or (_refused(facts) and not (facts.streamed and ending.kind == "completed")):
        return None
    completed = ending.kind == "completed"
    outcome, ended_by = _ENDINGS[ending.kind]
    return Verdict(
        outcome=outcome,
        ended_by=ended_by,
        evidence=ending.evidence,
        evidence_offset=ending.offset,
        content_complete=_content_complete(facts) if completed else False,
        stream_complete=completed and facts.whole and not _cut_off(facts),
    )


def _by_status(facts: Facts) -> Verdict | None:
    if not _refused(facts):
        return None
    return Verdict(outcome=Outcome.REJECTED, ended_by=EndedBy.PROVIDER, evidence=f"status {facts.status}")


_RULES: Final[tuple[Callable[[Facts], Verdict | None], ...]] = (_by_event, _by_status)


def _by_end(facts: Facts) -> Verdict:
    """How the connection ended decides, unless it takes bytes that were not seen to read it."""
    end, evidence = _end(facts)
    if facts.blind is not None and not end.whatever_was_sent:
        end, evidence = end._replace(outcome=None), facts.blind
    return Verdict(
        outcome=end.outcome,
        ended_by=end.ended_by,
        evidence=evidence,
        content_complete=_content_complete(facts) if end.outcome is not None else _content_complete(facts) or None,
        stream_complete=False if end.outcome is not None else None,
    )


def _end(facts: Facts) -> tuple[_End, str]:
    """What the end means by itself, and the word for it."""
    how = facts.how
    if how is None:
        lapse = facts.lapse
        end = _LAPSES.get(lapse, _UNKNOWN) if lapse is not None else _UNKNOWN
        return end, lapse.value if lapse is not None else Blind.NOT_SEEN
    if _timed_out_reading(how, facts.cause):
        return _READ_TIMEOUT, "read_timeout"
    if not facts.responded and how in (How.EOF, How.READ_ERROR):
        return _NO_RESPONSE, "no_response"
    if how is How.EOF and facts.short:
        return _SHORT, "content_length"
    if how is How.EOF and facts.cut_in_coding:
        return _SHORT, "content_coding"
    end = _HOWS[how]
    if how is How.CLOSED_EARLY and facts.reading:  # somebody still waited for bytes: nothing had ended
        end = end._replace(whatever_was_sent=True)
    return end, how.value if how is not How.UNKNOWN else Blind.NOT_SEEN


def _timed_out_reading(how: How, cause: str | None) -> bool:
    """Whether the client waited for bytes, of the body or of the first headers, and gave up. Before the response the
    same error may mean that no connection came to be, or that the request could not be sent: neither is a read."""
    words = (cause or "").lower()
    if "timeout" not in words:
        return False
    return how is How.READ_ERROR or (how is How.SEND_ERROR and not any(word in words for word in _OTHER_WAITS))


def _refused(facts: Facts) -> bool:
    return facts.status is not None and facts.status >= _REFUSED_STATUS


def _cut_off(facts: Facts) -> bool:
    """Whether the source broke the body off. What a consumer that leaves behind the end marker does not read (the last
    bytes of a coding, say) is missing to nobody."""
    return facts.how in _SOURCE_ENDS and (facts.short or facts.cut_in_coding)


def _content_complete(facts: Facts) -> bool | None:
    """Content with bytes missing in it may be complete or not."""
    if not facts.whole and facts.content_complete:
        return None
    return facts.content_complete

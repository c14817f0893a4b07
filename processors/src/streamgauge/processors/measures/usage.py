"""Usage: how many tokens a stream took and gave, and how that is known.

The provider's last word wins, field by field, as its API module reads it. Nothing is repaired: a report that
contradicts itself stands as it is and the record warns (`usage_inconsistent`). Where the last word never came, because
the stream was cut or nobody asked for it, what can be counted is estimated and named in `usage_estimated`:

    provider    the provider's last word; what it leaves out is null
    partial     stated by the provider, but not its last word: Anthropic's opening event knows the input, and says of
                the output only a placeholder, which is dropped; running counts of a cut stream stand
    estimated   counted here, from the request and from what was streamed
    none        nothing is known

An estimate counts what can be seen. Tokens nobody can see (reasoning that is withheld or only summarised, images,
sound) are not guessed: then the field is null, and `output_seen` alone says what was streamed.

A spliced stream holds several generations, each with a bill of its own: their sum is the stream's usage, a field
unknown in one of them unknown in all. What one of them stated makes the source `partial`, even where no sum is known.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

import msgspec

from streamgauge.processors.measures.tokens import Count
from streamgauge.processors.providers.answer import Answer, Usage
from streamgauge.processors.providers.api import Api
from streamgauge.schemas.records import Choice, Citation, Reasoning, Refusal, Text, ToolCall
from streamgauge.schemas.words import UsageSource

__all__ = ["INCONSISTENT", "Counting", "Generation", "Judged", "Seen", "judge", "seen_in"]

INCONSISTENT: Final = "usage_inconsistent"

_FIELDS: Final = tuple(f"usage_{name}" for name in Usage.__struct_fields__)

# OpenAI's reasoning models never stream what they reason, and bill it as output ("Reasoning models" in its docs).
# Gemini thinks since 2.5, shows a summary of it only when asked, and bills the whole ("Thinking" in Google's).
_REASONS_UNSEEN: Final = re.compile(r"(.*/)?(o[134](-|$)|gpt-5(?!.*chat)|gemini-(2\.5|[3-9]|[1-9]\d))")
# Anthropic streams a summary of the thinking of Claude 4 and later, and bills the whole ("Extended thinking").
_SUMMARISES: Final = "anthropic.messages"


class Seen(NamedTuple):
    """What was streamed of a generation: its texts, how many tool calls are among them, and whether they are all of
    its output that costs tokens."""

    texts: list[str]
    whole: bool
    calls: int = 0


class Counting(Protocol):
    """Counts tokens for the model of a stream."""

    def texts(self, texts: Sequence[str]) -> Count:
        """The tokens of these texts."""
        ...

    def around_calls(self, calls: int) -> int:
        """The tokens a model writes around so many tool calls, which no stream shows; 0 where that is not known."""
        ...

    def prompt(self) -> Count | None:
        """The tokens of the request; null where they cannot be counted."""
        ...


class Generation(NamedTuple):
    """One answer, with what was streamed of it."""

    answer: Answer
    seen: Seen


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """The usage group of a record, under the record's names."""

    usage_input: int | None = None
    usage_output: int | None = None
    usage_total: int | None = None
    usage_cache_read: int | None = None
    usage_cache_write: int | None = None
    usage_cache_write_1h: int | None = None
    usage_reasoning: int | None = None
    usage_audio_in: int | None = None
    usage_audio_out: int | None = None
    usage_image_in: int | None = None
    usage_source: UsageSource = UsageSource.NONE
    usage_estimated: list[str] = []
    usage_method: str | None = None
    output_seen: int | None = None


class _Finding(NamedTuple):
    """The usage of one generation."""

    usage: Usage
    stated: bool  # the provider said something
    final: bool  # and meant it
    estimated: frozenset[str] = frozenset()
    methods: frozenset[str] = frozenset()
    seen: int | None = None


def seen_in(choices: Sequence[Choice], *, api: str | None, model: str | None) -> Seen:
    """What these choices show of the tokens of their generation."""
    texts: list[str] = []
    calls = 0
    whole = _REASONS_UNSEEN.match(model or "") is None
    for choice in choices:
        for part in choice.parts:
            match part:
                case Text(text=str(text)) | Refusal(text=str(text)):
                    texts.append(text)
                case Reasoning(text=str(text)):
                    texts.append(text)
                    whole = whole and not (part.summary or part.encrypted or api == _SUMMARISES)
                case ToolCall(arguments=str(arguments)):
                    calls += 1
                    texts += [part.name or "", arguments]
                case Citation():  # points at text that stands elsewhere
                    pass
                case _:  # images, sound, what the provider's own tools did, and what was lost
                    whole = False
    return Seen([text for text in texts if text], whole, calls)


def judge(
    generations: Sequence[Generation],
    api: Api | None,
    *,
    accepted: bool,
    counting: Counting,
) -> tuple[Judged, list[str]]:
    """The usage of a stream, and warnings.

    `accepted` says that the provider took the request up; else nothing is estimated. `counting` is not asked where the
    provider has spoken.
    """
    if api is None:
        return Judged(), []
    found = [_find(api, one, accepted=accepted, counting=counting) for one in generations]
    found = [finding for finding in found if finding.stated or finding.estimated or finding.seen is not None]
    if not found:
        return Judged(), []
    warnings = [INCONSISTENT] if any(_contradicts(finding.usage) for finding in found) else []
    return _judged(found), warnings


def _find(api: Api, generation: Generation, *, accepted: bool, counting: Counting) -> _Finding:
    answer, seen = generation
    raw = answer.usage_raw
    stated = Usage() if raw is None else api.usage(raw)
    if raw is not None and not answer.preliminary:
        return _Finding(stated, stated=True, final=True)
    usage = _without_placeholder(stated, answer)
    if not accepted and not seen.texts:
        return _Finding(usage, stated=raw is not None, final=False)
    counted = counting.texts(seen.texts)
    estimates: dict[str, Count] = {}
    if usage.output is None and seen.whole and seen.texts:
        estimates["output"] = Count(counted.tokens + counting.around_calls(seen.calls), counted.method)
    if usage.input is None and (prompt := counting.prompt()) is not None:
        estimates["input"] = prompt
    return _Finding(
        usage=msgspec.structs.replace(usage, **{name: estimate.tokens for name, estimate in estimates.items()}),
        stated=raw is not None,
        final=False,
        estimated=frozenset(estimates),
        methods=frozenset(estimate.method for estimate in estimates.values()),
        seen=counted.tokens,
    )


def _without_placeholder(stated: Usage, answer: Answer) -> Usage:
    """A first report that is preliminary says nothing of the output; later ones count what has come so far."""
    if "output" in answer.preliminary and answer.usage_reports < 2:
        return msgspec.structs.replace(stated, output=None, total=None, reasoning=None, audio_out=None)
    return stated


def _judged(found: list[_Finding]) -> Judged:
    values = zip(*(msgspec.structs.astuple(one.usage) for one in found), strict=True)
    totals = dict(zip(_FIELDS, map(_sum, values), strict=True))
    named = sorted({f"usage_{name}" for one in found for name in one.estimated})
    estimated = [name for name in named if totals[name] is not None]
    methods = sorted({method for one in found for method in one.methods})
    return Judged(
        **totals,
        usage_source=_source(found, known=any(value is not None for value in totals.values())),
        usage_estimated=estimated,
        usage_method=", ".join(methods) if estimated else None,
        output_seen=_sum([one.seen for one in found]),
    )


def _source(found: list[_Finding], *, known: bool) -> UsageSource:
    if not known:  # the sums; a generation may have said what it took all the same
        return UsageSource.PARTIAL if any(map(_tells, found)) else UsageSource.NONE
    if all(finding.final for finding in found):
        return UsageSource.PROVIDER
    return UsageSource.PARTIAL if any(finding.stated for finding in found) else UsageSource.ESTIMATED


def _tells(finding: _Finding) -> bool:
    """Whether a generation has a figure that is no estimate."""
    figures = msgspec.structs.asdict(finding.usage).items()
    return any(value is not None and name not in finding.estimated for name, value in figures)


def _sum(values: Sequence[int | None]) -> int | None:
    """The sum, null if one is unknown."""
    if None in values:
        return None
    return sum(value for value in values if value is not None)


def _contradicts(usage: Usage) -> bool:
    """Whether a total is not the sum of its parts, or a part is more than its whole."""
    if None not in (usage.total, usage.input, usage.output) and usage.total != (usage.input or 0) + (usage.output or 0):
        return True
    cached = (usage.cache_read or 0) + (usage.cache_write or 0)
    pairs = (
        (cached, usage.input),
        (usage.cache_write_1h, usage.cache_write),
        (usage.reasoning, usage.output),
        (usage.audio_in, usage.input),
        (usage.audio_out, usage.output),
        (usage.image_in, usage.input),
    )
    return any(part is not None and whole is not None and part > whole for part, whole in pairs)

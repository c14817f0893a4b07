"""The account of a stream: its usage, what that costs, and whether it is billed.

Usage, price and bill are judged by the measures, each on its own. Here they get what they ask for: the texts that were
streamed, the request, the models a price may stand under.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec

from streamgauge.processors.measures.billing import bill
from streamgauge.processors.measures.cost import NO_USAGE, NOT_BILLED, Buyer, Cost, Item
from streamgauge.processors.measures.declarations import around_calls
from streamgauge.processors.measures.prompt import read_prompt
from streamgauge.processors.measures.tokens import Count, vocabulary_of
from streamgauge.processors.measures.usage import Generation, Judged, judge, seen_in
from streamgauge.processors.providers.answer import Answer, Usage
from streamgauge.processors.providers.json_values import decode, fields, text
from streamgauge.processors.reassembly.finished import FinishedStream
from streamgauge.processors.record.facts import tags_of
from streamgauge.processors.record.measures import Measures
from streamgauge.processors.record.request_body import RequestBody
from streamgauge.schemas.records import Choice, Hole
from streamgauge.schemas.words import Outcome, UsageSource

__all__ = ["Account", "take_account"]

ACCOUNT_TAG: Final = "provider_account"


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """The usage and cost groups of a record."""

    judged: Judged
    cost: Cost
    beside: dict[str, Any]
    warnings: list[str]

    def fields(self) -> dict[str, Any]:
        """The fields of both groups, under the record's names."""
        return {**msgspec.structs.asdict(self.judged), **msgspec.structs.asdict(self.cost), **self.beside}


def take_account(
    stream: FinishedStream,
    generations: Sequence[Sequence[Choice]],
    *,
    request: RequestBody,
    model: str | None,
    accepted: bool,
    measures: Measures,
) -> Account:
    """The account of a stream whose answers show these choices; `accepted`: its status did not refuse it."""
    api, answers = stream.api, stream.answers
    name = api.name if api is not None else None
    known = model or request.model
    judged, warnings = judge(
        [
            Generation(answer, seen_in(choices, api=name, model=answer.model or known))
            for answer, choices in zip(answers, generations, strict=True)
        ],
        api,
        accepted=accepted,
        counting=_Counting(stream.opening.request if request.is_json else None, model=known, measures=measures),
    )
    units = _units(answers)
    parts = [part for choices in generations for choice in choices for part in choice.parts]
    shown = any(not isinstance(part, Hole) for part in parts)
    billing, basis = bill(stream.verdict.outcome, usage_source=judged.usage_source, output_seen=shown)
    return Account(
        judged=judged,
        cost=_priced(stream, judged, units, models=(model, request.model), measures=measures),
        beside={
            "units": units,
            "cost_provider_usd": _sum([answer.cost_provider_usd for answer in answers]),
            "billing": billing,
            "billing_basis": basis,
        },
        warnings=warnings,
    )


class _Counting:
    """Counts tokens for the model of this stream, whose request is this JSON, if it was kept."""

    __slots__ = ("_measures", "_model", "_request")

    def __init__(self, request: bytes | None, *, model: str | None, measures: Measures) -> None:
        self._request, self._model, self._measures = request, model, measures

    def texts(self, texts: Sequence[str]) -> Count:
        """The tokens of these texts."""
        return self._measures.tokenizers.count(texts, model=self._model)

    def around_calls(self, calls: int) -> int:
        """The tokens around so many tool calls; known of OpenAI's models alone."""
        return around_calls(calls) if vocabulary_of(self._model).exact else 0

    def prompt(self) -> Count | None:
        """The tokens of the request; null where it does not hold all the model read."""
        if self._request is None:
            return None
        prompt = read_prompt(fields(decode(self._request)))
        if not prompt.whole or (prompt.declares and not vocabulary_of(self._model).exact):
            return None
        counted = self.texts(prompt.texts)
        return Count(counted.tokens + prompt.framing, counted.method)


def _priced(
    stream: FinishedStream,
    judged: Judged,
    units: dict[str, float],
    *,
    models: Sequence[str | None],
    measures: Measures,
) -> Cost:
    opening = stream.opening
    if stream.verdict.outcome is Outcome.REJECTED:
        return Cost(cost_null_reason=NOT_BILLED)
    if judged.usage_source is UsageSource.NONE:
        return Cost(cost_null_reason=NO_USAGE)
    return measures.prices.cost(
        _items(stream, judged, models),
        provider=stream.provider or opening.provider,
        url=f"https://{opening.host}{opening.path or '/'}" if opening.host else None,
        service_tier=next((answer.service_tier for answer in reversed(stream.answers) if answer.service_tier), None),
        units=units,
        at_us=opening.wall_us,
        buyer=Buyer(stream.id.tenant, _account(stream)),
    )


def _account(stream: FinishedStream) -> str | None:
    """The provider account that pays: the user names it by a tag, else the host does (Azure's resources)."""
    tags, _ = tags_of(stream.opening, stream.notes)
    return tags.get(ACCOUNT_TAG) or stream.opening.host


def _items(stream: FinishedStream, judged: Judged, models: Sequence[str | None]) -> list[Item]:
    """The usage to be priced: by model, where the provider ran several and says so."""
    api = stream.api
    several = [document for answer in stream.answers for document in answer.usage_breakdown]
    if several and api is not None and judged.usage_source is UsageSource.PROVIDER:
        return [Item(api.usage(fields(one.get("usage"))), (text(one.get("model")), *models)) for one in several]
    return [Item(Usage(**{name: getattr(judged, f"usage_{name}") for name in Usage.__struct_fields__}), models)]


def _units(answers: Sequence[Answer]) -> dict[str, float]:
    """What was counted beside tokens, over all generations."""
    units: dict[str, float] = {}
    for answer in answers:
        for name, number in answer.units.items():
            units[name] = units.get(name, 0.0) + number
    return dict(sorted(units.items()))


def _sum(amounts: Sequence[Decimal | None]) -> Decimal | None:
    """The sum, null if one is unknown."""
    known = [amount for amount in amounts if amount is not None]
    return sum(known, Decimal(0)) if known and len(known) == len(amounts) else None

"""Cost: what a stream's usage comes to, at the user's own prices where there are any, else at the list's.

List prices are those of the installed `genai-prices` package, never fetched. Its version stands in the record, with the
hash of the user's price file (`own_prices`): the same log priced by the same version gives the same cost. The price is
the one that held when the request was made, by the request's own time, not today's. Amounts stay decimal from the price
to the record.

A cost is the sum of its components. A component counts what no narrower one does: `input` is the input that was neither
read from a cache, nor written to it, nor sound. Where something is missing the cost is null and `cost_null_reason` says
what:

    no_usage            nothing is known of the tokens
    incomplete_usage    something the price asks for is not known, the output of a cut stream for instance
    usage_inconsistent  a part of the usage is larger than its whole
    not_billed          the provider refused the request
    unknown_provider    nobody named the provider, or the price book does not list it
    unknown_model       the price book does not list the model at this provider
    no_price            the price book, or the user's own entry, has no price for something that was used
    unknown_tier_price  it has no price for the service tier, which is dearer or cheaper than the standard one

`genai-prices` takes 70 µs for a price, most of it checks of its own tables. Here a model's prices become a short plan
once, and a price takes a few µs; the tests hold the two against each other for every model there is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from typing import Any, Final, NamedTuple

import genai_prices
import msgspec
from genai_prices.data import providers
from genai_prices.data_snapshot import find_provider_by_id
from genai_prices.data_units import unit_data
from genai_prices.types import ModelInfo, ModelPrice, PriceVariant, Provider, TieredPrices

from streamgauge.processors.measures.own_prices import OwnEntry, OwnPrices
from streamgauge.processors.providers.answer import Usage

__all__ = ["NOT_BILLED", "NO_USAGE", "OWN", "SOURCE", "VERSION", "Buyer", "Cost", "Item", "PriceBook"]

SOURCE: Final = "genai-prices"
OWN: Final = "own_prices"
VERSION: Final = genai_prices.__version__

NO_USAGE: Final = "no_usage"
NOT_BILLED: Final = "not_billed"
_INCOMPLETE_USAGE: Final = "incomplete_usage"
_INCONSISTENT_USAGE: Final = "usage_inconsistent"
_UNKNOWN_PROVIDER: Final = "unknown_provider"
_UNKNOWN_MODEL: Final = "unknown_model"
_NO_PRICE: Final = "no_price"
_UNKNOWN_TIER: Final = "unknown_tier_price"

_EXACT: Final = Context(prec=80)  # more digits than any price times any count has
_HOUR_S: Final = 3600
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MODEL_CHARS_MAX: Final = 256
_LOOKUPS_MAX: Final = 4096  # models are named by strangers: beyond it the cache begins anew

# Service tiers that differ in price from the standard one wherever they are sold (OpenAI, Anthropic, Google, Bedrock).
_OTHER_TIERS: Final = frozenset({"batch", "flex", "priority", "scale", "fast", "reserved"})
_SAME_PRICE: Final = frozenset({("groq", "flex")})  # "Flex processing" in Groq's docs: on-demand rates

# What the price book calls our figures: of the usage, and of the units beside it.
_USAGE: Final[dict[str, str]] = {
    "input_tokens": "input",
    "output_tokens": "output",
    "cache_read_tokens": "cache_read",
    "cache_write_tokens": "cache_write",
    "cache_write_1h_tokens": "cache_write_1h",
    "input_audio_tokens": "audio_in",
    "output_audio_tokens": "audio_out",
    "input_image_tokens": "image_in",
    "output_reasoning_tokens": "reasoning",
}
_BESIDE: Final[dict[str, str]] = {
    "web_searches": "search_queries",
    "rerank_searches": "search_queries",
    "audio_seconds": "audio_seconds",
    "input_audio_seconds": "audio_seconds",
    "input_characters": "characters",
}
# Without these a price that asks for them would be too low; all others are rightly taken as none.
_NEEDED: Final = frozenset({"input_tokens", "output_tokens", "audio_seconds", "input_characters"})


class Item(NamedTuple):
    """Usage of one model, to be priced. Of the models the first that the price book knows is taken."""

    usage: Usage
    models: Sequence[str | None]


class Buyer(NamedTuple):
    """Who pays, as the user's own prices may ask."""

    tenant: str | None = None
    account: str | None = None


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """The priced part of a record's cost group, under the record's names."""

    cost_usd: Decimal | None = None
    cost_breakdown: dict[str, Decimal] = {}
    price_source: str | None = None
    price_version: str | None = None
    cost_null_reason: str | None = None


class _Line(NamedTuple):
    """One price of a plan."""

    usage_key: str
    component: str
    price: Decimal
    tiers: tuple[tuple[int, Decimal], ...]  # from the highest: above so much input, this price for all of it
    per: int
    narrower: tuple[str, ...]  # the usage keys priced on their own that this one would count again
    crossing: tuple[str, ...]  # of a figure nobody states (cached sound): the two kinds it is both of


_Plan = tuple[_Line, ...]
_Listed = tuple[Provider, ModelInfo]


class _NoPriceError(Exception):
    """Carries the reason of a null cost from the step that found it."""


class PriceBook:
    """The prices of a worker, built once: looking a model up is slow, pricing it then is not."""

    def __init__(self, own: OwnPrices | None = None) -> None:
        self._own = own.entries if own is not None else ()
        self._own_plans = [_own_plan(entry) for entry in self._own]
        self._version = VERSION if own is None else f"{VERSION}+{own.version}"
        self._listed: dict[tuple[str | None, str | None, str], _Listed | str] = {}
        self._plans: dict[tuple[int, str | None], _Plan] = {}

    def cost(
        self,
        items: Sequence[Item],
        *,
        provider: str | None,
        url: str | None,
        service_tier: str | None,
        units: Mapping[str, float],
        at_us: int,
        buyer: Buyer = Buyer(),  # noqa: B008 - a value
    ) -> Cost:
        """What these items come to at this provider, with the units beside them, at this time (µs, epoch)."""
        total: dict[str, Decimal] = {}
        sources: set[str] = set()
        tier = service_tier.lower() if service_tier else None
        stream = {"tenant": buyer.tenant, "account": buyer.account, "provider": provider, "service_tier": tier}
        try:
            for index, item in enumerate(items):
                own = self._own_entry(stream, item.models, at_us=at_us)
                plan = self._own_plans[own] if own is not None else ()
                times = self._own[own].times if own is not None else None
                if own is None or times is not None:
                    plan = self._plan(provider, url, item.models, service_tier=tier, at_us=at_us)
                else:
                    _demand_prices(plan, item.usage)
                sources.add(SOURCE if own is None else OWN)
                for component, amount in _amounts(plan, item.usage, units if index == 0 else {}).items():
                    paid = amount if times is None else _EXACT.multiply(amount, times)
                    total[component] = _EXACT.add(total.get(component, Decimal(0)), paid)
        except _NoPriceError as reason:
            return Cost(cost_null_reason=str(reason))
        return Cost(
            cost_usd=_sum(total.values()),
            cost_breakdown=total,
            price_source=", ".join(sorted(sources)),
            price_version=self._version,
        )

    def _own_entry(self, stream: dict[str, str | None], models: Sequence[str | None], *, at_us: int) -> int | None:
        """The place of the user's own entry for this stream: the first that fits a model of it."""
        if not self._own:
            return None
        for model in models or (None,):
            asked = {**stream, "model": model[:_MODEL_CHARS_MAX] if model else None}
            found = next((at for at, entry in enumerate(self._own) if entry.fits(asked, at_us)), None)
            if found is not None:
                return found
        return None

    def _plan(
        self,
        provider: str | None,
        url: str | None,
        models: Sequence[str | None],
        *,
        service_tier: str | None,
        at_us: int,
    ) -> _Plan:
        listed: _Listed | str = _UNKNOWN_MODEL
        for model in models:
            if model and len(model) <= _MODEL_CHARS_MAX:
                listed = self._look_up(provider, url, model)
                if not isinstance(listed, str):
                    break
        if isinstance(listed, str):
            raise _NoPriceError(listed)
        return self._plan_of(*listed, service_tier=service_tier, at_us=at_us)

    def _look_up(self, provider: str | None, url: str | None, model: str) -> _Listed | str:
        key = (provider, url, model)
        found = self._listed.get(key)
        if found is None:
            if len(self._listed) >= _LOOKUPS_MAX:
                self._listed.clear()
            found = self._listed[key] = _find(provider, url, model)
        return found

    def _plan_of(self, seller: Provider, model: ModelInfo, *, service_tier: str | None, at_us: int) -> _Plan:
        variants = _variants(seller, model, service_tier) if service_tier else []
        if service_tier in _OTHER_TIERS and (seller.id, service_tier) not in _SAME_PRICE:
            moment = _moment(at_us)
            if not any(one.constraint is None or one.constraint.active(moment) for one in variants):
                raise _NoPriceError(_UNKNOWN_TIER)
        tier = service_tier if variants else None
        timeless = isinstance(model.prices, ModelPrice) and all(variant.constraint is None for variant in variants)
        key = (id(model), tier if timeless else repr(_prices(model, tier, at_us=at_us)))
        plan = self._plans.get(key)
        if plan is None:
            plan = self._plans[key] = _plan(_prices(model, tier, at_us=at_us).__dict__)
        return plan


def _find(provider: str | None, url: str | None, model: str) -> _Listed | str:
    seller = _seller(provider, url)
    if seller is None:
        return _UNKNOWN_PROVIDER
    found = seller.find_model(model, all_providers=providers)
    return _UNKNOWN_MODEL if found is None else (seller, found)


def _seller(provider: str | None, url: str | None) -> Provider | None:
    """Who sells, by name; else by address, which also tells apart the sellers behind a router's paths."""
    named = find_provider_by_id(providers, provider) if provider else None
    if named is not None or not url:
        return named
    return next((seller for seller in providers if re.match(seller.api_pattern, url)), None)


def _variants(seller: Provider, model: ModelInfo, service_tier: str) -> list[PriceVariant]:
    """The prices of a service tier that differ; a seller of others' models has none for them."""
    when = _conditions(service_tier)
    variants = [one for one in model.price_variants or () if one.when == when and one.prices.__dict__]
    return variants if any(model is listed for listed in seller.models) else []


def _prices(model: ModelInfo, tier: str | None, *, at_us: int) -> ModelPrice:
    return model.get_prices(_moment(at_us), _conditions(tier) if tier else None)


def _conditions(tier: str) -> dict[str, str]:
    """What the price book calls a tier: a batch is a way of processing to it."""
    return {"processing": "batch"} if tier == "batch" else {"service_tier": tier}


def _own_plan(entry: OwnEntry) -> _Plan:
    """The user's own prices as lines."""
    keys = {kind: key for key, kind in _USAGE.items()}
    priced = {keys[kind]: price for kind, price in entry.per_million.items()}
    steps = {keys[kind]: _steps(entry, kind) for kind in entry.per_million}
    ordered = _narrowest_first(priced)
    tokens = tuple(_line(key, priced[key], among=ordered)._replace(tiers=steps[key], crossing=()) for key in ordered)
    return tokens + tuple(_Line(unit, unit, price, (), 1, (), ()) for unit, price in entry.per_unit.items())


def _steps(entry: OwnEntry, kind: str) -> tuple[tuple[int, Decimal], ...]:
    return tuple((start, prices[kind]) for start, prices in entry.above if kind in prices)


def _demand_prices(plan: _Plan, usage: Usage) -> None:
    """Input and output nobody gave a price for would be free, silently."""
    keys = {line.usage_key for line in plan}
    for key in ("input_tokens", "output_tokens"):
        if getattr(usage, _USAGE[key]) and key not in keys:
            raise _NoPriceError(_NO_PRICE)


def _plan(prices: Mapping[str, Any]) -> _Plan:
    """The prices as lines, the narrowest first, so that a wider one finds counted what is not its own."""
    priced = {
        key: price
        for key, unit in unit_data.items()
        if isinstance(price := prices.get(unit["price_key"]), Decimal | TieredPrices)
    }
    ordered = _narrowest_first(priced)
    return tuple(_line(key, priced[key], among=ordered) for key in ordered)


def _narrowest_first(keys: Iterable[str]) -> list[str]:
    return sorted(keys, key=lambda key: (-len(unit_data[key]["dimensions"]), key))


def _line(key: str, price: Decimal | TieredPrices, *, among: Sequence[str]) -> _Line:
    dimensions = unit_data[key]["dimensions"].items()
    tiers: tuple[tuple[int, Decimal], ...] = ()
    if isinstance(price, TieredPrices):
        tiers = tuple((tier.start, tier.price) for tier in reversed(price.tiers))
        price = price.base
    wider = [other for other in _USAGE if other in among and unit_data[other]["dimensions"].items() < dimensions]
    crossing = () if key in _USAGE else tuple(other for other in wider if other not in _NEEDED)
    return _Line(
        usage_key=key,
        component=_USAGE.get(key) or _BESIDE.get(key) or key,
        price=price,
        tiers=tiers,
        per=unit_data[key]["per"],
        narrower=tuple(other for other in among if dimensions < unit_data[other]["dimensions"].items()),
        crossing=crossing if len(crossing) > 1 else (),
    )


def _amounts(plan: _Plan, usage: Usage, units: Mapping[str, float]) -> dict[str, Decimal]:
    """The amount of each component that counts something."""
    if not plan:
        raise _NoPriceError(_NO_PRICE)
    own: dict[str, Decimal | int] = {}
    amounts: dict[str, Decimal] = {}
    for line in plan:
        counted = _counted(line.usage_key, usage, units)
        if line.crossing and all(_counted(other, usage, units) for other in line.crossing):
            raise _NoPriceError(_INCOMPLETE_USAGE)
        for other in line.narrower:
            counted -= own[other]
        if counted < 0:
            raise _NoPriceError(_INCONSISTENT_USAGE)
        own[line.usage_key] = counted
        if counted:
            price = next((price for above, price in line.tiers if (usage.input or 0) > above), line.price)
            amount = _per(_EXACT.multiply(price, counted), line.per)
            amounts[line.component] = _EXACT.add(amounts.get(line.component, Decimal(0)), amount)
    return amounts


def _per(amount: Decimal, per: int) -> Decimal:
    """Exact, but for prices per hour, which may have no end: these have the 28 digits of the price book."""
    return amount / per if per == _HOUR_S else _EXACT.divide(amount, per)


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    total = Decimal(0)
    for amount in amounts:
        total = _EXACT.add(total, amount)
    return total


def _counted(usage_key: str, usage: Usage, units: Mapping[str, float]) -> Decimal | int:
    if usage_key == "requests":
        return 1
    field = _USAGE.get(usage_key)
    found = getattr(usage, field) if field else units.get(_BESIDE.get(usage_key, usage_key))
    if found is None and usage_key in _NEEDED:
        raise _NoPriceError(_INCOMPLETE_USAGE)
    return Decimal(repr(found)) if isinstance(found, float) else found or 0


def _moment(at_us: int) -> datetime:
    try:
        return _EPOCH + timedelta(microseconds=at_us)
    except OverflowError:  # no time at all: the first prices there were
        return _EPOCH

"""Cost: the price book's own answer, in its components, at the request's time, or null with a reason."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import genai_prices
import pytest
from genai_prices.data import providers
from genai_prices.types import ModelInfo, Provider
from hypothesis import given, settings
from hypothesis import strategies as st

from streamgauge.processors.measures.cost import VERSION, Cost, Item, PriceBook
from streamgauge.processors.providers.answer import Usage

BOOK = PriceBook()
AT = datetime(2026, 11, 1, 3, 0, tzinfo=UTC)
LISTED = [(seller, model) for seller in providers for model in seller.models]


def micros(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000)


def cost(usage: Usage, model: str | None = "gpt-4o", **how: Any) -> Cost:
    given: dict[str, Any] = {
        "provider": "openai",
        "url": None,
        "service_tier": None,
        "units": {},
        "at_us": micros(AT),
    }
    return BOOK.cost([Item(usage, [model])], **(given | how))


@st.composite
def usages(draw: Callable[[Any], int]) -> Usage:
    """A usage whose parts fit into their wholes."""
    given = draw(st.integers(0, 400_000))
    output = draw(st.integers(0, 100_000))
    read = draw(st.integers(0, given // 3))
    write = draw(st.integers(0, given // 3))
    return Usage(
        input=given,
        output=output,
        cache_read=read,
        cache_write=write,
        cache_write_1h=draw(st.integers(0, write)),
        audio_in=draw(st.integers(0, given // 6)),
        audio_out=draw(st.integers(0, output // 2)),
        image_in=draw(st.integers(0, given // 6)),
        reasoning=draw(st.integers(0, output // 2)),
    )


def by_the_package(usage: Usage, seller: Provider, model: ModelInfo, *, tier: str | None, searches: int) -> Decimal:
    counted = genai_prices.Usage(
        input_tokens=usage.input,
        output_tokens=usage.output,
        cache_read_tokens=usage.cache_read,
        cache_write_tokens=usage.cache_write,
        cache_write_1h_tokens=usage.cache_write_1h,
        input_audio_tokens=usage.audio_in,
        output_audio_tokens=usage.audio_out,
        input_image_tokens=usage.image_in,
        output_reasoning_tokens=usage.reasoning,
        web_searches=searches,
        audio_seconds=60,
        input_audio_seconds=60,
        input_characters=100,
    )
    context = {"service_tier": tier} if tier else None
    return model.calc_price(counted, seller, genai_request_timestamp=AT, price_context=context).total_price


def own_name(seller: Provider, model: ModelInfo) -> bool:
    """Whether the model's id finds this very model: some are shadowed by another's pattern."""
    return seller.find_model(model.id) is model and bool(model.prices)


@settings(max_examples=200)
@given(
    usages(), st.integers(0, len(LISTED) - 1), st.sampled_from([None, "default", "flex", "priority"]), st.integers(0, 9)
)
def test_the_cost_is_the_price_book_s_own(usage: Usage, listed: int, tier: str | None, searches: int) -> None:
    seller, model = LISTED[listed]
    if not own_name(seller, model):
        return
    units = {"search_queries": float(searches), "audio_seconds": 60.0, "characters": 100.0}
    try:
        expected = by_the_package(usage, seller, model, tier=tier, searches=searches)
    except ValueError:  # parts exceed their whole, or nobody says how much of the sound was cached
        assert cost(usage, model.id, provider=seller.id, service_tier=tier, units=units).cost_usd is None
        return
    found = cost(usage, model.id, provider=seller.id, service_tier=tier, units=units)
    if found.cost_null_reason == "no_price":
        assert expected == 0
        return
    if found.cost_null_reason == "unknown_tier_price":  # the package takes the standard price, which is another
        assert tier in ("flex", "priority")
        return
    assert found.cost_usd == expected
    assert found.cost_usd == sum(found.cost_breakdown.values())
    assert (found.price_source, found.price_version) == ("genai-prices", VERSION)


def test_every_model_of_the_price_book_is_priced_as_the_book_prices_it() -> None:
    usage = Usage(input=250_000, output=1_000, cache_read=50_000, cache_write=4_000, cache_write_1h=1_000)
    units = {"audio_seconds": 60.0, "characters": 100.0}
    checked = 0
    for seller, model in LISTED:
        if own_name(seller, model):
            found = cost(usage, model.id, provider=seller.id, units=units)
            if found.cost_null_reason != "no_price":
                assert found.cost_usd == by_the_package(usage, seller, model, tier=None, searches=0), model.id
                checked += 1
    assert checked > 1500


def test_each_component_counts_what_no_narrower_one_does() -> None:
    found = cost(Usage(input=1000, output=500, cache_read=400))
    assert found.cost_breakdown == {
        "cache_read": Decimal("0.0005"),  # 400 at 1.25 a million
        "input": Decimal("0.0015"),  # 600 at 2.50
        "output": Decimal("0.005"),  # 500 at 10.00
    }
    assert found.cost_usd == Decimal("0.007")


def test_a_searching_answer_pays_for_its_searches() -> None:
    found = cost(Usage(input=10, output=10), "claude-sonnet-4-5", provider="anthropic", units={"search_queries": 3.0})
    assert found.cost_breakdown["search_queries"] == Decimal("0.03")


def test_long_input_is_priced_by_its_tier() -> None:
    short = cost(Usage(input=200_000, output=0), "gemini-2.5-pro", provider="google")
    long = cost(Usage(input=200_001, output=0), "gemini-2.5-pro", provider="google")
    assert short.cost_usd == Decimal("0.25")
    assert long.cost_usd == Decimal("2.50") * 200_001 / 1_000_000


def test_the_price_is_the_one_of_the_request_s_time() -> None:
    """DeepSeek was cheaper at night (UTC 16:30 to 00:30): a replay at noon must not change what the night cost."""
    usage = Usage(input=1_000_000, output=0)
    costs = {
        hour: cost(usage, "deepseek-chat", provider="deepseek", at_us=micros(datetime(2025, 8, 1, hour, tzinfo=UTC)))
        for hour in (12, 20)
    }
    expected = {
        hour: genai_prices.calc_price(
            genai_prices.Usage(input_tokens=1_000_000),
            "deepseek-chat",
            provider_id="deepseek",
            genai_request_timestamp=datetime(2025, 8, 1, hour, tzinfo=UTC),
        ).total_price
        for hour in (12, 20)
    }
    assert {hour: found.cost_usd for hour, found in costs.items()} == expected
    assert costs[12].cost_usd != costs[20].cost_usd


@pytest.mark.parametrize("at_us", [-(10**18), -1, 0, 2**53, 10**30])
def test_a_time_that_is_none_still_prices(at_us: int) -> None:
    assert cost(Usage(input=10, output=10), "deepseek-chat", provider="deepseek", at_us=at_us).cost_usd is not None


def test_a_flex_request_has_flex_prices() -> None:
    standard = cost(Usage(input=1_000_000, output=0), "gpt-5")
    flex = cost(Usage(input=1_000_000, output=0), "gpt-5", service_tier="flex")
    assert (standard.cost_usd, flex.cost_usd) == (Decimal("1.25"), Decimal("0.625"))


def test_a_batch_has_batch_prices_however_it_is_written() -> None:
    usage = Usage(input=100_000, output=0)
    assert cost(usage, "claude-sonnet-4-5", provider="anthropic", service_tier="Batch").cost_usd == Decimal("0.15")


def test_a_tier_without_a_price_is_not_priced_as_the_standard_one() -> None:
    early = micros(datetime(2026, 1, 1, tzinfo=UTC))
    for how in ({"service_tier": "priority", "model": "gpt-4"}, {"service_tier": "flex", "at_us": early}):
        assert cost(Usage(input=1, output=1), **({"model": "gpt-5"} | how)) == Cost(
            cost_null_reason="unknown_tier_price"
        )
    same = cost(Usage(input=1, output=1), "llama-3.3-70b-versatile", provider="groq", service_tier="flex")
    assert same.cost_usd is not None


def test_the_first_model_the_book_knows_is_priced() -> None:
    item = Item(Usage(input=1_000_000, output=0), ["my-deployment", None, "gpt-4o"])
    how: dict[str, Any] = {"url": None, "service_tier": None, "units": {}, "at_us": micros(AT)}
    assert BOOK.cost([item], provider="azure", **how).cost_usd == Decimal("2.5")


def test_several_models_in_one_answer_cost_their_sum() -> None:
    items = [
        Item(Usage(input=1_000_000, output=0), ["gpt-4o"]),
        Item(Usage(input=1_000_000, output=0), ["gpt-4o-mini"]),
    ]
    how: dict[str, Any] = {"url": None, "service_tier": None, "at_us": micros(AT)}
    found = BOOK.cost(items, provider="openai", units={"search_queries": 1.0}, **how)
    assert found.cost_usd == Decimal("2.66")
    assert found.cost_breakdown == {"input": Decimal("2.65"), "search_queries": Decimal("0.01")}


def test_a_seller_without_a_known_name_is_found_by_its_address() -> None:
    found = cost(
        Usage(input=1_000_000, output=0), "gpt-4o", provider=None, url="https://api.openai.com/v1/chat/completions"
    )
    assert found.cost_usd == Decimal("2.5")


@pytest.mark.parametrize(
    ("usage", "how", "reason"),
    [
        (Usage(input=1), {}, "incomplete_usage"),
        (Usage(output=1), {}, "incomplete_usage"),
        (Usage(), {}, "incomplete_usage"),
        (Usage(input=1, output=1), {"model": "whisper-1"}, "incomplete_usage"),
        (Usage(input=9, output=1, cache_read=2, audio_in=3), {"model": "gpt-realtime"}, "incomplete_usage"),
        (Usage(input=10, output=1, cache_read=11), {}, "usage_inconsistent"),
        (Usage(input=1, output=1), {"provider": "nobody"}, "unknown_provider"),
        (Usage(input=1, output=1), {"provider": None}, "unknown_provider"),
        (Usage(input=1, output=1), {"provider": None, "url": "http://localhost:8000/v1"}, "unknown_provider"),
        (Usage(input=1, output=1), {"model": "no-such-model"}, "unknown_model"),
        (Usage(input=1, output=1), {"model": None}, "unknown_model"),
        (Usage(input=1, output=1), {"model": "x" * 10_000}, "unknown_model"),
    ],
)
def test_a_null_cost_says_why(usage: Usage, how: dict[str, Any], reason: str) -> None:
    assert cost(usage, **how) == Cost(cost_null_reason=reason)


def test_embeddings_cost_without_output() -> None:
    assert cost(Usage(input=1_000_000), "text-embedding-3-small").cost_usd == Decimal("0.02")


def test_models_named_by_strangers_do_not_fill_the_memory() -> None:
    book = PriceBook()
    how: dict[str, Any] = {"provider": "openai", "url": None, "service_tier": None, "units": {}, "at_us": 0}
    for index in range(5000):
        book.cost([Item(Usage(input=1, output=1), [f"gpt-4o-{index}"])], **(how | {"service_tier": str(index)}))
    assert len(book._listed) <= 4096
    assert len(book._plans) < 20


def test_a_price_takes_less_than_twenty_microseconds_once_known() -> None:
    usage = Usage(input=1000, output=500, cache_read=400)
    cost(usage)
    began = time.process_time()
    for _ in range(1000):
        cost(usage)
    assert time.process_time() - began < 0.1  # five times the promise, for slow machines

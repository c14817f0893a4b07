"""Own prices: the entry that fits goes before the list, to the last digit; a wrong file is one clear line."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.processors.measures.cost import VERSION, Buyer, Cost, Item, PriceBook
from streamgauge.processors.measures.own_prices import KINDS, PricesError, read_prices
from streamgauge.processors.providers.answer import Usage

FILE = """
[[price]]
tenant = "acme"
provider = "openai"
account = "prod-*"
model = "gpt-4o*"
from = 2026-07-01
until = 2026-12-01
per_million = { input = 2, output = 8 }

[[price]]
model = "house-?"
per_million = { input = 1.5, cache_read = 0.5, cache_write = 2, cache_write_1h = 4, output = 6, reasoning = 7.5 }
per_unit = { requests = 0.01, search_queries = 0.02 }

[[price.above]]
input = 1000
per_million = { input = 3 }

[[price]]
provider = "openai"
service_tier = "flex"
model = "gpt-5"
times = 0.1

[[price]]
provider = "anthropic"
times = 0.85
"""


def micros(*day: int) -> int:
    return int(datetime(*day, tzinfo=UTC).timestamp() * 1_000_000)  # type: ignore[arg-type, misc]


def cost(usage: Usage, model: str | None, *, file: str = FILE, **how: Any) -> Cost:
    given: dict[str, Any] = {
        "provider": "openai",
        "url": None,
        "service_tier": None,
        "units": {},
        "at_us": micros(2026, 11, 1),
        "buyer": Buyer("acme", "prod-1"),
    }
    return PriceBook(read_prices(file.encode())).cost([Item(usage, [model])], **(given | how))


MILLION = Usage(input=1_000_000, output=1_000_000)


def test_the_entry_that_fits_goes_before_the_list_and_the_record_says_so() -> None:
    found = cost(MILLION, "gpt-4o-2024-08-06")
    assert (found.cost_usd, found.price_source) == (Decimal(10), "own_prices")
    assert found.price_version == f"{VERSION}+{read_prices(FILE.encode()).version}"


@pytest.mark.parametrize(
    "how",
    [
        {"buyer": Buyer("other", "prod-1")},
        {"buyer": Buyer("acme", "test-1")},
        {"buyer": Buyer()},
        {"provider": "azure"},
        {"at_us": micros(2026, 7, 1) - 1},
        {"at_us": micros(2026, 12, 1)},
    ],
)
def test_what_does_not_fit_in_every_part_is_priced_by_the_list(how: dict[str, Any]) -> None:
    found = cost(MILLION, "gpt-4o", **how)
    assert (found.cost_usd, found.price_source) == (Decimal("12.5"), "genai-prices")


@pytest.mark.parametrize("at_us", [micros(2026, 7, 1), micros(2026, 12, 1) - 1])
def test_an_entry_holds_from_its_first_moment_to_the_one_before_its_end(at_us: int) -> None:
    assert cost(MILLION, "gpt-4o", at_us=at_us).cost_usd == Decimal(10)


def test_every_kind_is_paid_at_its_own_price_and_once() -> None:
    usage = Usage(input=1000, cache_read=100, cache_write=200, cache_write_1h=50, output=100, reasoning=40)
    found = cost(usage, "house-1", provider=None, units={"search_queries": 3.0, "sources": 5.0})
    assert {name: amount * 1_000_000 for name, amount in found.cost_breakdown.items()} == {
        "cache_read": 50,
        "cache_write": 300,
        "cache_write_1h": 200,
        "input": 1050,
        "output": 360,
        "reasoning": 300,
        "requests": 10_000,
        "search_queries": 60_000,
    }


def test_a_step_begins_with_the_next_token() -> None:
    below, beyond = (cost(Usage(input=count, output=0), "house-1").cost_breakdown["input"] for count in (1000, 1001))
    assert (below, beyond) == (Decimal("0.0015"), Decimal("0.003003"))


def test_of_several_steps_the_highest_that_was_passed_counts() -> None:
    steps = "".join(f"[[price.above]]\ninput = {at}\nper_million = {{ input = {at} }}\n" for at in (10, 30, 20))
    file = f"[[price]]\nper_million = {{ input = 1, output = 1 }}\n{steps}"
    for count, price in ((10, 1), (11, 10), (20, 10), (25, 20), (31, 30)):
        found = cost(Usage(input=count, output=0), "any", file=file)
        assert found.cost_usd == Decimal(count * price) / 1_000_000


def test_a_share_of_the_list_price_keeps_its_kinds_and_tiers() -> None:
    found = cost(MILLION, "claude-sonnet-4-5", provider="anthropic")
    listed = PriceBook().cost(
        [Item(MILLION, ["claude-sonnet-4-5"])], provider="anthropic", url=None, service_tier=None, units={}, at_us=0
    )
    assert listed.cost_usd is not None
    assert found.cost_usd == listed.cost_usd * Decimal("0.85")
    assert cost(Usage(input=1_000_000, output=0), "gpt-5", service_tier="flex").cost_usd == Decimal("0.0625")


def test_output_nobody_gave_a_price_for_is_not_free() -> None:
    file = "[[price]]\nper_million = { input = 1 }"
    assert cost(MILLION, "any", file=file) == Cost(cost_null_reason="no_price")
    assert cost(Usage(input=1_000_000), "any", file=file).cost_usd == 1
    assert cost(Usage(output=0), "any", file=file) == Cost(cost_null_reason="incomplete_usage")


@st.composite
def usages(draw: Any) -> Usage:
    given, output = draw(st.integers(0, 10**9)), draw(st.integers(0, 10**9))
    write = draw(st.integers(0, given // 4))
    return Usage(
        input=given,
        output=output,
        cache_read=draw(st.integers(0, given // 4)),
        cache_write=write,
        cache_write_1h=draw(st.integers(0, write)),
        audio_in=draw(st.integers(0, given // 4)),
        image_in=draw(st.integers(0, given // 4)),
        reasoning=draw(st.integers(0, output // 2)),
        audio_out=draw(st.integers(0, output // 2)),
    )


PRICES = st.decimals(0, 10**6, places=12, allow_nan=False)
BOOKS = st.dictionaries(st.sampled_from(KINDS), PRICES).flatmap(
    lambda prices: st.fixed_dictionaries({"input": PRICES, "output": PRICES}).map(lambda both: prices | both)
)


@given(usages(), BOOKS)
def test_a_cost_is_exact_never_negative_and_the_sum_of_its_components(usage: Usage, prices: dict[str, Decimal]) -> None:
    listed = ", ".join(f"{name} = {price:f}" for name, price in prices.items())
    found = cost(usage, "any", file=f"[[price]]\nper_million = {{ {listed} }}")
    parts = {"input": ("cache_read", "cache_write", "audio_in", "image_in"), "output": ("reasoning", "audio_out")}
    counts: dict[str, int] = {kind: getattr(usage, kind) for kind in KINDS if kind in prices}
    narrow = {"cache_write": ("cache_write_1h",), **parts}
    if "cache_write" not in prices:
        narrow["input"] = (*parts["input"], "cache_write_1h")
    own = {kind: count - sum(counts.get(part, 0) for part in narrow.get(kind, ())) for kind, count in counts.items()}
    assert found.cost_usd is not None
    assert Fraction(found.cost_usd) == sum(Fraction(prices[kind]) * own[kind] for kind in own) / 1_000_000
    assert sum(map(Fraction, found.cost_breakdown.values())) == Fraction(found.cost_usd)
    assert all(amount >= 0 for amount in found.cost_breakdown.values())


@given(st.sampled_from(["input", "output"]), st.integers(0, 10**6))
def test_what_is_not_known_has_no_cost(missing: str, other: int) -> None:
    known = "output" if missing == "input" else "input"
    assert cost(Usage(**{known: other}), "house-1" if missing == "input" else "gpt-4o").cost_usd is None


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("[[price", "it is no TOML: "),
        ("\xff", "it is no UTF-8 text"),
        ("[[prices]]", "unknown name 'prices'; entries stand under [[price]]"),
        ("price = 3", "'price' must be a list of entries, each under [[price]]"),
        ("[[price]]", "entry 1, field 'per_million': an entry has either prices"),
        ("[[price]]\ntimes = 1\nper_unit = { requests = 1 }", "entry 1, field 'per_million': an entry has either"),
        ("[[price]]\ntimes = 1\n[[price]]\nmodel = 'm'\ntimes = -1", "entry 2 (model 'm'), field 'times': -1 is no"),
        ("[[price]]\ntimes = '1'", "entry 1, field 'times': '1' is no number from 0 to 1000000"),
        ("[[price]]\ntimes = true", "field 'times': True is no number"),
        ("[[price]]\ntimes = nan", "field 'times': NaN is no number"),
        ("[[price]]\nper_million = { input = 1e-13 }", "field 'per_million.input': 1E-13 has more than 12 decimals"),
        ("[[price]]\nper_million = { inputs = 1 }", "field 'per_million.inputs': there is no such field; there are"),
        ("[[price]]\nper_million = 1", "field 'per_million': it must be a table"),
        ("[[price]]\nmodell = 'm'\ntimes = 1", "field 'modell': there is no such field; there are above,"),
        ("[[price]]\nmodel = 1\ntimes = 1", "field 'model': 1 is no text"),
        ("[[price]]\nfrom = '2026-01-01'\ntimes = 1", "field 'from': '2026-01-01' is no date; write 2026-07-01"),
        ("[[price]]\nfrom = 2026-01-02\nuntil = 2026-01-02\ntimes = 1", "field 'until': it must be later than from"),
        ("[[price]]\ntimes = 1\nabove = []", "field 'above': an entry with times keeps the steps of the list"),
        ("[[price]]\nper_million = {input=1}\nabove = 1", "field 'above': steps stand under [[price.above]]"),
        ("[[price]]\nper_million = {input=1}\nabove = [1]", "field 'above': steps stand under [[price.above]]"),
        ("[[price]]\nper_million = {input=1}\n[[price.above]]\ninput = 0", "field 'above.input': 0 is no number"),
        (
            "[[price]]\nper_million = {input=1}\n[[price.above]]\ninput = 1\nper_million = {output=1}",
            "field 'above.per_million.output': the entry itself has no such price",
        ),
    ],
)
def test_a_wrong_file_is_one_line_that_names_entry_and_field(file: str, said: str) -> None:
    with pytest.raises(PricesError) as caught:
        read_prices(file.encode("latin-1"))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.text(max_size=30))
def test_a_pattern_knows_stars_and_question_marks_and_nothing_else(model: str) -> None:
    file = '[[price]]\nmodel = "a[b]*"\nper_million = { input = 1, output = 1 }'
    fits = cost(Usage(input=1, output=1), model, file=file, provider=None).price_source == "own_prices"
    assert fits == model.lower().startswith("a[b]")
    assert cost(Usage(input=1, output=1), "A[b]c", file=file).price_source == "own_prices"

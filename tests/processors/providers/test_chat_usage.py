"""The canonical reading of chat usage, provider by provider."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from streamgauge.processors.providers.answer import Answer, Usage
from streamgauge.processors.providers.chat_usage import chat_usage, note_units
from streamgauge.processors.providers.costs import note_cost

BASE = {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14}


@pytest.mark.parametrize(
    ("raw", "usage"),
    [
        pytest.param(BASE, Usage(input=10, output=4, total=14), id="the base"),
        pytest.param({}, Usage(), id="nothing is null, not zero"),
        pytest.param({"prompt_tokens": 0, "completion_tokens": 0}, Usage(input=0, output=0), id="zero is a value"),
        pytest.param(
            {
                **BASE,
                "prompt_tokens_details": {
                    "cached_tokens": 3,
                    "audio_tokens": 1,
                    "image_tokens": 2,
                    "cache_write_tokens": 5,
                },
                "completion_tokens_details": {"reasoning_tokens": 2, "audio_tokens": 1},
            },
            Usage(
                input=10,
                output=4,
                total=14,
                cache_read=3,
                cache_write=5,
                reasoning=2,
                audio_in=1,
                audio_out=1,
                image_in=2,
            ),
            id="details",
        ),
        pytest.param(
            {**BASE, "prompt_cache_hit_tokens": 6, "prompt_cache_miss_tokens": 4},
            Usage(input=10, output=4, total=14, cache_read=6),
            id="DeepSeek's name for what was cached",
        ),
        pytest.param({**BASE, "cached_tokens": 7}, Usage(input=10, output=4, total=14, cache_read=7), id="Together's"),
        pytest.param(
            {**BASE, "prompt_tokens_details": {"cached_tokens": 0}, "prompt_cache_hit_tokens": 6},
            Usage(input=10, output=4, total=14, cache_read=6),
            id="a zero filled in beside the real figure",
        ),
        pytest.param(
            {
                "prompt_tokens": 10,
                "completion_tokens": 4,
                "total_tokens": 20,
                "completion_tokens_details": {"reasoning_tokens": 6},
            },
            Usage(input=10, output=10, total=20, reasoning=6),
            id="xAI leaves reasoning out of the completion",
        ),
        pytest.param(
            {"prompt_tokens": 10, "completion_tokens": 4, "completion_tokens_details": {"reasoning_tokens": 6}},
            Usage(input=10, output=4, reasoning=6),
            id="without a total nothing shows that",
        ),
        pytest.param({"prompt_tokens": True, "completion_tokens": "4", "total_tokens": -1}, Usage(), id="not counts"),
        pytest.param({"prompt_tokens": 10.0, "completion_tokens": 2**60}, Usage(input=10), id="a float; beyond reason"),
        pytest.param(
            {**BASE, "prompt_tokens_details": None, "completion_tokens_details": [1]},
            Usage(input=10, output=4, total=14),
            id="null details",
        ),
    ],
)
def test_every_report_has_one_reading(raw: dict[str, Any], usage: Usage) -> None:
    assert chat_usage(raw) == usage


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        ({"cost": 0.1}, Decimal("0.1")),
        ({"cost": 0}, Decimal(0)),
        ({"cost": {"total_cost": 0.00921, "request_cost": 0.006}}, Decimal("0.00921")),
        ({"cost_in_usd_ticks": 37756000}, Decimal("0.0037756")),
        ({"cost": "nan"}, None),
        ({"cost": "much"}, None),
        ({"cost": -1}, None),
        ({"cost": None}, None),
        ({}, None),
    ],
)
def test_the_cost_a_provider_states_is_kept_to_the_digit(usage: dict[str, Any], cost: Decimal | None) -> None:
    answer = Answer()
    note_cost(answer, usage)
    assert answer.cost_provider_usd == cost


def test_what_is_counted_beside_tokens_has_units() -> None:
    answer = Answer()
    note_units(answer, {"num_search_queries": 3, "num_sources_used": 0})
    assert answer.units == {"search_queries": 3.0, "sources": 0.0}

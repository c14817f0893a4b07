"""Costs as providers state them beside their usage, in US dollars.

cost                   OpenRouter (credits, which are dollars); Perplexity, as an object with its total
cost_in_usd_ticks      xAI: 10^10 ticks are a dollar (docs.x.ai, "Cost Tracking")
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from streamgauge.processors.providers.answer import Answer
from streamgauge.processors.providers.json_values import Document, amount, count, fields

__all__ = ["note_cost"]

_TICKS_PER_USD: Final = Decimal(10**10)


def note_cost(answer: Answer, usage: Document) -> None:
    """Keep the cost this report states; the last one is the provider's last word."""
    ticks = count(usage.get("cost_in_usd_ticks"))
    stated = usage.get("cost")
    cost = amount(fields(stated).get("total_cost") if type(stated) is dict else stated)
    if ticks is not None:
        cost = Decimal(ticks) / _TICKS_PER_USD
    if cost is not None and cost >= 0:
        answer.cost_provider_usd = cost

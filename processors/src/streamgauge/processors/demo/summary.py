"""What came of the show, in figures: counted from the records read back, never from what was played."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal
from statistics import median
from typing import Any

import msgspec

from streamgauge.processors.demo.judge import Disagreement
from streamgauge.processors.following import Emitted
from streamgauge.schemas.records import Record
from streamgauge.schemas.words import Outcome

__all__ = ["Row", "Summary", "summarise"]


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """All streams of one outcome. Medians over those that have the figure."""

    outcome: str
    streams: int
    ttft_us: int | None
    tokens_per_s: float | None
    output_tokens: int
    cost_usd: Decimal


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The show."""

    streams: int
    rows: list[Row]
    apis: list[str]
    providers: list[str]
    links: int  # the most connections a stream had
    attempts: int  # the most attempts a call had
    replayed_events: int
    disagreements: list[Disagreement]
    seconds: float

    @property
    def outcomes(self) -> dict[str, int]:
        """Streams by outcome."""
        return {row.outcome: row.streams for row in self.rows}

    def as_json(self) -> dict[str, Any]:
        """The last line of `--json`."""
        return {
            "summary": {
                "streams": self.streams,
                "outcomes": self.outcomes,
                "apis": self.apis,
                "providers": self.providers,
                "links": self.links,
                "attempts": self.attempts,
                "replayed_events": self.replayed_events,
                "output_tokens": sum(row.output_tokens for row in self.rows),
                "cost_usd": str(sum((row.cost_usd for row in self.rows), Decimal(0))),
                "disagreements": [str(one) for one in self.disagreements],
                "seconds": round(self.seconds, 1),
            }
        }


def summarise(emissions: Iterable[Emitted], disagreements: Sequence[Disagreement], *, seconds: float) -> Summary:
    """Count every stream once, whatever was repeated."""
    records = list({emitted.record.id: emitted.record for emitted in emissions}.values())
    calls = Counter(record.call_id for record in records)
    return Summary(
        streams=len(records),
        rows=[row for row in (_row(outcome, records) for outcome in (*Outcome, None)) if row.streams],
        apis=sorted({record.api for record in records if record.api}),
        providers=sorted({record.provider for record in records if record.provider}),
        links=max((len(record.links) for record in records), default=0),
        attempts=max(calls.values(), default=0),
        replayed_events=sum(link.replayed_events for record in records for link in record.links),
        disagreements=list(disagreements),
        seconds=seconds,
    )


def _row(outcome: Outcome | None, records: Sequence[Record]) -> Row:
    ones = [record for record in records if record.outcome == outcome]
    ttfts = [record.ttft_us for record in ones if record.ttft_us is not None]
    rates = [record.tokens_per_s for record in ones if record.tokens_per_s is not None]
    return Row(
        outcome="null" if outcome is None else outcome.value,
        streams=len(ones),
        ttft_us=round(median(ttfts)) if ttfts else None,
        tokens_per_s=median(rates) if rates else None,
        output_tokens=sum(record.usage_output or 0 for record in ones),
        cost_usd=sum((record.cost_usd or Decimal(0) for record in ones), Decimal(0)),
    )

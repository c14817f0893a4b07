"""The end of the show as tables: outcomes with their figures, one interrupted stream closely, and the verdict."""

from __future__ import annotations

from typing import Final

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from streamgauge.processors.cli import lines
from streamgauge.processors.demo.judge import key_of
from streamgauge.processors.demo.summary import Summary
from streamgauge.processors.following import Emitted
from streamgauge.schemas.records import Record

__all__ = ["report"]

DISAGREEMENTS_SHOWN: Final = 20


def report(summary: Summary, interrupted: Emitted | None) -> RenderableType:
    """Everything there is to say at the end."""
    parts: list[RenderableType] = [_outcomes(summary)]
    if interrupted is not None:
        parts.append(_closely(interrupted))
    return Group(*parts, _verdict(summary))


def _outcomes(summary: Summary) -> RenderableType:
    table = Table(box=box.SIMPLE_HEAD, title="streams by outcome", title_justify="left")
    table.add_column("outcome", no_wrap=True)
    for column in ("streams", "median ttft", "median tokens/s", "output tokens", "cost"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in summary.rows:
        table.add_row(
            row.outcome,
            str(row.streams),
            lines.milliseconds(row.ttft_us),
            lines.rate(row.tokens_per_s),
            f"{row.output_tokens:,}",
            lines.amount(row.cost_usd),
        )
    return table


def _closely(emitted: Emitted) -> RenderableType:
    """The record of one stream that did not end well."""
    record = emitted.record
    title = f"the record of {key_of(record)[0]!r}, which was interrupted"
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", show_header=False)
    table.add_column("field", no_wrap=True)
    table.add_column("value")
    for name, value in _fields(record):
        table.add_row(name, Text(lines.plain(value)))
    if emitted.contents is not None:
        table.add_row(
            "the answer, as far as it came", Text("\n".join(map(str.strip, lines.of_contents(emitted.contents))))
        )
    return table


def _fields(record: Record) -> list[tuple[str, str]]:
    """The fields that tell what happened, those that are null left out."""
    gaps = (record.gap_p50_us, record.gap_p95_us, record.gap_max_us)
    tokens = f"{record.usage_input} in, {record.usage_output} out"
    fields = [
        ("id", record.id),
        ("outcome", record.outcome),
        ("ended_by, evidence", f"{record.ended_by}, {record.evidence}"),
        ("content_complete, stream_complete", f"{record.content_complete}, {record.stream_complete}"),
        ("status, finish_reasons", f"{record.status}, {record.finish_reasons}"),
        ("provider, api, model", f"{record.provider}, {record.api}, {record.model}"),
        ("links", ", ".join(f"{link.how} after {link.chunks} chunks" for link in record.links)),
        ("ttft", lines.milliseconds(record.ttft_us)),
        ("gaps p50, p95, max", ", ".join(map(lines.milliseconds, gaps))),
        ("usage", f"{tokens} ({record.usage_source}, {record.usage_method})"),
        ("output_seen", record.output_seen),
        ("cost", f"{lines.amount(record.cost_usd)} ({record.price_source} {record.price_version})"),
        ("billing", f"{record.billing} ({record.billing_basis})"),
        ("warnings, suspicions", ", ".join([*record.warnings, *record.suspicions])),
    ]
    return [(name, str(value)) for name, value in fields if value not in (None, "")]


def _verdict(summary: Summary) -> RenderableType:
    text = Text(f"{summary.streams} streams on {', '.join(summary.providers)} in {summary.seconds:.0f} s. ")
    text.append(f"A call with {summary.attempts} attempts, a stream with {summary.links} connections ")
    text.append(f"({summary.replayed_events} events came twice and count once).\n")
    if not summary.disagreements:
        text.append("Every record agrees with what the simulator knows it said and did.", style="green")
    for disagreement in summary.disagreements[:DISAGREEMENTS_SHOWN]:
        text.append(f"disagreement: {lines.plain(str(disagreement))}\n", style="red")
    more = len(summary.disagreements) - DISAGREEMENTS_SHOWN
    if more > 0:
        text.append(f"and {more} more", style="red")
    return text

"""One finished stream on a screen: how it ended and what says so, then what it was and what it cost."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text as Line

from streamgauge.processors.cli.lines import amount, plain
from streamgauge.schemas.records import Choice, Contents, Omitted, Reasoning, Record, Refusal, Text, ToolCall
from streamgauge.schemas.words import Outcome, UsageSource

__all__ = ["show"]

_EXCERPT_CHARS: Final = 400
_ARGUMENTS_CHARS: Final = 160
_STYLES: Final = {Outcome.COMPLETED: "bold green", None: "bold yellow"}
_STATED: Final = {
    UsageSource.PROVIDER: "stated by the provider",
    UsageSource.PARTIAL: "stated in part",
    UsageSource.ESTIMATED: "estimated",
}

_Row = tuple[str, str]


def show(name: str, record: Record, contents: Contents) -> None:
    """Print the summary of one stream under the name of its file."""
    console = Console(file=sys.stdout, highlight=False, soft_wrap=False)
    console.print(Line(plain(name), style="bold"))
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("  outcome", Line(_outcome(record), style=_STYLES.get(record.outcome, "bold red")))
    for label, value in _rows(record, contents):
        table.add_row(f"  {label}", Line(plain(value)))
    console.print(table)
    console.print()


def _outcome(record: Record) -> str:
    if record.outcome is None:
        return plain(f"unknown: {record.evidence}")
    by = f", ended by the {record.ended_by}" if record.ended_by else ""
    place = f" at byte {record.evidence_offset:,}" if record.evidence_offset is not None else ""
    return plain(f"{record.outcome}{by}: {record.evidence}{place}")


def _rows(record: Record, contents: Contents) -> Iterator[_Row]:
    yield "api", " · ".join(filter(None, (record.api or "unknown", record.provider, record.model)))
    if record.response_id:
        yield "id", record.response_id
    if record.error_kind:
        told = ", ".join(filter(None, (record.error_type, record.error_code)))
        yield "error", f"{record.error_kind}{f' ({told})' if told else ''}: {record.error_message or 'no message'}"
    if record.finish_reasons:
        yield "finish", ", ".join(record.finish_reasons)
    yield "usage", _usage(record)
    yield "cost", _cost(record)
    for choice in contents.choices:
        yield from _choice(choice, several=len(contents.choices) > 1)
    yield "events", _events(record)
    if record.warnings:
        yield "warnings", ", ".join(record.warnings)
    yield "timing", "unknown: a file has no times"


def _usage(record: Record) -> str:
    if record.usage_source is UsageSource.NONE:
        return "unknown"
    within = {
        "cached": record.usage_cache_read,
        "written to cache": record.usage_cache_write,
        "reasoning": record.usage_reasoning,
    }
    parts = [f"{_number(record.usage_input)} in, {_number(record.usage_output)} out"]
    parts += [f"{value:,} {name}" for name, value in within.items() if value]
    how = _STATED.get(record.usage_source, record.usage_source)
    if record.usage_method:
        how += f" ({', '.join(record.usage_estimated)} by {record.usage_method})"
    return f"{', '.join(parts)}; {how}"


def _cost(record: Record) -> str:
    own = f"; the provider says {amount(record.cost_provider_usd)}" if record.cost_provider_usd is not None else ""
    if record.cost_usd is None:
        return f"unknown: {record.cost_null_reason}{_advice(record)}{own}"
    return f"{amount(record.cost_usd)} at today's prices of {record.price_source} {record.price_version}{own}"


def _advice(record: Record) -> str:
    """What to do about a cost that is unknown."""
    if record.cost_null_reason != "unknown_provider":
        return ""
    at = record.server_address
    return f", nobody known serves at {at}" if at else ", say where it came from with --url"


def _choice(choice: Choice, *, several: bool) -> Iterator[_Row]:
    of = f" {choice.generation}.{choice.index}" if several else ""
    for part in choice.parts:
        match part:
            case Text():
                yield f"text{of}", _excerpt(part.text)
            case Reasoning():
                yield f"thinking{of}", "encrypted" if part.encrypted else _excerpt(part.text)
            case Refusal():
                yield f"refusal{of}", _excerpt(part.text)
            case ToolCall():
                yield f"tool{of}", f"{part.name or '?'}({_excerpt(part.arguments, _ARGUMENTS_CHARS)}){_state(part)}"
            case _:
                yield f"part{of}", type(part).__name__.lower()


def _state(call: ToolCall) -> str:
    if call.complete is False:
        return ", cut off"
    return "" if call.json_valid else ", no valid JSON"


def _excerpt(text: str | Omitted, characters: int = _EXCERPT_CHARS) -> str:
    if isinstance(text, Omitted):
        return f"{text.bytes:,} bytes, omitted"
    shown = " ".join(text[:characters].split())
    return f"{shown} … ({len(text):,} characters)" if len(text) > characters else shown


def _events(record: Record) -> str:
    unknown = f", {record.unknown_events:,} unknown" if record.unknown_events else ""
    repeated = f", {record.duplicates_dropped:,} repeated" if record.duplicates_dropped else ""
    spliced = f", {record.generations} generations" if record.generations > 1 else ""
    return f"{record.events:,}{unknown}{repeated}{spliced} in {record.bytes:,} bytes"


def _number(value: int | None) -> str:
    return "unknown" if value is None else f"{value:,}"

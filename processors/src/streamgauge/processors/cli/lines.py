"""Records and contents as lines for people. What a provider or a user wrote cannot steer the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from streamgauge.schemas.records import (
    Choice,
    Citation,
    Contents,
    Omitted,
    Part,
    Reasoning,
    Record,
    Refusal,
    Text,
    ToolCall,
)

__all__ = ["amount", "joined", "milliseconds", "of_contents", "of_record", "plain", "rate"]

_UNKNOWN: Final = "-"
_INDENT: Final = "    "


def of_record(record: Record) -> str:
    """One record in one line: when, outcome, whose model, timing, tokens, cost, id."""
    outcome = record.outcome or f"unknown ({record.evidence or _UNKNOWN})"
    model = f"{record.provider or _UNKNOWN}/{record.model or record.model_requested or _UNKNOWN}"
    tokens = f"{_known(record.usage_input)}→{_known(record.usage_output)}"
    fields = [
        _clock(record.requested_at_us),
        f"{outcome:<9}",
        f"{model:<32}",
        f"ttft {milliseconds(record.ttft_us):>8}",
        f"{rate(record.tokens_per_s):>10}",
        f"tokens {tokens:>9}",
        f"{amount(record.cost_usd):>10}",
        record.id if record.revision == 0 else f"{record.id} revision {record.revision}",
    ]
    return plain("  ".join(fields))


def of_contents(contents: Contents) -> Iterator[str]:
    """What was answered, indented below its record."""
    for choice in contents.choices:
        for part in choice.parts:
            for line in _of_part(part, choice).splitlines() or [""]:
                yield _INDENT + plain(line)


def joined(record: bytes, contents: bytes | None) -> str:
    """Both values as emitted, as one JSON object: the contents are one more field of the record."""
    if contents is None:
        return record.decode()
    return f'{record.decode().rstrip()[:-1]},"contents":{contents.decode()}}}'


def milliseconds(value_us: int | None) -> str:
    """A duration as people read it."""
    return _UNKNOWN if value_us is None else f"{value_us / 1000:,.0f} ms"


def rate(value: float | None) -> str:
    """Tokens a second."""
    return _UNKNOWN if value is None else f"{value:.1f} tok/s"


def amount(value: Decimal | None) -> str:
    """Dollars; small ones by their first digits."""
    return _UNKNOWN if value is None else f"${value:.6f}"


def plain(text: str) -> str:
    """The text without anything a terminal would obey."""
    return "".join(one if one.isprintable() else f"\\x{ord(one):02x}" for one in text)


def _of_part(part: Part, choice: Choice) -> str:
    several = f"[{choice.index}] " if choice.index else ""
    match part:
        case Text():
            return f"{several}{_written(part.text)}"
        case Reasoning():
            return f"{several}(thinking) {_written(part.text)}"
        case Refusal():
            return f"{several}(refusal) {_written(part.text)}"
        case ToolCall():
            return f"{several}{part.name or _UNKNOWN}({_written(part.arguments)})"
        case Citation():
            return f"{several}(citation)"
        case _:
            return f"{several}({type(part).__name__.lower()})"


def _written(text: str | Omitted) -> str:
    return text if isinstance(text, str) else f"({text.bytes} bytes omitted)"


def _known(value: int | None) -> str:
    return _UNKNOWN if value is None else str(value)


def _clock(value_us: int | None) -> str:
    if value_us is None:
        return _UNKNOWN.ljust(12)
    return datetime.fromtimestamp(value_us / 1_000_000, UTC).astimezone().strftime("%H:%M:%S.%f")[:-3]

"""Own prices: what a user pays by contract, where that is not the list price.

A price file is TOML, a list of entries; the first that fits a stream wins, so the particular stand before the general::

    [[price]]
    tenant = "acme-*"                # who asks; patterns know * and ?, and what is left out fits everything
    provider = "azure"               # as records name it
    account = "contoso.*"            # the provider account: the tag `provider_account`, else the host
    model = "gpt-4o*"
    service_tier = "default"
    from = 2026-07-01                # the first day, or moment; days begin in UTC
    until = 2027-01-01               # no longer
    per_million = { input = 2.1, cache_read = 1.05, output = 8.4 }
    per_unit = { search_queries = 0.008, requests = 0.0001 }

    [[price.above]]                  # from the next token on: this price for all of it
    input = 200_000
    per_million = { input = 4.2, output = 12.6 }

    [[price]]
    provider = "anthropic"
    times = 0.85                     # of the list price

Numbers are US dollars and decimal from the file on. A kind that has no price of its own is paid as the wider one it is
part of (`cache_read` as `input`, `cache_write_1h` as `cache_write`). Input or output that no price of an entry covers
makes the cost null, never cheaper.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fnmatch import translate
from typing import Any, Final, NamedTuple

__all__ = ["KINDS", "OwnEntry", "OwnPrices", "PricesError", "read_prices"]

KINDS: Final = (
    "input",
    "output",
    "cache_read",
    "cache_write",
    "cache_write_1h",
    "reasoning",
    "audio_in",
    "audio_out",
    "image_in",
)
_PATTERNS: Final = ("tenant", "provider", "account", "model", "service_tier")
_FIELDS: Final = frozenset({*_PATTERNS, "from", "until", "per_million", "per_unit", "times", "above"})
_PRICE_MAX: Final = Decimal(10**6)
_DECIMALS_MAX: Final = 12
_VERSION_CHARS: Final = 12
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_US: Final = timedelta(microseconds=1)

Prices = dict[str, Decimal]


class PricesError(ValueError):
    """A price file is wrong: the message is one line that names entry and field and says what is allowed."""


class OwnEntry(NamedTuple):
    """One entry, checked. It has either prices or `times`."""

    patterns: tuple[tuple[str, re.Pattern[str]], ...]
    from_us: int | None
    until_us: int | None
    per_million: Prices
    per_unit: Prices
    above: tuple[tuple[int, Prices], ...]  # from the highest
    times: Decimal | None

    def fits(self, stream: Mapping[str, str | None], at_us: int) -> bool:
        """Whether the entry is for such a stream, asked at this time."""
        if (self.from_us is not None and at_us < self.from_us) or (
            self.until_us is not None and at_us >= self.until_us
        ):
            return False
        return all(pattern.match((stream[name] or "").lower()) for name, pattern in self.patterns)


class OwnPrices(NamedTuple):
    """A price file, and the beginning of its SHA-256."""

    entries: tuple[OwnEntry, ...]
    version: str


def read_prices(content: bytes) -> OwnPrices:
    """The entries of a price file. Raises `PricesError`."""
    try:
        document = tomllib.loads(content.decode(), parse_float=Decimal)
    except UnicodeDecodeError:
        raise PricesError("it is no UTF-8 text") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise PricesError(f"it is no TOML: {str(error).splitlines()[0]}") from None
    entries = document.pop("price", [])
    if document:
        raise PricesError(f"unknown name {next(iter(document))!r}; entries stand under [[price]]")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise PricesError("'price' must be a list of entries, each under [[price]]")
    checked = tuple(_Entry(number, entry).checked() for number, entry in enumerate(entries, 1))
    return OwnPrices(checked, hashlib.sha256(content).hexdigest()[:_VERSION_CHARS])


class _Entry:
    """One entry being checked: it knows its place for the message."""

    def __init__(self, number: int, given: dict[str, Any]) -> None:
        self._given = given
        model = given.get("model")
        self._name = f"entry {number}" + (f" (model {model!r})" if isinstance(model, str) else "")

    def checked(self) -> OwnEntry:
        self._refuse_unknown(self._given, _FIELDS, "")
        given = self._given
        times = self._number(given["times"], "times") if "times" in given else None
        per_million = self._prices(given, "per_million", KINDS)
        per_unit = self._prices(given, "per_unit", None)
        if (times is None) == (not per_million and not per_unit):
            raise self._wrong("per_million", "an entry has either prices (per_million, per_unit) or times, not both")
        if times is not None and "above" in given:
            raise self._wrong("above", "an entry with times keeps the steps of the list")
        from_us, until_us = self._moment("from"), self._moment("until")
        if from_us is not None and until_us is not None and until_us <= from_us:
            raise self._wrong("until", "it must be later than from")
        return OwnEntry(self._patterns(), from_us, until_us, per_million, per_unit, self._above(per_million), times)

    def _patterns(self) -> tuple[tuple[str, re.Pattern[str]], ...]:
        found = []
        for name in _PATTERNS:
            if name not in self._given:
                continue
            value = self._given[name]
            if not isinstance(value, str) or not value:
                raise self._wrong(name, f"{value!r} is no text; * stands for any characters, ? for one")
            found.append((name, re.compile(translate(value.lower().replace("[", "[[]")))))
        return tuple(found)

    def _above(self, base: Prices) -> tuple[tuple[int, Prices], ...]:
        given = self._given.get("above", [])
        if not isinstance(given, list):
            raise self._wrong("above", "steps stand under [[price.above]]")
        steps: dict[int, Prices] = {}
        for step in given:
            if not isinstance(step, dict):
                raise self._wrong("above", "steps stand under [[price.above]]")
            self._refuse_unknown(step, frozenset({"input", "per_million"}), "above.")
            start = step.get("input")
            if type(start) is not int or start <= 0 or start in steps:
                raise self._wrong("above.input", f"{start!r} is no number of tokens above 0, each given once")
            prices = self._prices(step, "per_million", KINDS, "above.")
            if missing := [kind for kind in prices if kind not in base]:
                raise self._wrong(f"above.per_million.{missing[0]}", "the entry itself has no such price")
            steps[start] = prices
        return tuple(sorted(steps.items(), reverse=True))

    def _prices(self, given: dict[str, Any], field: str, kinds: Sequence[str] | None, within: str = "") -> Prices:
        prices = given.get(field, {})
        if not isinstance(prices, dict):
            raise self._wrong(within + field, "it must be a table of prices, like { input = 2.5, output = 10 }")
        if kinds is not None:
            self._refuse_unknown(prices, frozenset(kinds), f"{within}{field}.")
        return {name: self._number(value, f"{within}{field}.{name}") for name, value in prices.items()}

    def _number(self, value: object, field: str) -> Decimal:
        number = Decimal(value) if isinstance(value, int | Decimal) and not isinstance(value, bool) else None
        if number is None or not number.is_finite() or not 0 <= number <= _PRICE_MAX:
            raise self._wrong(field, f"{_shown(value)} is no number from 0 to {_PRICE_MAX}")
        exponent = number.as_tuple().exponent
        if isinstance(exponent, int) and exponent < -_DECIMALS_MAX:
            raise self._wrong(field, f"{_shown(value)} has more than {_DECIMALS_MAX} decimals")
        return number

    def _moment(self, field: str) -> int | None:
        match self._given.get(field):
            case None:
                return None
            case datetime() as moment:
                moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
            case date() as day:
                moment = datetime.combine(day, time(), UTC)
            case other:
                raise self._wrong(field, f"{_shown(other)} is no date; write 2026-07-01, without quotes")
        return (moment - _EPOCH) // _US

    def _refuse_unknown(self, given: dict[str, Any], known: frozenset[str], within: str) -> None:
        for name in given:
            if name not in known:
                raise self._wrong(within + name, f"there is no such field; there are {', '.join(sorted(known))}")

    def _wrong(self, field: str, what: str) -> PricesError:
        return PricesError(f"{self._name}, field {field!r}: {what}")


def _shown(value: object) -> str:
    """As it stands in the file."""
    return str(value) if isinstance(value, Decimal) else repr(value)

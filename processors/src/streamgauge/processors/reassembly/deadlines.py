"""The deadlines: how long a stream waits for what, in microseconds of partition time.

The settings are one frozen value. They decide records, so a hash of them, `rules`, stands in every record, and the
ledger keeps them beside the position they were valid at.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum
from functools import cached_property
from typing import Final

import msgspec

from streamgauge.schemas.topics import WORKER_DEFAULTS

__all__ = ["Deadlines", "Lapse"]

_SECOND_US: Final = 1_000_000
_RULES_DIGITS: Final = 16


class Lapse(StrEnum):
    """Which deadline a stream let pass. Where several fall on the same time, the first named here counts."""

    HEAD_GRACE = "head_grace"
    HOLE_GRACE = "hole_grace"
    PRODUCER_SILENT = "producer_silent"
    PROVIDER_SILENT = "provider_silent"
    RESUME_GRACE = "resume_grace"
    TOTAL_AGE = "total_age"


class Deadlines(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """The settings that decide when a stream closes (contract, "Settings that decide records")."""

    head_grace_us: int  # frames wait for their stream's Open
    hole_grace_us: int  # a stream waits for a missing frame or link
    producer_silent_us: int  # a link may go without any frame
    provider_silent_us: int  # a link may go without a chunk while its Pulses say the provider is waited for
    total_age_us: int  # a stream may run at all
    resume_grace_us: int  # a stream without evidence waits for another link, if one may come
    late_horizon_us: int  # an id is remembered after its stream closed
    tick_us: int  # a silent log gets a Tick; twice this is the longest step of partition time

    @classmethod
    def of_seconds(cls, **seconds: float) -> Deadlines:
        """The deadlines by their setting names (`hole_grace_s=30`); what is not named has its default."""
        unknown = seconds.keys() - _SETTINGS.keys()
        if unknown:
            raise ValueError(f"unknown deadline settings {sorted(unknown)!r}: use some of {sorted(_SETTINGS)!r}")
        merged = {**_SETTINGS, **seconds}
        negative = sorted(name for name, value in merged.items() if value < 0)
        if negative:
            raise ValueError(f"the deadline settings {negative!r} are negative: give seconds from 0 up")
        return cls(**{name.removesuffix("_s") + "_us": round(value * _SECOND_US) for name, value in merged.items()})

    @cached_property
    def rules(self) -> str:
        """A hash of all settings, the same on every machine."""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()[:_RULES_DIGITS]

    @property
    def step_max_us(self) -> int:
        """The longest step of partition time from one record to the next."""
        return 2 * self.tick_us


def _default(setting: str) -> float:
    value = WORKER_DEFAULTS[setting]
    if not isinstance(value, int | float):
        raise TypeError(f"the default of {setting!r} is {value!r}: a deadline is a number of seconds")
    return value


_SETTINGS: Final = {
    setting: _default(setting)
    for setting in (field.removesuffix("_us") + "_s" for field in Deadlines.__struct_fields__)
}

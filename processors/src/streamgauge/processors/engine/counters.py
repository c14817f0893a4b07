"""What the engine counts, one set a partition. Counts are for people and alarms; nothing is decided on them."""

from __future__ import annotations

from collections import Counter

__all__ = ["Counters"]


class Counters:
    """Counts since the partition was assigned."""

    __slots__ = ("absent_offsets", "dead", "finished", "flushes", "lost_by_retention", "offsets", "rules_changed")

    def __init__(self) -> None:
        self.offsets = 0  # worked, those read again included
        self.finished = 0  # streams emitted
        self.flushes = 0
        self.rules_changed = 0  # closed below the ledger's position, not listed there: the code or a rule changed
        self.lost_by_retention = 0  # offsets the log let go before they were worked
        self.absent_offsets = 0  # offsets that hold no record: markers of transactions
        self.dead: Counter[str] = Counter()  # dead letters by reason

    def as_dict(self) -> dict[str, int]:
        """All counts by name; dead letters as `dead_<reason>`."""
        counts = {name: getattr(self, name) for name in self.__slots__ if name != "dead"}
        return {**counts, **{f"dead_{reason}": count for reason, count in sorted(self.dead.items())}}

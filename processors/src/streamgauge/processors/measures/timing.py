"""Timing: gaps between chunks, and the figures made of them.

A provider gap runs from max(previous `got`, `asked`) to `got`: the time the consumer let pass before it asked is not the
provider's. A gap after a consumer wait above 5 ms is *masked*: the provider may have delivered meanwhile, so it tells
nothing and is left out of the percentiles, but counted (contract, "Facts").
"""

from __future__ import annotations

__all__ = ["Gaps"]


class Gaps:
    """The provider gaps of one stream. Interface: the owner of `measures` fills it in.

    `add(gap_us)` counts a gap, `mask()` one that tells nothing; figures do not depend on the order of the calls.
    """

    def add(self, gap_us: int) -> None: ...

    def mask(self) -> None: ...

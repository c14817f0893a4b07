"""What a worker measures with: built once, used for every record."""

from __future__ import annotations

from streamgauge.processors.measures.cost import PriceBook
from streamgauge.processors.measures.own_prices import OwnPrices
from streamgauge.processors.measures.tokens import Tokenizers

__all__ = ["Measures"]


class Measures:
    """Tokenizers and prices, the user's own before the list's. The tokenizers load their vocabularies when one is first
    needed, or by `load`."""

    __slots__ = ("prices", "tokenizers")

    def __init__(self, own_prices: OwnPrices | None = None) -> None:
        self.tokenizers = Tokenizers()
        self.prices = PriceBook(own_prices)

    def load(self) -> None:
        """Load now what would else be loaded while a record waits for it (some 0.4 s)."""
        self.tokenizers.load()

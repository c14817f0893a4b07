"""What the simulated models say: sentences about rivers, in the pieces a tokenizer would make of them.

The same seed says the same.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from typing import Final

import msgspec

from streamgauge.processors.demo.script import Answer, Tool

__all__ = ["answer", "pieces", "tool"]

_PIECE: Final = re.compile(r"\s?\w{1,7}|\s?[^\w\s]+|\s+")

_SENTENCES: Final = (
    "The gauge at the old bridge reads 2.41 m, four centimetres above this morning.",
    "Rain in the upper valley needs about nine hours to reach the weir.",
    "Below the confluence the water runs at 38 m³/s and is brown with silt.",
    "A float in a stilling well moves slowly even when the river does not.",
    "Nobody has measured the spring flood of 1926; the mark on the mill is all we have.",
    "The rating curve was fitted to eleven measurements, none of them at high water.",
    "In summer the reeds slow the flow and the level rises without any rain.",
    "Salt dilution works well in a rough mountain stream, and badly in a calm one.",
    "The sluice opens by itself when the upper pond is full.",
    "Between the islands the current turns, which is where boats are lost.",
    "Ice on the intake hides the true level for some days each winter.",
    "An eddy behind the pier makes the sensor read low by a hand's breadth.",
    "The Rhône, the Öre and the Łyna all freeze at different times.",
    "水位 is the word for the water level, 流量 the one for discharge.",
    "Two channels carry the same water and never agree on how much it is. 🌊",
    "If the pump stops, the cellar of the station fills within forty minutes.",
)

_THOUGHTS: Final = (
    "The question is about the level, so the rating curve matters first.",
    "Check whether the two readings come from the same hour.",
    "The difference could be the tide, but the station lies above the weir.",
    "I should name the uncertainty, since the curve is extrapolated.",
    "Comparing both stations gives the travel time of the wave.",
)

_TOOLS: Final = (
    ("read_gauge", {"station": "old bridge", "unit": "m", "since": "2026-03-01T06:00:00Z"}),
    ("forecast_rain", {"valley": "upper", "hours": 12}),
    ("open_sluice", {"pond": "upper", "percent": 35, "reason": "level above 2.40 m"}),
)


def answer(seed: int, *, sentences: int = 4, thoughts: int = 0, tools: Sequence[int] = ()) -> Answer:
    """An answer of so many sentences, after so many thoughts, with these tools called."""
    chance = random.Random(seed)  # noqa: S311 - a show that can be repeated, not a secret
    return Answer(
        reasoning=pieces(" ".join(chance.sample(_THOUGHTS, thoughts))),
        text=pieces(" ".join(chance.sample(_SENTENCES, sentences))),
        tools=tuple(tool(number) for number in tools),
    )


def pieces(text: str) -> tuple[str, ...]:
    """A text cut as a tokenizer might: joined they are the text again."""
    return tuple(_PIECE.findall(text))


def tool(number: int) -> Tool:
    """One of the tools the models know."""
    name, arguments = _TOOLS[number]
    written = msgspec.json.encode(arguments).decode()
    return Tool(name=name, arguments=tuple(written[at : at + 9] for at in range(0, len(written), 9)))

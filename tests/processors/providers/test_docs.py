"""The tables of the documentation say what the code does."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamgauge.processors.providers.chat_family import FAMILY
from streamgauge.processors.providers.registry import APIS

PAGE = (Path(__file__).parents[3] / "docs" / "providers.md").read_text()
ENDINGS = [line for line in PAGE.splitlines() if line.startswith("| `") and "." in line.split("|")[1]]


@pytest.mark.parametrize("api", APIS, ids=lambda api: api.name)
def test_every_api_has_its_endings_in_the_table(api: object) -> None:
    name = getattr(api, "name", "")
    assert any(line.startswith((f"| `{name}` |", f"| `{name}`, ")) for line in ENDINGS)


def test_the_providers_without_a_marker_are_named() -> None:
    markerless = sorted(name for name, provider in FAMILY.items() if not provider.marker)
    [line] = [line for line in ENDINGS if line.startswith("| `openai.chat` of ")]
    named = line.split("|")[1].strip().removeprefix("`openai.chat` of ").split(", ")
    assert sorted(named) == markerless

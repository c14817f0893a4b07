"""What the package says it offers, it offers; and nothing by accident."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from streamgauge import schemas
from streamgauge.schemas.limits import MIB
from streamgauge.schemas.topics import SHIM_DEFAULTS, WORKER_DEFAULTS

MODULES = ("bounds", "codec", "errors", "frames", "identity", "records", "routes", "words")


def by_kind(name: str) -> tuple[int, str]:
    """Constants, then classes, then functions, as ruff sorts them."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2), name


def test_the_public_names_are_sorted_and_there() -> None:
    assert list(schemas.__all__) == sorted(schemas.__all__, key=by_kind)
    assert [name for name in schemas.__all__ if not hasattr(schemas, name)] == []


@pytest.mark.parametrize("name", ["frames", "records", "words", "errors"])
def test_every_struct_word_and_error_is_public(name: str) -> None:
    module = importlib.import_module(f"streamgauge.schemas.{name}")
    assert set(module.__all__) <= set(schemas.__all__)


@pytest.mark.parametrize("name", [*MODULES, "descriptions", "jsonschema"])
def test_every_module_says_what_it_offers(name: str) -> None:
    module = importlib.import_module(f"streamgauge.schemas.{name}")
    assert list(module.__all__) == sorted(module.__all__, key=by_kind)
    assert [public for public in module.__all__ if not hasattr(module, public)] == []


def test_nothing_is_public_that_no_module_offers() -> None:
    offered = {name for module in MODULES for name in importlib.import_module(f"streamgauge.schemas.{module}").__all__}
    assert set(schemas.__all__) <= offered


def test_the_contract_loads_nothing_heavy() -> None:
    """It is imported into other people's applications."""
    heavy = "{'asyncio', 'aiokafka', 'inspect', 'logging', 'uuid', 'faust'}"
    seen = f"import sys, streamgauge.schemas; print(sorted({heavy} & (set(sys.modules) - before)))"
    script = f"import sys, msgspec; before = set(sys.modules); {seen}"
    finished = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert finished.stdout.strip() == "[]"


def test_a_shim_spools_for_less_time_than_a_worker_remembers() -> None:
    """A spooled Close must find its stream still known."""
    spooled, remembered = SHIM_DEFAULTS["spool_age_max_s"], WORKER_DEFAULTS["late_horizon_s"]
    assert isinstance(spooled, int)
    assert isinstance(remembered, int)
    assert spooled < remembered
    assert SHIM_DEFAULTS["buffer_bytes"] == 32 * MIB

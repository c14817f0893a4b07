"""docs/contract.md says what the structs say. Its code blocks are run with those of the other pages."""

from __future__ import annotations

import re
from typing import get_args

from contract_tables import PAGE, filled
from streamgauge.schemas import words
from streamgauge.schemas.frames import Frame
from streamgauge.schemas.records import GROUPS


def test_the_tables_are_up_to_date() -> None:
    page = PAGE.read_text("utf-8")
    assert filled(page) == page, "run `python tests/support/contract_tables.py`"


def test_nothing_is_left_out() -> None:
    marks = set(re.findall(r"<!-- ([\w.]+) -->", PAGE.read_text("utf-8")))
    frames = {kind.__name__ for kind in get_args(Frame)} - {"Tick"}
    assert frames <= marks
    assert {f"Record.{group}" for group in GROUPS} <= marks
    assert set(words.__all__) - {"Word"} <= marks
    assert {"Prefix", "Context", "ToolEvent", "Link", "Contents", "Choice", "limits"} <= marks

"""The promise as the reader of records sees it: the groups from identity to cost depend on the set of frames alone."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frames_facts import only
from frames_feed import DEADLINES, feed
from frames_strategies import Script, arrivals_of, disordered, nonsense, resumed_scripts, scripts
from streamgauge.processors.reassembly.finished import Arrival, Finished
from streamgauge.processors.record.measures import Measures
from streamgauge.processors.record.write import write
from streamgauge.schemas import codec
from streamgauge.schemas.records import GROUPS, Record

FREE = [name for group, names in GROUPS.items() if group not in ("integrity", "source") for name in names]


@pytest.fixture(scope="module")
def measures() -> Measures:
    return Measures()


def written(arrivals: list[Arrival], measures: Measures) -> tuple[dict[str, Any], bytes]:
    """The groups that no order may change, and the contents as they stand on the topic."""
    record, contents = write(only(feed(arrivals)), topic="t", partition=0, rules=DEADLINES.rules, measures=measures)
    facts = msgspec.to_builtins(record)
    return {name: facts[name] for name in FREE if name != "first_append_us"}, codec.encode_contents(contents)


def test_all_groups_but_integrity_and_source_are_meant() -> None:
    assert set(Record.__struct_fields__) - set(FREE) == {*GROUPS["integrity"], *GROUPS["source"]}


@settings(max_examples=60)
@given(st.data())
def test_disorder_and_copies_change_no_group_from_identity_to_cost(measures: Measures, data: st.DataObject) -> None:
    script: Script = data.draw(st.one_of(scripts(), resumed_scripts()))
    mixed = data.draw(disordered(script.frames))
    plain = arrivals_of(script.frames)
    assert written(arrivals_of(mixed, step_us=100_000), measures) == written(plain, measures)


@settings(max_examples=100)
@given(st.lists(nonsense(), min_size=1, max_size=30))
def test_every_finished_stream_can_be_written(measures: Measures, values: list[bytes]) -> None:
    arrivals = arrivals_of(values)
    last = arrivals[-1]
    for emission in feed([*arrivals, *_silence(last)], tick_s=5000):
        if isinstance(emission, Finished):
            record, contents = write(emission.stream, topic=None, partition=None, rules=None, measures=measures)
            codec.encode_record(record)
            codec.encode_contents(contents)


def _silence(last: Arrival) -> list[Arrival]:
    """Time enough for every deadline to pass."""
    return [
        last._replace(offset=last.offset + 1 + at, append_us=last.append_us + at * 4_000_000_000, value=b"")
        for at in range(3)
    ]

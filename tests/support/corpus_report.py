"""What `make corpus` says: a table per API with denominators, the exceptions, what differs, and the sum.

Text and tools are compared where the recording holds evidence that somebody else read them so, everything else wherever
the expectation speaks of it. A recording without a record agrees in nothing.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from rich.console import Console
from rich.table import Table

from corpus_check import CANONICAL, EXCEPTIONS, Exempt, Seen, differences, exemption
from corpus_file import Recording
from streamgauge.processors.following import Emitted

__all__ = ["report"]

GROUPS: Final = (
    "records",
    "outcome",
    "text",
    "tools",
    "finish",
    "choices",
    "usage",
    "usage_canonical",
    "response_id",
)
EVIDENCE: Final = {"text": "text", "tools": "tool_calls"}  # groups compared only where somebody confirmed them


class Difference(NamedTuple):
    """One comparison that does not agree."""

    recording: Recording
    group: str
    expected: Any
    got: Any


class _Judged(NamedTuple):
    """All comparisons, counted by API and group."""

    compared: Counter[tuple[str, str]]
    agreed: Counter[tuple[str, str]]
    exempt: Counter[Exempt]
    wrong: list[Difference]


def report(
    recordings: Sequence[Recording],
    emitted: Mapping[str, Sequence[Emitted]],
    *,
    dead_letters: int,
    left_out: int,
    show: bool,
) -> int:
    """Print it all; the exit code: 1 unless everything agrees and nothing came that no recording explains."""
    judged = _judge(recordings, emitted)
    strays = len(emitted.get("", ()))
    console = Console(width=140)
    console.print(_table(recordings, judged))
    for exempt in EXCEPTIONS:
        places = f"{exempt.api} {exempt.group}, {judged.exempt[exempt]} times"
        console.print(f"exception: {places}: {exempt.rule}", markup=False, soft_wrap=True)
    for recording, group, expected, got in judged.wrong:
        console.print(f"differs: {recording.api} {recording.id} {group}", markup=False)
        if show:
            console.print(f"  expected {expected!r:.600}\n  got      {got!r:.600}", markup=False)
    print(_sum(recordings, judged, left_out, f"{strays} records of no recording, {dead_letters} dead letters"))  # noqa: T201 - the result of the command
    return 1 if judged.wrong or strays or dead_letters else 0


def _judge(recordings: Sequence[Recording], emitted: Mapping[str, Sequence[Emitted]]) -> _Judged:
    judged = _Judged(Counter(), Counter(), Counter(), [])
    for recording in recordings:
        found = _differences(recording, emitted.get(recording.id, ()))
        for group in _groups_of(recording):
            cell = (recording.api, group)
            judged.compared[cell] += 1
            if group not in found:
                judged.agreed[cell] += 1
            elif (exempt := exemption(recording, group)) is not None:
                judged.exempt[exempt] += 1
            else:
                judged.wrong.append(Difference(recording, group, *found[group]))
    return judged


def _groups_of(recording: Recording) -> list[str]:
    """What is compared of this recording."""
    expected, evidence = recording.expected, recording.evidence
    spoken_of = {
        "outcome": expected.get("end_marker") or expected.get("has_error_event"),
        "choices": expected.get("choices"),
        "response_id": expected.get("response_id"),
        **{group: evidence.get(kind) for group, kind in EVIDENCE.items()},
    }
    return [group for group in GROUPS if spoken_of.get(group, True)]


def _differences(recording: Recording, emitted: Sequence[Emitted]) -> dict[str, tuple[Any, Any]]:
    """As `corpus_check` has them, and whether there is one record, with contents, of one emission."""
    if not emitted or emitted[0].contents is None:
        return dict.fromkeys(GROUPS, ("one record with contents", None))
    found = differences(recording, _seen(emitted[0]))
    if len(emitted) != 1:
        found["records"] = (1, [(one.record.id, one.record.revision) for one in emitted])
    return found


def _seen(emitted: Emitted) -> Seen:
    record, contents = emitted.record, emitted.contents
    assert contents is not None
    last = max((choice.generation for choice in contents.choices), default=0)
    return Seen(
        outcome=record.outcome,
        choices=[choice for choice in contents.choices if choice.generation == last],
        usage_raw=json.loads(bytes(contents.usage_raw)),
        usage={
            name: getattr(record, f"usage_{name}")
            for name in CANONICAL
            if f"usage_{name}" not in record.usage_estimated
        },
        response_id=record.response_id,
    )


def _table(recordings: Sequence[Recording], judged: _Judged) -> Table:
    table = Table(title="records equal to what the recordings say")
    table.add_column("api")
    table.add_column("recordings", justify="right")
    for group in GROUPS:
        table.add_column(group, justify="right")
    for api, count in sorted(Counter(recording.api for recording in recordings).items()):
        cells = [_cell(judged, (api, group)) for group in GROUPS]
        table.add_row(api, str(count), *cells)
    return table


def _cell(judged: _Judged, cell: tuple[str, str]) -> str:
    return f"{judged.agreed[cell]}/{judged.compared[cell]}" if judged.compared[cell] else "-"


def _sum(recordings: Sequence[Recording], judged: _Judged, left_out: int, beside: str) -> str:
    streams = len({difference.recording.id for difference in judged.wrong})
    return (
        f"{len(recordings)} recordings played, {left_out} of other APIs left out, {judged.agreed.total()} of "
        f"{judged.compared.total()} comparisons agree, {judged.exempt.total()} are exempt by {len(EXCEPTIONS)} "
        f"exceptions, {streams} recordings differ, {beside}"
    )

"""Damage every recording and judge what the core tells of it: `make corpus MODE=damaged`.

    recording ──▶ cut, torn, failed, copied, spliced, mixed, lost ──▶ frames ──▶ partition ──▶ record ──▶ truthful?

All is drawn from a fixed seed. What is not truthful is listed with recording, place and reason; what a rule explains is
counted under it. The last line sums up; the exit code is 1 if anything no rule explains is not truthful, 2 if there is
nothing to play.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
from rich.console import Console
from rich.table import Table

from corpus_damage import DAMAGES, RULES, Case, Sizes, damage, is_stream, rule_for, subject_of
from corpus_file import Recording, load
from corpus_naive import naive
from corpus_truth import Subject
from streamgauge.processors.providers import registry

SIZES: Final = Sizes(cuts=24, errors=4, others=2)
WORKERS: Final = 2


class Judged(NamedTuple):
    """The cases of one recording: how many of each damage, and those that are not truthful."""

    total: Counter[str]
    wrong: list[Case]


class _Corpus:
    """What a worker process plays from; its subjects are read when first needed."""

    recordings: list[Recording]
    subjects: dict[int, Subject]


def main() -> int:
    """Damage the file named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    path = parser.parse_args().corpus
    began = time.monotonic()
    try:
        recordings = playable(path)
    except (OSError, msgspec.MsgspecError) as error:
        return _say(f"cannot read recordings from {str(path)!r}: {error}")
    if not recordings:
        return _say(f"no recording in {str(path)!r} is of an API that is supported")
    context = get_context("spawn")
    with ProcessPoolExecutor(WORKERS, mp_context=context, initializer=_begin, initargs=(path,)) as pool:
        judged = list(pool.map(_judge, range(len(recordings)), chunksize=4))
    return report(recordings, judged, seconds=time.monotonic() - began)


def _say(line: str) -> int:
    sys.stderr.write(f"make corpus: {line}\n")
    return 2


def playable(path: Path) -> list[Recording]:
    """The recordings of APIs we know whose bodies are streams of events."""
    known = (recording for recording in load(path) if registry.by_name(recording.api) is not None)
    return [recording for recording in known if is_stream(recording)]


def _begin(path: Path) -> None:
    _Corpus.recordings = playable(path)
    _Corpus.subjects = {}


def _subject(at: int) -> Subject:
    if at not in _Corpus.subjects:
        _Corpus.subjects[at] = subject_of(_Corpus.recordings[at])
    return _Corpus.subjects[at]


def _judge(at: int) -> Judged:
    api = _Corpus.recordings[at].api
    others = [_subject(other) for other, one in enumerate(_Corpus.recordings) if one.api == api and other != at]
    cases = list(damage(_subject(at), others, SIZES))
    return Judged(Counter(case.damage for case in cases), [case for case in cases if case.wrong])


def report(recordings: list[Recording], judged: list[Judged], *, seconds: float) -> int:
    """Print it all; the exit code: 1 unless everything is told truthfully or a rule explains it."""
    total: Counter[tuple[str, str]] = Counter()
    true: Counter[tuple[str, str]] = Counter()
    explained: Counter[str] = Counter()
    exceptions = 0
    console = Console(width=220)
    for recording, one in zip(recordings, judged, strict=True):
        for name, count in one.total.items():
            total[recording.api, name] += count
            true[recording.api, name] += count
        for case in one.wrong:
            true[recording.api, case.damage] -= 1
            rule = rule_for(recording, case)
            if rule is not None:
                explained[rule.text] += 1
                continue
            exceptions += 1
            reasons = "; ".join(case.wrong)
            where = f"{recording.api} {recording.id} {case.damage}, {case.place}"
            console.print(f"exception: {where}: {reasons}", markup=False, soft_wrap=True)
    console.print(_table(total, true))
    for rule in RULES:
        console.print(f"rule: {explained[rule.text]} times: {rule.text}", markup=False, soft_wrap=True)
    borders = sum(len(naive(recording).parts) + 1 for recording in recordings)
    cut = sum(count for (_, name), count in total.items() if name == "cut")
    print(  # noqa: T201 - the result of the command
        f"{len(recordings)} recordings damaged in {total.total()} ways, {true.total()} told truthfully, "
        f"{explained.total()} otherwise by {len(RULES)} rules, {exceptions} exceptions; "
        f"cut at {cut} of {borders} borders; {seconds:.0f} s"
    )
    return 1 if exceptions else 0


def _table(total: Counter[tuple[str, str]], true: Counter[tuple[str, str]]) -> Table:
    apis = sorted({api for api, _ in total})
    table = Table(title="told truthfully, of all")
    table.add_column("api")
    for name in DAMAGES:
        table.add_column(name, justify="right")
    for api in apis:
        table.add_row(api, *(_cell(true[api, name], total[api, name]) for name in DAMAGES))
    sums = [(sum(true[api, name] for api in apis), sum(total[api, name] for api in apis)) for name in DAMAGES]
    table.add_row("all", *(_cell(*pair) for pair in sums))
    return table


def _cell(true: int, total: int) -> str:
    return f"{true}/{total}" if total else "-"


if __name__ == "__main__":
    sys.exit(main())

"""Who watches the show: a terminal, a file or pipe, a program.

    Live      a table that moves: streams growing, records arriving
    Plain     one line a record
    Lines     one JSON object a record

The first two end with the summary as tables, the last with the summary as an object.
"""

from __future__ import annotations

import sys
from collections import Counter, deque
from typing import Final, Protocol, Self

import msgspec
from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live as RichLive
from rich.table import Table
from rich.text import Text

from streamgauge.processors.cli import lines, streams
from streamgauge.processors.demo.judge import key_of
from streamgauge.processors.demo.report import report
from streamgauge.processors.demo.summary import Summary
from streamgauge.processors.demo.watch import State, Watch, Watches
from streamgauge.processors.following import Emitted

__all__ = ["Audience", "audience"]

ROWS_MAX: Final = 12  # of each table
ROWS_MIN: Final = 3
FRAME_ROWS: Final = 14  # titles, heads, rules and the last line
BAR_WIDTH: Final = 24
BAR_PIECES: Final = 5  # events a cell
PLAIN_WIDTH: Final = 120


class Audience(Protocol):
    """What the show tells while it runs."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...

    def say(self, line: str) -> None:
        """Something about the stage, not about a stream."""
        ...

    def record(self, emitted: Emitted) -> None:
        """A record was read back."""
        ...

    def look(self, watches: Watches) -> None:
        """Time has passed."""
        ...

    def end(self, summary: Summary, interrupted: Emitted | None) -> None:
        """The show is over."""
        ...


def audience(*, as_json: bool) -> Audience:
    """Whoever is there."""
    if as_json:
        return Lines()
    console = Console()
    return Live(console) if console.is_terminal else Plain()


class Lines:
    """A program: JSON on standard output, anything else on standard error."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing to put away."""

    def say(self, line: str) -> None:
        """To standard error."""
        sys.stderr.write(line + "\n")

    def record(self, emitted: Emitted) -> None:
        """The record as it was emitted, its contents as one more field."""
        streams.write_json(lines.joined(emitted.raw, emitted.contents_raw))

    def look(self, watches: Watches) -> None:
        """Records speak for themselves."""

    def end(self, summary: Summary, interrupted: Emitted | None) -> None:  # noqa: ARG002 - it was printed already
        """The summary, as the last line."""
        for disagreement in summary.disagreements:
            self.say(f"disagreement: {disagreement}")
        streams.write_json(msgspec.json.encode(summary.as_json()).decode())


class Plain:
    """A file or a pipe: no movement, no colour."""

    def __init__(self) -> None:
        self._console = Console(width=PLAIN_WIDTH, color_system=None, force_terminal=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing to put away."""

    def say(self, line: str) -> None:
        """A line."""
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def record(self, emitted: Emitted) -> None:
        """A line a record."""
        self.say(f"{key_of(emitted.record)[0]:<26}{lines.of_record(emitted.record)}")

    def look(self, watches: Watches) -> None:
        """Nothing moves."""

    def end(self, summary: Summary, interrupted: Emitted | None) -> None:
        """The tables."""
        self._console.print(report(summary, interrupted))


class Live:
    """A terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = RichLive(console=console, auto_refresh=False, transient=True)
        self._latest: deque[Emitted] = deque(maxlen=ROWS_MAX)
        self._outcomes: Counter[str] = Counter()

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._live.stop()

    def say(self, line: str) -> None:
        """A line above the table."""
        self._console.print(Text(line, style="dim"))

    def record(self, emitted: Emitted) -> None:
        """It shows with the next look."""
        self._latest.appendleft(emitted)
        self._outcomes[emitted.record.outcome or "null"] += 1

    def look(self, watches: Watches) -> None:
        """Draw everything anew."""
        self._live.update(Group(self._streams(watches), self._records(), self._totals(watches)), refresh=True)

    def end(self, summary: Summary, interrupted: Emitted | None) -> None:
        """The tables, for good."""
        self._live.stop()
        self._console.print(report(summary, interrupted))

    @property
    def _rows(self) -> int:
        """How many rows each table may have, so that both fit the terminal as it is now."""
        return max(ROWS_MIN, min(ROWS_MAX, (self._console.height - FRAME_ROWS) // 2))

    def _streams(self, watches: Watches) -> RenderableType:
        table = Table(box=box.SIMPLE_HEAD, expand=True, title="streams", title_justify="left")
        for column in ("stream", "client", "state", "so far"):
            table.add_column(column, no_wrap=True)
        open_ones = [watch for watch in watches.all() if watch.state in {State.WAITING, State.STREAMING}]
        for watch in open_ones[: self._rows]:
            table.add_row(watch.name, watch.client.value, watch.state.value, _bar(watch))
        for _ in range(self._rows - len(open_ones)):
            table.add_row("", "", "", "")  # the table keeps its height
        return table

    def _records(self) -> RenderableType:
        table = Table(box=box.SIMPLE_HEAD, expand=True, title="records", title_justify="left")
        for column in ("stream", "outcome", "evidence", "ttft", "tokens/s", "cost"):
            table.add_column(column, no_wrap=True)
        for emitted in list(self._latest)[: self._rows]:
            record = emitted.record
            table.add_row(
                key_of(record)[0],
                Text(record.outcome or "null", style=_STYLES.get(record.outcome or "", "red")),
                lines.plain(record.evidence or "-"),
                lines.milliseconds(record.ttft_us),
                lines.rate(record.tokens_per_s),
                lines.amount(record.cost_usd),
            )
        for _ in range(self._rows - len(self._latest)):
            table.add_row("", "", "", "", "", "")
        return table

    def _totals(self, watches: Watches) -> RenderableType:
        over = sum(1 for watch in watches.all() if watch.state is State.OVER)
        counted = "  ".join(f"{outcome} {count}" for outcome, count in sorted(self._outcomes.items()))
        return Text(f"{over} of {len(watches.all())} streams over, {self._outcomes.total()} records: {counted}")


_STYLES: Final = {"completed": "green", "truncated": "yellow", "cancelled": "cyan", "abandoned": "cyan"}


def _bar(watch: Watch) -> str:
    cells = min(watch.pieces // BAR_PIECES, BAR_WIDTH)
    return f"{'━' * cells:<{BAR_WIDTH}} {watch.pieces} events"

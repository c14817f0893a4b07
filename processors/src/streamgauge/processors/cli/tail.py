"""`streamgauge tail`: follow the records, for people or for programs."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Annotated

import typer

from streamgauge.processors.cli.options import BootstrapServers, Given, SettingsFile, settings_of

if TYPE_CHECKING:
    from streamgauge.processors.following import Emitted
    from streamgauge.processors.settings import Settings

__all__ = ["tail"]


def tail(
    settings: SettingsFile = None,
    bootstrap_servers: BootstrapServers = None,
    given: Given = None,
    contents: Annotated[bool, typer.Option("--contents", help="Join requests and responses to the records.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, as emitted.")] = False,
    from_beginning: Annotated[bool, typer.Option("--from-beginning", help="Start with the oldest record.")] = False,
    follow: Annotated[bool, typer.Option(help="Wait for more at the end; else stop there.")] = True,
    limit: Annotated[int | None, typer.Option("--limit", "-n", min=1, help="Stop after so many records.")] = None,
) -> None:
    """Follow the finished records, until Ctrl-C."""
    wanted = settings_of(settings, bootstrap_servers, given)
    show = _json if as_json else _lines
    with suppress(KeyboardInterrupt):
        asyncio.run(
            _tail(wanted, contents=contents, from_beginning=from_beginning, follow=follow, limit=limit, show=show)
        )


async def _tail(
    settings: Settings,
    *,
    contents: bool,
    from_beginning: bool,
    follow: bool,
    limit: int | None,
    show: Callable[[Emitted], None],
) -> None:
    from streamgauge.processors import following

    shown = 0
    records = following.follow(settings, contents=contents, from_beginning=from_beginning, to_the_end=not follow)
    async with aclosing(records):
        async for emitted in records:
            if isinstance(emitted, following.Unreadable):
                sys.stderr.write(f"streamgauge: {emitted}\n")
                continue
            show(emitted)
            shown += 1
            if shown == limit:
                return


def _json(emitted: Emitted) -> None:
    """The record as it was emitted; contents, if any, as one more field."""
    from streamgauge.processors.cli import lines, streams

    streams.write_json(lines.joined(emitted.raw, emitted.contents_raw))


def _lines(emitted: Emitted) -> None:
    from streamgauge.processors.cli import lines

    written = [lines.of_record(emitted.record)]
    if emitted.contents is not None:
        written += lines.of_contents(emitted.contents)
    sys.stdout.write("\n".join(written) + "\n")
    sys.stdout.flush()

"""`streamgauge topics`: make the topics, look whether they are as they must be, move a stopped group."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from typing import Annotated, Final

import typer

from streamgauge.processors.cli.options import BootstrapServers, Given, SettingsFile, settings_of

__all__ = ["topics"]


class Place(StrEnum):
    """As in `engine.reset`, which is not imported before it is needed."""

    GROUP = "group"
    LEDGER = "ledger"
    START = "start"
    END = "end"


topics: Final = typer.Typer(help="Create or verify the topics, or move a stopped group.")


@topics.command()
def create(settings: SettingsFile = None, bootstrap_servers: BootstrapServers = None, given: Given = None) -> None:
    """Make the topics and partitions that are missing. What exists is not altered."""
    wanted = settings_of(settings, bootstrap_servers, given)
    from streamgauge.processors.engine.admin import create_topics

    done = asyncio.run(create_topics(wanted))
    for line in done or ["all topics exist"]:
        typer.echo(line)


@topics.command()
def verify(settings: SettingsFile = None, bootstrap_servers: BootstrapServers = None, given: Given = None) -> None:
    """Look at topics, partitions and their settings; exit 1 if a worker would refuse to start."""
    wanted = settings_of(settings, bootstrap_servers, given)
    from streamgauge.processors.engine.admin import verify_topics

    findings = asyncio.run(verify_topics(wanted))
    for finding in findings:
        typer.echo(f"{'wrong' if finding.wrong else 'note'}: {finding}")
    if any(finding.wrong for finding in findings):
        raise typer.Exit(1)
    typer.echo("the topics are as they must be")


@topics.command()
def reset(
    to: Annotated[Place, typer.Option(help="Where to begin: the group's offsets, the ledgers', or an end of the log.")],
    settings: SettingsFile = None,
    bootstrap_servers: BootstrapServers = None,
    given: Given = None,
) -> None:
    """Move a stopped group and its ledgers together; nobody may be at work."""
    wanted = settings_of(settings, bootstrap_servers, given)
    from streamgauge.processors.engine.reset import reset as move

    for line in asyncio.run(move(wanted, to.value)):
        typer.echo(line)

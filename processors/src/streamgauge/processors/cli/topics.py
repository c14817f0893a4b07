"""`streamgauge topics`: make the topics, or look whether they are as they must be."""

from __future__ import annotations

import asyncio
from typing import Final

import typer

from streamgauge.processors.cli.options import BootstrapServers, Given, SettingsFile, settings_of

__all__ = ["topics"]

topics: Final = typer.Typer(help="Create or verify the topics.")


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

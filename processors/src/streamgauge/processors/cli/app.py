"""All commands in one place. Only signatures are loaded here; what a command does is loaded when it runs."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated, Final

import typer

from streamgauge.processors.cli.demo import demo
from streamgauge.processors.cli.dev import dev
from streamgauge.processors.cli.inspect import inspect
from streamgauge.processors.cli.tail import tail
from streamgauge.processors.cli.topics import topics
from streamgauge.processors.cli.worker import worker

__all__ = ["app"]

DISTRIBUTION: Final = "streamgauge-processors"

app: Final = typer.Typer(
    name="streamgauge",
    help="Finished log records of LLM response streams, from raw chunks on Kafka.",
    add_completion=False,
    pretty_exceptions_enable=False,  # errors end in `boundary`; what gets past it is ours, and wants a plain traceback
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def streamgauge(
    context: typer.Context,
    show_version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    """Finished log records of LLM response streams, from raw chunks on Kafka."""
    if show_version:
        typer.echo(f"streamgauge {version(DISTRIBUTION)}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


app.command()(demo)
app.command()(dev)
app.command()(worker)
app.add_typer(topics, name="topics")
app.command()(tail)
app.command()(inspect)

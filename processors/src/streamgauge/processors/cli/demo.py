"""`streamgauge demo`: the whole river on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from streamgauge.processors.cli.extras import demand_demo

__all__ = ["demo"]


def demo(
    as_json: Annotated[bool, typer.Option("--json", help="Records as JSON lines, then a summary as the last.")] = False,
    seed: Annotated[int, typer.Option(help="What the models say and how they stutter.")] = 1,
) -> None:
    """Stream from misbehaving providers through broker and worker, and compare records with what really happened."""
    demand_demo("demo", shim=True)
    from streamgauge.processors.demo.show import run

    raise typer.Exit(run(as_json=as_json, seed=seed))

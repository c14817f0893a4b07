"""`streamgauge dev`: an embedded broker and a worker, to develop against."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from typing import Annotated, Final

import typer

from streamgauge.processors.cli.boundary import CommandError
from streamgauge.processors.cli.extras import demand_demo
from streamgauge.processors.cli.options import Given, SettingsFile, given_of

__all__ = ["dev"]

PORT: Final = 9092
LOOK_EVERY_S: Final = 0.5


def dev(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where the broker listens, on loopback.")] = PORT,
    settings: SettingsFile = None,
    given: Given = None,
) -> None:
    """Run an embedded broker and a worker until Ctrl-C. What it holds is gone when it ends."""
    demand_demo("dev", shim=False)
    _demand_port(port)
    from streamgauge.processors.demo.river import River

    with suppress(KeyboardInterrupt), River(port=port, file=settings, given=given_of(given)) as river:
        river.await_worker()
        typer.echo(f"broker and worker run: STREAMGAUGE_BOOTSTRAP_SERVERS={river.settings.bootstrap_servers}")
        typer.echo("follow the records with 'streamgauge tail'; Ctrl-C ends both")
        while True:
            river.look()
            time.sleep(LOOK_EVERY_S)
    typer.echo("stopped")


def _demand_port(port: int) -> None:
    """Refuse a port that is taken: the broker would say so in its own, longer words."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise CommandError(f"port {port} cannot be had ({error.strerror}): name another with --port") from error

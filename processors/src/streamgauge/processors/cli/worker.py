"""`streamgauge worker`: reassemble what shims publish."""

from __future__ import annotations

import typer

from streamgauge.processors.cli.options import BootstrapServers, Given, SettingsFile, settings_of

__all__ = ["worker"]


def worker(settings: SettingsFile = None, bootstrap_servers: BootstrapServers = None, given: Given = None) -> None:
    """Reassemble streams and emit their records, until Ctrl-C or SIGTERM."""
    wanted = settings_of(settings, bootstrap_servers, given)
    from streamgauge.processors.worker import run_worker

    raise typer.Exit(run_worker(wanted))

"""Options that several commands share, and the settings they lead to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from streamgauge.processors.cli.boundary import MISUSE, CommandError

if TYPE_CHECKING:
    from streamgauge.processors.settings import Settings

__all__ = ["BootstrapServers", "Given", "SettingsFile", "given_of", "settings_of"]

SettingsFile = Annotated[
    Path | None,
    typer.Option("--settings", metavar="FILE", help="A TOML file with settings, by their bare names."),
]
BootstrapServers = Annotated[
    str | None,
    typer.Option("--bootstrap-servers", "-b", metavar="HOST:PORT", help="The brokers, separated by commas."),
]
Given = Annotated[
    list[str] | None,
    typer.Option("--set", "-s", metavar="NAME=VALUE", help="One setting; may be given again."),
]

_HOW: Final = "give it as --set name=value, for instance --set tick_s=1"


def settings_of(file: Path | None, bootstrap_servers: str | None, given: list[str] | None) -> Settings:
    """The settings: options, then the environment, then the file, then the defaults."""
    from streamgauge.processors.settings import load

    return load(file, **{"bootstrap_servers": bootstrap_servers, **given_of(given)})


def given_of(given: list[str] | None) -> dict[str, Any]:
    """What `--set` says, by name."""
    values: dict[str, Any] = {}
    for one in given or ():
        name, separator, value = one.partition("=")
        if not separator or not name:
            raise CommandError(f"{one!r} is no setting: {_HOW}", code=MISUSE)
        values[name] = value
    return values

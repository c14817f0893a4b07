"""`python -m streamgauge.processors.cli`: the same, where the script is not on the path."""

from __future__ import annotations

from streamgauge.processors.cli import main

__all__: list[str] = []

if __name__ == "__main__":
    main()

"""What stops a worker. Bad data never does: it becomes a dead letter.

    EngineError
    ├── RefusalError        going on would be wrong: a topic is missing, somebody moved an offset, the fuse has blown
    ├── UnreachableError    no broker answers
    └── LedgerError         the ledger holds what this version cannot read

Each message is one line that names the thing and says what to do. The command line prints it and exits with 1.
"""

from __future__ import annotations

__all__ = ["EngineError", "RefusalError", "UnreachableError"]


class EngineError(Exception):
    """The base: the worker cannot work."""


class RefusalError(EngineError):
    """Going on would lose, double or invent something."""


class UnreachableError(EngineError):
    """No broker answers."""

"""What the shim raises, and when: only at construction, never while streams run.

    StreamgaugeError
    └── ConfigurationError      a setting is unknown, missing or out of bounds (also a ValueError)

Everything later is swallowed and counted (see `guard`): the shim is a guest in somebody's application.
"""

from __future__ import annotations

__all__ = ["ConfigurationError", "StreamgaugeError"]


class StreamgaugeError(Exception):
    """The base of all errors of Streamgauge."""


class ConfigurationError(StreamgaugeError, ValueError):
    """A setting is wrong: the message names it, shows it and says what to do."""

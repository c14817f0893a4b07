"""What the contract raises.

    UndecodableError
    ├── UndecodableFrame     the value of a message on the chunk topic is no frame
    └── UndecodableRecord    the value of a message on a record topic is no record, or no contents

Messages tell the shape of the fault and its place, never a value: a value may be content.
"""

from __future__ import annotations

__all__ = ["UndecodableError", "UndecodableFrame", "UndecodableRecord"]


class UndecodableError(ValueError):
    """These bytes are not what their topic holds."""


class UndecodableFrame(UndecodableError):  # noqa: N818 - says what the frame is, as the contract does
    """These bytes are no frame."""


class UndecodableRecord(UndecodableError):  # noqa: N818 - as above
    """These bytes are no record."""

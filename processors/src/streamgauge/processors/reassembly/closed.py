"""What is remembered of a closed stream, so that what comes for it later is known for what it is.

Late and repeated frames after the end are normal: Kafka delivers copies, a spool is emptied after an outage, a user
notes something down. They must never open a phantom stream. An id is therefore remembered for the late horizon after
closing, with what is needed to judge a frame by its offset and its number alone:

    old     its offset is not beyond the stream's last: it is in the record already (the log is being read again)
    copy    its link and number were read before the close: counted, nothing else
    late    anything else: it is not in the record, so it may not vanish

Numbers prove a copy, checksums would not prove more: the first copy wins in any case.

This is also what the ledger stores of a closed stream, all of it.
"""

from __future__ import annotations

from typing import Final

import msgspec

__all__ = ["LINKS_REMEMBERED", "ClosedStream", "SeenLink"]

LINKS_REMEMBERED: Final = 32  # of one stream: bounds its ledger entry. A copy on a further link is taken for late


class SeenLink(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A link of a closed stream: all its frames with a number below `through` were read."""

    link: bytes
    through: int


class ClosedStream(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One closed stream, as partition and ledger remember it."""

    first_offset: int
    last_offset: int  # of the last frame that belongs to it
    closing_offset: int
    closed_partition_us: int
    revision: int = 0
    revisable: bool = False  # late data could still revise the record; false: sealed
    aged: bool = False  # closed by total age: of late frames only a Close or a Note says anything new
    links: tuple[SeenLink, ...] = ()

    def has_read(self, link: bytes, n: int | None) -> bool:
        """Whether a frame that comes after the close is a copy of one that was read before it.

        A Close without a number (a rescuer's) is one where nothing could follow, and news where its link had no end.
        """
        for seen in self.links:
            if seen.link == link:
                return n < seen.through if n is not None else not self.revisable
        return False

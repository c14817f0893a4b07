"""What an application does with one stream: an act. The provider's part is its script.

What the client does decides some outcomes alone (it closes, forgets, is killed), and then the act says which.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from streamgauge.processors.demo.script import Script
from streamgauge.schemas.words import Outcome

__all__ = ["Act", "Client", "Conduct", "Surface"]


class Client(StrEnum):
    """Who talks to the provider."""

    OPENAI = "openai"
    ASYNC_OPENAI = "openai async"
    ANTHROPIC = "anthropic"
    ASYNC_ANTHROPIC = "anthropic async"
    TOGETHER = "together"
    ASYNC_TOGETHER = "together async"
    HOST = "openai in another process"  # which will be killed
    MANUAL = "by hand"  # no SDK: the application feeds the stream


class Surface(StrEnum):
    """What is called."""

    CHAT = "chat"
    RESPONSES = "responses"
    MESSAGES = "messages"


class Conduct(StrEnum):
    """What the client does with the stream."""

    READ = "read"  # to its end, whatever that is
    CLOSE = "close"  # after some pieces
    CANCEL = "cancel"  # the task that reads, after some pieces
    ABANDON = "abandon"  # forget the object after some pieces
    TIME_OUT = "time out"  # wait no longer than a read timeout
    HANG = "hang"  # wait for a silent provider, longer than the worker does
    RESUME = "resume"  # the response, after its connection broke
    DIE = "die"  # with the whole process, killed


_LEAVES: Final = {
    Conduct.CLOSE: Outcome.CANCELLED,
    Conduct.CANCEL: Outcome.CANCELLED,
    Conduct.ABANDON: Outcome.ABANDONED,
    Conduct.TIME_OUT: Outcome.TIMED_OUT,
    Conduct.HANG: Outcome.TIMED_OUT,
    Conduct.DIE: Outcome.LOST,
}


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """One stream from the application's side."""

    script: Script
    client: Client
    surface: Surface = Surface.CHAT
    conduct: Conduct = Conduct.READ
    streamed: bool = True
    usage: bool = True  # chat: ask for it
    retries: int = 0  # that the SDK may try
    after: int = 10  # pieces, before the client closes, cancels or forgets

    @property
    def name(self) -> str:
        """The name of its script, by which simulator, records and judge know it."""
        return self.script.name

    @property
    def leaves(self) -> Outcome | None:
        """How the stream ends if the client is the one who ends it."""
        return _LEAVES.get(self.conduct)

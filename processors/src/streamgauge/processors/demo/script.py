"""What a simulated provider is to do with one stream: a script, written before the show.

A script says what the model answers, at which pace, and how the provider ends it. What the client does in the meantime
is none of its business.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

__all__ = ["Answer", "Ending", "Refusal", "Script", "Tool"]


class Ending(StrEnum):
    """How the provider ends a response."""

    PROPER = "proper"  # with everything its API owes
    ERROR = "error"  # an error event after status 200
    CUT = "cut"  # in the middle of an event, by a reset
    DROPPED = "dropped"  # between two events, by a clean end of the body, without the API's own ending
    UNMARKED = "unmarked"  # everything is said, the end marker alone is missing
    SILENT = "silent"  # nothing comes any more, the connection stays


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """A call the model makes."""

    name: str
    arguments: tuple[str, ...]  # JSON, in pieces


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """One choice, in the pieces it is streamed in."""

    reasoning: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    tools: tuple[Tool, ...] = ()

    @property
    def tokens(self) -> int:
        """How many pieces that is."""
        return len(self.reasoning) + len(self.text) + sum(len(tool.arguments) for tool in self.tools)


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """A request that is not served."""

    status: int
    retry_after_ms: int | None = None


class Script(msgspec.Struct, frozen=True, kw_only=True):
    """What happens to the requests that carry this script's name."""

    name: str
    model: str
    answers: tuple[Answer, ...]
    tokens_per_s: float = 50
    thinking_s: float = 0.3  # before the first event
    pause_s: float = 0  # once, in the middle
    input_tokens: int = 40
    cached_tokens: int = 0
    finish: str = "stop"  # or "length"
    refusals: tuple[Refusal, ...] = ()  # of the first requests, in this order
    ending: Ending = Ending.PROPER
    ends_after: int = 12  # pieces, where the ending is neither proper nor unmarked
    resets: bool = True  # a cut is a TCP reset; else the connection is closed inside the chunked coding

    @property
    def output_tokens(self) -> int:
        """One a piece, in all answers together."""
        return sum(answer.tokens for answer in self.answers)

    @property
    def reasoning_tokens(self) -> int:
        """Those of them that are reasoning."""
        return sum(len(answer.reasoning) for answer in self.answers)

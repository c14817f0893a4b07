"""Suspicions: what the figures hint at and nothing proves.

An idle timer between client and provider ends a stream without a word; what it leaves is a silence as long as the timer
was set. So a stream that broke off after a silence of one of these lengths is suspected of it, by name:

    idle_timeout_60s            nginx (`proxy_read_timeout`) and AWS load balancers, as installed
    idle_timeout_100s, _125s    Cloudflare's proxy, before and since 2026
    client_timeout              the read timeout the client itself had set
"""

from __future__ import annotations

from typing import Final

from streamgauge.processors.reassembly.finished import FinishedStream, Marks
from streamgauge.schemas.words import EndedBy, Outcome

__all__ = ["suspicions_of"]

_IDLE_TIMERS_S: Final = (60, 100, 125)
_TOLERANCE_US: Final = 1_500_000
_CALLER_LEFT: Final = (Outcome.CANCELLED, Outcome.ABANDONED)


def suspicions_of(stream: FinishedStream) -> list[str]:
    """The suspicions of a stream, each one word."""
    silence_us = _last_silence_us(stream.marks)
    outcome = stream.verdict.outcome
    if silence_us is None:
        return []
    broken = outcome is Outcome.FAILED and stream.verdict.ended_by is EndedBy.NETWORK
    if broken or outcome is Outcome.TRUNCATED:
        return [f"idle_timeout_{timer}s" for timer in _IDLE_TIMERS_S if _near(silence_us, timer * 1_000_000)]
    client_us = stream.opening.client_timeout_us
    if outcome in _CALLER_LEFT and client_us and client_us > _TOLERANCE_US and _near(silence_us, client_us):
        return ["client_timeout"]
    return []


def _last_silence_us(marks: Marks) -> int | None:
    """How long nothing generated had come when the stream ended."""
    last_us = marks.last_output_us or marks.first_event_us or marks.first_byte_us or marks.headers_us or 0
    return None if marks.ended_us is None else marks.ended_us - last_us


def _near(silence_us: int, timer_us: int) -> bool:
    return -_TOLERANCE_US // 3 <= silence_us - timer_us <= _TOLERANCE_US

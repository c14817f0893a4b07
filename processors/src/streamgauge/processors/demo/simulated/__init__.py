"""The wire APIs the simulator speaks, one module each.

A `Dialect` turns a script into the events of a stream or into one whole body. All are pure: the same script and the
same ids give the same bytes.
"""

from __future__ import annotations

from streamgauge.processors.demo.simulated import chat, messages, responses, together
from streamgauge.processors.demo.simulated.dialect import Dialect, Ids

__all__ = ["DIALECTS", "Dialect", "Ids", "dialect"]

DIALECTS: dict[tuple[str, str], Dialect] = {
    ("api.openai.com", "/v1/chat/completions"): chat.CHAT,
    ("api.openai.com", "/v1/responses"): responses.RESPONSES,
    ("api.anthropic.com", "/v1/messages"): messages.MESSAGES,
    ("api.together.ai", "/v1/chat/completions"): together.TOGETHER,
}


def dialect(host: str, path: str) -> Dialect | None:
    """What is spoken at this address; None where nobody lives."""
    return DIALECTS.get((host, path))

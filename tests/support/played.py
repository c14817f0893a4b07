"""The demo's simulator with the official SDKs in front of it, untyped: their unions would want a cast at every look."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import anthropic
import openai
import together

from streamgauge.processors.demo.script import Script
from streamgauge.processors.demo.simulator import Simulator
from streamgauge.processors.demo.speech import answer

__all__ = ["Play", "Played", "script"]


class Played:
    """A simulator and the three SDKs that reach the providers through it."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self._clients: list[Any] = []

    @cached_property
    def openai(self) -> Any:
        http_client = openai.DefaultHttpxClient(proxy=self.simulator.url, trust_env=False)
        client = openai.OpenAI(api_key="none", base_url="http://api.openai.com/v1", http_client=http_client)
        self._clients.append(client)
        return client

    @cached_property
    def together(self) -> Any:
        http_client = together.DefaultHttpxClient(proxy=self.simulator.url, trust_env=False)
        client = together.Together(api_key="none", base_url="http://api.together.ai", http_client=http_client)
        self._clients.append(client)
        return client

    @cached_property
    def anthropic(self) -> Any:
        http_client = anthropic.DefaultHttpxClient(proxy=self.simulator.url, trust_env=False)
        client = anthropic.Anthropic(api_key="none", base_url="http://api.anthropic.com", http_client=http_client)
        self._clients.append(client)
        return client

    def close(self) -> None:
        for client in self._clients:
            client.close()


def script(**changes: Any) -> Script:
    """A quick script: a thought, a sentence and two tools, unless said otherwise."""
    fields: dict[str, Any] = {
        "name": "s",
        "model": "gpt-4o-mini",
        "answers": (answer(1, sentences=2, thoughts=1, tools=[0, 1]),),
        "tokens_per_s": 2000,
        "thinking_s": 0,
    }
    return Script(**(fields | changes))


Play = Callable[..., Played]

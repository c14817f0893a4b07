"""All acts of the show: every outcome of the contract, on every API, with every SDK.

completed   rejected   failed   truncated   cancelled   abandoned   timed_out   lost
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from streamgauge.processors.demo.act import Act, Client, Conduct, Surface
from streamgauge.processors.demo.script import Answer, Ending, Refusal, Script
from streamgauge.processors.demo.speech import answer

__all__ = ["cast"]

# Models with a public price, so that their cost can be told.
GPT: Final = "gpt-4o-mini"
GPT_LARGE: Final = "gpt-4.1"
GPT_THINKING: Final = "o4-mini"
CLAUDE: Final = "claude-sonnet-4-6"
LLAMA: Final = "meta-llama/Llama-3.3-70B-Instruct-Turbo"

_MODELS: Final = {
    Client.OPENAI: GPT,
    Client.ASYNC_OPENAI: GPT,
    Client.ANTHROPIC: CLAUDE,
    Client.ASYNC_ANTHROPIC: CLAUDE,
    Client.TOGETHER: LLAMA,
    Client.ASYNC_TOGETHER: LLAMA,
    Client.HOST: GPT,
    Client.MANUAL: "river-1",  # our own: nobody has a price for it
}

RATE_LIMITED: Final = Refusal(status=429, retry_after_ms=400)
UNAUTHORIZED: Final = Refusal(status=401)


def cast(seed: int) -> list[Act]:
    """Every act, in the order they enter. The slow ones first: they decide how long the show takes."""
    play = _Author(seed)
    return [*_slow(play), *_chat(play), *_responses(play), *_messages(play), *_together(play), *_by_hand(play)]


class _Author:
    """Writes scripts: the same seed writes the same."""

    def __init__(self, seed: int) -> None:
        self._seed = seed * 1000

    def act(
        self,
        name: str,
        client: Client,
        surface: Surface = Surface.CHAT,
        *,
        model: str | None = None,
        sentences: int = 4,
        thoughts: int = 0,
        tools: Sequence[int] = (),
        choices: int = 1,
        act: dict[str, Any] | None = None,
        **script: Any,
    ) -> Act:
        """An act whose model says so many sentences; the rest is the script's."""
        answers = tuple(self._answer(sentences, thoughts, tools) for _ in range(choices))
        pace = 25 + (self._seed * 7) % 50  # 25 to 74 tokens a second
        written: dict[str, Any] = {"tokens_per_s": pace, "input_tokens": 30 + self._seed % 90, **script}
        return Act(
            script=Script(name=name, model=model or _MODELS[client], answers=answers, **written),
            client=client,
            surface=surface,
            **(act or {}),
        )

    def _answer(self, sentences: int, thoughts: int, tools: Sequence[int]) -> Answer:
        self._seed += 1
        return answer(self._seed, sentences=sentences, thoughts=thoughts, tools=tools)


def _does(conduct: Conduct, **more: Any) -> dict[str, Any]:
    return {"conduct": conduct, **more}


def _slow(play: _Author) -> list[Act]:
    dies = _does(Conduct.DIE)
    return [
        play.act("host-killed-chat", Client.HOST, sentences=16, tokens_per_s=12, act=dies),
        play.act("host-killed-responses", Client.HOST, Surface.RESPONSES, sentences=16, tokens_per_s=12, act=dies),
        play.act("chat-silent", Client.OPENAI, ending=Ending.SILENT, ends_after=30, act=_does(Conduct.HANG)),
        play.act(
            "responses-resumed",
            Client.OPENAI,
            Surface.RESPONSES,
            model=GPT_LARGE,
            sentences=6,
            ending=Ending.CUT,
            ends_after=40,
            act=_does(Conduct.RESUME),
        ),
        play.act("chat-retried", Client.OPENAI, refusals=(RATE_LIMITED,), act={"retries": 2}),
    ]


def _chat(play: _Author) -> list[Act]:
    sync, task = Client.OPENAI, Client.ASYNC_OPENAI
    unread = {"streamed": False}
    return [
        play.act("chat", sync),
        play.act("chat-tools", sync, sentences=1, tools=(0, 1, 2)),
        play.act("chat-two-choices", sync, sentences=2, choices=2),
        play.act("chat-length", sync, finish="length"),
        play.act("chat-cached", sync, model=GPT_LARGE, input_tokens=1200, cached_tokens=1024),
        play.act("chat-no-usage", sync, act={"usage": False}),
        play.act("chat-plain", sync, sentences=2, act=unread),
        play.act("chat-wrong-key", sync, refusals=(UNAUTHORIZED,)),
        play.act("chat-rate-limited", task, refusals=(RATE_LIMITED,)),
        play.act("chat-error", sync, ending=Ending.ERROR, ends_after=25),
        play.act("chat-cut", sync, ending=Ending.CUT, ends_after=35),
        play.act("chat-dropped", sync, ending=Ending.DROPPED, ends_after=30),
        play.act("chat-unmarked", sync, ending=Ending.UNMARKED),
        play.act("chat-closed-early", sync, sentences=8, act=_does(Conduct.CLOSE, after=20)),
        play.act("chat-abandoned", sync, sentences=8, act=_does(Conduct.ABANDON, after=15)),
        play.act("chat-read-timeout", sync, ending=Ending.SILENT, ends_after=20, act=_does(Conduct.TIME_OUT)),
        play.act("chat-async", task, model=GPT_LARGE),
        play.act("chat-async-pause", task, pause_s=2.5),
        play.act("chat-async-cancelled", task, sentences=8, act=_does(Conduct.CANCEL, after=20)),
        play.act("chat-async-cut", task, ending=Ending.CUT, ends_after=20, resets=False),
    ]


def _responses(play: _Author) -> list[Act]:
    sync, task, surface = Client.OPENAI, Client.ASYNC_OPENAI, Surface.RESPONSES
    return [
        play.act("responses-reasoning", sync, surface, model=GPT_THINKING, thoughts=3),
        play.act("responses-tools", sync, surface, sentences=1, tools=(0, 2)),
        play.act("responses-incomplete", sync, surface, finish="length"),
        play.act("responses-plain", task, surface, sentences=2, act={"streamed": False}),
        play.act("responses-failed", sync, surface, ending=Ending.ERROR, ends_after=20),
        play.act("responses-cut", sync, surface, ending=Ending.CUT, ends_after=25),
        play.act("responses-async", task, surface, model=GPT_LARGE),
        play.act("responses-async-closed", task, surface, sentences=8, act=_does(Conduct.CLOSE, after=15)),
    ]


def _messages(play: _Author) -> list[Act]:
    sync, task, surface = Client.ANTHROPIC, Client.ASYNC_ANTHROPIC, Surface.MESSAGES
    return [
        play.act("messages-thinking", sync, surface, thoughts=3),
        play.act("messages-tools", sync, surface, sentences=1, tools=(1, 0)),
        play.act("messages-max-tokens", sync, surface, finish="length"),
        play.act("messages-cached", sync, surface, input_tokens=2100, cached_tokens=2000),
        play.act("messages-plain", sync, surface, sentences=2, act={"streamed": False}),
        play.act("messages-overloaded", sync, surface, ending=Ending.ERROR, ends_after=30),
        play.act("messages-tool-cut", sync, surface, sentences=1, tools=(0, 2), ending=Ending.CUT, ends_after=24),
        play.act("messages-wrong-key", sync, surface, refusals=(UNAUTHORIZED,)),
        play.act("messages-async", task, surface, thoughts=1),
        play.act("messages-async-cancelled", task, surface, sentences=8, act=_does(Conduct.CANCEL, after=20)),
        play.act("messages-abandoned", sync, surface, sentences=8, act=_does(Conduct.ABANDON, after=20)),
    ]


def _together(play: _Author) -> list[Act]:
    sync, task = Client.TOGETHER, Client.ASYNC_TOGETHER
    return [
        play.act("together", sync),
        play.act("together-plain", sync, sentences=2, act={"streamed": False}),
        play.act("together-error", sync, ending=Ending.ERROR, ends_after=20),
        play.act("together-dropped", task, ending=Ending.DROPPED, ends_after=25),
        play.act("together-async", task),
    ]


def _by_hand(play: _Author) -> list[Act]:
    return [play.act("by-hand", Client.MANUAL, sentences=3)]

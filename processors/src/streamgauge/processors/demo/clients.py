"""The official SDKs, each reaching its provider's own host name through the simulator and tapped by one gauge."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Any, Final

from streamgauge.processors.demo.act import Act, Client, Conduct, Surface
from streamgauge.processors.demo.simulator import HEADER
from streamgauge.producers import Gauge

__all__ = ["clients", "close", "load", "question", "request", "said"]

# Together states usage unasked, and its SDK has no word for the question.
_ASKED_FOR_USAGE: Final = (Client.OPENAI, Client.ASYNC_OPENAI, Client.HOST)

# A key nobody accepts: the simulator does not look, and nothing else is ever asked.
KEY: Final = "not-a-key"


def load() -> None:
    """Load the SDKs: seconds of work, where many things run."""
    for sdk in ("openai", "anthropic", "together"):
        import_module(sdk)


def clients(gauge: Gauge, proxy: str, *, openai_only: bool = False) -> dict[Client, Any]:
    """One client of every kind. `proxy`: where the simulator listens; nothing else is reached."""
    made = _openai(proxy)
    if not openai_only:  # each SDK costs a second to load
        made |= _anthropic(proxy) | _together(proxy)
    for client in made.values():
        gauge.instrument(client)
    return made


def _openai(proxy: str) -> dict[Client, Any]:
    import openai

    common: dict[str, Any] = {"api_key": KEY, "base_url": "http://api.openai.com/v1", "max_retries": 0}
    http = openai.DefaultHttpxClient(proxy=proxy, trust_env=False)
    async_http = openai.DefaultAsyncHttpxClient(proxy=proxy, trust_env=False)
    return {
        Client.OPENAI: openai.OpenAI(http_client=http, **common),
        Client.ASYNC_OPENAI: openai.AsyncOpenAI(http_client=async_http, **common),
    }


def _anthropic(proxy: str) -> dict[Client, Any]:
    import anthropic

    common: dict[str, Any] = {"api_key": KEY, "base_url": "http://api.anthropic.com", "max_retries": 0}
    http = anthropic.DefaultHttpxClient(proxy=proxy, trust_env=False)
    async_http = anthropic.DefaultAsyncHttpxClient(proxy=proxy, trust_env=False)
    return {
        Client.ANTHROPIC: anthropic.Anthropic(http_client=http, **common),
        Client.ASYNC_ANTHROPIC: anthropic.AsyncAnthropic(http_client=async_http, **common),
    }


def _together(proxy: str) -> dict[Client, Any]:
    import together

    common: dict[str, Any] = {"api_key": KEY, "base_url": "http://api.together.ai", "max_retries": 0}
    http = together.DefaultHttpxClient(proxy=proxy, trust_env=False)
    async_http = together.DefaultAsyncHttpxClient(proxy=proxy, trust_env=False)
    return {
        Client.TOGETHER: together.Together(http_client=http, **common),
        Client.ASYNC_TOGETHER: together.AsyncTogether(http_client=async_http, **common),
    }


async def close(made: Iterable[Any]) -> None:
    """Close the clients, asynchronous ones on the running loop."""
    for client in made:
        closing = client.close()
        if closing is not None:
            await closing


def request(client: Any, act: Act, *, timeout_s: float | None = None) -> Any:
    """Send an act's request: a stream, a plain answer, or a coroutine of one."""
    given: dict[str, Any] = {"model": act.script.model, "extra_headers": {HEADER: act.name}}
    if act.streamed:
        given["stream"] = True
    if act.retries or timeout_s is not None:
        options: Mapping[str, Any] = {"timeout": timeout_s} if timeout_s is not None else {}
        client = client.with_options(max_retries=act.retries, **options)
    match act.surface:
        case Surface.CHAT:
            if act.streamed and act.usage and act.client in _ASKED_FOR_USAGE:
                given["stream_options"] = {"include_usage": True}
            if len(act.script.answers) > 1:
                given["n"] = len(act.script.answers)
            return client.chat.completions.create(messages=question(act), **given)
        case Surface.RESPONSES:
            if act.conduct is Conduct.RESUME:
                given["background"] = True
            return client.responses.create(input=question(act), **given)
        case Surface.MESSAGES:
            return client.messages.create(max_tokens=1024, messages=question(act), **given)


def said(event: Any, surface: Surface) -> str:
    """The text an SDK's event adds to the first answer."""
    match surface:
        case Surface.CHAT:
            choices = [choice for choice in event.choices if choice.index == 0]
            return "".join(choice.delta.content or "" for choice in choices)
        case Surface.RESPONSES:
            return event.delta if event.type == "response.output_text.delta" else ""
        case Surface.MESSAGES:
            is_text = event.type == "content_block_delta" and event.delta.type == "text_delta"
            return event.delta.text if is_text else ""


def question(act: Act) -> list[dict[str, str]]:
    """What everybody asks."""
    return [{"role": "user", "content": f"What does the river do? ({act.name})"}]

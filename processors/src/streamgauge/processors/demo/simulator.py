"""A provider on this machine: it speaks the APIs of OpenAI, Anthropic and Together, at a human pace, and misbehaves.

It listens as a plain HTTP proxy, so SDKs keep the providers' host names and nothing ever leaves the machine::

    OpenAI(base_url="http://api.openai.com/v1", http_client=DefaultHttpxClient(proxy=simulator.url))

A request names its script in the header `x-demo-stream`; what came of it stands in `simulator.truths`. The simulator
runs on a thread of its own.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import threading
import time
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import msgspec
from aiohttp import web

from streamgauge.processors.demo.script import Ending, Script
from streamgauge.processors.demo.simulated import Dialect, Ids, dialect
from streamgauge.processors.demo.simulated.chat import CHAT
from streamgauge.processors.demo.simulated.dialect import Wanted, speeches
from streamgauge.processors.demo.truth import Ended, Step, Truth, Truths, Usage

__all__ = ["HEADER", "Simulator"]

HEADER: Final = "x-demo-stream"
START_WITHIN_S: Final = 10.0
LINGER_NEVER: Final = struct.pack("ii", 1, 0)  # SO_LINGER with 0 s: closing sends RST instead of FIN
SHUT_WITHIN_S: Final = 0.05  # then handlers are cancelled; 0 would wait for ever
BEFORE_RESET_S: Final = 0.1  # a reset may overtake what was sent just before it
JITTER: Final = (0.4, 1.6)
SPLIT: Final = 0.15  # of the events go out in two writes, cut anywhere


class _Background(NamedTuple):
    """A response that goes on without its client."""

    script: Script
    truth: Truth
    steps: list[Step]


class Simulator:
    """Serves scripts for as long as the `with` block lasts."""

    def __init__(self, scripts: Iterable[Script]) -> None:
        self.truths = Truths()
        self._scripts = {script.name: script for script in scripts}
        self._backgrounds: dict[str, _Background] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="demo-simulator", daemon=True)
        self._runner: web.AppRunner | None = None
        self._port = 0
        self._stopping = False

    @property
    def url(self) -> str:
        """Where it listens: a proxy for plain HTTP."""
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        self._thread.start()
        self._port = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(START_WITHIN_S)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Break every connection and listen no more. Harmless where nothing runs."""
        if self._stopping or not self._thread.is_alive():
            return
        self._stopping = True
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(START_WITHIN_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(START_WITHIN_S)
        self._loop.close()

    async def _start(self) -> int:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=SHUT_WITHIN_S)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port: int = self._runner.addresses[0][1]
        return port

    async def _stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    # ------------------------------------------------------------------ one request

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if request.method == "GET" and request.path.startswith("/v1/responses/"):
            return await self._resume(request)
        spoken = dialect(request.host, request.path)
        script = self._scripts.get(request.headers.get(HEADER, ""))
        if spoken is None or script is None:
            return web.json_response({"error": {"message": "There is nothing here.", "type": "not_found"}}, status=404)
        asked: dict[str, Any] = await request.json()
        streamed = bool(asked.get("stream"))
        truth = self.truths.begin(script.name, api=spoken.api, model=script.model, streamed=streamed)
        if truth.attempt < len(script.refusals):
            return self._refuse(script, spoken, truth)
        wanted = _wanted(asked)
        if not streamed:
            return await self._whole(script, spoken, truth, wanted)
        return await self._stream(request, script, spoken, truth, wanted)

    def _refuse(self, script: Script, spoken: Dialect, truth: Truth) -> web.StreamResponse:
        refusal = script.refusals[truth.attempt]
        truth.status = refusal.status
        truth.ended = Ended.REFUSED
        truth.streamed = False  # an error object, whatever was asked for
        headers = _headers(truth, script)
        if refusal.retry_after_ms is not None:
            headers["retry-after-ms"] = str(refusal.retry_after_ms)
        body = spoken.refused(refusal.status, _ids(script, truth))
        return web.Response(body=body, status=refusal.status, content_type="application/json", headers=headers)

    async def _whole(self, script: Script, spoken: Dialect, truth: Truth, wanted: Wanted) -> web.StreamResponse:
        await asyncio.sleep(script.thinking_s + script.output_tokens / script.tokens_per_s)
        body = spoken.whole(script, _ids(script, truth), wanted)
        truth.say(0, Step(body, tuple(speeches(script))))
        truth.ended = Ended.PROPER
        truth.usage = Usage(script.input_tokens, script.output_tokens)
        response = web.Response(body=body, content_type="application/json", headers=_headers(truth, script))
        response.enable_compression(web.ContentCoding.gzip)
        return response

    async def _stream(
        self, request: web.Request, script: Script, spoken: Dialect, truth: Truth, wanted: Wanted
    ) -> web.StreamResponse:
        steps = spoken.steps(script, _ids(script, truth), wanted)
        if wanted.background:
            self._backgrounds[_response_id(steps[0])] = _Background(script, truth, steps)
        until = _last(steps, script)
        await asyncio.sleep(script.thinking_s)
        telling = _Telling(request, script, truth)
        try:
            await telling.begin()
            await telling.tell(steps[:until], pause_at=until // 2)
            await self._end(telling, steps, until, spoken, stated=_stated(spoken, wanted))
        except (ConnectionError, asyncio.CancelledError):
            if not self._stopping:
                truth.ended = Ended.LEFT
            raise
        return telling.response

    async def _end(self, telling: _Telling, steps: list[Step], until: int, spoken: Dialect, *, stated: bool) -> None:
        """Do what the script says about the end."""
        script, truth = telling.script, telling.truth
        match script.ending:
            case Ending.PROPER | Ending.UNMARKED:
                truth.usage = Usage(script.input_tokens, script.output_tokens) if stated else None
                truth.ended = Ended.PROPER if script.ending is Ending.PROPER else Ended.DROPPED
            case Ending.ERROR:
                for step in spoken.broken(script, _ids(script, truth), until):
                    await telling.response.write(step.data)
                truth.ended = Ended.ERROR
            case Ending.CUT:
                truth.ended = Ended.CUT
                await telling.cut(steps[until])
            case Ending.DROPPED:
                truth.ended = Ended.DROPPED
            case Ending.SILENT:
                await asyncio.Event().wait()  # until the client leaves, or the show is over

    async def _resume(self, request: web.Request) -> web.StreamResponse:
        """What follows an event of a response in the background; what is generated already comes at once."""
        found = self._backgrounds.get(request.path.rpartition("/")[2])
        if found is None:
            return web.json_response({"error": {"message": "No such response.", "type": "not_found"}}, status=404)
        start = int(request.query.get("starting_after", -1)) + 1
        generated = max(found.truth.steps) + 1
        found.truth.connections += 1
        telling = _Telling(request, found.script, found.truth)
        await telling.begin()
        await telling.tell(found.steps[start:generated], first=start, paced=False)
        await telling.tell(found.steps[generated:], first=generated)
        found.truth.ended = Ended.PROPER
        found.truth.usage = Usage(found.script.input_tokens, found.script.output_tokens)
        return telling.response


class _Telling:
    """One streamed response."""

    def __init__(self, request: web.Request, script: Script, truth: Truth) -> None:
        self.script = script
        self.truth = truth
        self.response = web.StreamResponse(headers=_headers(truth, script))
        self.response.content_type = "text/event-stream"
        self.response.charset = "utf-8"
        self.response.enable_chunked_encoding()
        self._request = request
        self._chance = random.Random(script.name)  # noqa: S311 - a show that can be repeated, not a secret

    async def begin(self) -> None:
        """Send the headers."""
        await self.response.prepare(self._request)

    async def tell(self, steps: list[Step], *, first: int = 0, paced: bool = True, pause_at: int = -1) -> None:
        """Send events; a token's time passes before every one that says something."""
        for index, step in enumerate(steps, first):
            if paced and step.spoken:
                await asyncio.sleep(self._chance.uniform(*JITTER) / self.script.tokens_per_s)
            if index == pause_at:
                await asyncio.sleep(self.script.pause_s)
            await self._write(step.data)
            self.truth.say(index, step)

    async def cut(self, step: Step) -> None:
        """Send half an event, then break the connection."""
        await self.response.write(step.data[: len(step.data) // 2])
        await asyncio.sleep(BEFORE_RESET_S)
        transport = self._request.transport
        if transport is None:
            return
        if self.script.resets:
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NEVER)
        transport.abort()

    async def _write(self, data: bytes) -> None:
        if self._chance.random() < SPLIT:
            at = self._chance.randrange(1, len(data))
            await self.response.write(data[:at])
            await asyncio.sleep(0)
            data = data[at:]
        await self.response.write(data)


def _stated(spoken: Dialect, wanted: Wanted) -> bool:
    """Whether usage is stated: OpenAI's chat completions want to be asked."""
    return wanted.usage or spoken is not CHAT


def _wanted(asked: dict[str, Any]) -> Wanted:
    options: dict[str, Any] = asked.get("stream_options") or {}
    return Wanted(
        usage=bool(options.get("include_usage")),
        background=bool(asked.get("background")),
        created=int(time.time()),
    )


def _last(steps: list[Step], script: Script) -> int:
    """How many steps are told as they should be."""
    match script.ending:
        case Ending.PROPER:
            return len(steps)
        case Ending.UNMARKED:
            return next(index for index, step in enumerate(steps) if step.marker)
        case _:
            spoken = [index for index, step in enumerate(steps) if step.spoken]
            return spoken[script.ends_after]


def _response_id(first: Step) -> str:
    payload = msgspec.json.decode(first.data.partition(b"data: ")[2])
    response_id: str = payload["response"]["id"]
    return response_id


def _ids(script: Script, truth: Truth) -> Ids:
    return Ids(f"{script.name}.{truth.attempt}")


def _headers(truth: Truth, script: Script) -> dict[str, str]:
    """What providers send beside the body."""
    request_id = Ids(f"{script.name}.{truth.attempt}.{truth.connections}").draw("req_")
    if truth.api == "anthropic.messages":
        return {"request-id": request_id, "anthropic-ratelimit-requests-remaining": "3999"}
    return {
        "x-request-id": request_id,
        "openai-version": "2020-10-01",
        "openai-processing-ms": str(round(script.thinking_s * 1000)),
        "x-ratelimit-remaining-requests": "9999",
    }

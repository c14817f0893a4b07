"""The acts, played: what each application does with the SDK it holds.

Whatever an SDK raises is part of the show: it ends the act, and its class is what the client says of it.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Mapping
from typing import Any, Final

from streamgauge.processors.demo.act import Act, Client, Conduct, Surface
from streamgauge.processors.demo.clients import question, request, said
from streamgauge.processors.demo.truth import Ended, Said, Speech, Step, Truths, Usage
from streamgauge.processors.demo.watch import Watch, Watches
from streamgauge.producers import Gauge

__all__ = ["TAG", "Player"]

TAG: Final = "demo"  # the tag by which a record names its act
IN_HOUSE: Final = "in-house"
READ_TIMEOUT_S: Final = 1.0
REPEATED: Final = 3  # events a resuming client asks for again
CONTEXT: Final = {"session_id": "demo", "user_id": "u-1", "workflow_name": "river"}


class Player:
    """Plays acts with these clients, before these watches."""

    def __init__(self, gauge: Gauge, clients: Mapping[Client, Any], watches: Watches) -> None:
        self._gauge = gauge
        self._clients = clients
        self._watches = watches

    def play(self, act: Act) -> None:
        """Play an act on the calling thread, to its end."""
        watch = self._watches[act.name]
        watch.begin()
        with self._gauge.context(tags={TAG: act.name}, **CONTEXT):
            try:
                ended = self._play(act, watch)
            except Exception as error:  # noqa: BLE001 - see above
                ended = type(error).__name__
        gc.collect()  # a stream that was forgotten: SDK objects may hold each other
        watch.end(ended)

    async def play_async(self, act: Act) -> None:
        """Play an act on the running loop."""
        watch = self._watches[act.name]
        watch.begin()
        with self._gauge.context(tags={TAG: act.name}, **CONTEXT):
            reading = asyncio.create_task(self._play_async(act, watch))
        try:
            await asyncio.wait({reading})
        finally:
            reading.cancel()
        if reading.cancelled():
            watch.end("cancelled")
        else:
            error = reading.exception()
            watch.end(reading.result() if error is None else type(error).__name__)

    def play_by_hand(self, act: Act, truths: Truths) -> None:
        """Feed a stream that no SDK carries: objects in the form of chat chunks, from a model of our own."""
        watch = self._watches[act.name]
        watch.begin()
        truth = truths.begin(act.name, api="openai.chat", model=act.script.model, streamed=True)
        pieces = act.script.answers[0].text
        asked = {"model": truth.model, "messages": question(act)}
        in_context = self._gauge.context(tags={TAG: act.name}, **CONTEXT)
        with (
            in_context,
            self._gauge.stream(provider=IN_HOUSE, api=truth.api, model=truth.model, request=asked) as stream,
        ):
            for index, piece in enumerate(pieces):
                stream.chunk(_chunk(act, {"content": piece}))
                truth.say(index, Step(b"", (Speech(Said.TEXT, piece),)))
                watch.hear(piece)
                time.sleep(1 / act.script.tokens_per_s)
            usage = Usage(act.script.input_tokens, act.script.output_tokens)
            stream.chunk(_chunk(act, {}, finish="stop", usage=usage))
            truth.usage = usage
            truth.ended = Ended.PROPER
        watch.end("read")

    # ------------------------------------------------------------------ threads

    def _play(self, act: Act, watch: Watch) -> str:
        client = self._clients[act.client]
        answer = request(client, act, timeout_s=READ_TIMEOUT_S if act.conduct is Conduct.TIME_OUT else None)
        if not act.streamed:
            watch.hear(_whole(answer, act.surface))
            return "read"
        match act.conduct:
            case Conduct.RESUME:
                return _resume(client, answer, watch)
            case Conduct.CLOSE | Conduct.ABANDON:
                return _part(answer, act, watch)
            case _:
                for event in answer:
                    watch.hear(said(event, act.surface))
                return "read"

    # ------------------------------------------------------------------ tasks

    async def _play_async(self, act: Act, watch: Watch) -> str:
        answer = await request(self._clients[act.client], act)
        if not act.streamed:
            watch.hear(_whole(answer, act.surface))
            return "read"
        async for event in answer:
            if watch.hear(said(event, act.surface)) < act.after:
                continue
            if act.conduct is Conduct.CLOSE:
                await answer.close()
                return "closed"
            task = asyncio.current_task()
            if act.conduct is Conduct.CANCEL and task is not None:
                task.cancel()  # the next read is where it stops
        return "read"


def _part(stream: Any, act: Act, watch: Watch) -> str:
    """Read some pieces, then close the stream, or forget it."""
    for event in stream:
        if watch.hear(said(event, act.surface)) >= act.after:
            break
    if act.conduct is Conduct.ABANDON:
        return "forgotten"
    stream.close()
    return "closed"


def _resume(client: Any, stream: Any, watch: Watch) -> str:
    """Read a response until its connection breaks, then ask for the rest; a little is asked for twice."""
    response_id, seen = "", -1
    try:
        for event in stream:
            response_id = response_id or event.response.id  # the first event has it
            seen = event.sequence_number
            watch.hear(said(event, Surface.RESPONSES))
    except Exception:  # noqa: BLE001 - the connection broke, which is what we are here for
        rest = client.responses.retrieve(response_id, stream=True, starting_after=seen - REPEATED)
        for event in rest:
            if event.sequence_number > seen:
                watch.hear(said(event, Surface.RESPONSES))
    return "resumed"


def _whole(answer: Any, surface: Surface) -> str:
    """The text of a plain answer."""
    text: str | None
    match surface:
        case Surface.CHAT:
            text = answer.choices[0].message.content
        case Surface.RESPONSES:
            text = answer.output_text
        case Surface.MESSAGES:
            text = "".join(block.text for block in answer.content if block.type == "text")
    return text or ""


def _chunk(act: Act, delta: dict[str, str], *, finish: str | None = None, usage: Usage | None = None) -> dict[str, Any]:
    chunk: dict[str, Any] = {
        "id": f"chatcmpl-{act.name}",
        "object": "chat.completion.chunk",
        "model": act.script.model,
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }
    if usage is not None:
        total = usage.input + usage.output
        chunk["usage"] = {"prompt_tokens": usage.input, "completion_tokens": usage.output, "total_tokens": total}
    return chunk

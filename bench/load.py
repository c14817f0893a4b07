"""The load every benchmark here runs on: chat completion streams as a shim would publish them, one chunk a frame.

A stream is Open, Head, about 120 Data frames of one chunk each (one SSE event of about 300 bytes) and Close. Streams
are interleaved, 200 at a time, since that is what a partition of a busy tenant looks like. The seed is fixed.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import NamedTuple

from streamgauge.schemas import codec
from streamgauge.schemas.frames import Close, Data, Frame, Head, Open
from streamgauge.schemas.words import How, Resumable

TENANT = "bench"
INTERLEAVED = 200
SEED = 20261124
WORDS = [" the", " stream", " of", " a", " river", "ing", " naïve", " 数据", ".\n", ' "quoted"', ",", " latency", " 🙂"]


class Message(NamedTuple):
    """One Kafka message of the load."""

    key: bytes
    value: bytes


def messages(streams: int) -> Iterator[Message]:
    """The frames of `streams` streams, interleaved, encoded as a shim encodes them."""
    for frame in _frames(streams):
        yield Message(frame.call or b"", codec.encode(frame))


def chunks_in(streams: int) -> int:
    """How many chunks the load of so many streams carries."""
    return sum(isinstance(frame, Data) for frame in _frames(streams))


def _frames(streams: int) -> Iterator[Frame]:
    rng = random.Random(SEED)
    waiting = (iter(_stream(rng, number)) for number in range(streams))
    running: list[Iterator[Frame]] = []
    while True:
        while len(running) < INTERLEAVED and (fresh := next(waiting, None)) is not None:
            running.append(fresh)
        if not running:
            return
        index = rng.randrange(len(running))
        frame = next(running[index], None)
        if frame is None:
            running[index] = running[-1]
            running.pop()
        else:
            yield frame


def _stream(rng: random.Random, number: int) -> list[Frame]:
    call, link = rng.randbytes(16), rng.randbytes(8)
    bodies = _events(rng, number)
    request = b'{"model":"gpt-4o-mini","stream":true,"stream_options":{"include_usage":true},"messages":[]}'
    opening = Open(
        call,
        0,
        link,
        0,
        TENANT,
        1_760_000_000_000_000 + number,
        method="POST",
        host="api.openai.com",
        path="/v1/chat/completions",
        request=request,
        request_bytes=len(request),
    )
    head = Head(call, 0, link, 1, 200_000, 200, "HTTP/1.1", {"content-type": "text/event-stream; charset=utf-8"})
    frames: list[Frame] = [opening, head]
    time_us = 210_000
    for seq, body in enumerate(bodies):
        asked, time_us = time_us + 50, time_us + rng.randrange(5_000, 40_000)
        frames.append(Data(call, 0, link, seq + 2, seq, [time_us], [asked], [body]))
    total = len(frames) + 1
    size = sum(map(len, bodies))
    frames.append(
        Close(
            call, 0, link, total - 1, time_us + 90, total, len(bodies), size, 0, 0, How.EOF, False, None, None,
            Resumable.NO,
        )
    )  # fmt: skip
    return frames


def _events(rng: random.Random, number: int) -> list[bytes]:
    fixed = {
        "id": f"chatcmpl-{rng.getrandbits(120):030x}",
        "object": "chat.completion.chunk",
        "created": 1_760_000_000 + number,
        "model": "gpt-4o-mini-2024-07-18",
        "service_tier": "default",
        "system_fingerprint": f"fp_{rng.getrandbits(40):010x}",
    }

    def event(choices: list[object], usage: object = None) -> bytes:
        return b"data: " + json.dumps({**fixed, "choices": choices, "usage": usage}).encode() + b"\n\n"

    def choice(delta: dict[str, object], finish: str | None = None) -> list[object]:
        return [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]

    count = max(8, int(rng.gauss(117, 25)))
    events = [event(choice({"role": "assistant", "content": "", "refusal": None}))]
    events += [event(choice({"content": rng.choice(WORDS)})) for _ in range(count)]
    events.append(event(choice({}, "stop")))
    usage = {"prompt_tokens": 9, "completion_tokens": count, "total_tokens": 9 + count}
    events.append(event([], usage))
    events.append(b"data: [DONE]\n\n")
    return events

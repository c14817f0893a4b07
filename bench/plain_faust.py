"""The peer: an ordinary Faust agent over the same messages, as Faust's own documentation would have one write it.

It collects the chunks of each stream in a dict; when the Close is there it joins them, decodes every event, reads text,
finish and usage, and sends one JSON record. No late frames, no holes, no deadlines, no cost: less work than ours.
Run by `run.py`; ends by itself after STREAMS records.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import AsyncIterator
from typing import Any

import faust
import msgspec

from streamgauge.schemas import codec
from streamgauge.schemas.frames import Close, Data

STREAMS = int(os.environ["STREAMS"])
decode_json = msgspec.json.Decoder().decode

app = faust.App(
    os.environ["GROUP"],
    broker=f"kafka://{os.environ['BOOTSTRAP']}",
    web_enabled=False,
    topic_disable_leader=True,
    datadir=os.environ["DATADIR"],
)
chunks = app.topic(os.environ["CHUNKS"], key_serializer="raw", value_serializer="raw")
records = app.topic(os.environ["RECORDS"], key_serializer="raw", value_serializer="raw")


def fold(pieces: dict[int, Data]) -> bytes:
    """All chunks of one stream into one JSON record."""
    text: list[str] = []
    finish = usage = None
    body = b"".join(b"".join(pieces[n].chunks or ()) for n in sorted(pieces))
    for block in body.split(b"\n\n"):
        if not block.startswith(b"data: {"):
            continue
        event = decode_json(block[6:])
        for choice in event["choices"]:
            text.append(choice["delta"].get("content") or "")
            finish = choice["finish_reason"] or finish
        usage = event.get("usage") or usage
    return json.dumps({"text": "".join(text), "finish": finish, "usage": usage, "chunks": len(pieces)}).encode()


@app.agent(chunks)
async def reassemble(stream: Any) -> AsyncIterator[None]:
    """One event a message: the way of the documentation."""
    open_streams: dict[bytes, dict[int, Data]] = {}
    done = 0
    async for event in stream.events():
        if not open_streams and not done:
            os.write(1, b"FIRST %f %f\n" % (time.time(), time.process_time()))
        frame = codec.decode(event.value)
        if isinstance(frame, Data):
            open_streams.setdefault(frame.call, {})[frame.n] = frame
        elif isinstance(frame, Close):
            await records.send(key=event.key, value=fold(open_streams.pop(frame.call, {})))
            done += 1
            if done == STREAMS:
                os.write(1, b"LAST %f %f\n" % (time.time(), time.process_time()))
                os.kill(os.getpid(), signal.SIGTERM)
        yield None


if __name__ == "__main__":
    app.main()

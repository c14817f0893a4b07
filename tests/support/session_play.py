"""Sessions, played: one JSON document a chunk, as the shim's manual streams publish them."""

from __future__ import annotations

from typing import Any

import msgspec

from streamgauge.processors.providers.answer import Output
from streamgauge.processors.providers.api import Api
from streamgauge.processors.providers.reading import Reading
from streamgauge.schemas.framing.kinds import Framing, framer

__all__ = ["play_session"]


def play_session(
    api: Api | None, *documents: dict[str, Any] | bytes, proper_eof: bool = True
) -> tuple[Reading, list[Output]]:
    """Read the documents of a session; the output each brought."""
    cutter, reading = framer(Framing.OBJECTS), Reading(api, framing=Framing.OBJECTS)
    chunks = [document if isinstance(document, bytes) else msgspec.json.encode(document) for document in documents]
    outputs = [reading.read(piece) for chunk in chunks for piece in cutter.feed(chunk)]
    reading.finish(proper_eof=proper_eof)
    return reading, outputs

"""The framings, by name: how the body of a response is cut into events.

SSE           text/event-stream: what nearly all providers stream
JSON          one JSON document, whole when the body ends
JSON_ARRAY    one JSON array of objects, element by element: Gemini without SSE
NDJSON        one JSON document a line
EVENT_STREAM  binary messages with checksums: Amazon
BINARY        no text: sound, of which only the length counts
OBJECTS       one JSON document a chunk: the shim's manual streams, where no bytes were seen
"""

from __future__ import annotations

from enum import StrEnum

from streamgauge.schemas.framing.binary import BinaryBody
from streamgauge.schemas.framing.event_stream import EventStreamFramer
from streamgauge.schemas.framing.events import Framer
from streamgauge.schemas.framing.json_array import JsonArrayFramer
from streamgauge.schemas.framing.json_body import JsonBody
from streamgauge.schemas.framing.ndjson import NdjsonFramer
from streamgauge.schemas.framing.objects import ObjectsFramer
from streamgauge.schemas.framing.sse import SseFramer

__all__ = ["Framing", "framer"]


class Framing(StrEnum):
    """How a body is cut."""

    SSE = "sse"
    JSON = "json"
    JSON_ARRAY = "json_array"
    NDJSON = "ndjson"
    EVENT_STREAM = "event_stream"
    BINARY = "binary"
    OBJECTS = "objects"


def framer(framing: Framing) -> Framer:
    """A new framer of this kind, for one connection."""
    return _FRAMERS[framing]()


_FRAMERS: dict[Framing, type[Framer]] = {
    Framing.SSE: SseFramer,
    Framing.JSON: JsonBody,
    Framing.JSON_ARRAY: JsonArrayFramer,
    Framing.NDJSON: NdjsonFramer,
    Framing.EVENT_STREAM: EventStreamFramer,
    Framing.BINARY: BinaryBody,
    Framing.OBJECTS: ObjectsFramer,
}

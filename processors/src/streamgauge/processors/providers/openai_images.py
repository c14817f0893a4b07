"""OpenAI's images: a list of them, or events that show them while they come.

    {"created", "data": [{"url" | "b64_json", "revised_prompt"}], "usage"}
    image_generation.partial_image {"b64_json"}*  image_generation.completed {"b64_json", "usage"}

Of an image its address is kept, or its length and hash. Previews are signs of progress: the last event has the image,
and ends the stream. Edits have the same form, under `image_edit.`.
"""

from __future__ import annotations

from typing import Any, Final

from streamgauge.processors.providers.answer import Answer, Output, Usage
from streamgauge.processors.providers.api import Ordinary, is_marker
from streamgauge.processors.providers.json_values import Document, count, documents, fields, text
from streamgauge.processors.providers.parts import image_of
from streamgauge.schemas.framing.events import Event
from streamgauge.schemas.words import Operation

__all__ = ["OPENAI_IMAGES", "OpenAiImages"]

_EVENTS: Final = ("image_generation.", "image_edit.")


class OpenAiImages(Ordinary):
    """The wire API `openai.images`."""

    name = "openai.images"
    operation = Operation.IMAGE
    gives_reasons = False

    def recognises(self, document: Document) -> bool:
        if (text(document.get("type")) or "").startswith(_EVENTS):
            return True
        return any("b64_json" in image or "revised_prompt" in image for image in documents(document.get("data")))

    def is_body(self, document: Document) -> bool:
        return type(document.get("data")) is list

    def read(self, answer: Answer, event: Event, document: Document | None) -> Output:
        kind = (text((document or {}).get("type")) or "").rpartition(".")[2]
        if document is not None and kind == "completed":
            output = _read_image(answer, document)
            _read_usage(answer, document.get("usage"))
            answer.end("completed", str(document["type"]), offset=event.end)
            return output
        known = is_marker(event) if document is None else kind == "partial_image" or "error" in document
        answer.unknown_events += not known
        return Output.OTHER if kind == "partial_image" else Output.NOTHING

    def read_body(self, answer: Answer, document: Document, *, end: int) -> Output:  # noqa: ARG002 - nothing ends early
        output = Output.NOTHING
        for image in documents(document.get("data")):
            output |= _read_image(answer, image)
        _read_usage(answer, document.get("usage"))
        return output

    def usage(self, raw: Document) -> Usage:
        return Usage(
            input=count(raw.get("input_tokens")),
            output=count(raw.get("output_tokens")),
            total=count(raw.get("total_tokens")),
            image_in=count(fields(raw.get("input_tokens_details")).get("image_tokens")),
        )


OPENAI_IMAGES: Final = OpenAiImages()


def _read_image(answer: Answer, image: Document) -> Output:
    shown = text(image.get("b64_json")) or text(image.get("url"))
    if shown is None:
        return Output.NOTHING
    form = text(image.get("output_format"))
    parts = answer.choice().parts
    parts["image", len(parts)] = image_of(shown, media_type=f"image/{form}" if form else None)
    answer.units["images"] = answer.units.get("images", 0.0) + 1.0
    return Output.OTHER


def _read_usage(answer: Answer, usage: Any) -> None:
    if type(usage) is dict:
        answer.add_usage(usage)

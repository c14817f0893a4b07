"""Images: of each its address, or its length and hash. Written from the provider's documentation."""

from __future__ import annotations

from typing import Any

import msgspec

from sse_play import parts, play, play_body, sse
from streamgauge.processors.providers.answer import Output, Usage
from streamgauge.processors.providers.openai_images import OPENAI_IMAGES
from streamgauge.schemas.records import Image

PATH = "/v1/images/generations"
USAGE = {"input_tokens": 50, "output_tokens": 4, "total_tokens": 54, "input_tokens_details": {"image_tokens": 40}}
SHA256 = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"  # of two bytes of zero


def test_a_plain_body_lists_images() -> None:
    images = [{"url": "https://x/y.png", "revised_prompt": "a cat"}, {"b64_json": "AAA="}, {}]
    body = msgspec.json.encode({"created": 1, "data": images, "usage": USAGE})
    reading, [output] = play_body(body, content_type="application/json")
    assert (reading.api, output) == (OPENAI_IMAGES, Output.OTHER)
    assert parts(reading.answer) == [Image(url="https://x/y.png"), Image(bytes=2, sha256=SHA256)]
    assert reading.answer.units == {"images": 2.0}
    assert OPENAI_IMAGES.usage(reading.answer.usage_raw or {}) == Usage(input=50, output=4, total=54, image_in=40)
    assert reading.ending is not None
    assert (reading.ending.evidence, reading.answer.warnings) == ("json body", [])


def test_previews_are_signs_of_progress_and_the_last_event_has_the_image() -> None:
    events: list[Any] = [
        {"type": "image_generation.partial_image", "b64_json": "AAAA", "partial_image_index": 0},
        {"type": "image_generation.completed", "b64_json": "AAA=", "output_format": "png", "usage": USAGE},
    ]
    reading, outputs = play_body(sse(*events, named=True))
    assert parts(reading.answer) == [Image(media_type="image/png", bytes=2, sha256=SHA256)]
    assert outputs == [Output.OTHER, Output.OTHER]
    assert reading.ending is not None
    assert reading.ending.evidence == "image_generation.completed"
    assert play(sse(events[0]), path=PATH).ending is None


def test_an_edit_has_the_same_form() -> None:
    reading = play(sse({"type": "image_edit.completed", "b64_json": "AAA="}, b"data: [DONE]\n\n"))
    assert (reading.answer.units, reading.unknown_events) == ({"images": 1.0}, 0)


def test_what_nobody_knows_is_counted() -> None:
    assert play(sse({"type": "hologram"}, b"data: words\n\n"), path=PATH).unknown_events == 2

"""Gemini's streams as the JSON array they are where nobody asks for server-sent events.

No array is among the recordings, so these are made of their events, in the layout Google writes: what the array of a
recording says must be what its events said.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

from corpus_check import differences, exemption
from corpus_file import Recording, needs_recordings, recordings
from corpus_reading import events, read, seen
from sse_play import play, said
from streamgauge.processors.providers.reading import Reading

API = "google.generateContent"
PATH = "/v1beta/models/gemini:streamGenerateContent"
SEED = 7
BYTEWISE_MAX = 6000
ERROR = json.dumps({"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}, indent=2)


def elements(recording: Recording) -> list[bytes]:
    """The events of a recording as elements."""
    payloads = (event.strip().removeprefix(b"data:") for event in events(recording.body))
    return [json.dumps(json.loads(payload), indent=2, ensure_ascii=False).encode() for payload in payloads]


def array(parts: list[bytes], end: bytes = b"\n]\n") -> bytes:
    return b"[" + b"\n,\r\n".join(parts) + end


def read_array(*reads: bytes, proper_eof: bool = True) -> Reading:
    return play(reads, path=PATH, content_type="application/json; charset=UTF-8", proper_eof=proper_eof)


def arrays() -> Iterator[tuple[Recording, list[bytes], random.Random]]:
    for recording in recordings(API):
        yield recording, elements(recording), random.Random(f"{SEED}:{recording.id}")


@needs_recordings(API)
def test_an_array_says_what_the_events_said_whatever_the_split() -> None:
    for recording, parts, rng in arrays():
        body = array(parts)
        at = sorted(rng.sample(range(1, len(body)), k=20))
        splits = [[body], [body[a:b] for a, b in zip([0, *at], [*at, len(body)], strict=True)]]
        if len(body) <= BYTEWISE_MAX:
            splits.append([body[at : at + 1] for at in range(len(body))])
        for reads in splits:
            reading = read_array(*reads)
            found = [group for group in differences(recording, seen(reading)) if not exemption(recording, group)]
            assert found == [], recording.id
            assert reading.ending is not None, recording.id
            assert (reading.ending.kind, reading.ending.evidence) == ("completed", "]"), recording.id


@needs_recordings(API)
def test_a_cut_array_says_its_beginning_and_never_that_it_ended() -> None:
    for recording, parts, rng in arrays():
        body, whole = array(parts), said(read(recording).answer)
        borders = [len(array(parts[:count], b"")) for count in range(1, len(parts) + 1)]
        for cut in [*borders, *(rng.randrange(len(body) - 2) for _ in range(10))]:
            reading = read_array(body[:cut], proper_eof=rng.random() < 0.5)
            assert (reading.ending, reading.answer.error) == (None, None), (recording.id, cut)
            assert whole.startswith(said(reading.answer)), (recording.id, cut)


@needs_recordings(API)
def test_an_error_at_any_border_of_an_array_decides_and_what_came_before_it_stays() -> None:
    shapes = [
        f"\n,\r\n{ERROR}\n]\n",
        f"\n{ERROR}\n",
        f"\n[{ERROR}]\n",
        '\nerror: {"message":"broke"}\n\n',
        "\n<html>\n",
    ]
    for recording, parts, rng in arrays():
        before = array(parts[: rng.randint(1, len(parts))], b"")
        good: Any = said(read_array(before).answer)
        for shape in shapes:
            reading = read_array(before + shape.encode())
            assert reading.ending is not None, (recording.id, shape)
            assert (reading.ending.kind, said(reading.answer)) == ("failed", good), (recording.id, shape)


@needs_recordings(API)
def test_spliced_arrays_are_two_answers() -> None:
    found = recordings(API)
    for recording, parts, rng in arrays():
        other = rng.choice(found)
        start = array(parts[: rng.randint(1, len(parts))], b"\n,\r\n")
        reading = read_array(start + array(elements(other)))
        expected = [said(read_array(start, proper_eof=False).answer), said(read(other).answer)]
        assert [said(answer) for answer in reading.answers] == expected, (recording.id, other.id)

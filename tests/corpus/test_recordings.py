"""Every recorded stream of an API we know is read as expected, however its body is split."""

from __future__ import annotations

import random
from collections.abc import Iterator

from corpus_check import EXCEPTIONS, differences, exemption
from corpus_file import Recording, needs_recordings, of_each, recordings
from corpus_reading import read, seen
from streamgauge.processors.providers import registry
from streamgauge.processors.providers.api import Api

SEED = 7
RECORDINGS = recordings(*(api.name for api in registry.APIS))
APIS = sorted({recording.api for recording in RECORDINGS} or {api.name for api in registry.APIS})
BYTEWISE_MAX = 6000  # bodies up to this size are also fed byte by byte


def splits(recording: Recording) -> Iterator[list[bytes]]:
    body = recording.body
    yield [body]
    rng = random.Random(f"{SEED}:{recording.id}")
    for _ in range(2):
        at = sorted(rng.sample(range(1, len(body)), k=min(len(body) - 1, rng.randint(1, 40))))
        yield [body[start:end] for start, end in zip([0, *at], [*at, len(body)], strict=True)]
    if len(body) <= BYTEWISE_MAX:
        yield [body[at : at + 1] for at in range(len(body))]


def known(name: str) -> Api:
    [api] = [api for api in registry.APIS if api.name == name]
    return api


@of_each(APIS)
def test_every_recording_is_read_as_expected_whatever_the_split(api: str) -> None:
    wrong = []
    for recording in (recording for recording in RECORDINGS if recording.api == api):
        for reads in splits(recording):
            reading = read(recording, reads)
            found = [group for group in differences(recording, seen(reading)) if not exemption(recording, group)]
            if found or reading.api is None or reading.api.name != api or len(reading.answers) != 1:
                wrong.append((recording.id, len(reads), sorted(found)))
    assert wrong == []


def test_few_things_are_exempt() -> None:
    assert sum(exempt.api in APIS for exempt in EXCEPTIONS) <= 5


@of_each(APIS)
def test_every_recording_ends_with_the_evidence_it_carries(api: str) -> None:
    for recording in (recording for recording in RECORDINGS if recording.api == api):
        reading = read(recording, [recording.body])
        marker = recording.expected["end_marker"]
        finished = recording.expected.get("finish_reason") is not None or not known(api).gives_reasons
        if marker is None and not finished:  # nothing in it says that it is whole
            assert reading.ending is None, recording.id
        else:
            assert reading.ending is not None, recording.id
            assert reading.ending.kind == "completed", recording.id
            assert marker is None or reading.ending.evidence in marker.split("+"), recording.id
        assert (reading.unknown_events, reading.duplicates, reading.conflicts) == (0, 0, 0), recording.id
        assert reading.answer.error is None, recording.id
        counted = recording.expected["events"] + ("[DONE]" in (marker or ""))
        assert (reading.events, reading.comments) == (counted, recording.expected.get("comments") or 0), recording.id


@needs_recordings("openai.chat", "anthropic.messages")
def test_a_lost_delta_is_noticed() -> None:
    """The test of the test: without one content event, most recordings must differ (responses repeat their text)."""
    noticed = tried = 0
    for recording in (recording for recording in RECORDINGS if recording.api != "openai.responses"):
        events = recording.body.replace(b"\r\n", b"\n").split(b"\n\n")
        at = [i for i, event in enumerate(events) if b'"content":"' in event or b'"text_delta"' in event]
        if len(at) < 3:
            continue
        tried += 1
        body = b"\n\n".join(events[: at[1]] + events[at[1] + 1 :])
        noticed += "text" in differences(recording, seen(read(recording, [body])))
    assert noticed > 0.8 * tried > 50

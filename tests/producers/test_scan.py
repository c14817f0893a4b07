"""What is looked for in the first bytes of a response, and nothing else."""

from __future__ import annotations

import gzip
import itertools
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.producers.scan import Scan

CREATED = (
    b"event: response.created\n"
    b'data: {"type":"response.created","sequence_number":0,"response":{"id":"resp_68af","object":"response"}}\n\n'
)


def scanned(*chunks: bytes, names: bool = True, coding: str | None = None) -> Scan:
    scan = Scan(names=names)
    scan.decodes(coding)
    for chunk in chunks:
        if not scan.done:
            scan.feed(chunk)
    return scan


@given(st.lists(st.integers(0, len(CREATED)), max_size=6))
def test_a_response_is_found_however_its_first_event_is_split(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(CREATED)]
    chunks = [CREATED[begin:end] for begin, end in itertools.pairwise(edges)]
    assert scanned(*chunks).response_id == "resp_68af"


@pytest.mark.parametrize("coding", [None, "identity", "gzip", "x-gzip", "deflate"])
def test_a_response_is_found_through_its_content_coding(coding: str | None) -> None:
    bodies = {"gzip": gzip.compress(CREATED), "x-gzip": gzip.compress(CREATED), "deflate": zlib.compress(CREATED)}
    body = bodies.get(coding or "", CREATED)
    scan = scanned(body[:20], body[20:], coding=coding)
    assert (scan.response_id, scan.readable) == ("resp_68af", True)


def test_other_providers_ids_are_found_by_their_place() -> None:
    assert scanned(b'data: {"response": {"id": "68af-11", "x": 1}}\n\n').response_id == "68af-11"


def test_a_whole_response_is_found_too() -> None:
    assert scanned(b'{"id": "resp_1", "status": "queued"}').response_id == "resp_1"


def test_other_ids_are_not_taken_for_a_responses() -> None:
    assert scanned(b'data: {"previous_response_id":"resp_0","item":{"id":"msg_1"}}\n\n').response_id is None


def test_a_body_that_names_no_response_is_not_searched_for_one() -> None:
    assert scanned(CREATED, names=False).response_id is None


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, br"])
def test_what_is_coded_otherwise_is_not_looked_into(coding: str) -> None:
    scan = scanned(CREATED, coding=coding)
    assert (scan.readable, scan.done, scan.response_id) == (False, True, None)


def test_damaged_gzip_ends_the_search() -> None:
    assert not scanned(b"no gzip at all", coding="gzip").readable


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"id: 7\ndata: x\n\n", True),
        (b"\xef\xbb\xbfid:7\n", True),
        (b"data: x\r\nid: 7\r\n\r\n", True),
        (b"data: x\nid\n", True),
        (b"data: id: 7\n\n", False),
        (b"data: x\nidle: 1\n", False),
        (b'{"id": "x"}', False),
    ],
)
def test_events_with_ids_are_noticed(body: bytes, found: bool) -> None:
    assert scanned(body).event_ids is found


def test_only_the_beginning_is_searched() -> None:
    assert scanned(b"x" * 3000, b"\nid: 7\n", names=False).event_ids is False
    scan = scanned(*[b"x" * 1000] * 20, CREATED)
    assert scan.done
    assert scan.response_id is None

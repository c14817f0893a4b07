"""The request in the contents: what was asked, on one line."""

from __future__ import annotations

import msgspec
import pytest

from streamgauge.processors.record.request_body import read_request
from streamgauge.schemas.frames import Open


def shown(body: bytes) -> bytes:
    opening = Open(bytes(16), 0, bytes(8), 0, "acme", 0, request=body)
    return bytes(read_request(opening).shown)


def test_a_request_on_one_line_is_shown_as_it_is() -> None:
    body = b'{ "model" : "m", "t": 1.50e0 }'
    assert shown(body) == body


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_a_request_of_several_lines_is_shown_on_one(end: bytes) -> None:
    body = end.join([b"{", b'  "model": "m\\n",', b'  "t": 1.50e0', b"}", b""])
    assert shown(body) == b'{"model":"m\\n","t":1.50e0}'
    assert msgspec.json.decode(shown(body)) == msgspec.json.decode(body)

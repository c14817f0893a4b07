"""The request body as the shim kept it: whether it is JSON, and what it asks for.

It stands in the contents as it is, so it must be JSON to the last byte: one bad byte would spoil the whole message.
Only its lines are joined: where people keep contents in files, they are one line each. Anything else, and a body that
was not kept, is named by size and hash.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

import msgspec

from streamgauge.schemas.frames import Open
from streamgauge.schemas.records import NULL, Omitted

__all__ = ["RequestBody", "omitted", "read_request"]

_IN_PATH: Final = (
    re.compile(r"/model/(.+)/(?:converse|invoke)(?:-stream|-with-response-stream)?/?$"),  # Bedrock: may be an ARN
    re.compile(r"/(?:deployments|models)/([^/:]+)"),  # Azure; Gemini, Vertex
)


class RequestBody(NamedTuple):
    """What the contents show of a request, and the model it names."""

    shown: msgspec.Raw
    is_json: bool
    model: str | None


class _Asked(msgspec.Struct):
    """The one field the facts need: the rest is checked, not built."""

    model: Any = None


_decode_asked: Final = msgspec.json.Decoder(_Asked).decode
_format: Final = msgspec.json.format
_decode_raw: Final = msgspec.json.Decoder(msgspec.Raw).decode


def read_request(opening: Open) -> RequestBody:
    """The request of a stream, from its first Open."""
    body = opening.request
    model = _model_in(opening.path or "") or opening.model
    if body is None:
        return RequestBody(_unkept(opening), is_json=False, model=model)
    try:
        body.decode()  # msgspec passes over strings without looking whether they are text
        asked = _model_asked(body)
        shown = _format(body, indent=-1) if b"\n" in body or b"\r" in body else body
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return RequestBody(omitted(body), is_json=False, model=model)
    return RequestBody(msgspec.Raw(shown), is_json=True, model=asked or model)


def _model_in(path: str) -> str | None:
    """The model a path names, as it was before it was written into an address."""
    found = next((match for pattern in _IN_PATH if (match := pattern.search(path))), None)
    return unquote(found[1]) if found is not None else None


def omitted(value: bytes) -> msgspec.Raw:
    """Stands for a value that is not shown, in a raw field."""
    return _raw(Omitted(bytes=len(value), sha256=hashlib.sha256(value).hexdigest()))


def _model_asked(body: bytes) -> str | None:
    try:
        model = _decode_asked(body).model
    except msgspec.ValidationError:  # JSON, but no object: still to be checked to its end
        _decode_raw(body)
        return None
    return model if isinstance(model, str) and model else None


def _unkept(opening: Open) -> msgspec.Raw:
    size, digest = opening.request_bytes, opening.request_sha256
    return NULL if size is None or digest is None else _raw(Omitted(bytes=size, sha256=digest.hex()))


def _raw(value: Omitted) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))

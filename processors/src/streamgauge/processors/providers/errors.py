"""Errors, as all providers tell them: one reading of every shape there is.

    {"error": {"type", "code", "message", …}}         OpenAI and its family, Anthropic, Gemini (code 503, status name)
    {"error": "text", "error_type": …}                Ollama, TGI, xAI (with "code" beside it)
    {"type": "error", "code", "message"}              Responses, flat
    {"object": "error", "message", "type", "code"}    vLLM, SGLang, Mistral
    {"detail": …}, {"message": …}, {"errors": […]}    FastAPI, AWS, Cohere, Cloudflare: only where it is known to be
                                                      an error, by the status or the event's name
    [{"error": {…}}]                                  Gemini without SSE
    error: {…}                                        llama.cpp's field line, outside the event grammar
    {"message", "originalStatusCode", …}              Bedrock: an exception of the event stream, named by its framing
    <html>…                                           a proxy's page

Nothing is an error because it looks unusual: a shape is either unmistakable, or its place says that it is one.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from streamgauge.processors.providers.answer import ErrorSeen
from streamgauge.processors.providers.json_values import Document, count, decode, fields, raw, text

__all__ = ["error_in", "error_named", "error_of", "error_outside", "error_page"]

_MESSAGE_CHARACTERS_MAX: Final = 2000  # of the message; `raw` has the whole
_RAW_BYTES_MAX: Final = 64 * 1024
_PAGE: Final = re.compile(rb"\s*<(!doctype\s+html|html[\s>])", re.IGNORECASE)
_CUT_ERROR: Final = re.compile(rb'\s*\[?\s*\{\s*"error"\s*:\s*[{"]')
_STATUS: Final = re.compile(r"[45][0-9]{2}")
_TITLE: Final = re.compile(rb"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_MESSAGES: Final = (
    "message",
    "error_message",
    "errorText",
    "detail",
    "msg",
    "description",
    "Message",
    "error_description",
    "reason",
)
_STATUSES: Final = ("status_code", "http_status", "statusCode", "originalStatusCode", "status", "code")


def error_in(document: Document) -> ErrorSeen | None:
    """The error this document is or carries, if it says so itself."""
    error = document.get("error")
    if error:
        return _read(document if error is True else error, around=document)
    if document.get("object") == "error" or document.get("type") == "error":
        return _read(document, around=document)
    return None


def error_of(value: Any) -> ErrorSeen:
    """The error in a value that stands where errors stand: a body under an error status, an event named `error`."""
    if type(value) is list:
        value = value[0] if value else None
    document = fields(value)
    found = error_in(document) if document else None
    if found is not None:
        return found
    listed = document.get("errors")
    if type(listed) is list and listed:
        return _read(listed[0], around=document)
    return _read(value, around=document)


def error_outside(data: bytes) -> tuple[ErrorSeen, str] | None:
    """The error in bytes that are no event, and what it looks like; nothing if they are something else."""
    stripped = data.strip()
    if stripped.startswith(b"error:"):
        payload = stripped[6:].strip()
        value = decode(payload)
        return error_of(payload.decode("utf-8", "replace") if value is None else value), "error line"
    if stripped.startswith((b"{", b"[")):
        return _json_outside(stripped)
    if _PAGE.match(stripped):
        return error_page(stripped), "html page"
    return None


def error_named(name: str, payload: bytes) -> ErrorSeen:
    """The error of an event whose framing calls it one, and names its type: an exception of Amazon's event stream."""
    value = decode(payload)
    found = error_page(payload) if value is None else error_of(value)
    return msgspec.structs.replace(found, type=name or found.type)


def error_page(body: bytes, *, status: int | None = None) -> ErrorSeen:
    """A body that is no JSON: a proxy's page or a line of text. Its title, or its beginning, is the message."""
    title = _TITLE.search(body)
    words = " ".join((title[1] if title else body[:_MESSAGE_CHARACTERS_MAX]).decode("utf-8", "replace").split())
    kind = "html page" if _PAGE.match(body) else "text body"
    shown = raw(body[:_RAW_BYTES_MAX].decode("utf-8", "replace"))
    return ErrorSeen(type=kind, message=_message(words), status=status, raw=shown)


def _json_outside(data: bytes) -> tuple[ErrorSeen, str] | None:
    value = decode(data)
    if value is None:  # not whole: an error all the same if it begins as one
        if not _CUT_ERROR.match(data):
            return None
        return ErrorSeen(raw=raw(data[:_RAW_BYTES_MAX].decode("utf-8", "replace"))), "json error"
    found = error_in(fields(value[0] if type(value) is list and value else value))
    return (found, "json error") if found is not None else None


def _read(error: Any, *, around: Document) -> ErrorSeen:
    """Read the fields of an error, and of what stands around it."""
    whole = raw(around or error)
    if type(error) is not dict:
        return ErrorSeen(
            type=text(around.get("error_type")) or _name(around.get("type")),
            code=_code(around.get("code")),
            message=_message(error),
            status=_status(around),
            raw=whole,
        )
    inner = fields(error.get("message"))  # Mistral nests the details of a validation error in the message
    return ErrorSeen(
        type=_name(error.get("type")) or _status_name(error.get("status")) or text(error.get("__type")),
        code=_code(error.get("code")),
        message=_first_message(inner) if inner else _first_message(error),
        status=_status(error) or _status(around),
        raw=whole,
    )


def _first_message(error: Document) -> str | None:
    for name in _MESSAGES:
        message = _message(error.get(name))
        if message is not None:
            return message
    return None


def _message(value: Any) -> str | None:
    """A message as text; a list or object of them (FastAPI's `detail`) as its JSON."""
    if type(value) in (dict, list) and value:
        value = bytes(raw(value)).decode()
    found = text(value)
    return found[:_MESSAGE_CHARACTERS_MAX] if found else None


def _name(value: Any) -> str | None:
    """A type's name; `error` names nothing."""
    found = text(value)
    return None if found == "error" else found


def _status_name(value: Any) -> str | None:
    """Google's name of a status: `UNAVAILABLE`."""
    found = text(value)
    return found if found and found.isupper() else None


def _code(value: Any) -> str | None:
    return str(value) if type(value) is int else text(value)


def _status(error: Document) -> int | None:
    """An HTTP status among the fields, where one is."""
    for name in _STATUSES:
        value = error.get(name)
        found = int(value) if type(value) is str and _STATUS.fullmatch(value) else count(value)
        if found is not None and 400 <= found <= 599:
            return found
    return None

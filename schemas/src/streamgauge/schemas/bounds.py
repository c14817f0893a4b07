"""The contract's bounds, as one question: `check(frame)` says what is wrong with a frame, or null.

Types are the codec's affair; here it is values. The shim asks before it publishes, the worker asks again, since it
trusts no producer: a frame within bounds can be worked without a further look. The answer names field and rule and
holds no content, so it may stand in a dead letter's header.

* Every number is between 0 and `NUMBER_MAX`, every text at most `TEXT_BYTES_MAX` long; fields added later as well.
* A call has 16 bytes, a link 8, a hash 32; maps have so many pairs and bytes.
* Times of a segment are no times before the Open, and there are as many as chunks. They may go back: a clock's fault
  is no reason to lose bytes.
* What a user's tool event carries is plain JSON, not nested without end.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate
from operator import attrgetter
from typing import Any, Final, get_type_hints

import msgspec

from streamgauge.schemas.frames import (
    Close,
    Context,
    Data,
    Frame,
    Head,
    Note,
    Open,
    Prefix,
    Pulse,
    Tick,
    ToolEvent,
    UnknownFrame,
)
from streamgauge.schemas.identity import is_tenant
from streamgauge.schemas.limits import (
    FRAME_BYTES_MAX,
    HEADERS_BYTES_MAX,
    HEADERS_MAX,
    NESTING_MAX,
    NUMBER_MAX,
    REQUEST_BYTES_MAX,
    TAGS_BYTES_MAX,
    TAGS_MAX,
    TENANT_PATTERN,
    TEXT_BYTES_MAX,
)

__all__ = ["ATTEMPT_MAX", "check", "cut_text"]

CALL_BYTES: Final = 16
LINK_BYTES: Final = 8
HASH_BYTES: Final = 32
ATTEMPT_MAX: Final = 2**31
BYTES_PER_CHARACTER_MAX: Final = 4  # in UTF-8

_PLAIN: Final = str | int | float | bool | None
_decode: Final = msgspec.msgpack.Decoder().decode


def check(frame: Frame | UnknownFrame, *, frame_bytes: int = 0) -> str | None:
    """What is out of bounds, in words without content; null where nothing is. `frame_bytes`: its size as encoded."""
    if frame_bytes > FRAME_BYTES_MAX:
        return f"the frame has {frame_bytes} bytes, {FRAME_BYTES_MAX} are allowed"
    if type(frame) is Data and is_one_chunk(frame, frame_bytes=frame_bytes):
        return None
    match frame:
        case Tick():
            return "a Tick has n 0" if frame.n else None
        case UnknownFrame():
            return _place_fault(frame.prefix)
        case _:
            return _place_fault(frame) or _plain_fault(frame) or _OWN_FAULTS[type(frame)](frame)


def cut_text(text: str, bytes_max: int = TEXT_BYTES_MAX) -> str:
    """The text, cut between two characters where it is longer than a frame may hold."""
    if len(text) * BYTES_PER_CHARACTER_MAX <= bytes_max:
        return text
    return text.encode("utf-8", "replace")[:bytes_max].decode("utf-8", "ignore")


def is_one_chunk(data: Data, *, frame_bytes: int = 0) -> bool:
    """Whether this is what most frames are, a segment of one chunk, and in bounds; where not, `check` tells."""
    got, asked, chunks = data.got, data.asked, data.chunks
    return (
        chunks is not None
        and len(chunks) == 1 == len(got)
        and 0 <= got[0] <= NUMBER_MAX
        and (asked is None or (len(asked) == 1 and 0 <= asked[0] <= NUMBER_MAX))
        and 0 <= data.n <= NUMBER_MAX
        and 0 <= data.seq <= NUMBER_MAX
        and 0 <= data.attempt <= ATTEMPT_MAX
        and len(data.call) == CALL_BYTES
        and len(data.link) == LINK_BYTES
        and data.sizes is None
        and data.directions is None
        and frame_bytes <= FRAME_BYTES_MAX
    )


def _place_fault(place: Prefix | Frame) -> str | None:
    """Call, attempt, link, n: what every frame has."""
    call, attempt, link, n = place.call, place.attempt, place.link, place.n
    if call is None or len(call) != CALL_BYTES:
        return f"call has not {CALL_BYTES} bytes"
    if attempt is None or not 0 <= attempt <= ATTEMPT_MAX:
        return f"attempt is not between 0 and {ATTEMPT_MAX}"
    if link is None or len(link) != LINK_BYTES:
        return f"link has not {LINK_BYTES} bytes"
    if n is None:
        return None if isinstance(place, Close) else "n is null"
    return None if 0 <= n <= NUMBER_MAX else f"n is not between 0 and {NUMBER_MAX}"


def _plain_fault(struct: msgspec.Struct) -> str | None:
    """Numbers and texts, whatever they mean."""
    numbers, texts = _PLAIN_FIELDS[type(struct)]
    for name, read in numbers:
        number = read(struct)
        if number is not None and not 0 <= number <= NUMBER_MAX:
            return f"{name} is not between 0 and {NUMBER_MAX}"
    for name, read in texts:
        text = read(struct)
        if text is not None and _size(text) > TEXT_BYTES_MAX:
            return f"{name} has more than {TEXT_BYTES_MAX} bytes"
    return None


def _open_fault(frame: Open) -> str | None:
    if not is_tenant(frame.tenant):
        return f"tenant is not {TENANT_PATTERN}"
    if frame.after is not None and len(frame.after) != LINK_BYTES:
        return f"after has not {LINK_BYTES} bytes"
    if frame.request is not None and len(frame.request) > REQUEST_BYTES_MAX:
        return f"request has more than {REQUEST_BYTES_MAX} bytes"
    if frame.request_sha256 is not None and len(frame.request_sha256) != HASH_BYTES:
        return f"request_sha256 has not {HASH_BYTES} bytes"
    return (
        _pairs_fault("query", frame.query, HEADERS_MAX, HEADERS_BYTES_MAX)
        or _pairs_fault("tags", frame.tags, TAGS_MAX, TAGS_BYTES_MAX)
        or _plain_fault(frame.context)
    )


def _head_fault(frame: Head) -> str | None:
    return _pairs_fault("headers", frame.headers, HEADERS_MAX, HEADERS_BYTES_MAX)


def _data_fault(frame: Data) -> str | None:
    count = len(frame.got)
    if not count:
        return "got is empty"
    if (frame.chunks is None) == (frame.sizes is None):
        return "chunks and sizes: one of them, not both"
    for name, values in (
        ("asked", frame.asked),
        ("chunks", frame.chunks),
        ("sizes", frame.sizes),
        ("directions", frame.directions),
    ):
        if values is not None and len(values) != count:
            return f"{name} has {len(values)} entries, got has {count}"
    if frame.sizes is not None and not _in_range(frame.sizes):
        return f"sizes holds a number not between 0 and {NUMBER_MAX}"
    if frame.directions is not None and not set(frame.directions) <= {0, 1}:
        return "directions holds a number other than 0 and 1"
    if not _in_range(list(accumulate(frame.got))):
        return f"got holds a time not between 0 and {NUMBER_MAX}"
    if frame.asked is not None and not _in_range(list(accumulate(frame.asked))):
        return f"asked holds a time not between 0 and {NUMBER_MAX}"
    return None


def _note_fault(frame: Note) -> str | None:
    fault = _pairs_fault("tags", frame.tags, TAGS_MAX, TAGS_BYTES_MAX) or _plain_fault(frame.context)
    if fault is not None or frame.tool_event is None:
        return fault
    event = frame.tool_event
    return _plain_fault(event) or _json_fault("input", event.input) or _json_fault("output", event.output)


def _close_fault(frame: Close) -> str | None:
    if (frame.n is None) != (frame.frames is None):
        return "n and frames: both or neither"
    if frame.n is not None and frame.frames != frame.n + 1:
        return "frames is not n + 1: a Close is the last frame of its link"
    return None


def _pairs_fault(name: str, pairs: dict[str, str], pairs_max: int, bytes_max: int) -> str | None:
    if len(pairs) > pairs_max:
        return f"{name} has {len(pairs)} pairs, {pairs_max} are allowed"
    if sum(_size(key) + _size(value) for key, value in pairs.items()) > bytes_max:
        return f"{name} has more than {bytes_max} bytes"
    return None


def _json_fault(name: str, raw: msgspec.Raw) -> str | None:
    """Level by level, so that depth costs no stack."""
    try:
        level: list[Any] = [_decode(raw)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return f"{name} cannot be decoded"
    for _ in range(NESTING_MAX):
        below: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                if not all(isinstance(key, str) for key in value):
                    return f"{name} has a key that is no text"
                below.extend(value.values())
            elif isinstance(value, list):
                below.extend(value)
            elif not isinstance(value, _PLAIN):
                return f"{name} holds something JSON cannot"
        level = below
        if not level:
            return None
    return f"{name} is nested deeper than {NESTING_MAX}"


def _in_range(numbers: list[int]) -> bool:
    return min(numbers) >= 0 and max(numbers) <= NUMBER_MAX


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


_Read = tuple[str, Callable[[Any], Any]]


def _plain_fields(struct: type[msgspec.Struct]) -> tuple[tuple[_Read, ...], tuple[_Read, ...]]:
    """The fields of a struct that are a number, and those that are a text, null or not."""
    hints = get_type_hints(struct)
    numbers = tuple((name, attrgetter(name)) for name, hint in hints.items() if hint in (int, int | None))
    texts = tuple((name, attrgetter(name)) for name, hint in hints.items() if hint in (str, str | None))
    return numbers, texts


_STRUCTS: Final = (Open, Head, Data, Pulse, Note, Close, Context, ToolEvent)
_PLAIN_FIELDS: Final[dict[type, tuple[tuple[_Read, ...], tuple[_Read, ...]]]] = {
    struct: _plain_fields(struct) for struct in _STRUCTS
}
_OWN_FAULTS: Final[dict[type, Callable[[Any], str | None]]] = {
    Open: _open_fault,
    Head: _head_fault,
    Data: _data_fault,
    Pulse: lambda _: None,  # numbers alone
    Note: _note_fault,
    Close: _close_fault,
}

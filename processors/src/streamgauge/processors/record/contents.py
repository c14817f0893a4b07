"""The contents of a record: request and response, as far as the tenant lets them travel, within bounds.

Where a contents message would be too large, values give way to `{omitted, bytes, sha256}` until it fits: the request
first, since the application has it; then what is raw; then the longest texts, so that most of an answer stays readable.
If all of that is not enough (a hundred thousand tool calls), what stands last is left out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from streamgauge.processors.providers.json_values import raw
from streamgauge.processors.record.request_body import omitted
from streamgauge.schemas.frames import NIL, Note, ToolEvent
from streamgauge.schemas.limits import RECORD_BYTES_MAX
from streamgauge.schemas.records import (
    NULL,
    Audio,
    Choice,
    Citation,
    Contents,
    Hole,
    Image,
    Omitted,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolEventContent,
)

__all__ = ["fit", "tool_events_of"]

_Struct = TypeVar("_Struct", bound=msgspec.Struct)

_OMITTED_BYTES: Final = 160  # what `Omitted` takes at most
_CHARACTER_BYTES_MAX: Final = 6  # of one character in JSON: \u001f
_PART_BYTES_MAX: Final = 300  # of a part without its texts
_NAME_CHARS_MAX: Final = 1024  # of a name or id, once space is short

_encode: Final = msgspec.json.Encoder().encode


def tool_events_of(notes: Sequence[Note]) -> list[ToolEventContent]:
    """The tool events among the notes, in their order."""
    return [_tool_event(note, note.tool_event) for note in notes if note.tool_event is not None]


def _tool_event(note: Note, event: ToolEvent) -> ToolEventContent:
    return ToolEventContent(
        kind=event.kind,
        at_us=note.wall_us,
        name=event.name,
        input=_as_json(event.input),
        output=_as_json(event.output),
        duration_us=event.duration_us,
        ok=event.ok,
    )


def _as_json(packed: msgspec.Raw) -> msgspec.Raw:
    if packed == NIL:
        return NULL
    try:
        return raw(msgspec.msgpack.decode(packed))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # the bounds of frames leave none of these
        return NULL


# ---------------------------------------------------------------------- bounds


def fit(contents: Contents, *, bytes_max: int = RECORD_BYTES_MAX) -> tuple[Contents, bool]:
    """The contents within the bound, and whether anything was left out."""
    if _bytes_at_most(contents) <= bytes_max or len(_encode(contents)) <= bytes_max:
        return contents, False
    for step in (_without_request, _without_raws, _with_short_texts, _with_what_fits):
        contents = step(contents, bytes_max)
        if len(_encode(contents)) <= bytes_max:
            break
    return contents, True


def _bytes_at_most(contents: Contents) -> int:
    """What the message can take at most, without encoding it."""
    raws = _size(contents.request) + _size(contents.usage_raw) + _size(contents.error_raw)
    characters = sum(len(name) + len(value) for name, value in contents.headers.items())
    parts = 2 + len(contents.headers)
    for event in contents.tool_events:
        raws += _size(event.input) + _size(event.output)
        characters += len(event.name or "")
        parts += 1
    for choice in contents.choices:
        characters += len(choice.finish_reason or "") + len(choice.role or "")
        parts += 1 + len(choice.parts)
        for part in choice.parts:
            in_part = _lengths(part)
            characters += in_part[0]
            raws += in_part[1]
    return raws + characters * _CHARACTER_BYTES_MAX + parts * _PART_BYTES_MAX


def _lengths(part: Part) -> tuple[int, int]:
    """Characters, and bytes that are JSON already."""
    match part:
        case Text() | Refusal():
            return _length(part.text), 0
        case ToolCall():
            return _length(part.arguments) + len(part.name or "") + len(part.id or ""), 0
        case Reasoning():
            return _length(part.text) + len(part.signature or ""), 0
        case Citation():
            return 0, _size(part.citation)
        case Opaque():
            return len(part.kind), _size(part.value)
        case Image():
            return len(part.url or "") + len(part.media_type or ""), 0
        case Hole():
            return 0, 0
        case Audio():
            return len(part.transcript or "") + len(part.media_type or ""), 0


def _size(value: msgspec.Raw) -> int:
    return memoryview(value).nbytes


def _length(text: str | Omitted) -> int:
    return len(text) if isinstance(text, str) else _OMITTED_BYTES


def _without_request(contents: Contents, _: int) -> Contents:
    return msgspec.structs.replace(contents, request=_short(contents.request))


def _without_raws(contents: Contents, _: int) -> Contents:
    return msgspec.structs.replace(
        contents,
        usage_raw=_short(contents.usage_raw),
        error_raw=_short(contents.error_raw),
        tool_events=[
            msgspec.structs.replace(event, input=_short(event.input), output=_short(event.output))
            for event in contents.tool_events
        ],
        choices=[
            msgspec.structs.replace(choice, parts=[_without_raw(part) for part in choice.parts])
            for choice in contents.choices
        ],
    )


def _without_raw(part: Part) -> Part:
    match part:
        case Citation():
            return Citation(citation=_short(part.citation))
        case Opaque():
            return Opaque(kind=part.kind, value=_short(part.value))
        case _:
            return part


def _short(value: msgspec.Raw) -> msgspec.Raw:
    written = bytes(value)
    return value if len(written) <= _OMITTED_BYTES else omitted(written)


class _Place(NamedTuple):
    """A text that could give way, and where it stands."""

    saves: int
    choice: int
    part: int
    field: str


def _with_short_texts(contents: Contents, bytes_max: int) -> Contents:
    """The longest texts give way, and no more of them than must."""
    excess = len(_encode(contents)) - bytes_max
    parts = [list(choice.parts) for choice in contents.choices]
    for saves, choice, part, field in sorted(_places(contents.choices), key=lambda place: (-place.saves, place)):
        if excess <= 0:
            break
        text = getattr(parts[choice][part], field).encode()
        gap = Omitted(bytes=len(text), sha256=hashlib.sha256(text).hexdigest())
        parts[choice][part] = msgspec.structs.replace(parts[choice][part], **{field: gap})
        excess -= saves
    choices = [
        msgspec.structs.replace(choice, parts=shown) for choice, shown in zip(contents.choices, parts, strict=True)
    ]
    return msgspec.structs.replace(contents, choices=choices)


def _places(choices: Sequence[Choice]) -> Iterable[_Place]:
    for at, choice in enumerate(choices):
        for index, part in enumerate(choice.parts):
            field = "arguments" if isinstance(part, ToolCall) else "text"
            text = getattr(part, field, None)
            if isinstance(text, str) and (saves := len(_encode(text)) - _OMITTED_BYTES) > 0:
                yield _Place(saves, at, index, field)


def _with_what_fits(contents: Contents, bytes_max: int) -> Contents:
    """The last resort: long names and headers go, and of events and parts only the first stay."""
    bare = msgspec.structs.replace(contents, headers={}, tool_events=[], choices=[])
    room = _Room(bytes_max - len(_encode(bare)) - _OMITTED_BYTES)
    events = [cut for event in contents.tool_events if room.takes(cut := _with_short_names(event))]
    choices: list[Choice] = []
    for choice in contents.choices:
        empty = _with_short_names(msgspec.structs.replace(choice, parts=[]))
        if not room.takes(empty):
            break
        parts = [short for part in choice.parts if room.takes(short := _with_short_names(part))]
        choices.append(msgspec.structs.replace(empty, parts=parts))
    return msgspec.structs.replace(bare, tool_events=events, choices=choices)


class _Room:
    """The bytes that are left. Once something did not fit, nothing after it does: what stays is a beginning."""

    def __init__(self, left: int) -> None:
        self._left = left

    def takes(self, value: msgspec.Struct) -> bool:
        self._left -= len(_encode(value)) + 1
        return self._left >= 0


def _with_short_names(value: _Struct) -> _Struct:
    """Every text a provider could have made long without bound goes; half of a signature is worse than none."""
    gone: dict[str, Any] = {
        name: text[:_NAME_CHARS_MAX] if name == "kind" else None
        for name in value.__struct_fields__
        if isinstance(text := getattr(value, name), str) and len(text) > _NAME_CHARS_MAX
    }
    return msgspec.structs.replace(value, **gone) if gone else value

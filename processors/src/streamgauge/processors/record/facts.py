"""The facts that come as the application and the provider gave them: context, tags, and how long a text may be.

The facts of a stream are small by nature; what makes them large is somebody's mistake or malice. Every text is at most
8 KiB; if the record is too large all the same, every text is cut to 1 KiB, every list to its first 64 values and each
of these to 256 bytes, which fits whatever they hold (a test builds the worst).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Final, get_type_hints

import msgspec

from streamgauge.schemas import codec
from streamgauge.schemas.bounds import cut_text
from streamgauge.schemas.frames import Context, Note, Open
from streamgauge.schemas.limits import RECORD_BYTES_MAX, TAGS_BYTES_MAX, TAGS_MAX, TEXT_BYTES_MAX
from streamgauge.schemas.records import Link, Record

__all__ = ["bounded", "context_of", "tags_of"]

_CHARACTER_BYTES_MAX: Final = 6  # of one character in JSON: \u001f
_UTF8_BYTES_MAX: Final = 4  # of one character
_SHORT_BYTES_MAX: Final = 1024
_LIST_MAX: Final = 64
_WORD_BYTES_MAX: Final = 256
_PLAIN_BYTES_MAX: Final = 8 * 1024  # of a record without its texts
_LINK_BYTES_MAX: Final = 256
_LISTS: Final = ("finish_reasons", "warnings", "suspicions")
_TEXTS: Final = tuple(name for name, kind in get_type_hints(Record).items() if kind in (str, str | None))
_texts_of: Final[Callable[[Record], tuple[str | None, ...]]] = attrgetter(*_TEXTS)
_NO_CONTEXT: Final = Context()


def context_of(opening: Open, notes: Sequence[Note]) -> dict[str, str | None]:
    """The context fields: the Open's, each overlaid by the Notes in their order."""
    context = msgspec.structs.asdict(opening.context)
    for note in notes:
        if note.context != _NO_CONTEXT:
            given = msgspec.structs.asdict(note.context)
            context.update({name: value for name, value in given.items() if value is not None})
    return context


def tags_of(opening: Open, notes: Sequence[Note]) -> tuple[dict[str, str], bool]:
    """The tags of Open and Notes together, by name, and whether some had to be left out: a frame's bound holds for
    all of them."""
    tags = dict(opening.tags)
    for note in notes:
        tags.update(note.tags)
    kept: dict[str, str] = {}
    left = TAGS_BYTES_MAX
    for name, value in sorted(tags.items()):
        left -= len(name.encode()) + len(value.encode())
        if left < 0 or len(kept) == TAGS_MAX:
            return kept, True
        kept[name] = value
    return kept, False


def bounded(record: Record) -> Record:
    """The record within its bound; `capped` where that took something."""
    characters = [len(text) for text in _texts_of(record) if text is not None]
    if max(characters) * _UTF8_BYTES_MAX > TEXT_BYTES_MAX:
        record = _cut(record, TEXT_BYTES_MAX)
    if _bytes_at_most(record, sum(characters)) <= RECORD_BYTES_MAX:
        return record
    if len(codec.encode_record(record)) <= RECORD_BYTES_MAX:
        return record
    lists = {name: [cut_text(word, _WORD_BYTES_MAX) for word in getattr(record, name)[:_LIST_MAX]] for name in _LISTS}
    links = [_short_link(link) for link in record.links[:_LIST_MAX]]
    return _cut(msgspec.structs.replace(record, links=links, capped=True, **lists), _SHORT_BYTES_MAX)


def _cut(record: Record, bytes_max: int) -> Record:
    texts = zip(_TEXTS, _texts_of(record), strict=True)
    cut = {name: short for name, text in texts if text is not None and (short := cut_text(text, bytes_max)) != text}
    return msgspec.structs.replace(record, capped=True, **cut) if cut else record


def _bytes_at_most(record: Record, characters: int) -> int:
    """What the record can take at most, without encoding it; `characters` are those of its texts."""
    for name in _LISTS:
        characters += sum(len(word) + 3 for word in getattr(record, name))
    for name, value in record.tags.items():
        characters += len(name) + len(value)
    for link in record.links:
        characters += len(link.resumed_from or "")
    return _PLAIN_BYTES_MAX + len(record.links) * _LINK_BYTES_MAX + characters * _CHARACTER_BYTES_MAX


def _short_link(link: Link) -> Link:
    cursor = link.resumed_from
    return link if cursor is None else msgspec.structs.replace(link, resumed_from=cut_text(cursor, _WORD_BYTES_MAX))

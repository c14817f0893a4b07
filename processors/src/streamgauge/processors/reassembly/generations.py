"""What the connections of a stream come to together: one list of answers, one a generation.

The links stand in their order (`link_no`, link), whatever the order they arrived in.

* Numbered events (Responses): a later link carries the same answer on. Its events are read into the first link's
  reading; what that has read already is dropped, and counted on the later link if equal, as a conflict if not. Where a
  number is missing, between two links or within one, there is a hole.
* Events without numbers: a later link told the answer from its beginning. If its text begins with the text so far, it
  replaces it; else it is another generation, and the texts are never joined.
* A connection that was refused, or brought nothing, adds no generation beside those that did.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from streamgauge.processors.providers.answer import Answer, ChoiceSoFar, Output
from streamgauge.processors.providers.parts import PartSoFar, ReasoningSoFar, TextSoFar, ToolSoFar
from streamgauge.processors.providers.reading import Reading
from streamgauge.processors.reassembly.flow import Kept
from streamgauge.processors.reassembly.link import Link
from streamgauge.schemas.records import Hole

__all__ = ["Generations", "Strand", "gather"]

_NOTHING: Final = Output.NOTHING


class Strand:
    """Links that carry one answer on, and the reading of all of them."""

    __slots__ = ("links", "reading")

    def __init__(self, link: Link, reading: Reading) -> None:
        self.links = [link]
        self.reading = reading

    @property
    def numbered(self) -> bool:
        """Whether its events are numbered."""
        return self.reading.last_number is not None or bool(self.links[0].flow.kept)


class Generations:
    """The strands of a stream, finished, and what their merging showed."""

    __slots__ = ("conflicts", "duplicates", "holes", "replayed", "strands")

    def __init__(self) -> None:
        self.strands: list[Strand] = []
        self.replayed: dict[bytes, int] = {}  # by link: events it repeated
        self.duplicates = 0  # events a body repeated itself
        self.conflicts = 0
        self.holes = 0  # places where numbered events are missing, and no bytes are known to be

    @property
    def reading(self) -> Reading | None:
        """The one that decides: the last."""
        return self.strands[-1].reading if self.strands else None

    @property
    def torn(self) -> bool:
        """Whether events are missing: among numbered ones, or in the generation that decides."""
        return self.holes > 0 or (self.reading is not None and self.reading.answer.torn)

    @property
    def deciding(self) -> Link | None:
        """The link that decides how the stream ended: the last that brought something."""
        return self.strands[-1].links[-1] if self.strands else None

    def answers(self) -> list[Answer]:
        """All generations of which anything was seen."""
        found = [answer for strand in self.strands for answer in strand.reading.answers]
        return [answer for answer in found if answer.events or answer.ending is not None or answer.error is not None]


def gather(links: Sequence[Link]) -> Generations:
    """The generations of these links, in their order, all ended. Call it once: it finishes their readings."""
    found = Generations()
    for link in _telling(links):
        _join(found, link)
    for strand in found.strands:
        _weave(found, strand)
        if any(link.unread for link in strand.links):
            strand.reading.tear()
    for strand in found.strands:
        strand.reading.finish(proper_eof=strand.links[-1].ended_properly)
        found.conflicts += strand.reading.conflicts
        found.duplicates += strand.reading.duplicates + sum(answer.duplicates for answer in strand.reading.answers)
        found.holes += strand.reading.holes
    found.duplicates -= sum(found.replayed.values())
    _replace(found)
    return found


def _telling(links: Sequence[Link]) -> Iterable[Link]:
    """The links that say something: those with events that were not refused, or else the last that responded."""
    telling = [link for link in links if link.flow.events and not link.refused]
    if telling:
        return telling
    responding = [link for link in links if link.responded]
    return (responding or list(links))[-1:]


def _join(found: Generations, link: Link) -> None:
    """Add a link to the strand before it, where it carries that on."""
    reading = link.flow.reading
    if reading is None:
        return
    before = found.strands[-1] if found.strands else None
    if before is not None and before.numbered and link.flow.kept and _same_api(before, link):
        before.links.append(link)
    else:
        found.strands.append(Strand(link, reading))


def _same_api(strand: Strand, link: Link) -> bool:
    mine, others = strand.reading.api, link.flow.last_reading
    return mine is None or others is None or others.api is mine


def _weave(found: Generations, strand: Strand) -> None:
    """Read what was kept into the strand's reading."""
    reading = strand.reading
    for link, kept in _in_order(strand):
        if kept.torn and kept.number > 0 and reading.last_number is None:
            reading.tear()
        duplicates, conflicts, holes = reading.duplicates, reading.conflicts, reading.holes
        kinds = reading.read(kept.piece)
        if kept.torn:
            reading.holes = holes  # the loss is known, and counted where it happened
        if reading.duplicates > duplicates:
            found.replayed[link.link] = found.replayed.get(link.link, 0) + 1
        elif kinds is not _NOTHING and reading.conflicts == conflicts:
            link.flow.moments.output(kinds, kept.at_us)


def _in_order(strand: Strand) -> list[tuple[Link, Kept]]:
    """The kept pieces: by number while all is one generation, as they came where numbers begin anew with another."""
    pieces = [(link, kept) for link in strand.links for kept in link.flow.kept]
    scouts = [link.flow.scout for link in strand.links if link.flow.scout is not None]
    ids = {answer.response_id for scout in scouts for answer in scout.answers}
    ids |= {answer.response_id for answer in strand.reading.answers}
    if len(ids - {None}) <= 1 and all(len(scout.answers) == 1 for scout in scouts):
        pieces.sort(key=lambda piece: piece[1].number)
    return pieces


# ---------------------------------------------------------------------- without numbers


def _replace(found: Generations) -> None:
    """Let an answer told again stand for its first telling."""
    kept: list[Strand] = []
    for strand in found.strands:
        if kept and _begins_with(strand.reading.answers[0], kept[-1].reading.answers[-1]):
            _retire(kept, strand)
        kept.append(strand)
    found.strands = kept


def _retire(kept: list[Strand], new: Strand) -> None:
    """Drop the first telling. What the second repeats of it came when the first brought it."""
    old = kept[-1].reading.answers.pop()
    if not kept[-1].reading.answers:
        kept.pop()
    if _size(new.reading.answers[0]) <= _size(old):
        new.links[-1].flow.moments.last_output_us = None


def _begins_with(new: Answer, old: Answer) -> bool:
    """Whether everything the old answer says stands at the beginning of the new one."""
    return all(
        index in new.choices and _choice_begins_with(new.choices[index], choice)
        for index, choice in old.choices.items()
    )


def _choice_begins_with(new: ChoiceSoFar, old: ChoiceSoFar) -> bool:
    parts = {key: part for key, part in old.parts.items() if not isinstance(part, Hole)}
    return all(key in new.parts and _part_begins_with(new.parts[key], part) for key, part in parts.items())


def _part_begins_with(new: PartSoFar, old: PartSoFar) -> bool:
    match new, old:
        case TextSoFar(), TextSoFar():
            return _text(new).startswith(_text(old))
        case ReasoningSoFar(), ReasoningSoFar():
            return _text(new).startswith(_text(old))
        case ToolSoFar(), ToolSoFar():
            return old.name in (None, new.name) and _text(new).startswith(_text(old))
        case _:
            return new == old


def _text(part: TextSoFar | ReasoningSoFar | ToolSoFar) -> str:
    return "".join(part.pieces)


def _size(answer: Answer) -> int:
    parts = [part for choice in answer.choices.values() for part in choice.parts.values()]
    return sum(len(_text(part)) for part in parts if isinstance(part, TextSoFar | ReasoningSoFar | ToolSoFar))

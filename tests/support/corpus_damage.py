"""Recordings damaged as streams break, played through the core and judged.

All damage is drawn from a fixed seed and the recording's id, so that what is reported names what to play again. A place
of damage is a border between events (how many events stand before it) or a byte.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

import msgspec

import corpus_truth as truth
from corpus_core import Told, called, frames, tell, tell_each, told_by
from corpus_file import Recording
from corpus_naive import naive
from corpus_shapes import INVISIBLE, Shape, shapes_of
from corpus_truth import Subject
from frames_build import Log
from streamgauge.schemas.frames import Frame
from streamgauge.schemas.words import How, Resumable

__all__ = ["DAMAGES", "RULES", "Case", "Rule", "Sizes", "damage", "is_stream", "rule_for", "subject_of"]

SEED: Final = 7
DONE: Final = b"data: [DONE]\n\n"


class Case(NamedTuple):
    """One damaged stream, and what is not true of what was told of it."""

    damage: str
    place: str
    wrong: list[str]


class Rule(NamedTuple):
    """What cannot be told of a damage, or is told otherwise for a reason."""

    damages: str  # how their names begin
    apis: frozenset[str]
    wrong: tuple[str, ...]  # how what is not true begins
    applies: Callable[[Recording, Case], bool]
    text: str  # with its source


class Sizes(NamedTuple):
    """How much is played of a recording."""

    cuts: int  # borders and, likewise, bytes
    errors: int  # borders at which every shape is put
    others: int  # of every other damage
    reads_of_one: int = 1 << 20  # bytes of a body that is also read byte by byte


class Drawing(NamedTuple):
    """What a damage is drawn from."""

    subject: Subject
    others: Sequence[Subject]  # recordings of the same API
    rng: random.Random
    sizes: Sizes

    def borders(self, count: int, *, last: bool = True) -> list[int]:
        """So many borders, the first and the last ones among them, or all there are."""
        ends = range(len(self.subject.naive.parts) + last)
        if len(ends) <= count:
            return list(ends)
        edges = [*ends[:1], *ends[-3:]]
        return sorted({*edges, *self.rng.sample(ends, max(1, count - len(edges)))})


def is_stream(recording: Recording) -> bool:
    """Whether its body is cut into events: a refusal and a plain document are not."""
    return recording.status < 400 and (len(naive(recording).parts) > 1 or not recording.body.startswith(b"{"))


def subject_of(recording: Recording) -> Subject:
    """A recording, read and told undamaged."""
    return Subject(recording, naive(recording), tell(recording, recording.body))


def damage(recording: Subject, others: Sequence[Subject], sizes: Sizes, only: str | None = None) -> Iterator[Case]:
    """Every damage of a recording, or one."""
    for name, draw in DAMAGES.items():
        if only in (None, name):
            rng = random.Random(f"{SEED}:{name}:{recording.recording.id}")
            for place, wrong in draw(Drawing(recording, others, rng, sizes)):
                yield Case(name, place, list(wrong))


Judged = tuple[str, Iterator[str]]  # a place, and what is not true there


def _cut(drawing: Drawing, *, how: How) -> Iterator[Judged]:
    subject = drawing.subject
    for border in drawing.borders(drawing.sizes.cuts):
        told = tell(subject.recording, b"".join(subject.naive.parts[:border]), how=how)
        yield f"border {border}", truth.cut(subject, told, border, reset=how is How.READ_ERROR, torn=False)


def _torn(drawing: Drawing, *, how: How) -> Iterator[Judged]:
    """Cut at a byte. What is missing of the last event may be no more than its line ends."""
    subject = drawing.subject
    body = subject.recording.body
    for at in sorted(drawing.rng.sample(range(len(body)), min(drawing.sizes.cuts, len(body)))):
        border, rest = _border_before(subject, at)
        closed = rest.strip().endswith((b"}", b"]"))  # text may go on
        whole = closed and rest.strip() == subject.naive.parts[border].strip()
        told = tell(subject.recording, body[:at], how=how)
        torn = bool(rest.strip()) and not whole
        yield f"byte {at}", truth.cut(subject, told, border + whole, reset=how is How.READ_ERROR, torn=torn)


def _border_before(subject: Subject, at: int) -> tuple[int, bytes]:
    """The last border before this byte, and what stands between."""
    begin = 0
    for border, part in enumerate(subject.naive.parts):
        if begin + len(part) > at:
            return border, subject.recording.body[begin:at]
        begin += len(part)
    return len(subject.naive.parts), b""


def _errors(drawing: Drawing) -> Iterator[Judged]:
    parts = drawing.subject.naive.parts
    for border in drawing.borders(drawing.sizes.errors):
        yield from _put(drawing, border, shapes_of(drawing.subject.recording, parts[:border]))


def _invisible(drawing: Drawing) -> Iterator[Judged]:
    for border in drawing.borders(drawing.sizes.errors):
        yield from _put(drawing, border, INVISIBLE)


def _put(drawing: Drawing, border: int, shapes: dict[str, Shape]) -> Iterator[Judged]:
    """Each shape at this border: then the body ends, or says `[DONE]`, or goes on."""
    subject = drawing.subject
    parts, binary = subject.naive.parts, subject.recording.body.startswith(b"\x00")
    before = b"".join(parts[:border])
    lines = subject.recording.body.startswith(b"{")
    if before and not binary and not before.endswith(b"\n" if lines else (b"\n\n", b"\r\n\r\n")):
        return  # the last event is not closed, so this is no border
    for name, shape in shapes.items():
        ends = {"": b"", ", [DONE]": DONE, ", and on": b"".join(parts[border:])}
        if binary:
            del ends[", [DONE]"]
        if name.endswith("of no id") or border in (0, len(parts)):  # a whole stream behind an error is a splice
            del ends[", and on"]
        for ending, rest in ends.items():
            told = tell(subject.recording, before + shape.body + rest)
            behind = parts[border:] if "on" in ending else []
            yield (
                f"border {border}, {name}{ending}",
                truth.failed(subject, told, border, words=shape.words, behind=behind),
            )


def _copies(drawing: Drawing) -> Iterator[Judged]:
    """Numbered events told twice: a stretch of them, one of them, one of them that is not the same."""
    subject = drawing.subject
    recording, parts = subject.recording, subject.naive.parts
    if "sequence" not in recording.expected:
        return
    for _ in range(drawing.sizes.others):
        start, end = sorted((drawing.rng.randrange(len(parts)), drawing.rng.randrange(len(parts)) + 1))
        end = max(end, start + 1)
        told = tell(recording, b"".join(parts[:end] + parts[start:]))
        yield f"events {start} to {end} twice", _counted(subject, told, end - start)
        one = drawing.rng.randrange(len(parts))
        told = tell(recording, b"".join(parts[: one + 1] + parts[one:]))
        yield f"event {one} twice", _counted(subject, told, 1)
        border = drawing.rng.randint(1, len(parts))
        one = drawing.rng.randrange(border)
        told = tell(recording, b"".join(parts[: one + 1] + parts[one:border]))
        yield f"event {one} twice, cut at border {border}", _cut_copy(subject, told, border)
        yield f"event {one} twice, not the same", _contradicted(subject, one)


def _counted(subject: Subject, told: Told, copies: int) -> Iterator[str]:
    moved = {"duplicates_dropped", "bytes", "events", "evidence_offset"}
    yield from truth.same(subject.whole, told, but=moved)
    dropped = told.record.duplicates_dropped + sum(link.replayed_events for link in told.record.links)
    if dropped != copies:
        yield f"{dropped} duplicates of {copies}"


def _cut_copy(subject: Subject, told: Told, border: int) -> Iterator[str]:
    yield from truth.beginning(subject, told, border)
    if told.record.duplicates_dropped != 1:
        yield f"{told.record.duplicates_dropped} duplicates of 1"
    if not subject.naive.ended(border) and told.record.outcome != "truncated":
        yield f"outcome {told.record.outcome}"


def _contradicted(subject: Subject, one: int) -> Iterator[str]:
    parts = subject.naive.parts
    other = parts[one].replace(b'"sequence_number"', b'"odd":1,"sequence_number"')
    told = tell(subject.recording, b"".join([*parts[: one + 1], other, *parts[one + 1 :]]))
    moved = {"conflicts", "bytes", "events", "evidence_offset"}
    yield from truth.same(subject.whole, told, but=moved)
    if told.record.conflicts != 1:
        yield f"{told.record.conflicts} conflicts of 1"


def _resumed(drawing: Drawing) -> Iterator[Judged]:
    """A second connection carries a numbered stream on, and repeats some of it."""
    subject = drawing.subject
    recording, parts = subject.recording, subject.naive.parts
    if "sequence" not in recording.expected:
        return
    for _ in range(drawing.sizes.others):
        border = drawing.rng.randint(1, len(parts) - 1)
        again = drawing.rng.randint(0, border)
        first = called(recording)
        *log, close = frames(recording, b"".join(parts[:border]), how=How.READ_ERROR, on=first)
        log.append(msgspec.structs.replace(close, resumable=Resumable.MAYBE))
        asked = {"link_no": 1, "after": first.link, "cursor": str(again)}
        path = f"/v1/responses/{recording.expected['response_id']}"
        second = called(recording, link=b"link-1--", method="GET", path=path, wall_us=1_760_000_001_000_000, **asked)
        log += frames(recording, b"".join(parts[again:]), on=second)
        [told] = told_by(Log().add(*log))
        yield f"cut at border {border}, resumed from {again}", _counted(subject, told, border - again)


def _spliced(drawing: Drawing, *, torn: bool) -> Iterator[Judged]:
    """A beginning of one stream, and another one whole behind it."""
    subject = drawing.subject
    recording, parts = subject.recording, subject.naive.parts
    pairs = [other for other in drawing.others if _told_apart(subject, other)]
    for other in drawing.rng.sample(pairs, min(drawing.sizes.others, len(pairs))):
        start = b"".join(parts[: drawing.rng.randint(1, max(1, len(parts) - 1))])
        if torn:
            start = recording.body[: drawing.rng.randrange(1, len(recording.body))]
        first = tell(recording, start, how=How.READ_ERROR)
        if first.contents.choices:
            told = tell(recording, start + other.recording.body)
            name = (
                other.recording.id if other.recording.expected.get("response_id") else f"{other.recording.id} of no id"
            )
            yield f"byte {len(start)}, {name}", truth.spliced(first, other.whole, told)


def _told_apart(subject: Subject, other: Subject) -> bool:
    ids = [one.recording.expected.get("response_id") or one.recording.id for one in (subject, other)]
    return ids[0] != ids[1]


def _small_reads(drawing: Drawing) -> Iterator[Judged]:
    recording, whole = drawing.subject.recording, drawing.subject.whole
    body = recording.body
    if len(body) <= drawing.sizes.reads_of_one:
        reads = [body[at : at + 1] for at in range(len(body))]
        yield "reads of 1 byte", truth.same(whole, tell(recording, reads))
    yield "reads of random sizes", truth.same(whole, tell(recording, _reads(body, drawing.rng)))


def _reads(body: bytes, rng: random.Random, most: int = 400) -> list[bytes]:
    reads: list[bytes] = []
    at = 0
    while at < len(body):
        size = rng.randint(1, most)
        reads.append(body[at : at + size])
        at += size
    return reads


def _mixed(drawing: Drawing) -> Iterator[Judged]:
    """The frames of two streams in one partition, each chunk a frame."""
    rng = drawing.rng
    for other in rng.sample(drawing.others, min(1, len(drawing.others))):
        lanes = [_single_frames(one.recording, rng) for one in (drawing.subject, other)]
        order = [lane for lane, own in enumerate(lanes) for _ in own]
        rng.shuffle(order)
        log = Log()
        waiting = [iter(lane) for lane in lanes]
        found = tell_each(log.add(*(next(waiting[lane]) for lane in order)))
        yield f"with {other.recording.id}", _each_the_same([drawing.subject, other], found)


def _single_frames(recording: Recording, rng: random.Random) -> list[Frame]:
    connection = called(recording)
    opening, head, *_, _ = frames(recording, b"", on=connection)
    connection.n = 2
    reads = _reads(recording.body, rng, max(400, len(recording.body) // 60))
    return [opening, head, *(connection.data(read) for read in reads), connection.close()]


def _each_the_same(subjects: Sequence[Subject], found: dict[str, Told]) -> Iterator[str]:
    if len(found) != len(subjects):
        yield f"{len(found)} records of {len(subjects)} streams"
    for subject in subjects:
        told = found.get(subject.whole.record.call_id)
        if told is not None:
            yield from truth.same(subject.whole, told)


def _shuffled(drawing: Drawing) -> Iterator[Judged]:
    """Every frame twice and in no order."""
    log = _single_frames(drawing.subject.recording, drawing.rng) * 2
    drawing.rng.shuffle(log)
    [told] = told_by(Log().add(*log))
    yield "", truth.same(drawing.subject.whole, told, but={"duplicates_dropped"})


def _lost(drawing: Drawing) -> Iterator[Judged]:
    """One frame with bytes of the stream never came."""
    subject = drawing.subject
    for _ in range(drawing.sizes.others):
        frames_of = _single_frames(subject.recording, drawing.rng)
        at = drawing.rng.randrange(2, len(frames_of) - 1)
        log = Log()
        log.add(*frames_of[:at], *frames_of[at + 1 :])
        log.wait(40)
        [told] = told_by(log.arrivals)
        yield f"frame {at} of {len(frames_of)}", truth.holed(subject, told, marker_lost=at == len(frames_of) - 2)


Draw = Callable[[Drawing], Iterator[Judged]]
DAMAGES: Final[dict[str, Draw]] = {
    "cut": lambda drawing: _cut(drawing, how=How.EOF),
    "cut, reset": lambda drawing: _cut(drawing, how=How.READ_ERROR),
    "torn": lambda drawing: _torn(drawing, how=How.EOF),
    "torn, reset": lambda drawing: _torn(drawing, how=How.READ_ERROR),
    "error": _errors,
    "error outside": _invisible,
    "copies": _copies,
    "resumed": _resumed,
    "splice": lambda drawing: _spliced(drawing, torn=False),
    "splice, torn": lambda drawing: _spliced(drawing, torn=True),
    "small reads": _small_reads,
    "mixed": _mixed,
    "frames twice": _shuffled,
    "frame lost": _lost,
}


def _always(recording: Recording, case: Case) -> bool:
    return True


def _finishes_early(recording: Recording, case: Case) -> bool:
    return recording.body.count(b'"finishReason"') > 1


def _nameless(recording: Recording, case: Case) -> bool:
    """One of the two has no id."""
    return not recording.expected.get("response_id") or "of no id" in case.place


RULES: Final = (
    Rule(
        "",
        frozenset({"bedrock.agent"}),
        ("usage ",),
        _always,
        "usage is the sum of every traced call of a model, each with a bill of its own (docs/providers.md, Usage)",
    ),
    Rule(
        "",
        frozenset({"bedrock.agent"}),
        ("content_complete, and",),
        _always,
        "an agent's answer has no finish and no end marker: what came may be all (docs/providers.md, What ends)",
    ),
    Rule(
        "",
        frozenset({"google.generateContent"}),
        ("content_complete, and",),
        _finishes_early,
        "old models say STOP in every event, so a cut at one looks finished (provider-streams, section 2.8)",
    ),
    Rule(
        "frame lost",
        frozenset({"google.generateContent"}),
        ("text ",),
        _finishes_early,
        "behind such a STOP nothing is open, so no hole is marked in the text; the record counts it (section 2.8)",
    ),
    Rule(
        "splice",
        frozenset({"bedrock.agent", "google.generateContent", "ollama.chat", "ollama.generate", "watsonx.generate"}),
        ("1 generations",),
        _nameless,
        "events without an id or a start tell no generation from the next (docs/providers.md, Copies, splices)",
    ),
    Rule(
        "splice",
        frozenset({"openai.completions"}),
        ("1 generations",),
        _always,
        "behind one event alone, another id may be of a server that gives each event its own (openai_completions)",
    ),
    Rule(
        "error",
        frozenset({"replicate.stream"}),
        ("text ", "outcome completed"),
        _always,
        "output behind an error is another prediction's: nothing else tells two streams apart (providers/replicate)",
    ),
)


def rule_for(recording: Recording, case: Case) -> Rule | None:
    """The rule by which this case may be as it is: each thing that is not true must be explained."""
    found = [_rule(recording, case, wrong) for wrong in case.wrong]
    return found[0] if None not in found else None


def _rule(recording: Recording, case: Case, wrong: str) -> Rule | None:
    for rule in RULES:
        fits = case.damage.startswith(rule.damages) and recording.api in rule.apis
        if fits and wrong.startswith(rule.wrong) and rule.applies(recording, case):
            return rule
    return None

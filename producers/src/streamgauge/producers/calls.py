"""Which call and attempt a new request belongs to. Pure: what is known of it goes in, its place comes out.

    call ──┬─ attempt 0 ── link 0
           ├─ attempt 1 ── link 0       the SDK asked again; redirected; asked again with credentials
           └─ attempt 2 ─┬ link 0
                         └ link 1       the same generation on a new connection: resumed

Rules, first match wins:

1. `GET /responses/{id}?stream=true` of a response seen here resumes its attempt: one more link, no new attempt.
2. A user who names the call has the last word; its attempts are numbered in the order they are opened.
3. A request that follows another in the same context, from the same client, belongs to its call if it is the redirect
   the other one was answered with, or the very same request once more after a 401 (an authentication flow), or the
   same request with a higher retry count (an SDK's retry).
4. Everything else is a call of its own.

All memories are bounded, the longest unused forgotten first: what is forgotten becomes a call of its own.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from typing import Final, Generic, NamedTuple, TypeVar
from urllib.parse import parse_qs, urljoin, urlsplit

from streamgauge.producers.asked import Asked
from streamgauge.producers.events import Said
from streamgauge.producers.ids import Ids
from streamgauge.schemas.bounds import ATTEMPT_MAX
from streamgauge.schemas.words import AttemptKind

__all__ = ["Attempt", "Call", "Calls", "Place", "response_id_in"]

REMEMBERED: Final = 4096  # of each kind
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
UNAUTHORIZED: Final = frozenset({401, 407})

_RESPONSE: Final = re.compile(r".*/responses/([^/]+)/?")

K = TypeVar("K")
V = TypeVar("V")


class Call:
    """What an application asked for once."""

    __slots__ = ("asked_of", "foreign", "id", "last", "next", "partition", "ref")

    def __init__(self, call: bytes, *, ref: str | None = None, foreign: bool = False) -> None:
        self.id = call
        self.ref = ref
        self.foreign = foreign  # another process made it: attempts are numbered at random
        self.last: int | None = None
        self.next = 0
        self.asked_of: tuple[str | None, ...] = ()  # host, provider, model of the last attempt
        self.partition: int | None = None  # decided once, at the first Open, for all frames of the call


class Attempt:
    """One generation, and how many connections carried it so far."""

    __slots__ = ("call", "last_link", "links", "number")

    def __init__(self, call: Call, number: int) -> None:
        self.call = call
        self.number = number
        self.links = 0
        self.last_link: bytes | None = None


class Place(NamedTuple):
    """Where a link belongs."""

    attempt: Attempt
    link: bytes
    link_no: int
    after: bytes | None
    kind: AttemptKind
    parent: int | None = None
    cursor: str | None = None


class _Try:
    """What is remembered of a link, to recognise what follows it."""

    __slots__ = ("asked", "attempt", "digest", "location", "origin", "status")

    def __init__(self, asked: Asked, digest: bytes | None, attempt: Attempt, origin: _Try | None) -> None:
        self.asked = asked
        self.digest = digest
        self.attempt = attempt
        self.origin = origin or self  # what a chain of redirects began with: a retry starts there again
        self.status: int | None = None
        self.location: str | None = None


class _Bounded(OrderedDict[K, V], Generic[K, V]):
    """A memory that forgets what was not used for longest."""

    def recall(self, key: K | None) -> V | None:
        if key is None or key not in self:
            return None
        self.move_to_end(key)
        return self[key]

    def keep(self, key: K, value: V) -> V:
        self[key] = value
        self.move_to_end(key)
        if len(self) > REMEMBERED:
            self.popitem(last=False)
        return value


class Calls:
    """The calls, attempts and responses this process knows."""

    def __init__(self, ids: Ids, *, foreign: frozenset[bytes] = frozenset()) -> None:
        self._ids = ids
        self._foreign = foreign  # named by users in a process this one was forked from
        self._named: _Bounded[bytes, Call] = _Bounded()
        self._tries: _Bounded[int, _Try] = _Bounded()
        self._responses: _Bounded[str, Attempt] = _Bounded()

    def place(
        self, serial: int, asked: Asked, said: Said, *, call: bytes, digest: bytes | None, before: int | None
    ) -> Place:
        """Decide where link `serial` belongs. `call` is the id of a new call, `before` the link it follows."""
        asked_again = asked.again.serial if asked.again is not None else None
        previous = self._tries.recall(before if asked_again is None else asked_again)
        relation = None if previous is None else _relation(asked, digest, previous)
        place = (
            self._resumed(asked)
            or self._named_by_user(asked, said, previous, relation)
            or self._following(previous, relation)
            or self._new(asked, call)
        )
        place = place._replace(kind=said.attempt_kind or place.kind)
        origin = previous.origin if previous is not None and place.kind is AttemptKind.REDIRECT else None
        self._tries.keep(serial, _Try(_bare(asked), digest, place.attempt, origin))
        return place

    def answered(self, serial: int, status: int | None, location: str | None) -> None:
        """The response headers of a link came."""
        if (found := self._tries.recall(serial)) is not None:
            found.status = status
            found.location = location

    def responds(self, response_id: str, attempt: Attempt) -> None:
        """A Responses stream named itself: it can be resumed by that name."""
        self._responses.keep(response_id, attempt)

    def known(self, call: bytes) -> Call | None:
        """A call users named, if it is remembered."""
        return self._named.recall(call)

    def named(self) -> frozenset[bytes]:
        """All calls users named: a forked child must number their attempts at random."""
        return self._foreign | frozenset(self._named)

    def _resumed(self, asked: Asked) -> Place | None:
        attempt = self._responses.recall(response_id_in(asked))
        if attempt is None:  # nothing is resumed; or it began in another process, or is forgotten
            return None
        return self._linked(attempt, AttemptKind.RESUME)._replace(cursor=_cursor(asked))

    def _named_by_user(
        self, asked: Asked, said: Said, previous: _Try | None, relation: AttemptKind | None
    ) -> Place | None:
        if said.call is None:
            return None
        call = self._named.recall(said.call)
        if call is None:
            foreign = said.foreign or said.call in self._foreign
            call = self._named.keep(said.call, Call(said.call, ref=said.call_ref, foreign=foreign))
        asked_of = (asked.host, said.provider, said.model)
        if call.last is None:
            kind = AttemptKind.FIRST
        elif relation is not None and previous is not None and previous.attempt.call is call:
            kind = relation
        else:
            kind = AttemptKind.APP_RETRY if asked_of == call.asked_of else AttemptKind.FALLBACK
        call.asked_of = asked_of
        parent = call.last
        return self._linked(_numbered(call, said.attempt, self._ids), kind)._replace(parent=parent)

    def _following(self, previous: _Try | None, relation: AttemptKind | None) -> Place | None:
        if previous is None or relation is None:
            return None
        attempt = _numbered(previous.attempt.call, None, self._ids)
        return self._linked(attempt, relation)._replace(parent=previous.attempt.number)

    def _new(self, asked: Asked, call: bytes) -> Place:
        kind = AttemptKind.FIRST if response_id_in(asked) is None else AttemptKind.RESUME
        attempt = _numbered(Call(call), None, self._ids)
        return self._linked(attempt, kind)._replace(cursor=_cursor(asked))

    def _linked(self, attempt: Attempt, kind: AttemptKind) -> Place:
        """Draw a new link of an attempt."""
        place = Place(attempt, self._ids.link(), attempt.links, attempt.last_link, kind)
        attempt.links += 1
        attempt.last_link = place.link
        return place


def _numbered(call: Call, number: int | None, ids: Ids) -> Attempt:
    """Draw a new attempt of a call; the user may have numbered it."""
    if number is None:
        number = ids.attempt() if call.foreign or call.next > ATTEMPT_MAX else call.next
    call.next = max(call.next, number + 1)
    call.last = number
    return Attempt(call, number)


def _cursor(asked: Asked) -> str | None:
    return parse_qs(asked.query).get("starting_after", [asked.last_event_id])[0]


def response_id_in(asked: Asked) -> str | None:
    """The response a request asks to stream (again): `GET …/responses/{id}?stream=true`."""
    if asked.method != "GET" or asked.path is None or (found := _RESPONSE.fullmatch(asked.path)) is None:
        return None
    return found[1] if parse_qs(asked.query).get("stream", [""])[0].lower() == "true" else None


def _relation(asked: Asked, digest: bytes | None, previous: _Try) -> AttemptKind | None:
    if asked.client != previous.asked.client:
        return None
    if previous.status in REDIRECTS and previous.location is not None and _leads_to(asked, previous):
        return AttemptKind.REDIRECT
    if asked.again is not None and previous.status in UNAUTHORIZED:
        return AttemptKind.AUTH
    for first in (previous, previous.origin):
        if asked.retry_count > first.asked.retry_count and _same(asked, digest, first):
            return AttemptKind.SDK_RETRY
    return None


def _same(asked: Asked, digest: bytes | None, other: _Try) -> bool:
    return (asked.method, asked.host, asked.path, digest) == (
        other.asked.method,
        other.asked.host,
        other.asked.path,
        other.digest,
    )


def _leads_to(asked: Asked, previous: _Try) -> bool:
    target = urlsplit(urljoin(f"//{previous.asked.host}{previous.asked.path}", previous.location or ""))
    return target.path == asked.path and _bare_host(target.netloc) == _bare_host(asked.host or "")


def _bare_host(host: str) -> str:
    return host.lower().removesuffix(":443").removesuffix(":80")


def _bare(asked: Asked) -> Asked:
    """Keep what is compared; let go of the body and of the stream."""
    return Asked(
        method=asked.method,
        host=asked.host,
        path=asked.path,
        client=asked.client,
        retry_count=asked.retry_count,
    )

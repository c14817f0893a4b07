"""What must not leave the host: credentials in requests, in error texts and in what a provider answers to a failure.

* `request`: a request's JSON is looked through, and the value under every name that says "secret" (see `secrets`)
  becomes `"[secret]"`, at any depth. A request without such a name travels byte for byte. What does not parse is not
  sent at all.
* `message`: an error's text loses what follows the `?` of an address, user names in addresses, and whatever looks
  like a key.
* `Mask`: the body of a refusal keeps its length, and loses what looks like a key or is named as one.

Runs on the gauge's thread.
"""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

import msgspec

from streamgauge.producers.secrets import HARMLESS, Kept, Rule, rule, spans

__all__ = ["SECRET", "Mask", "document", "message", "name_is_secret", "plain", "request"]

SECRET: Final = "[secret]"  # noqa: S105 - the opposite of one
MESSAGE_CHARACTERS_MAX: Final = 2000
NAME_CHARACTERS: Final = 64  # the last of a name: it is what they say, and names are remembered
TAIL_BYTES: Final = 512  # of a body, looked at again with what follows: a secret may come in two reads

_CONTAINERS: Final = (dict, list)
_DESCRIBED: Final = frozenset({"default", "const", "enum", "example", "examples"})  # the values a schema gives away

_USER_IN_ADDRESS: Final = re.compile(r"(?<=://)[^\s/@]+@")
_QUERY: Final = re.compile(r"\?[^\s'\"<>)\]}]*")
_KEY_LIKE: Final = re.compile(r"\b(?=[-_A-Za-z0-9]*[0-9])(?=[-_A-Za-z0-9]*[A-Za-z])[-_A-Za-z0-9]{32,}")  # long, mixed
_STRING: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"(\s*+:)?', re.DOTALL)

_decoder: Final = msgspec.json.Decoder()
_encoder: Final = msgspec.json.Encoder()


def request(body: bytes) -> tuple[bytes, Any] | None:
    """Scrub a request: its JSON without secrets, and the document itself; null if it is no JSON."""
    try:
        parsed = _decoder.decode(body)
        found = _Scrub(parsed)
        # Of two members with one name the parser kept the last: the other one must not travel unseen.
        untouched = not found.hidden and found.names == sum(map(bool, _STRING.findall(body)))
        return body if untouched else _encoder.encode(parsed), parsed
    except (msgspec.DecodeError, msgspec.EncodeError, UnicodeError, RecursionError):
        return None


def document(value: Any) -> Any:
    """Scrub a document that is the gauge's own, in place."""
    _Scrub(value)
    return value


def name_is_secret(name: str) -> bool:
    """Whether a text under this name is a secret."""
    return rule(name[-NAME_CHARACTERS:]).anywhere is not Kept.ALL


def message(text: str) -> str:
    """Scrub an error's text: no address beyond `?`, no user in one, nothing that looks like a key."""
    # Cut first, with room for what goes away: a regular expression over megabytes would hold the thread.
    text = plain(text)[: 4 * MESSAGE_CHARACTERS_MAX]
    text = _QUERY.sub("?", _USER_IN_ADDRESS.sub("", text))
    return _KEY_LIKE.sub(SECRET, _without_secrets(text))[:MESSAGE_CHARACTERS_MAX]


def plain(text: str) -> str:
    """Let a text be encodable: half a surrogate pair becomes a question mark."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


class Mask:
    """Goes over the body of one refusal, read by read: where a secret stands, stars of the same length."""

    def __init__(self) -> None:
        self._tail = ""

    def over(self, data: bytes) -> bytes:
        """Mask the next bytes. Of a secret in two reads, the first may keep a beginning that is too short to tell."""
        text = self._tail + data.decode("latin-1")  # a character is a byte
        known = len(self._tail)
        masked = bytearray(data)
        for begin, end in spans(text):
            stars = range(max(0, begin - known), max(0, end - known))
            masked[stars.start : stars.stop] = b"*" * len(stars)
        self._tail = text[-TAIL_BYTES:]
        return bytes(masked)


class _Place(NamedTuple):
    """Where in a document a value stands."""

    is_top: bool = False
    among_tools: bool = False  # where the provider is told how to reach somebody else
    describes: bool = False  # members are named by what they describe
    of_secret: bool = False  # it describes a secret, and may give it away as its default

    @property
    def is_plain(self) -> bool:
        """A harmless name is all there is to know of a member."""
        return not (self.describes or self.of_secret)


_IN_CONVERSATION: Final = _Place()
_IN_TOOLS: Final = _Place(among_tools=True)


class _Scrub:
    """One way through a document, which is changed in place: without recursion, however deep it is."""

    def __init__(self, parsed: Any) -> None:
        self.hidden = False  # something was replaced
        self.names = 0
        self._waiting: list[tuple[Any, _Place]] = [(parsed, _Place(is_top=True))]
        while self._waiting:
            value, place = self._waiting.pop()
            if isinstance(value, dict):
                self._members(value, place)
            elif isinstance(value, list):
                inside = place._replace(is_top=False)
                self._waiting.extend((part, inside) for part in value if type(part) in _CONTAINERS)

    def _members(self, members: dict[str, Any], place: _Place) -> None:
        self.names += len(members)
        inside = _IN_TOOLS if place.among_tools else _IN_CONVERSATION
        for name, value in members.items():
            says = rule(name[-NAME_CHARACTERS:])
            if says is HARMLESS and place.is_plain:  # most are: the short way
                if type(value) in _CONTAINERS:
                    self._waiting.append((value, inside))
            elif place.describes and isinstance(value, dict):
                of_secret = says.anywhere is not Kept.ALL
                self._waiting.append((value, _Place(among_tools=place.among_tools, of_secret=of_secret)))
            elif _is_secret(value, _kept(name, says, members, place)):
                self._replace(members, name, SECRET)
            elif type(value) in _CONTAINERS:
                among_tools = place.among_tools or says.opens_tools
                self._waiting.append((value, _Place(among_tools=among_tools, describes=says.describes)))
            elif says.is_address and isinstance(value, str) and "://" in value:
                self._replace(members, name, _address(value, place))

    def _replace(self, members: dict[str, Any], name: str, value: str) -> None:
        self.hidden = self.hidden or value != members[name]
        members[name] = value


def _kept(name: str, says: Rule, members: dict[str, Any], place: _Place) -> Kept:
    if place.of_secret and name in _DESCRIBED:
        return Kept.NOTHING
    if says.is_token and "logprob" in members:  # a piece of an answer, with its likelihood
        return Kept.ALL
    if place.among_tools or (place.is_top and says.is_headers):
        return says.among_tools
    return says.anywhere


def _is_secret(value: Any, kept: Kept) -> bool:
    if kept is Kept.NO_TEXT:
        return isinstance(value, str)
    return kept is Kept.NOTHING and value is not None and not isinstance(value, bool)


def _address(value: str, place: _Place) -> str:
    value = _USER_IN_ADDRESS.sub("", value)
    if place.among_tools:
        return _QUERY.sub("?", value)
    address, mark, query = value.partition("?")
    return address + mark + _without_secrets(query)


def _without_secrets(text: str) -> str:
    parts: list[str] = []
    position = 0
    for begin, end in spans(text):
        parts += text[position:begin], SECRET
        position = end
    return "".join((*parts, text[position:]))

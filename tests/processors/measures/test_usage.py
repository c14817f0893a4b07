"""Whose word a usage is: the provider's, part of it, ours, or nobody's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.processors.measures.tokens import Count
from streamgauge.processors.measures.usage import INCONSISTENT, Generation, Judged, Seen, judge, seen_in
from streamgauge.processors.providers.answer import Answer, Usage
from streamgauge.processors.providers.api import Api
from streamgauge.schemas.records import (
    Audio,
    Choice,
    Citation,
    Hole,
    Image,
    Omitted,
    Opaque,
    Part,
    Reasoning,
    Record,
    Refusal,
    Text,
    ToolCall,
)
from streamgauge.schemas.words import UsageSource

RAW = msgspec.Raw(b"{}")


class PlainApi:
    """An API whose usage reports are in canonical words already."""

    name = "plain"

    def usage(self, raw: dict[str, Any]) -> Usage:
        return Usage(**raw)


API = cast("Api", PlainApi())


def answer(*reports: dict[str, Any], preliminary: frozenset[str] = frozenset()) -> Answer:
    made = Answer()
    for report in reports:
        made.add_usage(report, preliminary=preliminary)
    return made


class Words:
    """A word is a token, and a tool call is worth a hundred."""

    def __init__(self, prompt: Count | None = None) -> None:
        self._prompt = prompt

    def texts(self, texts: Sequence[str]) -> Count:
        return Count(sum(len(text.split()) for text in texts), "words")

    def around_calls(self, calls: int) -> int:
        return 100 * calls

    def prompt(self) -> Count | None:
        return self._prompt


class Refusing(Words):
    """Must not be asked."""

    def texts(self, texts: Sequence[str]) -> Count:
        raise AssertionError("counted in vain")

    def prompt(self) -> Count | None:
        raise AssertionError("counted in vain")


def judged(
    *generations: Generation, accepted: bool = True, prompt: Count | None = None, api: Api | None = API
) -> tuple[Judged, list[str]]:
    return judge(generations, api, accepted=accepted, counting=Words(prompt))


def saying(made: Answer, *texts: str, whole: bool = True) -> Generation:
    return Generation(made, Seen(list(texts), whole))


def test_the_provider_s_last_word_is_taken_as_it_is_and_nothing_is_counted() -> None:
    generation = saying(answer({"input": 5, "output": 7, "total": 12, "cache_read": 0}), "some words")
    found, warnings = judge([generation], API, accepted=True, counting=Refusing())
    assert found == Judged(
        usage_input=5, usage_output=7, usage_total=12, usage_cache_read=0, usage_source=UsageSource.PROVIDER
    )
    assert warnings == []


def test_a_provider_s_explicit_zero_is_a_value() -> None:
    found, _ = judged(saying(answer({"input": 5, "output": 0})), prompt=Count(9, "words"))
    assert (found.usage_output, found.usage_source) == (0, UsageSource.PROVIDER)


def test_what_the_last_word_leaves_out_stays_unknown() -> None:
    found, _ = judged(saying(answer({"output": 7}), "a b"), prompt=Count(9, "words"))
    assert (found.usage_input, found.usage_source, found.usage_estimated) == (None, UsageSource.PROVIDER, [])


def test_reports_are_never_summed() -> None:
    found, _ = judged(saying(answer({"input": 5, "output": 1}, {"output": 7})))
    assert (found.usage_input, found.usage_output) == (5, 7)


def test_a_placeholder_never_wins_over_an_estimate() -> None:
    """Anthropic's opening event says one output token, or 88: what was streamed is what counts."""
    opening = answer({"input": 52, "output": 88, "cache_read": 3}, preliminary=frozenset({"output"}))
    found, _ = judged(saying(opening, "three words here"))
    assert found == Judged(
        usage_input=52,
        usage_output=3,
        usage_cache_read=3,
        usage_source=UsageSource.PARTIAL,
        usage_estimated=["usage_output"],
        usage_method="words",
        output_seen=3,
    )


def test_a_placeholder_of_a_stream_that_showed_nothing_leaves_the_output_unknown() -> None:
    found, _ = judged(saying(answer({"input": 52, "output": 1}, preliminary=frozenset({"output"}))))
    assert (found.usage_input, found.usage_output, found.output_seen) == (52, None, 0)
    assert found.usage_source is UsageSource.PARTIAL


def test_running_counts_of_a_cut_stream_stand() -> None:
    running = answer({"output": 1}, {"input": 4, "output": 40}, preliminary=frozenset({"output", "total"}))
    found, _ = judged(saying(running, "few words"))
    assert (found.usage_output, found.usage_source, found.usage_estimated) == (40, UsageSource.PARTIAL, [])
    assert found.output_seen == 2


def test_where_nobody_counted_the_request_and_the_stream_are_counted() -> None:
    found, _ = judged(saying(answer(), "two words"), prompt=Count(9, "other"))
    assert found == Judged(
        usage_input=9,
        usage_output=2,
        usage_source=UsageSource.ESTIMATED,
        usage_estimated=["usage_input", "usage_output"],
        usage_method="other, words",
        output_seen=2,
    )


def test_a_total_is_never_computed() -> None:
    found, _ = judged(saying(answer({"input": 1, "output": 2})))
    assert found.usage_total is None


def test_output_nobody_can_see_is_not_guessed() -> None:
    found, _ = judged(saying(answer(), "the answer", whole=False), prompt=Count(9, "words"))
    assert (found.usage_output, found.output_seen, found.usage_estimated) == (None, 2, ["usage_input"])


def test_what_stands_around_a_tool_call_is_estimated_but_was_not_seen() -> None:
    found, _ = judged(Generation(answer(), Seen(["f", "{}"], whole=True, calls=2)))
    assert (found.usage_output, found.output_seen) == (202, 2)


def test_nothing_is_estimated_of_a_request_nobody_took_up() -> None:
    assert judged(saying(answer()), accepted=False, prompt=Count(9, "words")) == (Judged(), [])


def test_a_stream_of_an_unknown_api_has_no_usage() -> None:
    assert judged(saying(answer(), "text"), api=None) == (Judged(), [])


def test_a_stream_without_any_answer_has_no_usage() -> None:
    assert judged() == (Judged(), [])


def test_a_spliced_stream_pays_for_each_generation() -> None:
    cut = saying(answer({"input": 5, "output": 1}, preliminary=frozenset({"output"})), "four words were said")
    whole = saying(answer({"input": 5, "output": 7}))
    found, _ = judged(cut, whole)
    assert (found.usage_input, found.usage_output) == (10, 11)
    assert (found.usage_source, found.usage_estimated) == (UsageSource.PARTIAL, ["usage_output"])


def test_a_field_unknown_in_one_generation_is_unknown_in_all() -> None:
    found, _ = judged(saying(answer({"input": 5, "output": 7})), saying(answer({"input": 5})))
    assert (found.usage_input, found.usage_output) == (10, None)


def test_what_one_generation_stated_is_partial_even_if_no_sum_is_known() -> None:
    stated = saying(answer({"input": 5, "output": 7}))
    found, _ = judged(saying(answer(), whole=False), stated)
    assert (found.usage_input, found.usage_output, found.usage_source) == (None, None, UsageSource.PARTIAL)
    found, _ = judged(saying(answer({"input": 5})), saying(answer({"output": 7})))
    assert (found.usage_input, found.usage_output, found.usage_source) == (None, None, UsageSource.PARTIAL)


@pytest.mark.parametrize(
    ("report", "warns"),
    [
        ({"input": 5, "output": 7, "total": 12}, False),
        ({"input": 5, "output": 7, "total": 13}, True),
        ({"input": 5, "total": 13}, False),
        ({"input": 5, "cache_read": 3, "cache_write": 3}, True),
        ({"input": 6, "cache_read": 3, "cache_write": 3}, False),
        ({"cache_write": 1, "cache_write_1h": 2}, True),
        ({"output": 5, "reasoning": 6}, True),
        ({"input": 5, "audio_in": 6}, True),
    ],
)
def test_a_report_that_contradicts_itself_warns_and_is_not_repaired(report: dict[str, int], warns: bool) -> None:
    found, warnings = judged(saying(answer(report)))
    assert warnings == ([INCONSISTENT] if warns else [])
    assert all(getattr(found, f"usage_{name}") == value for name, value in report.items())


@pytest.mark.parametrize(
    ("part", "texts", "whole"),
    [
        (Text(text="a"), ["a"], True),
        (Refusal(text="no"), ["no"], True),
        (Reasoning(text="hm"), ["hm"], True),
        (Reasoning(text="hm", summary=True), ["hm"], False),
        (Reasoning(text="", encrypted=True), [], False),
        (ToolCall(name="f", arguments="{}"), ["f", "{}"], True),
        (Citation(citation=RAW), [], True),
        (Image(), [], False),
        (Audio(transcript="hello"), [], False),
        (Opaque(kind="compaction", value=RAW), [], False),
        (Hole(), [], False),
        (Text(text=Omitted(bytes=1, sha256="")), [], False),
    ],
)
def test_what_a_part_shows_of_its_tokens(part: Part, texts: list[str], whole: bool) -> None:
    calls = int(isinstance(part, ToolCall))
    assert seen_in([Choice(index=0, parts=[part])], api="openai.chat", model="gpt-4o") == (texts, whole, calls)


@pytest.mark.parametrize(
    ("model", "whole"),
    [
        ("o1", False),
        ("o3-mini", False),
        ("openai/o4-mini", False),
        ("gpt-5", False),
        ("gpt-5.1-2025-11-13", False),
        ("gpt-5-chat-latest", True),
        ("gpt-4o", True),
        ("openai/gpt-oss-120b", True),
        ("models/gemini-2.5-flash", False),
        ("gemini-3-pro-preview", False),
        ("gemini-2.0-flash", True),
        ("olmo-2", True),
        (None, True),
    ],
)
def test_models_that_reason_unseen_never_show_all_their_output(model: str | None, whole: bool) -> None:
    assert seen_in([Choice(index=0, parts=[Text(text="a")])], api="openai.chat", model=model).whole is whole


def test_anthropic_s_thinking_is_only_a_summary() -> None:
    choices = [Choice(index=0, parts=[Reasoning(text="hm"), Text(text="a")])]
    assert seen_in(choices, api="anthropic.messages", model="claude-sonnet-4-6") == (["hm", "a"], False, 0)


@given(
    st.lists(st.dictionaries(st.sampled_from(Usage.__struct_fields__), st.none() | st.integers(0, 10**9)), max_size=3),
    st.booleans(),
    st.booleans(),
    st.integers(0, 1),
)
def test_every_judgement_hangs_together(
    reports: list[dict[str, int | None]], accepted: bool, running: bool, again: int
) -> None:
    preliminary = frozenset({"output"}) if running else frozenset()
    first = saying(answer(*reports, preliminary=preliminary), "two words")
    found, _ = judged(first, *[saying(answer(*reports))] * again, accepted=accepted)
    known = [name for name in Usage.__struct_fields__ if getattr(found, f"usage_{name}") is not None]
    stated = any(value is not None for report in reports for name, value in report.items())
    assert known or found.usage_source is UsageSource.NONE or (again and stated)
    assert not known or found.usage_source is not UsageSource.NONE
    assert set(found.usage_estimated) <= {f"usage_{name}" for name in known}
    assert bool(found.usage_estimated) == (found.usage_method is not None)
    assert found.usage_source is not UsageSource.ESTIMATED or found.usage_estimated


def test_the_judgement_carries_the_record_s_names() -> None:
    assert set(Judged.__struct_fields__) <= set(Record.__struct_fields__)

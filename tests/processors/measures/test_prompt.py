"""What of a request counts as input, and when it cannot be counted."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.processors.measures.declarations import around_calls
from streamgauge.processors.measures.prompt import Prompt, read_prompt
from streamgauge.processors.measures.tokens import Tokenizers

TOKENIZERS = Tokenizers()
WEATHER = {
    "name": "weather",
    "description": "Tells the weather",
    "parameters": {
        "type": "object",
        "properties": {
            "place": {"type": "string", "description": "A town"},
            "unit": {"type": "string", "enum": ["C", "F"]},
            "days": {"type": "array", "items": {"type": "integer"}},
            "when": {"type": "object", "properties": {"hour": {"type": "number"}}},
            "odd": {},
        },
        "required": ["place"],
    },
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "role",
                    "type",
                    "text",
                    "content",
                    "name",
                    "tools",
                    "function",
                    "parameters",
                    "properties",
                    "input",
                    "items",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)
REQUESTS = st.dictionaries(
    st.sampled_from(["messages", "input", "prompt", "system", "instructions", "tools", "functions", "response_format"]),
    JSON,
)


def tokens(request: dict[str, Any], *, model: str) -> int:
    prompt = read_prompt(request)
    assert prompt.whole
    return prompt.framing + TOKENIZERS.count(prompt.texts, model=model).tokens


def test_chat_messages_count_as_openai_s_cookbook_counts_them() -> None:
    """The cookbook's own example and the 129 (cl100k) and 124 (o200k) tokens the API billed for it."""
    system = "You are a helpful, pattern-following assistant that translates corporate jargon into plain English."
    pairs = [
        ("example_user", "New synergies will help drive top-line growth."),
        ("example_assistant", "Things working well together will increase revenue."),
        (
            "example_user",
            "Let's circle back when we have more bandwidth to touch base on opportunities for increased leverage.",
        ),
        ("example_assistant", "Let's talk later when we're less busy about how to do better."),
    ]
    messages = [
        {"role": "system", "content": system},
        *({"role": "system", "name": name, "content": content} for name, content in pairs),
        {
            "role": "user",
            "content": "This late pivot means we don't have time to boil the ocean for the client deliverable.",
        },
    ]
    assert tokens({"messages": messages}, model="gpt-4-0613") == 129
    assert tokens({"messages": messages}, model="gpt-4o") == 124


@pytest.mark.parametrize(
    "request_body",
    [
        {"messages": [{"role": "user", "content": "hello"}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "hello"}]}]},
        {"input": "hello"},
        {"input": [{"role": "user", "content": [{"type": "input_text", "text": "hello"}]}]},
        {"input": [{"type": "message", "role": "user", "content": "hello"}]},
    ],
)
def test_the_same_message_counts_the_same_in_every_shape(request_body: dict[str, Any]) -> None:
    prompt = read_prompt(request_body)
    assert (prompt.texts, prompt.framing, prompt.whole) == (["user", "hello"], 6, True)


def test_a_system_prompt_counts_as_a_message() -> None:
    prompt = read_prompt(
        {"system": [{"type": "text", "text": "be kind"}], "messages": [{"role": "user", "content": "a"}]}
    )
    assert prompt.texts == ["user", "a", "be kind"]
    assert prompt.framing == 9


def test_tool_calls_and_their_results_are_input() -> None:
    anthropic = [
        {"role": "assistant", "content": [{"type": "tool_use", "id": "1", "name": "f", "input": {"a": 1}}]},
        {"role": "user", "content": [{"type": "tool_result", "content": [{"type": "text", "text": "42"}]}]},
    ]
    chat = [
        {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "f", "arguments": '{"a":1}'}}]},
        {"role": "tool", "content": "42"},
    ]
    responses = [
        {"type": "function_call", "name": "f", "arguments": '{"a":1}'},
        {"type": "function_call_output", "output": "42"},
    ]
    assert read_prompt({"messages": anthropic}).texts == ["assistant", "f", '{"a":1}', "user", "42"]
    assert read_prompt({"messages": chat}).texts == ["assistant", "f", '{"a":1}', "tool", "42"]
    assert read_prompt({"input": responses}).texts == ["f", '{"a":1}', "42"]


@pytest.mark.parametrize(("given_prompt", "texts", "framing"), [
    ("a", ["a"], 0),
    (["a", "b"], ["a", "b"], 0),
    ([1, 2, 3], [], 3),
    ([[1, 2], [3]], [], 3),
])  # fmt: skip
def test_completions_count_text_or_ids(given_prompt: Any, texts: list[str], framing: int) -> None:
    prompt = read_prompt({"prompt": given_prompt})
    assert (prompt.texts, prompt.framing, prompt.whole) == (texts, framing, True)


@pytest.mark.parametrize("tool", [{"type": "function", "function": WEATHER}, {"type": "function", **WEATHER}, WEATHER])
def test_tools_are_rendered_as_the_model_reads_them(tool: dict[str, Any]) -> None:
    prompt = read_prompt({"messages": [], "tools": [tool]})
    assert prompt.whole
    assert prompt.declares
    assert prompt.texts[-1].splitlines() == [
        "# Tools",
        "",
        "## functions",
        "",
        "namespace functions {",
        "",
        "// Tells the weather",
        "type weather = (_: {",
        "// A town",
        "place: string,",
        'unit?: "C" | "F",',
        "days?: number[],",
        "when?: {",
        "hour?: number,",
        "},",
        "odd?: any,",
        "}) => any;",
        "",
        "} // namespace functions",
    ]


def test_a_function_without_parameters_is_rendered_without_them() -> None:
    prompt = read_prompt({"messages": [], "functions": [{"name": "now"}]})
    assert "type now = () => any;" in prompt.texts[-1]


@pytest.mark.parametrize("request_body", [
    {"messages": [], "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"a": 1}}}},
    {"input": "", "text": {"format": {"type": "json_schema", "name": "x", "schema": {"a": 1}}}},
])  # fmt: skip
def test_an_answer_format_is_input(request_body: dict[str, Any]) -> None:
    prompt = read_prompt(request_body)
    assert prompt.declares
    assert prompt.texts[-1] == '# Response Formats\n\n## x\n\n{"a":1}'


def test_a_model_writes_around_its_calls_what_no_stream_shows() -> None:
    assert [around_calls(calls) for calls in range(4)] == [0, 7, 28, 42]


@pytest.mark.parametrize(
    "request_body",
    [
        {},
        {"messages": "not a list"},
        {"messages": ["not a message"]},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
        {"messages": [{"role": "user", "content": {"sg": [5, 5]}}]},
        {"messages": [{"role": "user", "content": [{"type": "document", "source": {}}]}]},
        {"messages": [{"role": "assistant", "tool_calls": [{"function": None}]}]},
        {"messages": [], "tools": [{"type": "web_search_20250305", "name": "web_search"}]},
        {"messages": [], "mcp_servers": [{"url": "x"}]},
        {"input": [{"type": "reasoning", "encrypted_content": "x"}]},
        {"input": [{"type": "item_reference", "id": "x"}]},
        {"input": "go on", "previous_response_id": "resp_1"},
        {"input": "go on", "previous_interaction_id": "v1_a"},
        {"input": "a", "agent": "deep-research"},
        {"input": "a", "prompt": {"id": "pmpt_1"}},
        {"prompt": [None]},
        {"contents": [{"parts": [{"text": "a"}]}]},
    ],
)
def test_what_the_request_does_not_hold_is_not_counted(request_body: dict[str, Any]) -> None:
    assert not read_prompt(request_body).whole


def test_nesting_beyond_reason_is_not_counted() -> None:
    deep: Any = "a"
    for _ in range(5000):
        deep = [{"type": "tool_result", "content": deep}]
    assert not read_prompt({"messages": [{"role": "user", "content": deep}]}).whole


@given(REQUESTS)
def test_no_request_however_odd_raises(request_body: dict[str, Any]) -> None:
    prompt = read_prompt(request_body)
    assert isinstance(prompt, Prompt)
    assert prompt.framing >= 0
    assert all(isinstance(text, str) for text in prompt.texts)

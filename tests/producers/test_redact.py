"""Credentials in requests and error texts never leave the host; everything else does, unchanged."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.producers import redact

SECRET = "s3cr3t-0123456789"


def scrubbed(document: Any) -> Any:
    found = redact.request(json.dumps(document).encode())
    assert found is not None
    return json.loads(found[0])


@pytest.mark.parametrize(
    "name", ["authorization", "Authorization", "authorization_token", "api_key", "headers", "token"]
)
@pytest.mark.parametrize("place", ["tools", "mcp_servers"])
def test_the_contracts_secret_names_are_scrubbed_where_tools_are_described(name: str, place: str) -> None:
    assert scrubbed({place: [{"type": "mcp", name: SECRET}]}) == {place: [{"type": "mcp", name: "[secret]"}]}
    assert scrubbed({place: {"deep": [{"er": {name: {"X-Key": SECRET}}}]}}) == {
        place: {"deep": [{"er": {name: "[secret]"}}]}
    }


@pytest.mark.parametrize("name", ["access_token", "client-secret", "password", "x-api-key", "key", "connection_string"])
def test_other_names_of_secrets_are_scrubbed_where_their_value_is_a_text(name: str) -> None:
    assert scrubbed({"tools": [{name: SECRET}]}) == {"tools": [{name: "[secret]"}]}
    schema = {"tools": [{"function": {"parameters": {"properties": {name: {"type": "string"}}}}}]}
    assert scrubbed(schema) == schema


def test_azure_data_sources_keep_no_key() -> None:
    source = {"type": "azure_search", "parameters": {"endpoint": "https://x", "authentication": {"key": SECRET}}}
    assert SECRET not in json.dumps(scrubbed({"data_sources": [source]}))


def test_secrets_at_the_top_are_scrubbed() -> None:
    document = {
        "api_key": SECRET,
        "extra_headers": {"a": SECRET},
        "Authorization": SECRET,
        "model": "m",
        "api_base": "b",
    }
    assert scrubbed(document) == {
        "api_key": "[secret]",
        "extra_headers": "[secret]",
        "Authorization": "[secret]",
        "model": "m",
        "api_base": "b",
    }


def test_an_address_of_a_tool_loses_its_query_and_its_user() -> None:
    tool = {"server_url": f"https://u:{SECRET}@mcp.example/sse?key={SECRET}", "server_label": "a?b"}
    assert scrubbed({"tools": [tool]}) == {"tools": [{"server_url": "https://mcp.example/sse?", "server_label": "a?b"}]}


def test_a_null_stays_a_null() -> None:
    assert scrubbed({"tools": [{"authorization": None}], "api_key": None}) == {
        "tools": [{"authorization": None}],
        "api_key": None,
    }


def test_the_conversation_is_not_touched() -> None:
    document = {
        "model": "m",
        "messages": [{"role": "user", "content": "my token: abc, see https://x/?q=1", "headers": {"a": 1}}],
        "temperature": 0.7,
        "max_tokens": 12345678901234567890123,
        "metadata": {"token": "kept"},
        "tool_choice": {"key": "kept"},
    }
    assert scrubbed(document) == document


def test_of_two_fields_with_one_name_the_hidden_one_does_not_travel() -> None:
    found = redact.request(b'{"tools": [{"authorization": "' + SECRET.encode() + b'", "authorization": null}]}')
    assert found is not None
    assert SECRET.encode() not in found[0]


@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"a": "\xff"}', b"[" * 100_000, b"--boundary\r\nContent-Disposition: form-data"]
)
def test_what_does_not_parse_is_not_sent(body: bytes) -> None:
    assert redact.request(body) is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


@given(json_values)
def test_what_describes_no_tools_arrives_as_it_was(value: Any) -> None:
    assert scrubbed({"input": value}) == {"input": json.loads(json.dumps(value))}


@given(st.data())
def test_a_secret_is_found_at_any_depth_of_a_tool(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["authorization", "authorization_token", "api_key", "headers", "token"]))
    tool: Any = {name: data.draw(st.sampled_from([SECRET, [SECRET], {"a": SECRET}]))}
    for step in data.draw(st.lists(st.sampled_from(["list", "dict"]), max_size=6)):
        tool = [1, tool] if step == "list" else {"x": tool}
    for place in data.draw(st.lists(st.sampled_from(["session", "body"]), max_size=3)):
        tool = {place: {"tools": tool}} if place == "session" else {"mcp_servers": [tool]}
    assert SECRET not in json.dumps(scrubbed({"tools": tool}))


@pytest.mark.parametrize(
    ("text", "scrubbed_text"),
    [
        ("401 for url 'https://x.com/v1/chat?key=AIzaSyD1234567890'", "401 for url 'https://x.com/v1/chat?'"),
        ("POST /v1beta/models/m:stream?alt=sse&key=abc failed", "POST /v1beta/models/m:stream? failed"),
        ("https://user:pw@host/path refused", "https://host/path refused"),
        ("Incorrect API key provided: sk-proj-abcdef123456.", "Incorrect API key provided: [secret]"),
        ("header 'Authorization: Bearer abc.def' is bad", "header 'Authorization: [secret]' is bad"),
        ("token=abc123 and key: xyz789", "token=[secret] and key: [secret]"),
        ("eyJhbGciOi.eyJzdWIi.sig expired", "[secret] expired"),
        ("id 0123456789abcdef0123456789abcdef0123", "id [secret]"),
        ("Rate limit reached for gpt-4o in 20ms", "Rate limit reached for gpt-4o in 20ms"),
        ("[Errno 104] Connection reset by peer", "[Errno 104] Connection reset by peer"),
        ("half a pair \ud83d here", "half a pair ? here"),
    ],
)
def test_an_error_text_loses_what_may_be_a_secret(text: str, scrubbed_text: str) -> None:
    assert redact.message(text) == scrubbed_text


def test_a_long_error_text_is_cut() -> None:
    assert len(redact.message("x " * 1_000_000)) == redact.MESSAGE_CHARACTERS_MAX

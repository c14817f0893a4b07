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
        "metadata": {"tokens": "kept", "token_count": "kept", "next_page_token": "kept", "token": 17},
        "tool_choice": {"key": "kept"},
        "prompt_cache_key": "kept",
        "logprobs": [{"token": " river", "logprob": -0.1, "bytes": [32]}],
        "stop_token": "kept",
        "input": [{"image_url": {"url": "https://x/a.png?width=3"}}],
    }
    assert scrubbed(document) == document


SECRET_NAMES = [
    "authorization",
    "Proxy-Authorization",
    "api_key",
    "apikey",
    "apiKey",
    "X-API-Key",
    "openai_api_key_2",
    "password",
    "db.password",
    "userPassword",
    "passwd",
    "secret",
    "client_secret",
    "clientSecret",
    "access_key",
    "aws_secret_access_key",
    "AWSAccessKeyId",
    "private_key",
    "Ocp-Apim-Subscription-Key",
    "access_token",
    "accessToken",
    "auth-token",
    "refresh_token",
    "X-Amz-Security-Token",
    "github_token",
    "id_token",
    "token",
    "credentials",
    "connection_string",
]


@pytest.mark.parametrize("name", SECRET_NAMES)
def test_a_secret_is_told_by_its_name_wherever_it_stands(name: str) -> None:
    for spelled in (name, name.upper(), name.lower(), name.replace("_", "-"), name.replace("_", " ")):
        assert scrubbed({"metadata": {"deep": [{spelled: SECRET}]}}) == {"metadata": {"deep": [{spelled: "[secret]"}]}}


def test_a_parameter_named_like_a_secret_is_described_and_its_default_is_hidden() -> None:
    described = {"type": "string", "description": "of the database"}
    schema = {"type": "object", "properties": {"password": described, "token": described}, "required": ["password"]}
    tools = {"tools": [{"function": {"parameters": schema}}], "response_format": {"json_schema": {"schema": schema}}}
    assert scrubbed(tools) == tools
    with_default = {"tools": [{"input_schema": {"properties": {"api_key": {**described, "default": SECRET}}}}]}
    assert SECRET not in json.dumps(scrubbed(with_default))


def test_an_address_loses_its_user_and_its_key() -> None:
    addresses = {"image_url": {"url": f"https://u:{SECRET}@x/a.png?width=3&sig={SECRET}&key={SECRET}#part"}}
    assert scrubbed(addresses) == {"image_url": {"url": "https://x/a.png?width=3&sig=[secret]&key=[secret]"}}


def test_a_request_without_secrets_travels_byte_for_byte() -> None:
    body = b'{ "model" : "m",\n "t": 1.50e0, "big": 12345678901234567890123, "e": "\\u00e9 \\"password\\": x" }\n'
    found = redact.request(body)
    assert found is not None
    assert found[0] == body


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


harmless_names = st.text(max_size=8).map(lambda text: "x" + text) | st.sampled_from(
    ["content", "messages", "max_tokens", "tokens", "prompt_cache_key", "properties", "tools", "function", "n"]
)
harmless_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(harmless_names, inner, max_size=3),
    max_leaves=12,
)


def in_any_case(name: str) -> st.SearchStrategy[str]:
    return st.lists(st.booleans(), min_size=len(name), max_size=len(name)).map(
        lambda upper: "".join(c.upper() if up else c.lower() for c, up in zip(name, upper, strict=True))
    )


@given(st.data())
def test_a_planted_secret_is_found_under_any_name_at_any_depth(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(SECRET_NAMES).flatmap(in_any_case))
    planted: Any = {name: SECRET, **data.draw(st.dictionaries(harmless_names, harmless_values, max_size=2))}
    for step in data.draw(st.lists(harmless_names | st.none(), max_size=8)):
        planted = [data.draw(harmless_values), planted] if step is None else {step: planted}
    assert SECRET not in json.dumps(scrubbed(planted))


@given(harmless_values, st.sampled_from([None, 1]), st.booleans())
def test_a_body_without_such_names_is_the_same_to_the_byte(value: Any, indent: int | None, ascii_only: bool) -> None:
    body = json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "replace")
    found = redact.request(body)
    assert found is None or found[0] == body


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
        ("password=hunter2, x-api-key: abcdefgh", "password=[secret], x-api-key: [secret]"),
        ("Incorrect API key provided: hunterkey", "Incorrect API key provided: [secret]"),
        ('{"client_secret": "correct horse", "a": "b"}', '{"client_secret": "[secret]", "a": "b"}'),
        ('{"seen": "{\\"password\\": \\"hunter2\\"}"}', '{"seen": "{\\"password\\": \\"[secret]\\"}"}'),
        ("AccountName=x;AccountKey=abc==;rest", "AccountName=x;AccountKey=[secret];rest"),
        ("detail: token=abc", "detail: token=[secret]"),
        ("cache_key=abc and max_tokens: 5", "cache_key=abc and max_tokens: 5"),
        ("You must provide a bearer token", "You must provide a bearer token"),
        ("skipped-because-of-this", "skipped-because-of-this"),
        ("half a pair \ud83d here", "half a pair ? here"),
    ],
)
def test_an_error_text_loses_what_may_be_a_secret(text: str, scrubbed_text: str) -> None:
    assert redact.message(text) == scrubbed_text


def test_a_long_error_text_is_cut() -> None:
    assert len(redact.message("x " * 1_000_000)) == redact.MESSAGE_CHARACTERS_MAX


def test_the_body_of_a_refusal_keeps_its_length_and_stays_json() -> None:
    body = json.dumps({"error": {"message": f"key sk-{SECRET} is bad", "input": {"password": 'a"b', "api_key": None}}})
    masked = redact.Mask().over(body.encode())
    assert len(masked) == len(body)
    assert json.loads(masked) == {
        "error": {"message": f"key {'*' * (len(SECRET) + 3)} is bad", "input": {"password": "****", "api_key": None}}
    }


@given(st.integers(1, 200), st.sampled_from(['{"api_key": "%s"}', "?alt=sse&key=%s", "Bearer %s", "password=%s&a=b"]))
def test_a_secret_in_two_reads_of_a_refusal_is_masked_but_for_its_beginning(at: int, text: str) -> None:
    body = (b"\xff\x00" * 30) + (text % SECRET).encode()
    mask = redact.Mask()
    masked = mask.over(body[:at]) + mask.over(body[at:])
    assert len(masked) == len(body)
    assert masked.count(SECRET[8:].encode()) == 0


@given(st.binary(max_size=300))
def test_no_bytes_make_the_mask_fail(body: bytes) -> None:
    assert len(redact.Mask().over(body)) == len(body)

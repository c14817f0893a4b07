"""Every provider's error shape gives the same few fields."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from streamgauge.processors.providers.errors import error_in, error_of, error_outside, error_page


@pytest.mark.parametrize(
    ("document", "kind", "code", "message", "status"),
    [
        pytest.param(
            {"error": {"message": "m", "type": "t", "param": None, "code": "c"}}, "t", "c", "m", None, id="openai"
        ),
        pytest.param({"error": {"message": "m", "code": "429"}}, None, "429", "m", 429, id="litellm"),
        pytest.param(
            {"type": "error", "error": {"type": "overloaded_error", "message": "m"}},
            "overloaded_error",
            None,
            "m",
            None,
            id="anthropic",
        ),
        pytest.param(
            {"error": {"code": 503, "message": "m", "status": "UNAVAILABLE"}},
            "UNAVAILABLE",
            "503",
            "m",
            503,
            id="gemini",
        ),
        pytest.param(
            {"type": "error", "code": "c", "message": "m", "param": None}, None, "c", "m", None, id="responses, flat"
        ),
        pytest.param({"object": "error", "message": "m", "type": "t", "code": 400}, "t", "400", "m", 400, id="vllm"),
        pytest.param({"error": {"object": "error", "message": "m", "code": 400}}, None, "400", "m", 400, id="sglang"),
        pytest.param({"error": "m", "error_type": "generation"}, "generation", None, "m", None, id="tgi"),
        pytest.param({"error": "m"}, None, None, "m", None, id="ollama"),
        pytest.param({"code": "c", "error": "m"}, None, "c", "m", None, id="xai"),
        pytest.param(
            {"error": {"message": "m", "code": "tool_use_failed", "status_code": 400}},
            None,
            "tool_use_failed",
            "m",
            400,
            id="groq",
        ),
        pytest.param({"error": True, "message": "m"}, None, None, "m", None, id="a flag"),
        pytest.param(
            {"error": {"message": {"detail": [{"loc": 1}]}, "type": "t"}}, "t", None, '[{"loc":1}]', None, id="mistral"
        ),
        pytest.param(
            {"error": {"message": "m", "type": 7, "code": True}}, None, None, "m", None, id="fields of no known type"
        ),
    ],
)
def test_an_error_that_names_itself(document: dict[str, Any], kind: Any, code: Any, message: Any, status: Any) -> None:
    error = error_in(document)
    assert error is not None
    assert (error.type, error.code, error.message, error.status) == (kind, code, message, status)
    assert msgspec.json.decode(error.raw) == document
    assert error_of(document) == error


@pytest.mark.parametrize(
    "document", [{}, {"error": None}, {"error": ""}, {"message": "m"}, {"type": "ping"}, {"code": 500}]
)
def test_nothing_is_an_error_because_it_looks_unusual(document: dict[str, Any]) -> None:
    assert error_in(document) is None


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"message": "m"}, "m"),
        ({"Message": "m", "__type": "t"}, "m"),
        ({"detail": "m"}, "m"),
        ({"detail": [{"msg": "m"}]}, '[{"msg":"m"}]'),
        ({"errors": [{"message": "m", "code": 7}], "success": False}, "m"),
        ({"errors": ["m"]}, "m"),
        ([{"error": {"message": "m"}}], "m"),
        ("m", "m"),
        ([], None),
        (None, None),
        (7, None),
        ({}, None),
    ],
)
def test_where_an_error_must_be_any_shape_is_read(value: Any, message: str | None) -> None:
    assert error_of(value).message == message


def test_a_message_beyond_reason_is_cut_and_the_whole_kept() -> None:
    error = error_of({"error": {"message": "x" * 5000}})
    assert error.message == "x" * 2000
    assert len(bytes(error.raw)) > 5000


def test_a_page_is_told_by_its_title() -> None:
    error = error_page(b"<html><head><TITLE>\n 504 Gateway\n Time-out</TITLE>")
    assert (error.type, error.message) == ("html page", "504 Gateway Time-out")
    assert error_page(b"no healthy upstream\n").message == "no healthy upstream"
    assert error_page(b"\xff\xfe").type == "text body"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"words",
        b'{"a": 1}',
        b"[1, 2]",
        b"[]",
        b'{"a"',
        b"errors: none",
        b"<b>bold</b>",
        b'{"error": null}',
        b'{"err',
    ],
)
def test_most_of_what_stands_outside_is_no_error(data: bytes) -> None:
    assert error_outside(data) is None

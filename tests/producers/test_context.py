"""What holds around a stream, and where its trace comes from."""

from __future__ import annotations

import contextlib
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from streamgauge.producers.context import current, trace_from_header, trace_of_otel


def test_nothing_holds_outside_and_everything_is_taken_back(rig: Any) -> None:
    with contextlib.suppress(KeyError), rig.gauge.context(user_id="u", call="c"):
        assert (current().fields, current().call) == ({"user_id": "u"}, "c")
        raise KeyError
    assert (current().fields, current().tags, current().call) == ({}, {}, None)


def test_the_inner_call_holds_and_an_outer_one_where_there_is_none(rig: Any) -> None:
    with rig.gauge.context(call="outer"):
        with rig.gauge.context(tags={"a": "b"}):
            assert current().call == "outer"
        with rig.gauge.context(call="inner"):
            assert current().call == "inner"


@pytest.mark.parametrize(
    ("header", "trace"),
    [
        ("00-" + "a" * 32 + "-" + "b" * 16 + "-01", ("a" * 32, "b" * 16)),
        ("00-" + "a" * 32 + "-" + "b" * 16 + "-01-future", ("a" * 32, "b" * 16)),
        ("00-" + "a" * 31 + "-" + "b" * 16 + "-01", None),
        ("00-" + "g" * 32 + "-" + "b" * 16 + "-01", None),
        ("00-" + "0" * 32 + "-" + "b" * 16 + "-01", None),
        ("00-" + "a" * 32 + "-" + "0" * 16 + "-01", None),
        ("nonsense", None),
        ("", None),
        (None, None),
    ],
)
def test_a_trace_is_read_from_a_w3c_header(header: str | None, trace: tuple[str, str] | None) -> None:
    assert trace_from_header(header) == trace


def otel(*, valid: bool) -> Any:
    span = SimpleNamespace(trace_id=0xABC, span_id=0x12, is_valid=valid)
    return SimpleNamespace(get_current_span=lambda: SimpleNamespace(get_span_context=lambda: span))


def test_the_active_span_is_taken_where_the_application_uses_opentelemetry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", otel(valid=True))
    assert trace_of_otel() == ("abc".zfill(32), "12".zfill(16))
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", otel(valid=False))
    assert trace_of_otel() is None
    monkeypatch.delitem(sys.modules, "opentelemetry.trace")
    assert trace_of_otel() is None

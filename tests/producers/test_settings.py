"""Settings: arguments before environment before defaults, and one clear error for what is wrong."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from streamgauge.producers import ConfigurationError, Counters, Gauge
from streamgauge.producers.settings import Settings, load
from streamgauge.producers.testing import MemorySink
from streamgauge.schemas.topics import SHIM_DEFAULTS
from streamgauge.schemas.words import ContentMode


def settle(environ: dict[str, str] | None = None, **arguments: Any) -> Settings:
    return load({"tenant": "acme", **arguments}, environ or {}, own_sink=True)


def test_the_defaults_are_the_contracts() -> None:
    settings = settle()
    built = {name: value for name, value in SHIM_DEFAULTS.items() if not name.startswith("spool")}
    assert {name: getattr(settings, name) for name in built} == built


def test_an_argument_beats_the_environment_and_the_environment_the_default() -> None:
    environ = {"STREAMGAUGE_SEGMENT_MS": "50", "STREAMGAUGE_PULSE_S": "2.5", "STREAMGAUGE_TOPIC": "elsewhere"}
    settings = settle(environ, segment_ms=70)
    assert (settings.segment_ms, settings.pulse_s, settings.topic) == (70, 2.5, "elsewhere")


def test_an_empty_variable_is_no_setting() -> None:
    assert settle({"STREAMGAUGE_COMPRESSION": ""}).compression == "zstd"


def test_a_gauge_can_be_configured_by_the_environment_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMGAUGE_TENANT", "acme")
    monkeypatch.setenv("STREAMGAUGE_BOOTSTRAP_SERVERS", "a:1,b:2")
    assert Gauge().counters.links == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tenant": None}, "tenant is missing: pass tenant=… or set STREAMGAUGE_TENANT"),
        ({"tenant": "a b"}, "tenant = 'a b': a tenant is a text of the form"),
        ({"tenant": "x" * 65}, "a tenant is a text of the form"),
        ({"tenant": 7}, "tenant = 7"),
        ({"segment_mss": 5}, "unknown setting 'segment_mss': did you mean 'segment_ms'?"),
        ({"zzz": 5}, "unknown setting 'zzz': known are bootstrap_servers, buffer_bytes"),
        ({"segment_ms": 0}, "segment_ms = 0: expected a number from 1 to 60000"),
        ({"segment_ms": "soon"}, "segment_ms = 'soon'"),
        ({"segment_ms": True}, "expected a number"),
        ({"pulse_s": float("nan")}, "expected a number from 0.1 to 3600"),
        ({"buffer_bytes": 1}, "expected a number from 65536 to 68719476736"),
        ({"segment_bytes": 1 << 30}, "expected a number from 1024 to 524288"),
        ({"compression": "lz77"}, "compression = 'lz77': expected one of zstd, gzip, none"),
        ({"content": "structure"}, "the content mode 'structure' is not part of this version"),
        ({"content": "all"}, "expected 'keep', 'measure_only' or 'sizes_only'"),
        ({"topic": "a/b"}, "a topic is named with letters"),
        ({"bootstrap_servers": "http://kafka:9092"}, "expected 'host:port'"),
        ({"bootstrap_servers": []}, "expected at least one"),
        ({"spool_dir": "/var/spool"}, "spool_dir: the spool on disk is not part of this version"),
        ({"security_protocol": "TLS"}, "expected one of PLAINTEXT, SSL"),
        ({"security_protocol": "SASL_SSL"}, "sasl_username and sasl_password are needed with SASL_SSL"),
        ({"ssl_context": "ca.pem"}, "expected an ssl.SSLContext"),
        ({"service_name": 5}, "service_name = 5: expected a text"),
        ({"raise_internal_errors": "perhaps"}, "expected true or false"),
    ],
)
def test_what_is_wrong_is_named_with_what_to_do(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        settle(**arguments)
    assert message in str(caught.value)


def test_a_wrong_variable_is_named_as_the_user_wrote_it() -> None:
    with pytest.raises(ConfigurationError, match="STREAMGAUGE_PULSE_S = 'x'"):
        settle({"STREAMGAUGE_PULSE_S": "x"})


def test_without_a_sink_of_its_own_a_gauge_needs_kafka() -> None:
    with pytest.raises(ConfigurationError, match="bootstrap_servers is missing"):
        Gauge(tenant="acme")
    Gauge(tenant="acme", sink=MemorySink())


def test_no_password_stands_in_a_message_or_a_repr() -> None:
    settings = settle(security_protocol="SASL_SSL", sasl_username="u", sasl_password="hunter2")
    assert "hunter2" not in repr(settings)
    with pytest.raises(ConfigurationError) as caught:
        settle(sasl_password=b"hunter2")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("mode", ["keep", "measure_only", "sizes_only"])
def test_the_content_modes_of_this_version(mode: str) -> None:
    assert settle(content=mode).content is ContentMode(mode)


def test_the_page_names_every_setting_and_every_counter() -> None:
    page = (Path(__file__).parents[2] / "docs" / "producers.md").read_text("utf-8")
    names = [field.name for field in fields(Settings)] + list(Counters.__struct_fields__)
    assert [name for name in names if f"`{name}`" not in page] == []

"""The shim's settings: arguments first, then the environment (`STREAMGAUGE_…`), then the contract's defaults.

This is the one place where the shim raises: a setting that is unknown, missing or out of bounds is a
`ConfigurationError` at construction, before there is a stream to disturb.
"""

from __future__ import annotations

import difflib
import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final

from streamgauge.producers.errors import ConfigurationError
from streamgauge.schemas import topics
from streamgauge.schemas.limits import KIB, MIB, TENANT_PATTERN
from streamgauge.schemas.words import ContentMode

__all__ = ["Settings", "load"]

_NOT_BUILT: Final = {
    "spool_dir": "the spool on disk is not part of this version: leave it unset",
    "spool_bytes": "the spool on disk is not part of this version: leave it unset",
    "spool_age_max_s": "the spool on disk is not part of this version: leave it unset",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """What holds for one gauge."""

    tenant: str
    bootstrap_servers: tuple[str, ...] = ()  # empty: frames go to the sink that was given instead
    topic: str = topics.CHUNKS
    content: ContentMode = ContentMode.KEEP
    segment_ms: int = 200  # no chunk waits longer
    segment_bytes: int = 64 * KIB
    pulse_s: float = 15
    buffer_bytes: int = 32 * MIB
    flush_s: float = 5  # how long the end of the process may wait for us
    compression: str = "zstd"
    service_name: str | None = None
    service_version: str | None = None
    environment: str | None = None
    security_protocol: str = "PLAINTEXT"
    ssl_cafile: str | None = None
    ssl_context: ssl.SSLContext | None = field(default=None, repr=False)
    sasl_mechanism: str = "PLAIN"
    sasl_username: str | None = None
    sasl_password: str | None = field(default=None, repr=False)
    raise_internal_errors: bool = False  # for our own tests


def load(arguments: Mapping[str, Any], environ: Mapping[str, str], *, own_sink: bool) -> Settings:
    """Settle every setting, or raise `ConfigurationError` naming the one that is wrong."""
    given = {name: value for name, value in arguments.items() if value is not None}
    for name in given:
        _known(name)
    values: dict[str, Any] = {}
    for name in [*_READERS, *_NOT_BUILT]:
        variable = topics.SETTINGS_PREFIX + name.upper()
        if name in given:
            values[name] = _read(name, given[name], name)
        elif environ.get(variable):
            values[name] = _read(name, environ[variable], variable)
    if "tenant" not in values:
        raise ConfigurationError("tenant is missing: pass tenant=… or set STREAMGAUGE_TENANT")
    if not own_sink and "bootstrap_servers" not in values:
        raise ConfigurationError(
            "bootstrap_servers is missing: pass bootstrap_servers='host:port' or set STREAMGAUGE_BOOTSTRAP_SERVERS"
        )
    settings = Settings(**values)
    if settings.security_protocol.startswith("SASL") and None in {settings.sasl_username, settings.sasl_password}:
        raise ConfigurationError(f"sasl_username and sasl_password are needed with {settings.security_protocol}")
    return settings


def _known(name: str) -> None:
    if name not in _READERS and name not in _NOT_BUILT:
        near = difflib.get_close_matches(name, _READERS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(sorted(_READERS))}"
        raise ConfigurationError(f"unknown setting {name!r}: {hint}")


def _read(name: str, value: Any, said_as: str) -> Any:
    if name in _NOT_BUILT:
        raise ConfigurationError(f"{said_as}: {_NOT_BUILT[name]}")
    try:
        return _READERS[name](value)
    except (TypeError, ValueError) as error:
        shown = "" if "password" in name else f" = {value!r}"
        raise ConfigurationError(f"{said_as}{shown}: {error}") from None


def _tenant(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(TENANT_PATTERN, value):
        raise ValueError(f"a tenant is a text of the form {TENANT_PATTERN}")
    return value


def _servers(value: Any) -> tuple[str, ...]:
    servers = [part.strip() for part in value.split(",")] if isinstance(value, str) else list(value)
    for server in servers:
        if not isinstance(server, str) or not re.fullmatch(r"(\[[^\]]+\]|[^:\s/]+)(:\d{1,5})?", server):
            raise ValueError("expected 'host:port', several separated by commas or as a list")
    if not servers:
        raise ValueError("expected at least one 'host:port'")
    return tuple(servers)


def _topic(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9._-]{1,249}", value) or value in {".", ".."}:
        raise ValueError("a topic is named with letters, digits, '.', '_' and '-'")
    return value


def _content(value: Any) -> ContentMode:
    mode = ContentMode(value)
    if mode is ContentMode.STRUCTURE:
        raise ValueError("the content mode 'structure' is not part of this version: use 'keep' or 'sizes_only'")
    if mode is ContentMode.UNKNOWN:
        raise ValueError("expected 'keep', 'measure_only' or 'sizes_only'")
    return mode


def _choice(*words: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in words:
            raise ValueError(f"expected one of {', '.join(words)}")
        return str(value)

    return read


def _number(kind: type[int] | type[float], low: float, high: float) -> Callable[[Any], float]:
    expected = f"expected a number from {low} to {high}"

    def read(value: Any) -> float:
        if isinstance(value, bool):
            raise TypeError("expected a number")
        number = kind(value)
        if not low <= number <= high:
            raise ValueError(expected)
        return number

    return read


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("expected a text")
    return value


def _flag(value: Any) -> bool:
    match str(value).lower():
        case "true" | "1" | "yes":
            return True
        case "false" | "0" | "no":
            return False
        case _:
            raise ValueError("expected true or false")


def _tls(value: Any) -> ssl.SSLContext:
    if not isinstance(value, ssl.SSLContext):
        raise TypeError("expected an ssl.SSLContext")
    return value


_READERS: Final[dict[str, Callable[[Any], Any]]] = {
    "tenant": _tenant,
    "bootstrap_servers": _servers,
    "topic": _topic,
    "content": _content,
    "segment_ms": _number(int, 1, 60_000),
    "segment_bytes": _number(int, KIB, 512 * KIB),
    "pulse_s": _number(float, 0.1, 3600),
    "buffer_bytes": _number(int, 64 * KIB, 64 * 1024 * MIB),
    "flush_s": _number(float, 0, 3600),
    "compression": _choice("zstd", "gzip", "none"),
    "service_name": _text,
    "service_version": _text,
    "environment": _text,
    "security_protocol": _choice("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"),
    "ssl_cafile": _text,
    "ssl_context": _tls,
    "sasl_mechanism": _choice("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"),
    "sasl_username": _text,
    "sasl_password": _text,
    "raise_internal_errors": _flag,
}

assert set(_READERS) == {f.name for f in fields(Settings)}  # noqa: S101 - every setting can be read, and nothing else

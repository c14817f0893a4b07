"""What a worker can be told: settings from the command line, the environment and a file, in this order of strength.

In the environment every name carries the prefix `STREAMGAUGE_`; in a TOML file the names stand bare, at the top level::

    bootstrap_servers = "kafka-1:9092,kafka-2:9092"
    commit_interval_s = 0.5

The environment is shared with shims and other programs, so names unknown there are passed over. The file is ours: an
unknown name in it is a mistake, and the error says which name was probably meant.

Rules: a wrong value is one line that names the setting, where it came from, its value and what is allowed; the value of
a secret is never shown. Settings are frozen: what decides records (the deadlines) stands in the ledger beside the
position it counts from, so a change is a restart.
"""

from __future__ import annotations

import difflib
import os
import re
import ssl
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from streamgauge.processors.measures.own_prices import OwnPrices, PricesError, read_prices
from streamgauge.schemas import topics
from streamgauge.schemas.topics import SETTINGS_PREFIX

__all__ = ["Settings", "SettingsError", "load", "own_prices"]

PORT_MAX: Final = 65_535
_SECRETS: Final = ("sasl_password", "ssl_password")


class SettingsError(ValueError):
    """A setting is wrong: the message names it, shows it and says what is allowed."""


def _servers(value: object) -> object:
    """A list from a file becomes the comma-separated text the environment holds."""
    return ",".join(map(str, value)) if isinstance(value, list) else value


def _each_a_server(value: str) -> str:
    for server in value.split(","):
        found = re.fullmatch(r"\s*(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})\s*", server)
        if found is None or not 0 < int(found[1]) <= PORT_MAX:
            raise PydanticCustomError("server", "{server!r} is no address", {"server": server.strip()})
    return ",".join(server.strip() for server in value.split(","))


def _topic_name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,249}", value) or value in (".", ".."):
        raise PydanticCustomError("topic", "no topic name")
    return value


def _built(value: str) -> str:
    """Exactly once is part of the contract and not of this version: it is refused by name, not by accident."""
    if value == "exactly_once":
        raise PydanticCustomError("not_built", "not built yet: use 'auto' or 'at_least_once'")
    return value


Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False, description="a number of seconds above 0")]
Topic = Annotated[str, AfterValidator(_topic_name), Field(description="1 to 249 letters, digits, '.', '_' or '-'")]
OptionalText = Annotated[str | None, Field(description="text")]
OptionalPath = Annotated[Path | None, Field(description="a path")]


class Settings(BaseSettings):
    """All settings of a worker. Names and defaults of those that decide records stand in the contract."""

    model_config = SettingsConfigDict(env_prefix=SETTINGS_PREFIX, extra="ignore", frozen=True, env_ignore_empty=True)

    # where
    bootstrap_servers: Annotated[
        str,
        BeforeValidator(_servers),
        AfterValidator(_each_a_server),
        Field(description="host:port, several separated by commas"),
    ] = "localhost:9092"
    group: Topic = "streamgauge"
    instance_id: OptionalText = None  # static membership: one per pod (its ordinal), never shared
    topic_chunks: Topic = topics.CHUNKS
    topic_records: Topic = topics.RECORDS
    topic_contents: Topic = topics.CONTENTS
    topic_dead: Topic = topics.DEAD
    topic_ledger: Topic = topics.LEDGER
    partitions: Annotated[int, Field(ge=1, le=10_000, description="a whole number from 1 to 10000")] = 8
    replication: Annotated[int, Field(ge=1, le=15, description="a whole number from 1 to 15")] = 3

    # what is promised
    delivery: Annotated[
        Literal["auto", "at_least_once", "exactly_once"],
        AfterValidator(_built),
        Field(description="'auto' or 'at_least_once'"),
    ] = "auto"
    time: Annotated[Literal["broker", "producer"], Field(description="'broker' or 'producer'")] = "broker"
    contents: Annotated[bool, Field(description="true or false")] = True

    # rhythm
    commit_interval_s: Seconds = 0.5
    tick_s: Seconds = 5
    session_timeout_s: Annotated[Seconds, Field(ge=1, le=90, description="a number of seconds from 1 to 90")] = 15

    # deadlines, on partition time
    head_grace_s: Seconds = 30
    hole_grace_s: Seconds = 30
    producer_silent_s: Seconds = 60
    provider_silent_s: Seconds = 900
    total_age_s: Seconds = 3600
    resume_grace_s: Seconds = 120
    late_horizon_s: Seconds = 600

    # money
    prices: OptionalPath = None  # a TOML file of prices by contract, which go before list prices

    # security, passed on to the clients
    security_protocol: Annotated[
        Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"],
        Field(description="'PLAINTEXT', 'SSL', 'SASL_PLAINTEXT' or 'SASL_SSL'"),
    ] = "PLAINTEXT"
    sasl_mechanism: Annotated[
        Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"],
        Field(description="'PLAIN', 'SCRAM-SHA-256' or 'SCRAM-SHA-512'"),
    ] = "SCRAM-SHA-512"
    sasl_username: OptionalText = None
    sasl_password: Annotated[SecretStr | None, Field(description="text")] = None
    ssl_cafile: OptionalPath = None
    ssl_certfile: OptionalPath = None
    ssl_keyfile: OptionalPath = None
    ssl_password: Annotated[SecretStr | None, Field(description="text")] = None
    ssl_check_hostname: Annotated[bool, Field(description="true or false")] = True

    # for people
    worker: OptionalText = None  # its name in message headers; host and process id if not set
    status_file: OptionalPath = None  # progress by partition as JSON, written every few seconds
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Field(description="'debug', 'info', 'warning' or 'error'")
    ] = "info"

    @model_validator(mode="after")
    def _together(self) -> Self:
        names = (self.topic_chunks, self.topic_records, self.topic_contents, self.topic_dead, self.topic_ledger)
        if twice := {name for name in names if names.count(name) > 1}:
            raise PydanticCustomError("together", "two topics share the name {name}", {"name": repr(twice.pop())})
        if self.security_protocol.startswith("SASL") and (self.sasl_username is None or self.sasl_password is None):
            raise PydanticCustomError(
                "together",
                "security_protocol {protocol} needs sasl_username and sasl_password",
                {"protocol": repr(self.security_protocol)},
            )
        if self.ssl_keyfile is not None and self.ssl_certfile is None:
            raise PydanticCustomError("together", "ssl_keyfile needs ssl_certfile")
        return self

    def client(self) -> dict[str, Any]:
        """How any Kafka client of the worker reaches the brokers: keyword arguments of aiokafka."""
        return {
            "bootstrap_servers": self.bootstrap_servers.split(","),
            "security_protocol": self.security_protocol,
            "ssl_context": self.ssl_context(),
            **self._sasl(),
        }

    def _sasl(self) -> dict[str, Any]:
        if not self.security_protocol.startswith("SASL") or self.sasl_password is None:
            return {}
        return {
            "sasl_mechanism": self.sasl_mechanism,
            "sasl_plain_username": self.sasl_username,
            "sasl_plain_password": self.sasl_password.get_secret_value(),
        }

    def ssl_context(self) -> ssl.SSLContext | None:
        """The TLS context of the security settings, null where traffic is plain."""
        if not self.security_protocol.endswith("SSL"):
            return None
        try:
            context = ssl.create_default_context(cafile=self.ssl_cafile)
            if self.ssl_certfile is not None:
                password = self.ssl_password.get_secret_value() if self.ssl_password else None
                context.load_cert_chain(self.ssl_certfile, self.ssl_keyfile, password)
        except OSError as error:  # ssl.SSLError is one
            names = [str(path) for path in (self.ssl_cafile, self.ssl_certfile, self.ssl_keyfile) if path]
            reason = error.strerror or error.__class__.__name__
            raise SettingsError(f"the TLS files {', '.join(names)} cannot be used: {reason}") from error
        context.check_hostname = self.ssl_check_hostname
        return context


def load(file: Path | None = None, **given: Any) -> Settings:
    """The settings: what is given (None: not given), then the environment, then the file, then the defaults."""
    from_file = {} if file is None else _read(file)

    class FromFile(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic-settings passes all by name
            file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return init_settings, env_settings, InitSettingsSource(settings_cls, init_kwargs=from_file)

    present = {name: value for name, value in given.items() if value is not None}
    _refuse_unknown(present, "on the command line")
    try:
        return Settings.model_construct(**dict(FromFile(**present)))
    except ValidationError as error:
        lines = [_line(problem, given=present, file=file) for problem in error.errors(include_url=False)]
        raise SettingsError("; ".join(lines)) from None  # the cause would show values, secrets among them


def own_prices(file: Path | None) -> OwnPrices | None:
    """The user's own prices from a file, if one is named. Raises `SettingsError`, which names entry and field."""
    if file is None:
        return None
    try:
        return read_prices(file.read_bytes())
    except OSError as error:
        raise SettingsError(f"price file {str(file)!r} cannot be read: {error.strerror}") from error
    except PricesError as error:
        raise SettingsError(f"price file {str(file)!r}: {error}") from error


def _read(file: Path) -> dict[str, Any]:
    try:
        content = tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(f"settings file {str(file)!r} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"settings file {str(file)!r} is no TOML: {_first_line(error)}") from error
    _refuse_unknown(content, f"in {str(file)!r}")
    return content


def _first_line(error: Exception) -> str:
    """The parser's words; bytes that are no text are not shown."""
    return "it is no UTF-8 text" if isinstance(error, UnicodeDecodeError) else str(error).splitlines()[0]


def _refuse_unknown(values: Mapping[str, object], where: str) -> None:
    for name in values:
        if name not in Settings.model_fields:
            near = difflib.get_close_matches(name, Settings.model_fields, n=1)
            meant = f"; did you mean {near[0]!r}?" if near else "; see docs/operating.md for all names"
            raise SettingsError(f"unknown setting {name!r} {where}{meant}")


def _line(problem: ErrorDetails, *, given: Mapping[str, object], file: Path | None) -> str:
    """One problem as one line: setting, source, value, what is allowed."""
    if not problem["loc"]:
        return problem["msg"]
    name = str(problem["loc"][0])
    variable = SETTINGS_PREFIX + name.upper()
    allowed = Settings.model_fields[name].description
    reason = f"{problem['msg']}" if problem["type"] == "not_built" else f"allowed is {allowed}"
    value = "(not shown)" if name in _SECRETS else repr(problem["input"])
    if name in given:
        source = "given"
    elif os.environ.get(variable):
        source = f"from the environment, {variable}"
    else:
        source = f"from {str(file)!r}"
    return f"setting {name!r} ({source}) is {value}: {reason}"

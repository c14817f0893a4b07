"""Settings: names, sources, and one clear line for what is wrong."""

from collections.abc import Callable
from pathlib import Path

import pytest

from streamgauge.processors.settings import Settings, SettingsError, load, own_prices
from streamgauge.schemas.topics import SETTINGS_PREFIX, WORKER_DEFAULTS

SettingsFile = Callable[[str], Path]


@pytest.fixture(autouse=True)
def _no_settings_around(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of whoever runs the tests must not reach them."""
    for name in Settings.model_fields:
        monkeypatch.delenv(SETTINGS_PREFIX + name.upper(), raising=False)


@pytest.fixture
def settings_file(tmp_path: Path) -> SettingsFile:
    def write(text: str) -> Path:
        file = tmp_path / "worker.toml"
        file.write_text(text, "utf-8")
        return file

    return write


def test_defaults_are_those_of_the_contract() -> None:
    settings = load()
    assert {name: getattr(settings, name) for name in WORKER_DEFAULTS} == WORKER_DEFAULTS


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(
    monkeypatch: pytest.MonkeyPatch, settings_file: SettingsFile
) -> None:
    monkeypatch.setenv("STREAMGAUGE_GROUP", "from-environment")
    monkeypatch.setenv("STREAMGAUGE_TICK_S", "7")
    file = settings_file('group = "from-file"\ntick_s = 8\nhole_grace_s = 9')
    settings = load(file, group="given", partitions=None)
    assert (settings.group, settings.tick_s, settings.hole_grace_s, settings.partitions) == ("given", 7, 9, 8)


def test_names_of_others_in_the_environment_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMGAUGE_TENANT", "acme")
    monkeypatch.setenv("STREAMGAUGE_SPOOL_DIR", "/var/spool")
    assert load() == load()


def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMGAUGE_TICK_S", "")
    assert load().tick_s == 5


def test_servers_may_be_a_list_in_the_file(settings_file: SettingsFile) -> None:
    assert load(settings_file('bootstrap_servers = ["a:1", "b:2"]')).bootstrap_servers == "a:1,b:2"


def test_settings_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load().tick_s = 3


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "commit_intervall_s = 3",
            "unknown setting 'commit_intervall_s' in '{file}'; did you mean 'commit_interval_s'?",
        ),
        ("zzz = 3", "unknown setting 'zzz' in '{file}'; see docs/operating.md for all names"),
        ("tick_s = -1", "setting 'tick_s' (from '{file}') is -1: allowed is a number of seconds above 0"),
        ("tick_s = nan", "setting 'tick_s' (from '{file}') is nan: allowed is a number of seconds above 0"),
        ('time = "wall"', "setting 'time' (from '{file}') is 'wall': allowed is 'broker' or 'producer'"),
        (
            'group = "a b"',
            "setting 'group' (from '{file}') is 'a b': allowed is 1 to 249 letters, digits, '.', '_' or '-'",
        ),
        (
            'bootstrap_servers = "kafka"',
            "setting 'bootstrap_servers' (from '{file}') is 'kafka': allowed is host:port, several separated by commas",
        ),
        (
            'delivery = "exactly_once"',
            "setting 'delivery' (from '{file}') is 'exactly_once': not built yet: use 'auto' or 'at_least_once'",
        ),
        ('topic_dead = "streamgauge.chunks"', "two topics share the name 'streamgauge.chunks'"),
        ('security_protocol = "SASL_SSL"', "security_protocol 'SASL_SSL' needs sasl_username and sasl_password"),
        ('ssl_keyfile = "a.key"', "ssl_keyfile needs ssl_certfile"),
        ("sasl_password = 12345", "setting 'sasl_password' (from '{file}') is (not shown): allowed is text"),
        ("tick_s = ", "settings file '{file}' is no TOML: Invalid value (at end of document)"),
    ],
)
def test_what_is_wrong_in_the_file_is_one_line(settings_file: SettingsFile, text: str, line: str) -> None:
    file = settings_file(text)
    with pytest.raises(SettingsError) as caught:
        load(file)
    assert str(caught.value) == line.format(file=file)


def test_what_is_wrong_in_the_environment_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMGAUGE_TICK_S", "soon")
    with pytest.raises(
        SettingsError, match=r"^setting 'tick_s' \(from the environment, STREAMGAUGE_TICK_S\) is 'soon'"
    ):
        load()


def test_two_wrong_settings_are_told_together() -> None:
    with pytest.raises(SettingsError, match=r"'tick_s'.*; .*'partitions'|'partitions'.*; .*'tick_s'"):
        load(tick_s="soon", partitions=0)


def test_a_secret_shows_in_no_error_and_no_text(settings_file: SettingsFile) -> None:
    settings = load(settings_file('sasl_password = "hunter2"'))
    assert "hunter2" not in repr(settings) + str(settings)
    with pytest.raises(SettingsError) as caught:
        load(settings_file('sasl_password = "hunter2"\nsecurity_protocol = "SASL_SSL"'))
    assert "hunter2" not in repr(caught.value) + str(caught.value.__cause__)


def test_a_file_that_is_missing_or_no_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        SettingsError, match=r"^settings file '.*nowhere.toml' cannot be read: No such file or directory$"
    ):
        load(tmp_path / "nowhere.toml")
    junk = tmp_path / "junk.toml"
    junk.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match=r"^settings file '.*junk.toml' is no TOML: it is no UTF-8 text$"):
        load(junk)


def test_an_unknown_name_given_is_refused() -> None:
    with pytest.raises(SettingsError, match="unknown setting 'brokers' on the command line"):
        load(brokers="a:1")


def test_clients_get_what_they_need_for_sasl() -> None:
    settings = load(security_protocol="SASL_PLAINTEXT", sasl_username="me", sasl_password="hunter2")
    assert settings.client() == {
        "bootstrap_servers": ["localhost:9092"],
        "security_protocol": "SASL_PLAINTEXT",
        "ssl_context": None,
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "me",
        "sasl_plain_password": "hunter2",
    }


def test_tls_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    settings = load(security_protocol="SSL", ssl_cafile=tmp_path / "ca.pem")
    with pytest.raises(SettingsError, match=r"^the TLS files .*ca.pem cannot be used: No such file or directory$"):
        settings.client()
    (tmp_path / "ca.pem").write_text("junk")
    with pytest.raises(SettingsError, match=r"^the TLS files .*ca.pem cannot be used: "):
        settings.client()


def test_tls_checks_names_unless_told_not_to() -> None:
    for checks in (True, False):
        context = load(security_protocol="SSL", ssl_check_hostname=checks).ssl_context()
        assert context is not None
        assert context.check_hostname is checks


def test_every_setting_stands_in_the_docs() -> None:
    page = (Path(__file__).parents[2] / "docs/operating.md").read_text("utf-8")
    assert [name for name in Settings.model_fields if f"`{name}`" not in page] == []


def test_a_price_file_is_read_and_a_wrong_one_is_one_line_that_names_file_entry_and_field(tmp_path: Path) -> None:
    file = tmp_path / "prices.toml"
    assert own_prices(None) is None
    with pytest.raises(SettingsError, match=r"price file '.*prices.toml' cannot be read: No such file"):
        own_prices(file)
    file.write_text("[[price]]\ntimes = -1")
    with pytest.raises(SettingsError, match=r"price file '.*prices.toml': entry 1, field 'times': -1 is no number"):
        own_prices(file)
    file.write_text("[[price]]\ntimes = 0.9")
    found = own_prices(load(prices=str(file)).prices)
    assert found is not None
    assert len(found.entries) == 1

"""Lines of the log: an event with keys, no content, few of the same."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator

import pytest

from streamgauge.processors.engine import logbook
from streamgauge.processors.engine.logbook import PASS_MAX, PASS_WINDOW_S, Pace


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """What `configure` changes belongs to the process."""
    handlers, levels = logging.root.handlers[:], {name: logging.getLogger(name).level for name in LOGGERS}
    yield
    logging.root.handlers[:] = handlers
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


LOGGERS = ("", "streamgauge.worker", "aiokafka", "asyncio", "faust", "mode", "kafka")


def caught(message: str) -> ValueError:
    """An error that was raised somewhere."""
    with pytest.raises(ValueError, match=message) as catch:
        raise ValueError(message)
    return catch.value


def test_an_event_is_one_line_with_its_keys(capsys: pytest.CaptureFixture[str]) -> None:
    logbook.configure("info")
    logbook.warning("lost_by_retention", partition=3, topic="a b", empty="")
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ warning lost_by_retention partition=3 topic='a b' empty=''\n",
        capsys.readouterr().err,
    )


def test_the_level_is_a_floor(capsys: pytest.CaptureFixture[str]) -> None:
    logbook.configure("warning")
    logbook.info("started")
    assert capsys.readouterr().err == ""


def test_libraries_speak_up_only_when_something_is_wrong_and_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    logbook.configure("info")
    logging.getLogger("aiokafka.consumer").info("Discovered coordinator")
    fault = caught("secret content")
    logging.getLogger("aiokafka.consumer").error("Unable to\n   connect to %s", "kafka:9092", exc_info=fault)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("error Unable to connect to kafka:9092 logger=aiokafka.consumer")


def test_tracebacks_come_at_level_debug(capsys: pytest.CaptureFixture[str]) -> None:
    logbook.configure("debug")
    logging.getLogger("faust").error("crashed", exc_info=caught("why"))
    assert "ValueError: why" in capsys.readouterr().err


def test_of_equal_lines_few_pass_and_the_next_tells_how_many_did_not() -> None:
    now = 0.0
    pace = Pace(clock=lambda: now)

    def passes(message: str) -> tuple[bool, int]:
        record = logging.LogRecord("aiokafka", logging.ERROR, "", 0, message, (), None)
        return pace.filter(record), getattr(record, "suppressed", 0)

    assert [passes("Failed fetch")[0] for _ in range(100)] == [True] * PASS_MAX + [False] * (100 - PASS_MAX)
    assert passes("another line") == (True, 0)
    now += PASS_WINDOW_S
    assert passes("Failed fetch") == (True, 100 - PASS_MAX)
    assert passes("Failed fetch") == (True, 0)


def test_where_tells_class_and_line_and_never_the_message() -> None:
    assert re.fullmatch(r"ValueError at test_logbook\.py:\d+", logbook.where(caught("secret content")))
    assert logbook.where(ValueError("secret content")) == "ValueError"


def test_a_hushed_logger_speaks_again_afterwards() -> None:
    logger = logging.getLogger("aiokafka")
    level = logger.level
    with logbook.hushed("aiokafka"):
        assert not logger.isEnabledFor(logging.ERROR)
    assert logger.level == level

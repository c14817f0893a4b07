"""Where errors end: what a user can do something about becomes one line on standard error.

    misuse      an unknown option, a wrong value, a wrong setting, a missing extra               exit 2
    the world   no broker, a missing file, topics that are not as they must be                   exit 1
    Ctrl-C      and SIGTERM, where the command does not end by itself                            exit 130

Everything else is a mistake of ours and passes through with its traceback: that is what a bug report needs.
"""

from __future__ import annotations

import errno
import os
import sys
from typing import Final, NamedTuple

import typer
from typer.main import get_command

from streamgauge.processors.cli.streams import give_up_output

__all__ = ["INTERRUPTED", "CommandError", "run"]

PROGRAM: Final = "streamgauge"
MISUSE: Final = 2
WORLD: Final = 1
INTERRUPTED: Final = 130

# Families of expected errors, by the module that defines them: a module nobody has loaded has raised nothing, and is
# not loaded for the question.
_MISUSES: Final = (
    ("streamgauge.processors.settings", "SettingsError"),
    ("streamgauge.producers.errors", "ConfigurationError"),
)
_WORLDS: Final = (
    ("streamgauge.processors.engine.errors", "EngineError"),
    ("streamgauge.processors.broker", "BrokerError"),
    ("streamgauge.processors.demo.river", "RiverError"),
    ("streamgauge.processors.demo.scenario", "ScenarioError"),
    ("aiokafka.errors", "KafkaError"),
)


_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)  # what a write to a disk may meet


class CommandError(Exception):
    """A command cannot go on: one line that names the thing and says what to do."""

    def __init__(self, line: str, *, code: int = WORLD) -> None:
        super().__init__(line)
        self.code = code


class _Ending(NamedTuple):
    line: str
    code: int


def run(app: typer.Typer, arguments: list[str]) -> int:
    """Run one command and return its exit code."""
    try:
        code: object = get_command(app).main(args=arguments, prog_name=PROGRAM, standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:  # `streamgauge tail | head`: the reader has seen enough
        give_up_output()
        return WORLD
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except Exception as error:
        ending = _ending(error)
        if ending is None:
            raise
        return _say(ending)
    if code == INTERRUPTED:
        return _say(_Ending("interrupted", INTERRUPTED))
    return code if isinstance(code, int) else 0


def _ending(error: Exception) -> _Ending | None:
    """How an expected error ends; None for a mistake of ours."""
    if isinstance(error, CommandError):
        return _Ending(str(error), error.code)
    if (usage := _usage(error)) is not None:
        return _Ending(usage, MISUSE)
    if _is_one_of(error, _MISUSES):
        return _Ending(str(error), MISUSE)
    if _is_one_of(error, _WORLDS):
        return _Ending(str(error) or type(error).__name__, WORLD)
    if isinstance(error, OSError) and error.filename is not None:
        return _Ending(f"{os.fspath(error.filename)!r}: {error.strerror}", WORLD)
    if isinstance(error, OSError) and error.errno in _FULL:
        give_up_output()
        return _Ending(f"cannot write any more: {error.strerror}", WORLD)
    return None


def _usage(error: Exception) -> str | None:
    """What a usage error says: click's or, since Typer carries its own, Typer's. Both are told by their method."""
    say = getattr(error, "format_message", None)
    if say is None:
        return None
    command = getattr(getattr(error, "ctx", None), "command_path", PROGRAM)
    return f"{str(say()).rstrip('.')} (see {command} --help)"


def _is_one_of(error: Exception, families: tuple[tuple[str, str], ...]) -> bool:
    loaded = ((sys.modules.get(module), name) for module, name in families)
    return any(module is not None and isinstance(error, getattr(module, name)) for module, name in loaded)


def _say(ending: _Ending) -> int:
    line = " ".join(ending.line.split())  # one line, whatever a message from elsewhere holds
    sys.stderr.write(f"{PROGRAM}: {line}\n")
    sys.stderr.flush()
    return ending.code

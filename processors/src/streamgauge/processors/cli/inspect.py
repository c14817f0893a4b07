"""`streamgauge inspect`: what a recorded response body comes to, offline."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from streamgauge.processors.cli.boundary import MISUSE, PROGRAM, WORLD, CommandError

if TYPE_CHECKING:
    from streamgauge.processors.inspection import Source
    from streamgauge.processors.record import Measures
    from streamgauge.schemas.records import Contents, Record

__all__ = ["inspect"]

STDIN: Final = "-"


def inspect(
    files: Annotated[list[str], typer.Argument(metavar="FILE…", help="Response bodies as recorded; - reads one.")],
    url: Annotated[str | None, typer.Option("--url", help="Where they came from; else the bytes must tell.")] = None,
    status: Annotated[int | None, typer.Option("--status", min=100, max=599, help="The response's status.")] = None,
    content_type: Annotated[str | None, typer.Option("--content-type", help="The response's content type.")] = None,
    content_encoding: Annotated[
        str | None, typer.Option("--content-encoding", help="gzip, br, …; most are known by their first bytes.")
    ] = None,
    prices: Annotated[
        Path | None, typer.Option("--prices", metavar="FILE", help="Your own prices, as a worker's setting names them.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line: facts with contents.")] = False,
) -> None:
    """Reassemble recorded response bodies offline, by the rules of the worker."""
    from streamgauge.processors.inspection import Source
    from streamgauge.processors.record import Measures
    from streamgauge.processors.settings import own_prices

    source = Source(url=_checked(url), status=status, content_type=content_type, content_encoding=content_encoding)
    measures = Measures(own_prices(prices))
    shown = [_inspect(file, source, measures, as_json=as_json) for file in files]
    if not all(shown):
        raise typer.Exit(WORLD)


def _checked(url: str | None) -> str | None:
    from urllib.parse import urlsplit

    try:
        whole = url is None or bool(urlsplit(url).scheme and urlsplit(url).hostname)
    except ValueError:
        whole = False
    if not whole:
        raise CommandError(
            f"--url {url!r} is no address: give it whole, like https://api.openai.com/v1/chat/completions", code=MISUSE
        )
    return url


def _inspect(file: str, source: Source, measures: Measures, *, as_json: bool) -> bool:
    """Show one file; where that cannot be, say so in one line."""
    from streamgauge.processors.inspection import API_CONTRADICTED, UninspectableError, api_at, inspect_body

    try:
        record, contents = inspect_body(_read(file), source, at_us=time.time_ns() // 1000, measures=measures)
    except UninspectableError as error:
        return _complain(file, str(error))
    except OSError as error:
        return _complain(file, error.strerror or type(error).__name__)
    if API_CONTRADICTED in record.warnings:
        so = f": they are read as {record.api}" if record.api else ", nor of any other that is known"
        _complain(file, f"--url names {api_at(source.url)}, but none of its events can be of that API{so}")
    show = _json if as_json else _summary
    show(file, record, contents)
    return True


def _read(file: str) -> bytes:
    """The file's bytes, one more than may be where it is too long."""
    from streamgauge.schemas.limits import BODY_BYTES_MAX

    if file == STDIN:
        return sys.stdin.buffer.read(BODY_BYTES_MAX + 1)
    with Path(file).open("rb") as opened:
        return opened.read(BODY_BYTES_MAX + 1)


def _complain(file: str, what: str) -> bool:
    sys.stdout.flush()
    sys.stderr.write(f"{PROGRAM}: {_named(file)!r}: {what}\n")
    sys.stderr.flush()
    return False


def _named(file: str) -> str:
    return "standard input" if file == STDIN else file


def _json(file: str, record: Record, contents: Contents) -> None:
    """One object: the file's name, the record as a worker would emit it, the contents as one more field."""
    from streamgauge.processors.cli import lines, streams
    from streamgauge.schemas import codec

    joined = lines.joined(codec.encode_record(record), codec.encode_contents(contents))
    streams.write_json(f'{{"file":{json.dumps(file)},{joined[1:]}')


def _summary(file: str, record: Record, contents: Contents) -> None:
    from streamgauge.processors.cli import summary

    summary.show(_named(file), record, contents)

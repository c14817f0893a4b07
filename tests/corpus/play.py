"""Play recorded streams through the whole river and compare the records with what the recordings say: `make corpus`.

    recording ──▶ local server ──▶ httpx client with a tap ──▶ embedded broker ──▶ worker ──▶ record and contents
                                                                                             │ compared with
                                                                                             ▼ `expected`

The tap sees the recorded method, URL and request body; the bytes come from the local server in reads drawn by a seed.
Text and tools are compared wherever the recording holds evidence for them, finish and usage everywhere. A difference
is either a rule in `corpus_check.EXCEPTIONS`, which names its source, or a failure.

The last line sums up; the exit code is 1 if anything differs, 2 if there is nothing to play.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import gzip
import json
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
from rich.console import Console
from rich.table import Table

from corpus_check import CANONICAL, EXCEPTIONS, Seen, differences
from recorded_server import HEADER_RECORDING, RecordedServer, Rerouted
from streamgauge.processors.demo.river import River
from streamgauge.processors.following import Emitted, follow
from streamgauge.processors.providers import registry
from streamgauge.producers import Gauge

Recording = dict[str, Any]

WITHIN_S: Final = 120.0  # for the last record to arrive
GROUPS: Final = ("text", "tools", "finish", "usage", "usage_canonical", "choices")
EVIDENCE: Final = {"text": "text", "tools": "tool_calls"}  # groups compared only where somebody confirmed them
# Where a recording does not say where it came from, the front door of its API.
FRONT_DOORS: Final = {
    "openai.chat": "https://api.openai.com/v1/chat/completions",
    "openai.responses": "https://api.openai.com/v1/responses",
    "anthropic.messages": "https://api.anthropic.com/v1/messages",
}


def main() -> int:
    """Play the file named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--show", action="store_true", help="print both sides of every difference")
    arguments = parser.parse_args()
    try:
        recordings = list(read(arguments.corpus))
    except (OSError, ValueError, KeyError) as error:
        return _say(f"cannot read recordings from {str(arguments.corpus)!r}: {error}")
    playable = [recording for recording in recordings if registry.by_name(recording["api"]) is not None]
    if not playable:
        return _say(f"no recording in {str(arguments.corpus)!r} is of an API that is supported")
    emitted = play(playable)
    return report(playable, emitted, left_out=len(recordings) - len(playable), show=arguments.show)


def _say(line: str) -> int:
    sys.stderr.write(f"make corpus: {line}\n")
    return 2


def read(corpus: Path) -> Iterable[Recording]:
    """The recordings of a file, one JSON object a line, gzipped or not."""
    raw = corpus.read_bytes()
    for line in (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).splitlines():
        recording = json.loads(line)
        recording["body"] = base64.b64decode(recording["body_base64"])
        yield recording


def play(recordings: list[Recording]) -> dict[str, Emitted]:
    """Send every recording down the river; what was emitted, by recording."""
    with River() as river, RecordedServer({recording["id"]: recording for recording in recordings}) as server:
        river.await_worker()
        bootstrap = river.settings.bootstrap_servers
        with Gauge(bootstrap_servers=bootstrap, tenant="corpus", topic=river.settings.topic_chunks) as gauge:
            with httpx.Client(transport=Rerouted(server.port)) as client:
                gauge.instrument(client)
                for recording in recordings:
                    with gauge.context(tags={"recording": recording["id"]}):
                        request(client, recording)
            if not gauge.flush(60):
                raise RuntimeError(f"not everything reached the broker: {gauge.counters}")
        return asyncio.run(_collect(river, {recording["id"] for recording in recordings}))


def request(client: httpx.Client, recording: Recording) -> None:
    """Ask for the recording as it was asked for, and read it to its end."""
    asked = recording["request"] or {}
    headers = {HEADER_RECORDING: recording["id"], "content-type": "application/json"}
    method = str(asked.get("method") or "POST").upper()
    body = json.dumps(asked.get("body") or {}).encode()
    with client.stream(method, url_of(recording), content=body, headers=headers) as response:
        for _ in response.iter_raw():
            pass


def url_of(recording: Recording) -> str:
    """Where the recording came from; a host its publisher blanked out becomes a name that can stand in a URL."""
    url = str((recording["request"] or {}).get("url") or "")
    url = url.replace("<", "").replace(">", "").replace("_", "-") if "<" in url else url
    if url and "://" not in url:
        url = f"https://{url}"
    return url if urlsplit(url).hostname else FRONT_DOORS[recording["api"]]


async def _collect(river: River, wanted: set[str]) -> dict[str, Emitted]:
    found: dict[str, Emitted] = {}
    deadline = time.monotonic() + WITHIN_S
    async for emitted in follow(river.settings, contents=True, from_beginning=True):
        if isinstance(emitted, Emitted):
            found[emitted.record.tags.get("recording", "")] = emitted
        if wanted <= found.keys() or time.monotonic() > deadline:
            break
    return found


def report(recordings: list[Recording], emitted: Mapping[str, Emitted], *, left_out: int, show: bool) -> int:
    """Print a table per API with denominators, the exceptions, what differs, and the sum; the exit code."""
    compared: Counter[tuple[str, str]] = Counter()
    agreed: Counter[tuple[str, str]] = Counter()
    wrong: list[tuple[Recording, str, tuple[Any, Any]]] = []
    for recording in recordings:
        found = differences(recording["id"], recording["expected"], seen(emitted.get(recording["id"])))
        for group in groups_of(recording):
            cell = (recording["api"], group)
            compared[cell] += 1
            if group in found:
                wrong.append((recording, group, found[group]))
            else:
                agreed[cell] += 1
    console = Console(width=110)
    console.print(_table(recordings, compared, agreed))
    for (recording_id, group), rule in EXCEPTIONS.items():
        console.print(f"exception: {recording_id} {group}: {rule}", markup=False)
    for recording, group, (expected, got) in wrong:
        console.print(f"differs: {recording['api']} {recording['id']} {group}", markup=False)
        if show:
            console.print(f"  expected {expected!r:.600}\n  got      {got!r:.600}", markup=False)
    streams = len({recording["id"] for recording, *_ in wrong})
    print(  # noqa: T201 - the result of the command
        f"{len(recordings)} recordings played, {left_out} of other APIs left out, {sum(agreed.values())} of "
        f"{sum(compared.values())} comparisons agree, {streams} recordings differ, {len(EXCEPTIONS)} exceptions"
    )
    return 1 if wrong else 0


def groups_of(recording: Recording) -> list[str]:
    """What is compared of this recording."""
    expected, evidence = recording["expected"], recording["evidence"]
    groups = [group for group in GROUPS if group not in EVIDENCE or evidence.get(EVIDENCE[group])]
    return [group for group in groups if group != "choices" or expected.get("choices")]


def seen(emitted: Emitted | None) -> Seen:
    """What was made of a recording; nothing where no record came."""
    if emitted is None or emitted.contents is None:
        return Seen(response_id="no record came")
    record, contents = emitted.record, emitted.contents
    last = max((choice.generation for choice in contents.choices), default=0)
    return Seen(
        choices=[choice for choice in contents.choices if choice.generation == last],
        usage_raw=json.loads(bytes(contents.usage_raw)),
        usage={
            name: getattr(record, f"usage_{name}")
            for name in CANONICAL
            if f"usage_{name}" not in record.usage_estimated
        },
        response_id=record.response_id,
    )


def _table(recordings: list[Recording], compared: Counter[tuple[str, str]], agreed: Counter[tuple[str, str]]) -> Table:
    table = Table(title="records equal to what the recordings say")
    table.add_column("api")
    table.add_column("recordings", justify="right")
    for group in GROUPS:
        table.add_column(group, justify="right")
    for api, count in sorted(Counter(recording["api"] for recording in recordings).items()):
        cells = [f"{agreed[api, group]}/{compared[api, group]}" if compared[api, group] else "-" for group in GROUPS]
        table.add_row(api, str(count), *cells)
    return table


if __name__ == "__main__":
    sys.exit(main())

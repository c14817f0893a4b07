"""Play recorded streams through the whole river and compare the records with what the recordings say: `make corpus`.

    recording ──▶ local server ──▶ httpx client with a tap ──▶ embedded broker ──▶ worker ──▶ record and contents
                                                                                             │ compared with
                                                                                             ▼ `expected`

The tap sees the recorded method, URL and request body; the bytes come from the local server in reads drawn by a seed.
The sinks are read when the worker has nothing open any more (its group stands at the end of the log), so what they hold
is all there will be: of every recording exactly one record, and no dead letter.

The last line sums up; the exit code is 1 if anything differs, 2 if there is nothing to play.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

import httpx
import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from corpus_file import Recording, load, url_of
from corpus_report import report
from recorded_server import HEADER_RECORDING, RecordedServer, Rerouted
from streamgauge.processors.demo.river import River
from streamgauge.processors.following import Emitted, follow
from streamgauge.processors.providers import registry
from streamgauge.processors.settings import Settings
from streamgauge.producers import Gauge

WITHIN_S: Final = 120.0  # for the last stream to close
LOOK_EVERY_S: Final = 0.2
TAG: Final = "recording"


class Played(NamedTuple):
    """What came out of the river."""

    emitted: Mapping[str, list[Emitted]]  # by recording, "" for what belongs to none
    dead_letters: int
    all_closed: bool  # within the time given


def main() -> int:
    """Play the file named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--show", action="store_true", help="print both sides of every difference")
    arguments = parser.parse_args()
    try:
        recordings = list(load(arguments.corpus))
    except (OSError, msgspec.MsgspecError) as error:
        return _say(f"cannot read recordings from {str(arguments.corpus)!r}: {error}")
    playable = [recording for recording in recordings if registry.by_name(recording.api) is not None]
    if not playable:
        return _say(f"no recording in {str(arguments.corpus)!r} is of an API that is supported")
    played = play(playable)
    left_out = len(recordings) - len(playable)
    code = report(playable, played.emitted, dead_letters=played.dead_letters, left_out=left_out, show=arguments.show)
    if not played.all_closed:
        _say(f"streams were still open after {WITHIN_S:g} s")
        return 1
    return code


def _say(line: str) -> int:
    """A line about us; the exit code where it ends the run."""
    sys.stderr.write(f"make corpus: {line}\n")
    return 2


def play(recordings: list[Recording]) -> Played:
    """Send every recording down the river; what came out of it."""
    with River() as river, RecordedServer({recording.id: recording for recording in recordings}) as server:
        river.await_worker()
        bootstrap = river.settings.bootstrap_servers
        with Gauge(bootstrap_servers=bootstrap, tenant="corpus", topic=river.settings.topic_chunks) as gauge:
            with httpx.Client(transport=Rerouted(server.port)) as client:
                gauge.instrument(client)
                for recording in recordings:
                    with gauge.context(tags={TAG: recording.id}):
                        request(client, recording)
            if not gauge.flush(60):
                raise RuntimeError(f"not everything reached the broker: {gauge.counters}")
        return asyncio.run(_collect(river.settings))


def request(client: httpx.Client, recording: Recording) -> None:
    """Ask for the recording as it was asked for, and read it to its end."""
    asked = recording.request or {}
    headers = {HEADER_RECORDING: recording.id, "content-type": "application/json"}
    method = str(asked.get("method") or "POST").upper()
    body = json.dumps(asked.get("body") or {}).encode()
    with client.stream(method, url_of(recording), content=body, headers=headers) as response:
        for _ in response.iter_raw():
            pass


async def _collect(settings: Settings) -> Played:
    """What stands in the sinks when nothing is open any more."""
    group = AIOKafkaConsumer(**settings.client(), group_id=settings.group, enable_auto_commit=False)
    async with group:
        all_closed = await _all_closed(group, settings)
        dead = await group.end_offsets(_partitions(settings.topic_dead, settings))
    emitted = defaultdict[str, list[Emitted]](list)
    async for one in follow(settings, contents=True, from_beginning=True, to_the_end=True):
        if isinstance(one, Emitted):
            emitted[one.record.tags.get(TAG, "")].append(one)
    return Played(emitted, sum(dead.values()), all_closed)


async def _all_closed(group: AIOKafkaConsumer, settings: Settings) -> bool:
    """Wait until the group stands at the end of all that was sent: it commits no offset of an open stream."""
    ends = await group.end_offsets(_partitions(settings.topic_chunks, settings))
    try:
        async with asyncio.timeout(WITHIN_S):
            for partition, end in ends.items():
                while end > 0 and (await group.committed(partition) or 0) < end:  # noqa: ASYNC110 - another process commits
                    await asyncio.sleep(LOOK_EVERY_S)
    except TimeoutError:
        return False
    return True


def _partitions(topic: str, settings: Settings) -> list[TopicPartition]:
    return [TopicPartition(topic, partition) for partition in range(settings.partitions)]


if __name__ == "__main__":
    sys.exit(main())

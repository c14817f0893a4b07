"""The pure core alone, on messages in memory: what a chunk costs before any broker.

Prints one JSON line: chunks, seconds, CPU seconds per million chunks. Run by `run.py`.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Iterator
from typing import Final

from load import TENANT, Message, chunks_in, messages

from streamgauge.processors.reassembly.deadlines import Deadlines
from streamgauge.processors.reassembly.finished import Arrival, Emission, Finished
from streamgauge.processors.reassembly.partition import Partition
from streamgauge.processors.record import Measures, write
from streamgauge.schemas import codec

BATCH: Final = 100  # messages that share an append time, as those of one produced batch do


def main(streams: int) -> dict[str, float]:
    """Feed the load of so many streams to one partition and write every record."""
    headers = codec.tenant_headers(TENANT)
    measures = Measures()
    arrivals = [_arrival(offset, message, headers) for offset, message in enumerate(messages(streams))]
    _work(arrivals[: len(arrivals) // 10], measures)  # warm: code paths, price lookups
    gc.collect()
    began, cpu_began = time.perf_counter(), time.process_time()
    written = _work(arrivals, measures)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu_began
    if written != streams:
        raise RuntimeError(f"{streams} streams went in, {written} records came out")
    chunks = chunks_in(streams)
    return {"chunks": chunks, "seconds": seconds, "rate": chunks / seconds, "cpu_s_per_million": cpu / chunks * 1e6}


def _arrival(offset: int, message: Message, headers: list[tuple[str, bytes]]) -> Arrival:
    batch = offset // BATCH
    return Arrival(offset, 1_760_000_000_000_000 + batch * 10_000, message.key, message.value, headers)


def _work(arrivals: list[Arrival], measures: Measures) -> int:
    deadlines = Deadlines.of_seconds()
    partition = Partition(deadlines=deadlines)
    written = 0
    for start in range(0, len(arrivals), BATCH):
        written += sum(_write(finished, deadlines, measures) for finished in _feed(partition, arrivals, start))
    return written


def _feed(partition: Partition, arrivals: list[Arrival], start: int) -> Iterator[Finished]:
    """One batch, as the engine works it: skimmed as far as it goes, the next one fed, and so on."""
    at, stop = start, min(start + BATCH, len(arrivals))
    while at < stop:
        emissions: list[Emission] = []
        at += partition.skim(arrivals[at:stop], append_us=arrivals[at].append_us, out=emissions)
        if at < stop:
            emissions += partition.feed(arrivals[at])
            at += 1
        yield from (emission for emission in emissions if isinstance(emission, Finished))


def _write(finished: Finished, deadlines: Deadlines, measures: Measures) -> int:
    facts, contents = write(finished.stream, topic="bench", partition=0, rules=deadlines.rules, measures=measures)
    codec.encode_record(facts)
    codec.encode_contents(contents)
    return 1


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(int(sys.argv[1]))) + "\n")

"""The pure core alone, on messages in memory: what a chunk costs before any broker.

Prints one JSON line: chunks, seconds, CPU seconds per million chunks. Run by `run.py`.
"""

from __future__ import annotations

import gc
import json
import sys
import time

from load import TENANT, Message, chunks_in, messages

from streamgauge.processors.reassembly.deadlines import Deadlines
from streamgauge.processors.reassembly.finished import Arrival, Finished
from streamgauge.processors.reassembly.partition import Partition
from streamgauge.processors.record import Measures, write
from streamgauge.schemas import codec


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
    return Arrival(offset, 1_760_000_000_000_000 + offset * 10, message.key, message.value, headers)


def _work(arrivals: list[Arrival], measures: Measures) -> int:
    deadlines = Deadlines.of_seconds()
    partition = Partition(deadlines=deadlines)
    written = 0
    for arrival in arrivals:
        for emission in partition.feed(arrival):
            if isinstance(emission, Finished):
                facts, contents = write(
                    emission.stream, topic="bench", partition=0, rules=deadlines.rules, measures=measures
                )
                codec.encode_record(facts)
                codec.encode_contents(contents)
                written += 1
    return written


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(int(sys.argv[1]))) + "\n")

"""Names on the wire: topics, message headers, setting names and their defaults.

Only names and defaults live here, because both sides and every reader need them; what a setting does stands with the
side that obeys it.
"""

from __future__ import annotations

from typing import Final

CHUNKS: Final = "streamgauge.chunks"
RECORDS: Final = "streamgauge.records"
CONTENTS: Final = "streamgauge.contents"
DEAD: Final = "streamgauge.dead"
LEDGER: Final = "streamgauge.ledger"

HEADER_TENANT: Final = "sg-tenant"  # on every frame but Tick, on every record
HEADER_SIGNATURE: Final = "sg-sig"  # reserved
HEADER_WORKER: Final = "sg-worker"  # what may differ between two workings stands in headers, never in the value
HEADER_EMITTED_AT: Final = "sg-emitted-at"

# Of a dead letter: where it came from and why it could not be read.
HEADER_REASON: Final = "reason"
HEADER_DETAIL: Final = "detail"
HEADER_TOPIC: Final = "topic"
HEADER_PARTITION: Final = "partition"
HEADER_OFFSET: Final = "offset"
HEADER_TIME: Final = "time"
HEADER_CUT: Final = "cut"

SETTINGS_PREFIX: Final = "STREAMGAUGE_"

SHIM_DEFAULTS: Final[dict[str, object]] = {
    "segment_ms": 200,
    "segment_bytes": 64 * 1024,
    "pulse_s": 15,
    "buffer_bytes": 32 * 1024 * 1024,
    "flush_s": 5,
    "compression": "zstd",
    "spool_bytes": 256 * 1024 * 1024,
    "spool_age_max_s": 540,
}

WORKER_DEFAULTS: Final[dict[str, object]] = {
    "delivery": "auto",
    "commit_interval_s": 0.5,
    "tick_s": 5,
    "time": "broker",
    "head_grace_s": 30,
    "hole_grace_s": 30,
    "producer_silent_s": 60,
    "provider_silent_s": 900,
    "total_age_s": 3600,
    "resume_grace_s": 120,
    "late_horizon_s": 600,
}

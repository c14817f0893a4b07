"""The contract's bounds, kept by the shim and again by the worker, which trusts no producer.

Beyond a bound figures go on, content stops, and `capped` says so.
"""

from __future__ import annotations

from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB

FRAME_BYTES_MAX: Final = 960 * KIB  # one encoded frame
CHUNK_BYTES_MAX: Final = 256 * KIB  # a larger read becomes several chunks with equal times; a document stays whole
TAGS_MAX: Final = 64  # pairs
TAGS_BYTES_MAX: Final = 8 * KIB  # names and values together
TEXT_BYTES_MAX: Final = 8 * KIB  # any other text of a frame: a name, a path, a message
HEADERS_MAX: Final = 128  # response headers, likewise query values: pairs
HEADERS_BYTES_MAX: Final = 128 * KIB  # names and values together
NESTING_MAX: Final = 64  # of a tool event's input and output
NUMBER_MAX: Final = 2**53 - 1  # any number of a frame: beyond it readers of JSON disagree
REQUEST_BYTES_MAX: Final = 256 * KIB  # a larger request is named by size and hash only
BODY_BYTES_MAX: Final = 64 * MIB  # of one attempt, after content decoding
EVENT_BYTES_MAX: Final = 16 * MIB  # one event that does not end: a framer keeps no more of it
RECORD_BYTES_MAX: Final = 900 * KIB  # the facts; the contents; each
DEAD_BYTES_MAX: Final = 900 * KIB  # a dead letter; what was longer is cut, header `cut`
LEDGER_BYTES_MAX: Final = 900 * KIB  # one ledger message
LINK_SEGMENTS_REMEMBERED: Final = 4096  # (n, crc32) kept per link, to tell copies from conflicts
TENANT_PATTERN: Final = r"[A-Za-z0-9._-]{1,64}"
MASKING_WAIT_US: Final = 5_000  # a provider gap after a longer consumer wait is masked
GAPS_EXACT_MAX: Final = 512  # percentiles are exact up to here

"""A log and the partition that reads it."""

from __future__ import annotations

import pytest

from frames_build import Log
from frames_feed import partition
from streamgauge.processors.reassembly.partition import Partition


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def core() -> Partition:
    return partition()

"""Taps and gauges that publish the raw chunks of LLM response streams to Kafka, as a guest in your application.

`Gauge` is what you hold; `streamgauge.producers.testing` is what your tests hold.
"""

from __future__ import annotations

from streamgauge.producers.counters import Counters
from streamgauge.producers.errors import ConfigurationError, StreamgaugeError
from streamgauge.producers.gauge import Gauge
from streamgauge.producers.manual import ManualStream
from streamgauge.producers.sink import Message, Rejected, Sink, Unavailable

__all__ = [
    "ConfigurationError",
    "Counters",
    "Gauge",
    "ManualStream",
    "Message",
    "Rejected",
    "Sink",
    "StreamgaugeError",
    "Unavailable",
]

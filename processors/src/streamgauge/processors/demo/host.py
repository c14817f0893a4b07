"""An application of its own, to be killed: `python -m streamgauge.processors.demo.host PROXY SERVERS SEED NAME…`.

It plays the named acts at the same time, each on a thread, with a gauge like the show's.
"""

from __future__ import annotations

import sys
import threading
from typing import Any, Final

from streamgauge.processors.demo.act import Client
from streamgauge.processors.demo.cast import cast
from streamgauge.processors.demo.clients import clients
from streamgauge.processors.demo.playing import Player
from streamgauge.processors.demo.watch import Watches
from streamgauge.producers import Gauge

__all__ = ["GAUGE", "main"]

# The show's gauges: quick, so that a second of silence is told apart from an hour of it.
GAUGE: Final[dict[str, Any]] = {
    "tenant": "demo",
    "segment_ms": 100,
    "pulse_s": 0.5,
    "service_name": "river-guide",
    "environment": "demo",
}


def main(arguments: list[str]) -> None:
    """Play until the acts are over; the show does not wait for that."""
    proxy, servers, seed, *names = arguments
    acts = [act for act in cast(int(seed)) if act.name in names]
    watches = Watches()
    with Gauge(bootstrap_servers=servers, **GAUGE) as gauge:
        made = clients(gauge, proxy, openai_only=True)
        player = Player(gauge, {Client.HOST: made[Client.OPENAI]}, watches)
        threads = [threading.Thread(target=player.play, args=(act,)) for act in acts if watches.add(act)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


if __name__ == "__main__":
    main(sys.argv[1:])

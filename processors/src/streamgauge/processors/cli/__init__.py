"""The command `streamgauge`: one module a command.

    demo       the whole river on this machine, with misbehaving providers
    dev        an embedded broker and a worker, until Ctrl-C
    worker     reassemble what shims publish, until told to stop
    topics     create or verify the topics
    tail       follow the records
    inspect    reassemble recorded response bodies offline

Rules: what is wrong is one line on standard error, never a traceback (see `boundary`). Exit codes: 0 done, 1 the world
is not as it should be, 2 misuse, 130 interrupted. What a command needs is loaded when it runs, so that help is quick.
"""

from __future__ import annotations

import signal
import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line, and end the process with its exit code."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # it ends a command as Ctrl-C does, with all it started
    try:
        from streamgauge.processors.cli.app import app
        from streamgauge.processors.cli.boundary import run
        from streamgauge.processors.cli.streams import prepare
    except KeyboardInterrupt:
        sys.exit(130)
    prepare()
    sys.exit(run(app, sys.argv[1:]))

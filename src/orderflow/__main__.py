"""The entry point of `orderflow` and `python -m orderflow`."""

import atexit
import os
import sys
import threading

from orderflow.runtime import signals

ROLES = ("up", "api", "relay", "fulfillment", "carrier-sim", "payment-sim")
"""Commands that run until they are told to stop."""


def main() -> None:
    code = 1

    def leave() -> None:
        """Kafka clients that wait for a silent broker have threads of their own, which call Python. In an
        interpreter that is being finalized, that is a segmentation fault, so the process ends before that."""
        if any(thread.daemon for thread in threading.enumerate()):
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    # The first function that is registered is called last, when everything has been sent and written.
    atexit.register(leave)
    signals.install(is_role=sys.argv[1:2] != [] and sys.argv[1] in ROLES)
    # The next import takes a while, during which the process must already be stoppable.
    from orderflow.cli import run

    try:
        code = run(sys.argv[1:])
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
        raise
    sys.exit(code)


if __name__ == "__main__":
    main()

"""The entry point of `orderflow` and `python -m orderflow`."""

import sys

from orderflow.runtime import signals

ROLES = ("up", "api", "relay", "fulfillment", "carrier-sim", "payment-sim")
"""Commands that run until they are told to stop."""


def main() -> None:
    signals.install(is_role=sys.argv[1:2] != [] and sys.argv[1] in ROLES)
    # The next import takes a while, during which the process must already be stoppable.
    from orderflow.cli import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()

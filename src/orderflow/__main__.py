"""`orderflow` and `python -m orderflow`."""

import sys

from orderflow.runtime import signals

ROLES = ("up", "api", "relay", "fulfillment", "carrier-sim")
"""Commands that run until they are told to stop."""


def main() -> None:
    signals.install(is_role=sys.argv[1:2] != [] and sys.argv[1] in ROLES)
    # What follows takes a while to import, and must be stoppable meanwhile.
    from orderflow.cli import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()

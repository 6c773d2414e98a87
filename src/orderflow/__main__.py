"""`orderflow` and `python -m orderflow`."""

import sys

from orderflow.cli import run


def main() -> None:
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()

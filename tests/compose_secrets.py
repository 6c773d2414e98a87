"""What the service `secrets` of compose.yaml makes, in a directory of a test."""

import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).resolve().parents[1] / "deploy" / "compose" / "make_secrets.py"
READERS = ("orders", "fulfillment", "migrate", "postgres", "kafka", "carrier", "payments")
OBSERVERS = ("prometheus", "grafana", "jaeger", "loki")
"""The readers of compose.observability.yaml."""


def make_secrets(root: Path, *published_names: str) -> Path:
    """Makes what is missing, and returns the directory. Those of observers are made if their directories are
    there."""
    done = run(root, *published_names)
    assert done.returncode == 0, done.stderr
    return root


def run(root: Path, *published_names: str) -> subprocess.CompletedProcess[str]:
    for reader in ("authority", *READERS):
        (root / reader).mkdir(parents=True, exist_ok=True)
    command = [sys.executable, str(PROGRAM), str(root), *published_names]
    return subprocess.run(command, capture_output=True, text=True, check=False)

"""Puts the checkout on the import path: the harness is a package, which `python -m tests.faults` runs,
too."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

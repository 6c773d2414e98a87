"""Places where a fault test can kill the process: between two effects, where a crash does most harm.

They do nothing unless ORDERFLOW_TEST_CRASH_POINT names a point and a count: `intent.recorded:17` kills this
process with SIGKILL when it passes that point for the 17th time.
"""

import os
import signal
from dataclasses import dataclass
from functools import cache

VARIABLE = "ORDERFLOW_TEST_CRASH_POINT"


@dataclass(slots=True)
class _Plan:
    name: str
    passages_left: int


@cache
def _plan() -> _Plan | None:
    name, _, count = os.environ.get(VARIABLE, "").rpartition(":")
    return _Plan(name, int(count)) if name else None


def crash_point(name: str) -> None:
    """Do nothing, or kill this process if it is time for that."""
    plan = _plan()
    if plan is None or plan.name != name:
        return
    plan.passages_left -= 1
    if plan.passages_left <= 0:
        os.kill(os.getpid(), signal.SIGKILL)

"""How a redrive in stages goes on: one letter, then ten, then a hundred, then all others. A stage begins when
every letter of the one before has succeeded or failed, and not too many have failed."""

from collections.abc import Sequence
from enum import Enum, auto
from itertools import accumulate

STAGES = (1, 10, 100)
"""How many letters each stage but the last has."""
STAGE_FAILURES_MAX = 0.1
"""The share of a stage's letters that may fail again."""

_ENDS = (*accumulate(STAGES),)
_UNLIMITED = 1 << 30


class Outcome(Enum):
    """What has become of a redriven letter."""

    UNDECIDED = auto()
    FAILED = auto()
    SUCCEEDED = auto()


def failures_in_a_row(outcomes: Sequence[Outcome]) -> int:
    """How many of the letters decided last have failed; the newest come first."""
    decided = [outcome for outcome in outcomes if outcome is not Outcome.UNDECIDED]
    return decided.index(Outcome.SUCCEEDED) if Outcome.SUCCEEDED in decided else len(decided)


def stage(redriven: int) -> int:
    """The number of the stage, from 1 on, after so many letters."""
    return 1 + sum(redriven > end for end in _ENDS)


def stage_failure(redriven: int, outcomes: Sequence[Outcome]) -> str:
    """That too many letters of the stage that has just been made have failed; empty if not. The outcomes of
    its letters come first."""
    if redriven not in _ENDS:
        return ""
    size = STAGES[_ENDS.index(redriven)]
    failed = outcomes[:size].count(Outcome.FAILED)
    return f"{failed} of {size} failed again" if failed > size * STAGE_FAILURES_MAX else ""


def stage_room(redriven: int, outcomes: Sequence[Outcome]) -> int:
    """How many letters may follow before the next ones have to wait for outcomes."""
    if redriven in _ENDS and Outcome.UNDECIDED in outcomes:
        return 0
    return next((end - redriven for end in _ENDS if end > redriven), _UNLIMITED)

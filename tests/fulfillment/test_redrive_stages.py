"""When a redrive in stages goes on, waits and stops."""

import pytest

from orderflow.fulfillment.redrive_stages import Outcome, failures_in_a_row, stage, stage_failure, stage_room

FAILED, SUCCEEDED, UNDECIDED = Outcome.FAILED, Outcome.SUCCEEDED, Outcome.UNDECIDED


def test_the_stages_have_one_letter_then_ten_then_a_hundred_then_all_others() -> None:
    reached = (0, 1, 2, 11, 12, 111, 112, 5_000)
    assert [stage(redriven) for redriven in reached] == [1, 1, 2, 2, 3, 3, 4, 4]
    rooms = [stage_room(redriven, [SUCCEEDED]) for redriven in (0, 1, 2, 11, 12)]
    assert rooms == [1, 10, 9, 100, 99]
    assert stage_room(111, [SUCCEEDED]) > 1_000_000


@pytest.mark.parametrize(("redriven", "room"), [(1, 0), (2, 9), (11, 0), (12, 99), (111, 0)])
def test_only_the_end_of_a_stage_waits_for_letters_that_are_undecided(redriven: int, room: int) -> None:
    assert stage_room(redriven, [UNDECIDED, SUCCEEDED]) == room


@pytest.mark.parametrize(
    ("redriven", "failed", "told"),
    [
        (1, 0, ""),
        (1, 1, "1 of 1 failed again"),
        (11, 1, ""),
        (11, 2, "2 of 10 failed again"),
        (10, 9, ""),
        (111, 10, ""),
        (111, 11, "11 of 100 failed again"),
        (112, 100, ""),
    ],
)
def test_a_stage_may_fail_in_a_tenth_of_its_letters(redriven: int, failed: int, told: str) -> None:
    outcomes = [SUCCEEDED] * (min(redriven, 100) - failed) + [FAILED] * failed
    assert stage_failure(redriven, outcomes[::-1]) == told


def test_letters_of_the_stage_before_do_not_count() -> None:
    assert stage_failure(11, [SUCCEEDED] * 10 + [FAILED]) == ""


def test_failures_count_in_a_row_from_the_newest_that_is_decided() -> None:
    assert failures_in_a_row([UNDECIDED, FAILED, UNDECIDED, FAILED, SUCCEEDED, FAILED]) == 2
    assert failures_in_a_row([FAILED] * 3) == 3
    assert failures_in_a_row([SUCCEEDED, FAILED]) == failures_in_a_row([]) == 0

"""The health of a process: no loop hangs or dies unnoticed, and after a suspension no loop is blamed."""

import asyncio
from datetime import UTC, datetime

import pytest

from orderflow.runtime.health import LOOK_PERIOD_S, STALL_S_MAX, Health, LoopDied, LoopStalled

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


class World:
    """A health whose time passes only when it is told to."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.health = Health(essential=["writer"], clock=lambda: NOON, monotonic=lambda: self.seconds)
        for loop in ("writer", "sweep"):
            self.health.progress(loop)

    def pass_by(self, seconds: int, *working: str) -> None:
        """Time passes while the process runs, some of its loops come round, and somebody looks."""
        for _ in range(int(seconds / LOOK_PERIOD_S)):
            self.seconds += LOOK_PERIOD_S
            for loop in working:
                self.health.progress(loop)
            self.health.check()


def test_a_loop_that_hangs_is_degraded_and_then_ends_the_process() -> None:
    world = World()
    world.pass_by(29, "writer")
    assert world.health.degraded() == []
    world.pass_by(3, "writer")
    assert [d.part for d in world.health.degraded()] == ["sweep"]
    assert world.health.disabled() is None
    with pytest.raises(LoopStalled, match="sweep"):
        world.pass_by(100, "writer")


def test_a_role_without_an_essential_loop_cannot_do_its_job() -> None:
    world = World()
    world.pass_by(31, "sweep")
    assert world.health.disabled() == "writer does not come round"
    world.pass_by(1, "sweep", "writer")
    assert world.health.disabled() is None


def test_a_process_that_was_suspended_goes_on() -> None:
    """The whole process stood still: no loop could make progress, and nobody checked."""
    world = World()
    world.pass_by(10, "writer", "sweep")
    for _ in range(3):
        world.seconds += STALL_S_MAX + 10
        world.health.check()
        assert world.health.degraded() == []
        world.pass_by(10, "writer", "sweep")


def test_a_loop_that_hung_before_the_process_was_suspended_is_still_found() -> None:
    world = World()
    world.pass_by(100, "writer")
    world.seconds += 1000
    world.pass_by(100, "writer")
    with pytest.raises(LoopStalled, match="sweep"):
        world.pass_by(100, "writer")


def test_a_loop_that_has_nothing_to_do_is_not_late() -> None:
    world = World()
    world.health.progress("sweep", idle_s=3600)
    world.pass_by(3600, "writer")
    assert world.health.degraded() == []


def test_a_loop_that_has_died_disables_the_role_and_is_raised() -> None:
    world = World()
    world.health.died("sweep", ValueError("no such thing"))
    world.health.died("writer", ValueError("later"))
    assert world.health.disabled() == "a loop has died: sweep: ValueError: no such thing"
    assert [d.part for d in world.health.degraded()] == ["process"]
    with pytest.raises(LoopDied, match="sweep: ValueError: no such thing"):
        asyncio.run(world.health.watch(asyncio.Event()))


def test_trouble_lasts_from_its_first_report_until_it_is_over() -> None:
    world = World()
    world.health.trouble("carrier", "no answer")
    world.health.trouble("carrier", "still none")
    assert [(d.part, d.reason, d.since) for d in world.health.degraded()] == [("carrier", "still none", NOON)]
    world.health.recovered("carrier")
    assert world.health.degraded() == []

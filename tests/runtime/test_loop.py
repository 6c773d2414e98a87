"""One kind of loop in threads and in tasks: it works until it is stopped, and never dies unnoticed."""

import asyncio
import threading
import time
from collections.abc import Callable

import pytest

from orderflow.runtime.health import Health, LoopDied
from orderflow.runtime.loop import OnFailure, TaskLoop, ThreadLoop

WAIT_S_MAX = 5.0


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S_MAX
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


class Work:
    """Counts its turns; the first ones may fail."""

    def __init__(self, *, failures: int = 0) -> None:
        self.turns = 0
        self.failures = failures

    def do(self) -> None:
        self.turns += 1
        if self.turns <= self.failures:
            raise ValueError(self.turns)

    async def do_async(self) -> None:
        self.do()


def test_a_thread_waits_until_it_is_woken() -> None:
    work, due = Work(), list[int]()
    loop = ThreadLoop(
        "test", work.do, health=Health(), pause_s=lambda: 0.0 if len(due) > work.turns else 3600.0
    )
    loop.start()
    for number in range(50):
        due.append(number)
        loop.wake()
        until(lambda number=number: work.turns == number + 1)
    loop.stop()
    assert loop.join()
    assert work.turns == 50


def test_a_stopped_thread_finishes_what_it_has_and_then_what_it_holds() -> None:
    left, held = [1, 2, 3], ["a connection"]
    loop = ThreadLoop(
        "test",
        left.pop,
        health=Health(),
        pause_s=lambda: 3600.0,
        is_drained=lambda: not left,
        finish=held.clear,
    )
    loop.start()
    loop.stop()
    assert loop.join()
    assert (left, held) == ([], [])


def test_a_stop_before_the_start_is_not_lost() -> None:
    work = Work()
    loop = ThreadLoop("test", work.do, health=Health(), pause_s=lambda: 0.0)
    loop.stop()
    loop.start()
    assert loop.join()
    assert work.turns == 0


def test_a_thread_that_waits_within_a_turn_hears_of_the_stop() -> None:
    asleep = threading.Event()

    def rest() -> None:
        asleep.set()
        assert loop.sleep(3600)

    loop = ThreadLoop("test", rest, health=Health(), pause_s=lambda: 0.0)
    loop.start()
    assert asleep.wait(WAIT_S_MAX)
    loop.stop()
    assert loop.join()


def test_a_thread_that_does_not_end_is_left_alone_after_a_while() -> None:
    end = threading.Event()
    loop = ThreadLoop("test", lambda: end.wait(WAIT_S_MAX), health=Health(), pause_s=lambda: 0.0)
    loop.start()
    loop.stop()
    assert not loop.join(0.05)
    end.set()
    assert loop.join()


@pytest.mark.parametrize("kind", ["thread", "task"])
def test_a_failed_turn_is_told_and_tried_again(kind: str) -> None:
    work, health = Work(failures=1), Health()
    with running(kind, work, health, on_failure="try again"):
        until(lambda: work.turns == 1)
        until(lambda: [d.reason for d in health.degraded()] == ["this loop fails: ValueError: 1"])
        until(lambda: work.turns > 1)
        until(lambda: health.degraded() == [])
        health.check()


@pytest.mark.parametrize("kind", ["thread", "task"])
def test_a_loop_that_dies_ends_the_process(kind: str) -> None:
    work, health = Work(failures=1), Health()
    with running(kind, work, health, on_failure="end the process"):
        until(lambda: health.disabled() is not None)
        with pytest.raises(LoopDied, match="test: ValueError: 1"):
            health.check()
    assert work.turns == 1


def test_tasks_that_share_a_signal_are_all_woken() -> None:
    async def scenario() -> None:
        signal, works = asyncio.Event(), [Work(), Work()]
        loops = [
            TaskLoop(
                f"test-{number}",
                work.do_async,
                health=Health(),
                pause_s=lambda work=work: 3600.0 if work.turns else 0.0,
                signal=signal,
            )
            for number, work in enumerate(works)
        ]
        for loop in loops:
            loop.start()
        await asyncio.sleep(0.05)
        assert [work.turns for work in works] == [1, 1]
        for work in works:
            work.turns = 0
        signal.set()
        await asyncio.sleep(0.05)
        assert [work.turns for work in works] == [1, 1]
        for loop in loops:
            await loop.stop()

    asyncio.run(scenario())


class running:
    """The loop in a thread of its own, or in a task of another thread's event loop."""

    def __init__(self, kind: str, work: Work, health: Health, *, on_failure: OnFailure) -> None:
        self._end = threading.Event()
        self._on_failure: OnFailure = on_failure
        target = self._thread if kind == "thread" else self._task
        self._runner = threading.Thread(target=target, args=(work, health))

    def __enter__(self) -> None:
        self._runner.start()

    def __exit__(self, *_error: object) -> None:
        self._end.set()
        self._runner.join()

    def _thread(self, work: Work, health: Health) -> None:
        loop = ThreadLoop("test", work.do, health=health, pause_s=lambda: 0.01, on_failure=self._on_failure)
        loop.start()
        self._end.wait()
        loop.stop()
        assert loop.join()

    def _task(self, work: Work, health: Health) -> None:
        async def scenario() -> None:
            loop = TaskLoop(
                "test", work.do_async, health=health, pause_s=lambda: 0.01, on_failure=self._on_failure
            )
            loop.start()
            await asyncio.to_thread(self._end.wait)
            await loop.stop()

        asyncio.run(scenario())

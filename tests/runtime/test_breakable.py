"""A service is stopped, killed and started again while its process goes on."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine

import pytest

from orderflow.runtime.breakable import KILL, RUNNING, START, STOP, STOPPED, Restartable

Life = Callable[[asyncio.Event], Coroutine[None, None, None]]


class Told:
    """What a service has done: it began, it drained, it was cut off."""

    def __init__(self) -> None:
        self.done: list[str] = []

    async def live(self, end: asyncio.Event) -> None:
        self.done.append("began")
        try:
            await end.wait()
        except asyncio.CancelledError:
            self.done.append("cut off")
            raise
        self.done.append("drained")


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110 - there are several things to wait for
            await asyncio.sleep(0.001)


def run(live: Life, scenario: Callable[[Restartable], Awaitable[None]]) -> None:
    """Run it, do this with it, and end its process."""

    async def process() -> None:
        part, stop = Restartable("part", live), asyncio.Event()
        running = asyncio.create_task(part.run(stop))
        await until(lambda: part.state == RUNNING)
        await scenario(part)
        stop.set()
        await asyncio.wait_for(running, 5)

    asyncio.run(process())


@pytest.mark.parametrize(("how", "ended"), [(STOP, "drained"), (KILL, "cut off")])
def test_it_is_broken_and_started_again(how: str, ended: str) -> None:
    told = Told()

    async def scenario(part: Restartable) -> None:
        part.act(how)
        await until(lambda: part.state == STOPPED)
        assert told.done == ["began", ended]
        part.act(START)
        await until(lambda: part.state == RUNNING)

    run(told.live, scenario)
    assert told.done == ["began", ended, "began", "drained"], "the end of the process lets it drain"


def test_only_what_makes_sense_now_can_be_done_with_it() -> None:
    async def scenario(part: Restartable) -> None:
        assert set(part.actions) == {STOP, KILL}
        with pytest.raises(KeyError):
            part.act(START)
        part.act(STOP)
        assert part.actions == {}
        with pytest.raises(KeyError):
            part.act(KILL)
        await until(lambda: part.state == STOPPED)
        assert set(part.actions) == {START}

    run(Told().live, scenario)


def test_the_process_ends_while_it_is_stopped() -> None:
    async def scenario(part: Restartable) -> None:
        part.act(STOP)
        await until(lambda: part.state == STOPPED)

    run(Told().live, scenario)


def test_an_error_that_ends_it_ends_the_process() -> None:
    async def fail(_end: asyncio.Event) -> None:
        await asyncio.sleep(0)
        raise LookupError("a loop has died")

    async def idle(_part: Restartable) -> None: ...

    with pytest.raises(LookupError, match="a loop has died"):
        run(fail, idle)

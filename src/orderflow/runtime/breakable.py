"""Parts of a process that somebody breaks on purpose and mends again, in development, to see what the rest
makes of it."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from types import MappingProxyType
from typing import Any, Protocol

import structlog

log = structlog.get_logger()


class Breakable(Protocol):
    """A part that can be broken and mended. Only the event loop's thread may call it."""

    @property
    def name(self) -> str: ...

    @property
    def state(self) -> str: ...

    @property
    def actions(self) -> Mapping[str, str]:
        """What can be done with it now, each with what happens then."""
        ...

    def act(self, action: str) -> None:
        """Raises KeyError for what cannot be done now."""
        ...


RUNNING, STOPPING, STOPPED = "running", "stopping", "stopped"
STOP, KILL, START = "Stop", "Kill", "Start"

_NONE: Mapping[str, str] = MappingProxyType({})
_ACTIONS: Mapping[str, Mapping[str, str]] = {
    RUNNING: {
        STOP: "it finishes what is under way, and ends.",
        KILL: "it ends at once, and its calls under way are cut off.",
    },
    STOPPED: {START: "it goes on where it was."},
}


class Restartable:
    """A service that is stopped, killed and started again while its process goes on.

    `live` runs it until the given event is set; to kill it, its task is cancelled.
    """

    def __init__(self, name: str, live: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> None:
        self.name = name
        self.state = STOPPED
        self._live = live
        self._asked = asyncio.Event()
        self._is_killed = False

    @property
    def actions(self) -> Mapping[str, str]:
        return _ACTIONS.get(self.state, _NONE)

    def act(self, action: str) -> None:
        if action not in self.actions:
            raise KeyError(action)
        log.warning("part.broken_on_purpose", part=self.name, action=action)
        self._is_killed = action == KILL
        self.state = STOPPING if action != START else self.state
        self._asked.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Run it until `stop` is set, whatever is done with it meanwhile. Raises what ends it otherwise."""
        while not stop.is_set():
            self.state = RUNNING
            await self._run_once(stop)
            self.state = STOPPED
            await self._until(stop)

    async def _run_once(self, stop: asyncio.Event) -> None:
        end = asyncio.Event()
        life = asyncio.create_task(self._live(end), name=self.name)
        try:
            await self._until(stop, life)
            if self._is_killed:
                life.cancel()
            end.set()
            await asyncio.wait([life])
        finally:
            life.cancel()
        if not life.cancelled():
            life.result()

    async def _until(self, stop: asyncio.Event, *ends: asyncio.Task[None]) -> None:
        """Wait until somebody asks for something, `stop` is set, or a task has ended."""
        self._asked.clear()
        waiting = [asyncio.create_task(event.wait()) for event in (stop, self._asked)]
        try:
            await asyncio.wait([*waiting, *ends], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waiting:
                each.cancel()

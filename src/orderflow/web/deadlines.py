"""What a client has for each part of its conversation, and the one timer of a connection."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Awaited = Literal["head", "body", "idle", "answer", "closing"]
"""What a connection waits for; for its own answer it waits as long as that takes."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a client has for each part of its conversation."""

    head_bytes: int = 64 * 1024
    head_s: float = 30.0
    body_s: float = 30.0
    idle_s: float = 75.0
    reading_s: float = 30.0
    """For a part of its answer."""
    closing_s: float = 2.0
    """To see its answer, where it still sends."""


class Deadline:
    """Calls `over_time` with what was waited for in vain. The timer is no more than asked for when it is due:
    to set a deadline costs nothing, where a timer for each request would cost more than reading it."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, limits: Limits, over_time: Callable[[Awaited], None]
    ) -> None:
        self._loop = loop
        self._seconds: dict[Awaited, float] = {
            "head": limits.head_s,
            "body": limits.body_s,
            "idle": limits.idle_s,
            "closing": limits.closing_s,
            "answer": float("inf"),
        }
        self._nearest_s = min(limits.head_s, limits.body_s, limits.idle_s)
        self._over_time = over_time
        self._stopped = False
        self._at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.awaits: Awaited = "head"

    def expect(self, what: Awaited) -> None:
        self.awaits = what
        self._at = self._loop.time() + self._seconds[what]
        if what == "closing":
            self._arm()

    def begin(self, what: Awaited) -> None:
        self.expect(what)
        self._arm()

    def stop(self) -> None:
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if not self._stopped:
            # Meanwhile the deadline may come nearer, by what it is set to at the nearest.
            pause_s = min(max(self._at - self._loop.time(), 0.001), self._nearest_s)
            self._timer = self._loop.call_later(pause_s, self._look)

    def _look(self) -> None:
        if self._at <= self._loop.time():
            self._over_time(self.awaits)
        self._arm()

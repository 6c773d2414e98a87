"""How long a client may take for each part of a connection, and the one timer of the connection."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Awaited = Literal["head", "body", "idle", "answer", "closing"]
"""What a connection waits for. It waits for our own answer without a limit."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a client may send as a head, and how long it may take for each part of a connection."""

    head_bytes: int = 64 * 1024
    handshake_s: float = 10.0
    """To agree on TLS."""
    head_s: float = 30.0
    body_s: float = 30.0
    idle_s: float = 75.0
    reading_s: float = 30.0
    """To read a part of its answer."""
    closing_s: float = 2.0
    """To see the last answer while it still sends."""


class Deadline:
    """Calls `over_time` with what was waited for in vain.

    Setting a deadline only stores the time, which the one timer compares with the clock when it fires: a new
    timer for each request would cost more than reading the request.
    """

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
            # A deadline that is set meanwhile may be earlier, but no nearer than the shortest limit.
            pause_s = min(max(self._at - self._loop.time(), 0.001), self._nearest_s)
            self._timer = self._loop.call_later(pause_s, self._look)

    def _look(self) -> None:
        if self._at <= self._loop.time():
            self._over_time(self.awaits)
        self._arm()

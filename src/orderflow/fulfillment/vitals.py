"""Whether the loops of this worker get on, and which parts outside of it do not."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from datetime import datetime

import structlog

from orderflow.edge import Degraded

log = structlog.get_logger()

STALL_S_MAX = 120.0
"""Longer than a full writer's queue takes to fail against a database that does not answer."""


class Vitals:
    """Progress of loops and trouble with parts; any thread may report. `clock` gives wall time,
    `monotonic` seconds."""

    def __init__(self, *, clock: Callable[[], datetime], monotonic: Callable[[], float]) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._stamps: dict[str, float] = {}
        self._degraded: dict[str, Degraded] = {}
        self._lock = threading.Lock()

    def progress(self, loop: str) -> None:
        """The loop has come round, or waits for something that it will try again."""
        self._stamps[loop] = self._monotonic()

    def stalled(self) -> list[str]:
        """Loops that have not come round for 120 s."""
        now = self._monotonic()
        return sorted(loop for loop, at in self._stamps.copy().items() if now - at > STALL_S_MAX)

    def trouble(self, part: str, reason: str) -> None:
        """The part is down; the first report since it worked makes a log line."""
        with self._lock:
            first = part not in self._degraded
            since = self._clock() if first else self._degraded[part].since
            self._degraded[part] = Degraded(part, reason[:1000], since)
        if first:
            log.warning("part.degraded", part=part, reason=reason[:1000])

    def recovered(self, part: str) -> None:
        with self._lock:
            was = self._degraded.pop(part, None)
        if was is not None:
            away_s = round((self._clock() - was.since).total_seconds(), 1)
            log.info("part.recovered", part=part, away_s=away_s)

    def is_degraded(self, part: str) -> bool:
        return part in self._degraded

    def degraded(self) -> list[Degraded]:
        with self._lock:
            return sorted(self._degraded.values(), key=lambda degraded: degraded.since)


async def wait_for(event: asyncio.Event, seconds_max: float) -> None:
    """Return when the event is set, or a loop must come round to report that it lives."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds_max):
            await event.wait()

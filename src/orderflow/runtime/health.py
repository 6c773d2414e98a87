"""The health of a process: whether its loops make progress, and which parts that it depends on do not
work."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from orderflow.runtime.masking import mask_urls
from orderflow.runtime.telemetry.metrics import LOOP_STALLS

log = structlog.get_logger()

OVERDUE_S_MAX = 30.0
"""A loop that is later than this is shown as degraded."""

STALL_S_MAX = 120.0
"""A loop that is later than this has stalled. A full writer's queue takes less time to fail if the database
does not answer."""

LOOK_PERIOD_S = 1.0
SUSPENDED_S_MIN = 5.0
"""If two looks are further apart than this, the process did not run in between."""


class LoopDied(Exception):
    """A loop of this process has ended with an error; the process must end."""


class LoopStalled(Exception):
    """A loop of this process makes no progress any more; the process must end."""


@dataclass(frozen=True, slots=True)
class Degraded:
    """A part that does not work, why, and since when."""

    part: str
    reason: str
    since: datetime

    def __post_init__(self) -> None:
        object.__setattr__(self, "reason", mask_urls(self.reason))


class Health:
    """The progress of one role's loops, and trouble with parts. Any thread may report them.

    `clock` gives wall time for people, `monotonic` gives seconds. The role can do its job only while all of
    the `essential` loops work.
    """

    def __init__(
        self,
        *,
        essential: Collection[str] = (),
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
        stall_s_max: float = STALL_S_MAX,
    ) -> None:
        self._essential = frozenset(essential)
        self._clock = clock
        self._monotonic = monotonic
        self._stall_s_max = stall_s_max
        self._due: dict[str, float] = {}
        """By loop: when it must report progress again, in monotonic seconds."""
        self._looked_at = monotonic()
        self._overdue: set[str] = set()
        self._death: LoopDied | None = None
        self._degraded: dict[str, Degraded] = {}
        self._lock = threading.Lock()

    def progress(self, loop: str, *, idle_s: float = 0.0) -> None:
        """The loop has begun a new turn, or waits for something that it will try again. It has nothing to do
        for `idle_s` seconds."""
        self._due[loop] = self._monotonic() + idle_s

    def ended(self, loop: str) -> None:
        """The loop has ended as it was told to."""
        self._due.pop(loop, None)

    def died(self, loop: str, error: BaseException) -> None:
        """The loop has ended with an error. `check` raises the first one that is reported."""
        self._due.pop(loop, None)
        if self._death is None:
            self._death = LoopDied(f"{loop}: {type(error).__name__}: {error}")
            self._death.__cause__ = error

    def check(self) -> None:
        """Raises LoopDied if a loop has died, and LoopStalled if one is later than the limit."""
        if self._death is not None:
            raise self._death
        late = self._late(min(OVERDUE_S_MAX, self._stall_s_max))
        overdue = {loop for loop, late_s in late.items() if late_s > OVERDUE_S_MAX}
        for loop in overdue - self._overdue:
            LOOP_STALLS.labels(loop).inc()
        self._overdue = overdue
        if stalled := [loop for loop, late_s in late.items() if late_s > self._stall_s_max]:
            raise LoopStalled(", ".join(sorted(stalled)))

    def _late(self, seconds_min: float) -> dict[str, float]:
        """How late each loop is, in seconds, for loops that are later than `seconds_min`."""
        now = self._monotonic()
        if now - self._looked_at > SUSPENDED_S_MIN:
            # The process was suspended or too busy to look, so it means nothing that no loop made progress.
            log.warning("process.suspended", seconds=round(now - self._looked_at, 1))
            for loop, due in self._due.copy().items():
                self._due[loop] = max(due, now)
        self._looked_at = now
        return {loop: now - due for loop, due in self._due.copy().items() if now - due > seconds_min}

    async def watch(self, stop: asyncio.Event) -> None:
        """Watch the loops until `stop` is set. Raises as `check`."""
        while not stop.is_set():
            self.check()
            await wait_for(stop, LOOK_PERIOD_S)

    def trouble(self, part: str, reason: str) -> None:
        """The part is down. The first report of it since the part last worked writes a log line."""
        with self._lock:
            first = part not in self._degraded
            since = self._clock() if first else self._degraded[part].since
            self._degraded[part] = Degraded(part, reason[:1000], since)
        if first:
            log.warning("part.degraded", part=part, reason=reason[:1000])

    def recovered(self, part: str) -> None:
        if part not in self._degraded:
            return
        with self._lock:
            was = self._degraded.pop(part, None)
        if was is not None:
            away_s = round((self._clock() - was.since).total_seconds(), 1)
            log.info("part.recovered", part=part, away_s=away_s)

    def is_degraded(self, part: str) -> bool:
        return part in self._degraded

    def degraded(self) -> list[Degraded]:
        """Parts that are down, and loops that are late or dead; those that have been so for longest come
        first."""
        now = self._clock()
        late = self._late(OVERDUE_S_MAX)
        with self._lock:
            found = list(self._degraded.values())
        found += [
            Degraded(loop, f"this loop is {late_s:.0f} s late", now - timedelta(seconds=late_s))
            for loop, late_s in late.items()
        ]
        if self._death is not None:
            found.append(Degraded("process", f"a loop has died: {self._death}", now))
        return sorted(found, key=lambda degraded: degraded.since)

    def disabled(self) -> str | None:
        """Why the role's loops keep it from doing its job; None while they do not."""
        if self._death is not None:
            return f"a loop has died: {self._death}"
        late = sorted(self._essential & self._late(OVERDUE_S_MAX).keys())
        return f"{', '.join(late)} does not come round" if late else None


async def wait_for(event: asyncio.Event, seconds_max: float) -> bool:
    """Wait for the event, `seconds_max` at most. Returns whether it is set."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds_max):
            return await event.wait()
    return event.is_set()

"""Finds out by a write whether a database takes writes now.

A ping says little: a server that has just become a standby, a full disk and a writer that hangs all answer
it. The probe goes ahead of everything that is queued for the writer, and does not wait behind reads.
"""

import asyncio
from dataclasses import dataclass

from orderflow.database.batch import NotWritten, Outcome, UseCase
from orderflow.database.engine import DatabaseUnavailable
from orderflow.database.group_commit import GroupCommit

READY_S_MAX = 2.0


@dataclass(frozen=True, slots=True)
class Probe:
    """Asks for a write that changes nothing."""


class Readiness:
    """Makes one probe at a time, however many callers want to know. `probe` is the use case that makes it."""

    def __init__(
        self, writer: GroupCommit, probe: UseCase[Probe, None], *, seconds_max: float = READY_S_MAX
    ) -> None:
        self._writer = writer
        self._probe = probe
        self._seconds_max = seconds_max
        self._asking: asyncio.Task[list[Outcome[None]]] | None = None

    async def trouble(self) -> str | None:
        """Why the database takes no writes; None while it does. This is found out as in `check`."""
        try:
            await self.check()
        except DatabaseUnavailable as error:
            return str(error)
        return None

    async def check(self) -> None:
        """Return once a write was committed. Otherwise raises DatabaseUnavailable, with the write's error or
        after `seconds_max` (2 s by default)."""
        if self._asking is None or self._asking.done():
            probing = self._writer.submit(self._probe, [Probe()], ahead=True)
            self._asking = asyncio.create_task(probing)
        asking = self._asking
        done, _ = await asyncio.wait({asking}, timeout=self._seconds_max)
        if not done:
            raise DatabaseUnavailable(f"no write was committed within {self._seconds_max:g} s")
        if (cause := asking.exception()) is None:
            (outcome,) = asking.result()
            if not isinstance(outcome, NotWritten):
                return
            cause = outcome.cause
        raise DatabaseUnavailable(str(cause) or type(cause).__name__) from cause

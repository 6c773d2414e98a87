"""Audits again and again, with the result as metrics."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress

from orderflow.cli.audit.comparison import Report
from orderflow.cli.audit.rules import REMEDIES
from orderflow.cli.terminal import CommandFailed, complain
from orderflow.runtime.telemetry.exposition import Reading
from orderflow.runtime.telemetry.metrics import AUDIT_COMPLETED, AUDIT_FINDINGS
from orderflow.web.front_door import FrontDoor
from orderflow.web.health import HealthApi, create_health_app
from orderflow.web.metrics import MetricsApi
from orderflow.web.server import address, bind, serving


class Scheduled:
    """Runs an audit, and the next one `every_s` seconds after its end. An audit that cannot be made is
    reported and tried again with the next one; the metrics stay as they were. `clock` is in Unix seconds."""

    def __init__(
        self,
        audit: Callable[[], Awaitable[Report]],
        every_s: float,
        tell: Callable[[Report], None],
        *,
        clock: Callable[[], float],
    ) -> None:
        self._audit = audit
        self._every_s = every_s
        self._tell = tell
        self._clock = clock
        self._readings: Sequence[Reading] = ()

    async def run(self, stop: asyncio.Event, host: str, port: int | None) -> None:
        """Audit until `stop` is set; with a port, show the metrics there. Raises AddressUnavailable."""
        async with AsyncExitStack() as stack:
            if port is not None:
                listener = stack.enter_context(bind(host, port, "--metrics-port"))
                metrics = MetricsApi(self._read, list)
                health = HealthApi(_no_trouble, disabled=lambda: None, degraded=list)
                app = create_health_app(health, metrics)
                door = FrontDoor((host,), logs=False)
                await stack.enter_async_context(serving(app, listener, door=door))
                complain(f"metrics: {address(listener)}/metrics")  # stdout may be JSON alone
            while not stop.is_set():
                running = asyncio.ensure_future(self._once())
                stopped = asyncio.ensure_future(stop.wait())
                await asyncio.wait([running, stopped], return_when=asyncio.FIRST_COMPLETED)
                running.cancel()
                stopped.cancel()
                with suppress(asyncio.CancelledError):
                    await running
                sys.stdout.flush()
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), self._every_s)

    async def _once(self) -> None:
        try:
            report = await self._audit()
        except CommandFailed as error:
            complain(str(error))
            return
        self._tell(report)
        counts = Counter(each.kind for each in report.findings)
        self._readings = [
            (AUDIT_COMPLETED, (), self._clock()),
            *((AUDIT_FINDINGS, (kind,), counts[kind]) for kind in REMEDIES),
        ]

    async def _read(self) -> Sequence[Reading]:
        return self._readings


async def _no_trouble() -> None:
    """It writes to no database."""

"""What the whole did during the last 15 minutes, seen every 5 s and kept in this process's memory."""

import asyncio
import re
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from orderflow.console.services import Away, Refused, Services
from orderflow.runtime.health import Health
from orderflow.runtime.loop import TaskLoop

LOOP = "console"
PERIOD_S = 5
KEPT_S = 900

_GAUGE = re.compile(
    r"^(orderflow_orders|orderflow_outbox_backlog)(?:\{status=\"(\w+)\"\})? (\S+)$", re.MULTILINE
)
_SHIPPED_WITHIN = re.compile(
    r"^orderflow_order_to_shipped_seconds_bucket\{le=\"([^\"]+)\"\} (\S+)$", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Sample:
    """`at` is in whole seconds of Unix time. What a service did not tell is None.

    `orders`: how many are in each status. `shipped_within`: how many have been shipped so far within so many
    seconds, as a histogram counts them. `unpublished`: events in the outbox. `unread`: events in the log.
    """

    at: int
    orders: Mapping[str, float] | None = None
    shipped_within: Mapping[float, float] | None = None
    unpublished: float | None = None
    unread: float | None = None


class Sampler:
    """Asks both services for what they count, with the console's own key, if it has one. `trouble` says why
    the Order Service tells nothing. `clock` gives Unix time in seconds."""

    def __init__(
        self,
        services: Services,
        health: Health,
        *,
        key: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._services = services
        self._key = key
        self._clock = clock
        self._due = clock()
        self.samples: deque[Sample] = deque(maxlen=KEPT_S // PERIOD_S + 1)
        self.trouble = ""
        self.loop = TaskLoop(
            LOOP, self.run_once, health=health, pause_s=self._pause_s, on_failure="try again"
        )

    def _pause_s(self) -> float:
        return min(PERIOD_S, self._due - self._clock())

    async def run_once(self) -> None:
        """Take a sample. Its time is a multiple of the period, so that all processes of one `api` show the
        same charts."""
        at = round(self._clock() / PERIOD_S) * PERIOD_S
        self._due = at + PERIOD_S
        counted, unread = await asyncio.gather(self._counted(), self._unread())
        if self.samples and self.samples[-1].at >= at:  # somebody has set the clock back
            self.samples.clear()
        self.samples.append(sample(at, counted, unread))

    async def _counted(self) -> str | None:
        try:
            text = await self._services.orders.metrics(self._key)
        except (Away, Refused) as failure:
            self.trouble = str(failure)
            return None
        self.trouble = ""
        return text

    async def _unread(self) -> float | None:
        try:
            return (await self._services.fulfillment.health()).get("consumer", {}).get("lag")
        except Away:
            return None


def sample(at: int, counted: str | None, unread: float | None) -> Sample:
    """The sample that the Order Service's metrics and the workers' lag make."""
    if counted is None:
        return Sample(at, unread=unread)
    gauges = {(name, status): float(value) for name, status, value in _GAUGE.findall(counted)}
    orders = {status: value for (name, status), value in gauges.items() if name == "orderflow_orders"}
    within = {float(bound): float(count) for bound, count in _SHIPPED_WITHIN.findall(counted)}
    return Sample(at, orders or None, within, gauges.get(("orderflow_outbox_backlog", "")), unread)

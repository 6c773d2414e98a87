"""Sends sample orders at a rate, for whoever tries the system out."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import Any

from orderflow.console.services import Away, Refused, Service
from orderflow.runtime.health import Health
from orderflow.runtime.loop import TaskLoop

LOOP = "sample orders"
RATE_PER_S_MAX = 100
SECONDS_MAX = 600
IDLE_S = 3600.0

_CUSTOMERS = ("ada", "grace", "katherine", "hedy", "mary", "radia")
_PRODUCTS = ("lamp", "chair", "desk", "clock", "mug", "rug")


@dataclass(slots=True)
class Sending:
    """`until` is in seconds of the clock. `placed`: orders that were accepted. `trouble`: why the last ones
    were not."""

    rate_per_s: int
    until: float
    key: str | None
    placed: int = 0
    trouble: str = ""


class SampleOrders:
    """Places orders with the key of whoever has asked for them. `clock` gives monotonic seconds."""

    def __init__(
        self,
        service: Service,
        health: Health,
        *,
        clock: Callable[[], float] = time.monotonic,
        chance: random.Random | None = None,
    ) -> None:
        self._service = service
        self._clock = clock
        self._chance = chance or random.Random()
        self._due = clock()
        self.sending: Sending | None = None
        self.loop = TaskLoop(
            LOOP, self.run_once, health=health, pause_s=self._pause_s, on_failure="try again"
        )

    @property
    def seconds_left(self) -> int:
        """0 if none are sent."""
        return max(0, ceil(self.sending.until - self._clock())) if self.sending else 0

    def start(self, rate_per_s: int, seconds: int, key: str | None) -> None:
        """Send `rate_per_s` orders a second, 1 to RATE_PER_S_MAX, for `seconds`, 1 to SECONDS_MAX, instead of
        those that are being sent."""
        self._due = self._clock()
        self.sending = Sending(rate_per_s, self._due + seconds, key)
        self.loop.wake()

    def stop(self) -> None:
        if self.sending:
            self.sending.until = self._clock()

    def _pause_s(self) -> float:
        return max(0.0, self._due - self._clock()) if self.seconds_left else IDLE_S

    async def run_once(self) -> None:
        """Place what one second brings. What is late is left out."""
        sending = self.sending
        if sending is None or not self.seconds_left:
            return
        self._due = max(self._due + 1.0, self._clock())
        body = {"orders": [self._order() for _ in range(sending.rate_per_s)]}
        try:
            answer = await self._service.send("POST", "/api/orders/batch", sending.key, body)
        except (Away, Refused) as failure:
            sending.trouble = str(failure)
            return
        refused = [each["problem"] for each in answer["results"] if each["status"] != 201]
        sending.placed += len(answer["results"]) - len(refused)
        sending.trouble = str(refused[0].get("detail", "")) if refused else ""

    def _order(self) -> dict[str, Any]:
        name = self._chance.choice(_CUSTOMERS)
        products = self._chance.sample(_PRODUCTS, self._chance.randint(1, 3))
        return {
            "customer": {"customerId": f"sample-{name}", "name": name.capitalize()},
            "items": [
                {"productId": f"sample-{product}", "quantity": self._chance.randint(1, 4)}
                for product in products
            ],
        }

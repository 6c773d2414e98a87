"""The simulated carrier: it ships nothing, and cannot forget.

Whether an order is rejected, its shipment id and its tracking number are pure functions of (seed, order id):
a process answers the same after it was killed. `carrier-sim` uses `SimulatedOutcomes`, too.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from orderflow.fulfillment.carriers import CarrierRejected, CarrierUnavailable, Label, ShipmentRequest
from orderflow.fulfillment.parties.simulated import RETRY_AFTER_S, Chances, require_share

CARRIER_NAME = "Simulated Carrier"
REJECTION = "Simulated carrier rejection"
DELAY_MS_MAX = 600_000
VOIDED_MAX = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedOutcomes(Chances):
    """What happens to each order and call.

    `delay_ms`: least and most, 0 to 600,000. `failure_rate`: share of orders rejected, 0 to 1. Raises
    ValueError outside these bounds.
    """

    delay_ms: tuple[int, int]
    failure_rate: float

    def __post_init__(self) -> None:
        Chances.__post_init__(self)  # `super()` does not work in a dataclass with slots
        least, most = self.delay_ms
        if not 0 <= least <= most <= DELAY_MS_MAX:
            raise ValueError(f"delay_ms must be least and most, within 0 to {DELAY_MS_MAX}")
        require_share("failure_rate", self.failure_rate)

    def rejects(self, order_id: str) -> bool:
        return self.share("rejection", order_id) < self.failure_rate

    def shipment_id(self, order_id: str, idempotency_key: str = "") -> str:
        """`idempotency_key` tells several shipments of one order apart, where a carrier allows them."""
        return "shp_" + self.digest("shipment", order_id, idempotency_key).hex()

    def tracking_number(self, order_id: str, idempotency_key: str = "") -> str:
        return "SIM" + self.digest("tracking", order_id, idempotency_key).hex()[:20].upper()

    def delay_s(self, name: str, call_number: int) -> float:
        least, most = self.delay_ms
        return (least + self.share("delay", name, str(call_number)) * (most - least)) / 1000


class SimulatedCarrier:
    """The `Carrier` port within the process. One shipment per order, whatever the idempotency key.

    How it differs from a real carrier:
    - `shipped_at` is the time of the call, even of a repeated one: no time is a pure function of the order.
    - A look-up finds the label that the order has or would get, because a shipment that was never requested
      looks the same as one that was made before a crash. It finds nothing for an order that is rejected.
    - A void is remembered within this process only (the latest 100,000): after a restart, look-ups show the
      label again. Creating after a void returns the voided label, as a carrier that honours its keys does.
    - Transient failures depend on the number of the call within this process, in order of arrival.
    """

    def __init__(
        self,
        *,
        seed: int,
        delay_ms: tuple[int, int],
        failure_rate: float,
        error_rate: float,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`delay_ms` delays `create_shipment` only. Raises ValueError outside the bounds of
        `SimulatedOutcomes`."""
        self._outcomes = SimulatedOutcomes(
            seed=seed, delay_ms=delay_ms, failure_rate=failure_rate, error_rate=error_rate
        )
        self.identity = f"seed {seed}"
        """It stays the same: whatever else changes, an order's shipment does not."""
        self._sleep = sleep
        self._clock = clock
        self._call_numbers = itertools.count()
        self._voided: dict[str, None] = {}

    @property
    def outcomes(self) -> SimulatedOutcomes:
        return self._outcomes

    def behave(self, *, delay_ms: tuple[int, int], failure_rate: float, error_rate: float) -> None:
        """Behave like this from the next call on; a restart forgets it. An order that is tried again may be
        rejected now, and was not before. Raises ValueError as the constructor does."""
        self._outcomes = replace(
            self._outcomes, delay_ms=delay_ms, failure_rate=failure_rate, error_rate=error_rate
        )

    async def create_shipment(self, request: ShipmentRequest) -> Label:
        call_number = next(self._call_numbers)
        await self._sleep(self._outcomes.delay_s(request.order_id, call_number))
        self._fail_transiently(request.order_id, call_number)
        if self._outcomes.rejects(request.order_id):
            raise CarrierRejected(REJECTION)
        return self._label(request.order_id)

    async def find_shipments(self, order_id: str) -> list[Label]:
        self._fail_transiently(order_id, next(self._call_numbers))
        label = self._label(order_id)
        if self._outcomes.rejects(order_id) or label.shipment_id in self._voided:
            return []
        return [label]

    async def void_shipment(self, shipment_id: str) -> None:
        self._fail_transiently(shipment_id, next(self._call_numbers))
        self._voided[shipment_id] = None
        if len(self._voided) > VOIDED_MAX:
            del self._voided[next(iter(self._voided))]

    async def close(self) -> None:
        pass

    def _fail_transiently(self, name: str, call_number: int) -> None:
        status = self._outcomes.transient_status(name, call_number)
        if status is not None:
            raise CarrierUnavailable(
                f"simulated carrier answers {status}", doubtful=status == 503, retry_after_s=RETRY_AFTER_S
            )

    def _label(self, order_id: str) -> Label:
        return Label(
            shipment_id=self._outcomes.shipment_id(order_id),
            carrier=CARRIER_NAME,
            tracking_number=self._outcomes.tracking_number(order_id),
            shipped_at=self._clock(),
        )

"""A carrier for the benchmark: `ORDERFLOW_CARRIER=bench.carriers:FailsForSome`."""

import asyncio
from datetime import UTC, datetime

from orderflow.fulfillment.carriers import CarrierUnavailable, Label, ShipmentRequest

FAILING = "failing-"
"""Products whose ids begin like this are never shipped: every call for them fails in a way that is
retried."""

FAILS_AFTER_S = 1.0


class FailsForSome:
    """Answers at once, or fails after a second. By then thousands of calls are in flight that will all
    fail."""

    async def create_shipment(self, request: ShipmentRequest) -> Label:
        if f'"{FAILING}'.encode() in request.body:
            await asyncio.sleep(FAILS_AFTER_S)
            raise CarrierUnavailable("not now", doubtful=False)
        return Label(f"S-{request.order_id}", "Bench", f"T-{request.order_id}", datetime.now(UTC))

    async def find_shipments(self, order_id: str) -> list[Label]:
        del order_id
        return []

    async def void_shipment(self, shipment_id: str) -> None:
        del shipment_id

    async def close(self) -> None: ...

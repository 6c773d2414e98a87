"""The port to a carrier: create a shipment, find what exists, void it.

Shipped adapters: `simulated` (in process, a pure function of seed and order) and `http` (any carrier
that speaks the contract of `orderflow carrier-sim`).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ShipmentRequest:
    """One physical shipment to be made.

    `body` is JSON for the carrier, `{"orderId","items","shipTo"?}`, stored beforehand and repeated unchanged.
    `idempotency_key` is derived from the order, so every retry, by any worker, names the same shipment.
    """

    order_id: str
    idempotency_key: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Label:
    """A shipment that the carrier has made. Texts are as the carrier sent them. An order can keep a text if
    it has 1 to 200 characters and no control characters; a label that does not fit is left to a person."""

    shipment_id: str
    carrier: str
    tracking_number: str
    shipped_at: datetime


class CarrierRejected(Exception):
    """The carrier declares that it will never ship this order. The argument holds its words. Permanent."""


class CarrierUnavailable(Exception):
    """No answer that can be relied on: time-out, connection lost, 401, 403, 404, 429, 5xx, an unreadable
    answer. Transient.

    `doubtful`: the carrier may have made the shipment. `retry_after_s`: the wait that it asked for, 0 to
    3600 s, if any. `status`: the HTTP status, if there was one. Logs show the status and not the reason,
    which may hold the carrier's own words.
    """

    def __init__(
        self, reason: str, *, doubtful: bool, retry_after_s: float | None = None, status: int | None = None
    ) -> None:
        super().__init__(reason)
        self.doubtful = doubtful
        self.retry_after_s = retry_after_s
        self.status = status


class CarrierRefused(Exception):
    """The carrier does not accept our request as such (a 4xx that is not a rejection): a person must look at
    it. `status` as in CarrierUnavailable."""

    def __init__(self, reason: str, *, status: int | None = None) -> None:
        super().__init__(reason)
        self.status = status


class Carrier(Protocol):
    """Used from one event loop, with thousands of calls in flight. Every call ends within the adapter's
    time-out.

    An adapter that may stand for several carriers or accounts has an attribute `identity`, a text without
    secrets that tells them apart: a key that was sent to one is never sent to another.
    """

    async def create_shipment(self, request: ShipmentRequest) -> Label:
        """Make the shipment, or return the one that this idempotency key already made.

        Raises CarrierRejected, CarrierUnavailable or CarrierRefused, and nothing else.
        """
        ...

    async def find_shipments(self, order_id: str) -> list[Label]:
        """Every live shipment that the carrier has for the order. Raises CarrierUnavailable,
        CarrierRefused."""
        ...

    async def void_shipment(self, shipment_id: str) -> None:
        """Cancel the shipment. Voiding one that is voided already succeeds. Raises CarrierUnavailable,
        CarrierRefused."""
        ...

    async def close(self) -> None: ...

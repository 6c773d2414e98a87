"""The port to a carrier: create a shipment, find what exists, void it.

Shipped adapters: `simulated` (in process, a pure function of seed and order) and `http` (any carrier
that speaks the contract of `orderflow carrier-sim`).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from orderflow.fulfillment.parties import Parties, PartyRefused, PartyRejected, PartyUnavailable


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


class CarrierRejected(PartyRejected):
    """The carrier declares that it will never ship this order. The argument holds its words. Permanent."""


class CarrierUnavailable(PartyUnavailable):
    """No answer that can be relied on. `doubtful`: the carrier may have made the shipment. Transient."""


class CarrierRefused(PartyRefused):
    """The carrier does not accept our request as such (a 4xx that is not a rejection): a person must look at
    it."""


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


Carriers = Parties[Carrier]

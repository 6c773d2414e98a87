"""The port to whoever performs a step outside, and the steps: shipping at a carrier, authorizing and
capturing at a payment provider."""

import contextlib
from collections.abc import Sequence
from typing import Protocol

from orderflow.fulfillment.carriers import (
    Carrier,
    CarrierRejected,
    CarrierUnavailable,
    Label,
    ShipmentRequest,
)
from orderflow.fulfillment.carriers.answers import checked_label, checked_labels
from orderflow.fulfillment.decisions import labelled
from orderflow.fulfillment.model import Done, Park, Shipment, Step
from orderflow.fulfillment.payments import (
    Payment,
    PaymentDeclined,
    PaymentProvider,
    PaymentRequest,
    PaymentUnavailable,
)
from orderflow.fulfillment.payments.answers import checked_authorization, checked_payments


class StepPort(Protocol):
    """A step at one party, with thousands of calls in flight from one event loop. Each method may raise
    PartyUnavailable and PartyRefused, `do` also PartyRejected, which counts as refused where the order no
    longer turns back; any other exception counts as an outage."""

    async def do(self, shipment: Shipment) -> Done | Park:
        """Do it under the order's own key, or return what this key has already done."""
        ...

    async def find(self, shipment: Shipment) -> Sequence[Done | Park]:
        """What the party has done for the order and has not undone."""
        ...

    async def undo(self, shipment: Shipment, *, key_expired: bool) -> None:
        """Undo whatever the party may have done for the order; repeating it succeeds. Unless the key has
        expired, what is in doubt is first done under the same key, so that a late repeat meets what was
        undone."""
        ...


class Shipping:
    """Shipping at one carrier."""

    def __init__(self, carrier: Carrier) -> None:
        self._carrier = carrier

    async def do(self, shipment: Shipment) -> Done | Park:
        return labelled(await self.create(shipment))

    async def find(self, shipment: Shipment) -> list[Done | Park]:
        return [labelled(label) for label in await self.live(shipment.order_id)]

    async def undo(self, shipment: Shipment, *, key_expired: bool) -> None:
        made: set[str] = set()
        if shipment.label is not None:
            made.add(shipment.label.shipment_id)
        elif not key_expired:
            with contextlib.suppress(CarrierRejected):
                made.add((await self.create(shipment)).shipment_id)
        made.update(label.shipment_id for label in await self.live(shipment.order_id))
        for shipment_id in sorted(made):
            await self._carrier.void_shipment(shipment_id)
        if left := await self.live(shipment.order_id):
            raise CarrierUnavailable(f"the carrier still shows {len(left)} live shipments", doubtful=True)

    async def create(self, shipment: Shipment) -> Label:
        """The order's shipment, made under its key, or made before. Raises what the carrier does."""
        request = ShipmentRequest(shipment.order_id, shipment.idempotency_key, shipment.request)
        return checked_label(await self._carrier.create_shipment(request))

    async def live(self, order_id: str) -> list[Label]:
        """What the carrier has. It cannot reject an order here, so that counts as an unreliable answer."""
        try:
            return checked_labels(await self._carrier.find_shipments(order_id))
        except CarrierRejected as error:
            raise CarrierUnavailable(f"a look-up was rejected: {error}", doubtful=False) from error


class Authorizing:
    """Setting an order's money aside at one payment provider."""

    def __init__(self, provider: PaymentProvider) -> None:
        self._provider = provider

    async def do(self, shipment: Shipment) -> Done:
        return Done(authorization_id=await self._authorize(shipment))

    async def find(self, shipment: Shipment) -> list[Done]:
        granted = await self._granted(shipment.order_id)
        return [Done(authorization_id=each.authorization_id) for each in granted if not each.voided]

    async def undo(self, shipment: Shipment, *, key_expired: bool) -> None:
        known = shipment.ended_step(Step.AUTHORIZE)
        made: set[str] = set()
        if known is not None and known.authorization_id is not None:
            made.add(known.authorization_id)
        elif not key_expired:
            with contextlib.suppress(PaymentDeclined):
                made.add(await self._authorize(shipment))
        granted = {payment.authorization_id: payment for payment in await self._granted(shipment.order_id)}
        for authorization_id in sorted(made | granted.keys()):
            payment = granted.get(authorization_id)
            if payment is not None and payment.captured_minor:
                await self._provider.refund(authorization_id)
            else:
                await self._provider.void(authorization_id)

    async def _authorize(self, shipment: Shipment) -> str:
        request = PaymentRequest(
            shipment.order_id,
            shipment.idempotency_key,
            shipment.amount_minor or 0,
            shipment.currency or "",
        )
        return checked_authorization(await self._provider.authorize(request)).authorization_id

    async def _granted(self, order_id: str) -> list[Payment]:
        """What the provider has. It cannot decline an order here, so that counts as an unreliable answer."""
        try:
            found = checked_payments(await self._provider.find_payments(order_id))
        except PaymentDeclined as error:
            raise PaymentUnavailable(f"a look-up was declined: {error}", doubtful=False) from error
        return [payment for payment in found if payment.authorized]


class Capturing:
    """Taking the money that was set aside. It is the last step, and only begins once the order has shipped,
    so it is never undone."""

    def __init__(self, provider: PaymentProvider) -> None:
        self._provider = provider

    async def do(self, shipment: Shipment) -> Done:
        await self._provider.capture(_authorization_id(shipment))
        return Done()

    async def find(self, shipment: Shipment) -> list[Done]:
        raise NotImplementedError("a payment is captured by its id, which does not expire")

    async def undo(self, shipment: Shipment, *, key_expired: bool) -> None:
        raise NotImplementedError("an order that has shipped does not turn back")


def _authorization_id(shipment: Shipment) -> str:
    authorized = shipment.ended_step(Step.AUTHORIZE)
    if authorized is None or authorized.authorization_id is None:
        raise LookupError(f"order {shipment.order_id} has no authorization")
    return authorized.authorization_id

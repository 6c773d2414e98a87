"""A carrier and a payment provider that fail as a test tells them, and lose nothing: their ledgers are the
referees. Without such orders they are the conformant ones of `tests/conformance`."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import TypeVar

from tests.conformance import test_own_carrier, test_own_payments

from orderflow.fulfillment.carriers import (
    CarrierRefused,
    CarrierRejected,
    CarrierUnavailable,
    Label,
    ShipmentRequest,
)
from orderflow.fulfillment.parties import PartyRefused, PartyRejected
from orderflow.fulfillment.payments import (
    Authorization,
    Payment,
    PaymentDeclined,
    PaymentRefused,
    PaymentRequest,
    PaymentUnavailable,
)

T = TypeVar("T")


class Mood(Enum):
    """What becomes of the calls of an operation."""

    FINE = "fine"
    AWAY = "nothing arrives"
    LOST = "it is done, and the answer is lost"
    REFUSING = "it is refused"
    LATE = "the call arrives when `hurry` says so"
    SLOW = "it is done at once, and the answer arrives when `hurry` says so"


async def nothing() -> None: ...


class Line:
    """The way to a party. A call that was late when its caller died arrives all the same."""

    def __init__(
        self, unavailable: Callable[[str, bool], Exception], refused: Callable[[str], Exception]
    ) -> None:
        self.moods: dict[str, Mood] = {}
        self.held = 0
        self.is_patient = True
        """Otherwise, nobody is kept waiting."""
        self.before = nothing
        """Awaited before each call."""
        self._unavailable = unavailable
        self._refused = refused
        self._go = asyncio.Event()
        self._orphans: list[Callable[[], Awaitable[object]]] = []

    async def through(self, operation: str, call: Callable[[], Awaitable[T]]) -> T:
        await self.before()
        mood = self.moods.get(operation, Mood.FINE)
        if mood is Mood.AWAY:
            raise self._unavailable("nothing arrives", False)
        if mood is Mood.REFUSING:
            raise self._refused("it is not accepted")
        if mood is Mood.LATE:
            try:
                await self._hold()
            except asyncio.CancelledError:
                self._orphans.append(call)
                raise
        answer = await call()
        if mood is Mood.SLOW:
            await self._hold()
        if mood is Mood.LOST:
            raise self._unavailable("the answer is lost", True)
        return answer

    async def _hold(self) -> None:
        if not self.is_patient:
            return
        self.held += 1
        try:
            await self._go.wait()
        finally:
            self.held -= 1

    async def hurry(self) -> None:
        """What is late arrives, also if nobody waits for the answer any more."""
        self._go.set()
        self._go = asyncio.Event()
        orphans, self._orphans = self._orphans, []
        for call in orphans:
            with contextlib.suppress(PartyRejected, PartyRefused):
                await call()


class UnreliableCarrier:
    """The `Carrier` port. It rejects the orders in `rejects`."""

    def __init__(self) -> None:
        self.line = Line(lambda why, doubtful: CarrierUnavailable(why, doubtful=doubtful), CarrierRefused)
        self.rejects: set[str] = set()
        self._inner = test_own_carrier.Sound()

    async def create_shipment(self, request: ShipmentRequest) -> Label:
        async def create() -> Label:
            if request.order_id in self.rejects:
                raise CarrierRejected("no such street")
            return await self._inner.create_shipment(request)

        return await self.line.through("create", create)

    async def find_shipments(self, order_id: str) -> list[Label]:
        return await self.line.through("find", lambda: self.live(order_id))

    async def void_shipment(self, shipment_id: str) -> None:
        await self.line.through("void", lambda: self._inner.void_shipment(shipment_id))

    async def close(self) -> None: ...

    async def live(self, order_id: str) -> list[Label]:
        """The ledger: what it is shipping for the order."""
        return await self._inner.find_shipments(order_id)


class UnreliableProvider:
    """The `PaymentProvider` port. It declines the orders in `declines`."""

    def __init__(self) -> None:
        self.line = Line(lambda why, doubtful: PaymentUnavailable(why, doubtful=doubtful), PaymentRefused)
        self.declines: set[str] = set()
        self._inner = test_own_payments.Sound()

    async def authorize(self, request: PaymentRequest) -> Authorization:
        async def authorize() -> Authorization:
            if request.order_id in self.declines:
                raise PaymentDeclined("insufficient funds")
            return await self._inner.authorize(request)

        return await self.line.through("authorize", authorize)

    async def find_payments(self, order_id: str) -> list[Payment]:
        return await self.line.through("find", lambda: self.granted(order_id))

    async def capture(self, authorization_id: str) -> None:
        await self.line.through("capture", lambda: self._inner.capture(authorization_id))

    async def void(self, authorization_id: str) -> None:
        await self.line.through("void", lambda: self._inner.void(authorization_id))

    async def refund(self, authorization_id: str) -> None:
        await self.line.through("refund", lambda: self._inner.refund(authorization_id))

    async def close(self) -> None: ...

    async def granted(self, order_id: str) -> list[Payment]:
        """The ledger: every payment that was ever granted for the order."""
        return await self._inner.find_payments(order_id)

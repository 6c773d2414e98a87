"""Where each shipment that a worker holds goes next: to a party, or to the Order Service."""

import asyncio
from collections.abc import Collection, Sequence

from orderflow.database.group_commit import GroupCommit
from orderflow.fulfillment.breaker import Circuit, CircuitBreaker
from orderflow.fulfillment.capacity import Capacity
from orderflow.fulfillment.carriers import Carriers
from orderflow.fulfillment.dispatchers import Dispatchers, Pace
from orderflow.fulfillment.model import Shipment, State
from orderflow.fulfillment.orders_client import OrdersClient
from orderflow.fulfillment.payments import Payments
from orderflow.fulfillment.recorder import Recorder
from orderflow.fulfillment.status_updates import StatusSender
from orderflow.fulfillment.waiting import ORDERS
from orderflow.runtime.health import Health


class Flow:
    """The parts that ask parties and the part that reports to the Order Service. Each hands on what it is
    done with to the other."""

    def __init__(
        self,
        *,
        carriers: Carriers,
        payments: Payments | None,
        client: OrdersClient,
        writer: GroupCommit,
        recorder: Recorder,
        capacity: Capacity,
        health: Health,
        pace: Pace,
    ) -> None:
        self._capacity = capacity
        self._orders_circuit = CircuitBreaker(ORDERS, clock=pace.clock, monotonic=pace.monotonic)
        self.dispatchers = Dispatchers(carriers, payments, recorder, health, pace, on_outcome=self.go_on)
        self.sender = StatusSender(
            client,
            writer,
            recorder,
            health,
            self._orders_circuit,
            open_gates=self._open_gates,
            go_on=self.go_on,
            monotonic=pace.monotonic,
        )
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def circuits(self) -> dict[str, Circuit]:
        return {**self.dispatchers.circuits, ORDERS: self._orders_circuit.circuit}

    @property
    def probes_s(self) -> dict[str, float]:
        """Of the circuits that are not closed, as `waiting.Known` names them."""
        probes_s = self.dispatchers.probes_s
        if self._orders_circuit.circuit is not Circuit.CLOSED:
            probes_s[ORDERS] = self._orders_circuit.wait_s
        return probes_s

    def bind(self) -> None:
        """From now on, what other threads hand over goes to the running event loop."""
        self._loop = asyncio.get_running_loop()

    def hand_over(self, shipments: list[Shipment], reserved: int) -> None:
        """Take new shipments, for which there is room for `reserved`. For the inbox's thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._take, shipments, reserved)

    def turn_back(self, order_ids: Collection[str]) -> None:
        """Undo what was done for these orders, if they have not shipped yet. For the inbox's thread."""
        if order_ids and self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.dispatchers.turn_back, order_ids)

    def go_on(self, shipments: Sequence[Shipment]) -> None:
        """Send each shipment where its present step is done, or its outcome is reported."""
        calling = [s for s in shipments if s.state in (State.READY, State.CALLING)]
        reporting = [s for s in shipments if s.state not in (State.READY, State.CALLING)]
        self.dispatchers.accept(calling)
        if reporting:
            self.sender.accept(reporting)

    def abandon(self) -> None:
        """Drop everything: other workers may own it already."""
        self.dispatchers.abandon()
        self.sender.abandon()
        self._capacity.clear()

    def _take(self, shipments: list[Shipment], reserved: int) -> None:
        self.sender.accept(self._capacity.take(shipments, reserved=reserved))

    def _open_gates(self, shipments: Sequence[Shipment]) -> None:
        self.dispatchers.accept(self.dispatchers.opened(shipments))

"""One dispatcher per party: each carrier and each payment provider that this worker can ask."""

from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from orderflow.fulfillment import calls, saga
from orderflow.fulfillment.breaker import Circuit, CircuitBreaker
from orderflow.fulfillment.calls import Dispatcher
from orderflow.fulfillment.carriers import Carriers
from orderflow.fulfillment.model import Shipment, Step
from orderflow.fulfillment.parties import Parties, Party
from orderflow.fulfillment.payments import Payments
from orderflow.fulfillment.recorder import Recorder
from orderflow.fulfillment.steps import Authorizing, Capturing, Shipping, StepPort
from orderflow.runtime.health import Degraded, Health


@dataclass(frozen=True, slots=True)
class Pace:
    """How parties are called: as `Dispatcher` explains it."""

    in_flight_max: int
    key_lifetime: timedelta
    clock: Callable[[], datetime]
    monotonic: Callable[[], float]
    sleep: Callable[[float], Awaitable[object]]


class Dispatchers:
    """`on_outcome` gets each shipment whose saga has moved. Payments are taken only if `payments` is
    given."""

    def __init__(
        self,
        carriers: Carriers,
        payments: Payments | None,
        recorder: Recorder,
        health: Health,
        pace: Pace,
        *,
        on_outcome: Callable[[Sequence[Shipment]], object],
    ) -> None:
        self._recorder = recorder
        self._health = health
        self._pace = pace
        self._on_outcome = on_outcome
        self._circuits: dict[str, CircuitBreaker] = {}
        self._by_party: dict[str, Dispatcher] = {}
        self._current: dict[Step, str] = {}
        self._takes_payments = payments is not None
        self._add("carrier", carriers, lambda carrier: {Step.SHIP: Shipping(carrier)})
        if payments is not None:
            self._add(
                "payments",
                payments,
                lambda provider: {Step.AUTHORIZE: Authorizing(provider), Step.CAPTURE: Capturing(provider)},
            )

    def _add(
        self, part: str, parties: Parties[Any], steps_of: Callable[[Any], Mapping[Step, StepPort]]
    ) -> None:
        for party in parties:
            steps = steps_of(party.adapter)
            name = _stored_name(part, party)
            suffix = "" if party is parties.current else f" {party.name}"
            circuit = CircuitBreaker(
                f"{part}{suffix}", clock=self._pace.clock, monotonic=self._pace.monotonic
            )
            self._circuits[f"{part}{suffix}"] = circuit
            self._by_party[name] = Dispatcher(
                self._recorder,
                name,
                steps,
                self._health,
                circuit,
                loop=f"{calls.LOOP if part == 'carrier' else part}{suffix}",
                in_flight_max=self._pace.in_flight_max,
                key_lifetime=self._pace.key_lifetime,
                on_outcome=self._on_outcome,
                clock=self._pace.clock,
                sleep=self._pace.sleep,
            )
            if party is parties.current:
                self._current.update(dict.fromkeys(steps, name))

    def __iter__(self) -> Iterator[Dispatcher]:
        return iter(self._by_party.values())

    @property
    def parties(self) -> tuple[str, ...]:
        """The names of all parties that this worker can ask, as intents store them."""
        return tuple(self._by_party)

    def current(self, step: Step) -> Dispatcher:
        """The dispatcher of the party that gets fresh keys for this step."""
        return self._by_party[self._current[step]]

    @property
    def in_flight(self) -> int:
        return sum([each.in_flight for each in self])

    @property
    def circuits(self) -> dict[str, Circuit]:
        return {part: circuit.circuit for part, circuit in self._circuits.items()}

    @property
    def probes_s(self) -> dict[str, float]:
        """Seconds until the next probe of each party whose circuit is not closed, by its name, and by the
        steps for which it gets fresh keys."""
        by_party = {
            name: probe_s for name, each in self._by_party.items() if (probe_s := each.probe_s) is not None
        }
        by_step = {step.value: by_party[name] for step, name in self._current.items() if name in by_party}
        return by_party | by_step

    @property
    def queued(self) -> dict[str, Shipment]:
        """The shipments that wait for their turn at a party, by order id."""
        return {order_id: shipment for each in self for order_id, shipment in each.queued.items()}

    @property
    def troubles(self) -> list[Degraded]:
        return [circuit.trouble for circuit in self._circuits.values() if circuit.trouble]

    def accept(self, shipments: Sequence[Shipment]) -> None:
        """Call for these: the party that already has the key of the present step, or the current one."""
        of_party: dict[str, list[Shipment]] = {}
        for given in shipments:
            # Another worker may have taken payments when it opened the gate.
            unpayable = given.step is Step.AUTHORIZE and given.party is None and not self._takes_payments
            shipment = replace(given, step=Step.SHIP) if unpayable else given
            of_party.setdefault(shipment.party or self._current[shipment.step], []).append(shipment)
        for party, group in of_party.items():
            if party in self._by_party:
                self._by_party[party].accept(group)
            else:
                self.current(Step.SHIP).leave(group)

    def opened(self, shipments: Sequence[Shipment]) -> list[Shipment]:
        """These at their first steps, once their gates are open."""
        return [saga.opened(shipment, takes_payments=self._takes_payments) for shipment in shipments]

    def turn_back(self, order_ids: Collection[str]) -> None:
        """As `Dispatcher.turn_back`."""
        for each in self:
            each.turn_back(order_ids)

    def drain(self) -> None:
        for each in self:
            each.drain()

    def abandon(self) -> None:
        for each in self:
            each.abandon()


def _stored_name(part: str, party: Party[Any]) -> str:
    """A carrier and a payment provider may have one address; earlier releases stored the plain names of
    carriers."""
    return party.name if part == "carrier" else f"{part} {party.name}"

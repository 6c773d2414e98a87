"""Random lives of orders across both services: buyers, workers that die, parties and networks that fail, and
persons who redrive and discard. Once all is well again, both services and both ledgers say the same."""

from dataclasses import dataclass, field
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from tests.fulfillment.conftest import World
from tests.fulfillment.saga_stage import WORK, Run, Stage, on_stage
from tests.fulfillment.test_paying import count
from tests.fulfillment.unreliable_parties import Mood

from orderflow.fulfillment.decisions import DURABLE_WAITS_MS, INTERRUPTIONS_MAX
from orderflow.fulfillment.tables import dead_letters, reservations, shipments, stock

EXAMPLES = 18
STEPS = 20
ON_HAND = 21
QUANTITY = 2
PRICE_MINOR = 250
ROUNDS_MAX = 60


@dataclass(eq=False)
class Order:
    order_id: str
    is_priced: bool
    is_tracked: bool
    is_cancelled: bool = False
    """Its cancellation was answered with Cancelled."""
    given_up: set[str] = field(default_factory=set[str])
    """The steps that a person gave up."""

    @property
    def amount_minor(self) -> int:
        return QUANTITY * PRICE_MINOR if self.is_priced else 0


OPERATIONS = {
    "carrier": ("create", "void", "find"),
    "provider": ("authorize", "capture", "void", "refund", "find"),
}
operations = st.sampled_from([(party, name) for party, names in OPERATIONS.items() for name in names])

troubles = st.dictionaries(operations, st.sampled_from(Mood), min_size=1, max_size=5)
failing = st.sampled_from(
    [("carrier", "create"), ("provider", "authorize"), ("provider", "capture"), ("provider", "void")]
)
fates = st.sampled_from([None, None, None, "rejected", "declined"])


@dataclass(frozen=True)
class Failure:
    """One operation of an order fails until its schedule is exhausted, or a worker dies in the call. What is
    refused or interrupted too often becomes a dead letter, too."""

    operation: tuple[str, str]
    mood: Mood
    fate: str | None
    turns_before: int
    is_cancelled: bool
    how: str


failures = st.builds(
    Failure,
    operation=failing,
    mood=st.sampled_from([mood for mood in Mood if mood is not Mood.FINE]),
    fate=fates,
    turns_before=st.integers(0, 3),
    is_cancelled=st.booleans(),
    how=st.sampled_from(["for hours", "for hours", "a worker dies", "workers have died often"]),
)

turns = st.lists(st.sampled_from([*WORK, "sender", "dispatchers", "dispatchers"]), max_size=8)


class Sagas(RuleBasedStateMachine):
    """One world serves every example; each example has orders and a product of its own."""

    orders: Bundle[Order] = Bundle("orders")
    numbers = iter(range(10**9))

    def __init__(self, stage: Stage, run: Run) -> None:
        super().__init__()
        self._stage = stage
        self._world = stage.world
        self._run = run
        self._placed: list[Order] = []
        self._product = f"p-{next(self.numbers)}"
        count(self._world, **{self._product.replace("-", "_"): ON_HAND})

    @initialize(target=orders, failure=failures)
    def first(self, failure: Failure) -> Order:
        return self._go_through(failure)

    @rule(
        target=orders,
        is_priced=st.booleans(),
        is_tracked=st.booleans(),
        fate=fates,
        moods=troubles,
        work=turns,
    )
    def place(
        self,
        is_priced: bool,
        is_tracked: bool,
        fate: str | None,
        moods: dict[tuple[str, str], Mood],
        work: list[str],
    ) -> Order:
        self._change(moods)
        order = self._place(is_priced, is_tracked, fate)
        for which in ("inbox", "sender", *work):
            self._run(self._stage.step(which))
        return order

    def _place(self, is_priced: bool, is_tracked: bool, fate: str | None) -> Order:
        item: dict[str, Any] = {
            "productId": self._product if is_tracked else "untracked",
            "quantity": QUANTITY,
        }
        if is_priced:
            item["unitPrice"] = {"amountMinor": PRICE_MINOR, "currency": "EUR"}
        [order_id] = self._run(self._world.place(1, items=[item]))
        if fate == "rejected":
            self._stage.carrier.rejects.add(order_id)
        if fate == "declined":
            for provider in self._stage.providers.values():
                provider.declines.add(order_id)
        order = Order(order_id, is_priced, is_tracked)
        self._placed.append(order)
        return order

    @rule(target=orders, failure=failures)
    def an_operation_fails(self, failure: Failure) -> Order:
        return self._go_through(failure)

    def _go_through(self, failure: Failure) -> Order:
        operation = failure.operation
        order = self._place(is_priced=operation[0] == "provider", is_tracked=True, fate=failure.fate)
        self._change({operation: failure.mood})
        for which in ("inbox", "sender", *["dispatchers"] * failure.turns_before):
            self._run(self._stage.step(which))
        if failure.is_cancelled:
            self.act(order, "cancel", is_noticed=True)
        if failure.how == "for hours":
            for _ in range(len(DURABLE_WAITS_MS) + 3):
                for which in ("recovery", "sender", "dispatchers"):
                    self._run(self._stage.step(which))
                self._stage.time_passes()
        else:
            self._run(self._stage.step("dispatchers"))
            if failure.how == "workers have died often":
                calling = sa.update(shipments).where(shipments.c.state == "calling")
                self._world.execute(calling.values(interruptions=INTERRUPTIONS_MAX))
            self._run(self._stage.crash("one"))
            self._run(self._stage.step("recovery"))
        self._change({operation: Mood.FINE})
        return order

    @rule(
        order=orders,
        action=st.sampled_from(["cancel", "cancel", "hold", "release"]),
        is_noticed=st.booleans(),
    )
    def act(self, order: Order, action: str, is_noticed: bool) -> None:
        answer = self._run(self._world.post(f"/api/orders/{order.order_id}/{action}"))
        assert answer in (200, 409)
        order.is_cancelled |= self._order(order)["status"] == "Cancelled"
        if is_noticed:
            self._run(self._stage.step("inbox"))

    @rule(moods=troubles)
    def parties_change(self, moods: dict[tuple[str, str], Mood]) -> None:
        self._change(moods)

    def _change(self, moods: dict[tuple[str, str], Mood]) -> None:
        lines = {"carrier": self._stage.carrier.line, "provider": self._stage.providers["one"].line}
        for (party, operation), mood in moods.items():
            lines[party].moods[operation] = mood

    @rule()
    def late_calls_arrive(self) -> None:
        self._run(self._stage.hurry())

    @rule(is_down=st.booleans(), lose_answers=st.booleans())
    def network_changes(self, is_down: bool, lose_answers: bool) -> None:
        self._world.network.down = is_down
        self._world.network.lose_answers = lose_answers

    @rule(committed=st.booleans())
    def answer_to_a_commit_will_be_lost(self, committed: bool) -> None:
        self._stage.loses = committed

    @rule(work=turns)
    def work_on(self, work: list[str]) -> None:
        for which in work:
            self._run(self._stage.step(which))

    @rule(times=st.integers(1, 3))
    def work(self, times: int) -> None:
        for _ in range(times):
            self._run(self._stage.round())

    @rule(which=st.sampled_from(["sender", "dispatchers", "recovery"]))
    def zombie_works(self, which: str) -> None:
        for zombie in self._stage.zombies:
            self._run(self._stage.step(which, zombie))

    @rule(providers=st.sampled_from([("one",), ("one",), ("another",), ("another", "one")]))
    def worker_crashes(self, providers: tuple[str, ...]) -> None:
        """The next worker may have another payment provider."""
        self._run(self._stage.crash(*providers))

    @rule()
    def worker_loses_its_lease(self) -> None:
        self._run(self._stage.lose_lease())

    @rule()
    def time_passes(self) -> None:
        self._stage.time_passes()

    @rule(pick=st.integers(0, 3), redrives=st.booleans())
    def person_sees_to_a_letter(self, pick: int, redrives: bool) -> None:
        if letters := self._letters():
            self._see_to(letters[pick % len(letters)], redrives=redrives)

    def _see_to(self, letter: sa.RowMapping, *, redrives: bool) -> None:
        if redrives and letter["state"] == "open":
            self._run(self._stage.redrive(letter["id"]))
            return
        [order] = [each for each in self._placed if each.order_id == letter["order_id"]]
        self._run(self._stage.discard(letter["id"]))
        if self._letter(letter["id"])["state"] == "discarded":
            order.given_up.add(letter["step"] or "")

    def _letter(self, letter_id: str) -> sa.RowMapping:
        return next(row for row in self._world.rows(dead_letters) if row["id"] == letter_id)

    def _letters(self) -> list[sa.RowMapping]:
        """Those of this example that a person must look at."""
        ours = {order.order_id for order in self._placed}
        rows = self._world.rows(dead_letters)
        return [row for row in rows if row["order_id"] in ours and row["state"] in ("open", "discarding")]

    @invariant()
    def no_order_has_two_shipments_or_pays_twice(self) -> None:
        for order in self._placed:
            assert len(self._run(self._stage.carrier.live(order.order_id))) <= 1
            assert self._paid_minor(order) in (0, order.amount_minor)

    def teardown(self) -> None:
        self._run(self._stage.all_is_well())
        self._work_until_all_end()
        for order in self._placed:
            self._run(self._world.post(f"/api/orders/{order.order_id}/release"))
        for _ in range(ROUNDS_MAX):
            self._work_until_all_end()
            letters = self._letters()
            if not letters:
                break
            for letter in letters:
                self._see_to(letter, redrives=True)
        assert self._letters() == []
        for _ in range(2):  # what was resolved last is told to its order
            self._run(self._stage.round())
        for order in self._placed:
            self._check(order)
        self._check_stock()

    def _work_until_all_end(self) -> None:
        for _ in range(ROUNDS_MAX):
            self._run(self._stage.round())
            there = self._shipments()
            if all(self._is_at_rest(order, there.get(order.order_id)) for order in self._placed):
                return
            self._stage.time_passes()
        raise AssertionError([dict(row) for row in self._shipments().values()])

    def _is_at_rest(self, order: Order, shipment: sa.RowMapping | None) -> bool:
        is_over = shipment is not None and shipment["state"] in ("closed", "parked")
        return is_over or self._order(order)["status"] == "OnHold"

    def _shipments(self) -> dict[str, sa.RowMapping]:
        ours = sa.select(shipments).where(shipments.c.order_id.in_([o.order_id for o in self._placed]))
        with self._world.fulfillment.reader.connect() as connection:
            return {row["order_id"]: row for row in connection.execute(ours).mappings()}

    def _order(self, order: Order) -> dict[str, Any]:
        return self._run(self._world.order(order.order_id))

    def _paid_minor(self, order: Order) -> int:
        payments = self._run(self._stage.payments(order.order_id))
        return sum(payment.captured_minor - payment.refunded_minor for payment in payments)

    def _check(self, order: Order) -> None:
        document = self._order(order)
        status, order_id = document["status"], order.order_id
        told = (document, order, [dict(row) for row in self._world.rows() if row["order_id"] == order_id])
        assert status in ("Shipped", "Failed", "Cancelled"), told
        assert document["attention"] is None, told
        assert not order.is_cancelled or status == "Cancelled", told
        labels = self._run(self._stage.carrier.live(order_id))
        tracking = [document["fulfillment"]["trackingNumber"]] if status == "Shipped" else []
        assert [label.tracking_number for label in labels] == tracking, told
        if status == "Shipped":
            is_owed = "capture" not in order.given_up
            assert self._paid_minor(order) == (order.amount_minor if is_owed else 0), told
        else:
            assert self._paid_minor(order) == 0, told
            held = [p for p in self._run(self._stage.payments(order_id)) if not p.voided]
            assert not held or "undo authorize" in order.given_up, told

    def _check_stock(self) -> None:
        shipped = sum(
            order.is_tracked and self._order(order)["status"] == "Shipped" for order in self._placed
        )
        [record] = [row for row in self._world.rows(stock) if row["product_id"] == self._product]
        assert (record["on_hand"], record["reserved"]) == (ON_HAND - shipped * QUANTITY, 0)
        assert [row for row in self._world.rows(reservations) if row["product_id"] == self._product] == []


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
def test_whatever_happens_both_services_and_both_ledgers_say_the_same_in_the_end(world: World) -> None:
    with on_stage(world) as (stage, run):

        class SagasHere(Sagas):
            def __init__(self) -> None:
                super().__init__(stage, run)

        run_state_machine_as_test(
            SagasHere,
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=STEPS,
                deadline=None,
                derandomize=True,
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
            ),
        )

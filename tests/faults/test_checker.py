"""Tests of the referee: a sound history passes, and a planted violation of each kind is found."""

import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.faults.checker import RECOVERY_S_MAX, RSS_MIB_MAX, check
from tests.faults.history import (
    Attempt,
    Change,
    Counted,
    Death,
    Decision,
    History,
    Injection,
    LoggedEvent,
    Probe,
    SeenOrder,
    SeenPayment,
    Sent,
    Sighting,
    content_digest,
    customer_id,
    order_content,
    price_minor,
)
from tests.faults.mutate import MUTANTS, PATCHES
from tests.faults.plan import make_plan
from tests.faults.source import copy_of_source

SEED = 9
SHIPPED, REJECTED, REFUSED, DOUBTFUL = range(4)


def order_id(number: int) -> str:
    return f"order-{number}"


def content(number: int) -> str:
    return content_digest(order_content(SEED, number))


def attempt(number: int, outcome: str = "ok") -> Attempt:
    if outcome == "refused":
        return Attempt(1.0, 0.1, "refused", 503)
    if outcome == "unknown":
        return Attempt(1.0, 0.1, "unknown", None)
    return Attempt(1.0, 0.1, "ok", 201, order_id(number), f"answer-{number}", content(number))


def seen(number: int, status: str) -> SeenOrder:
    tracking = f"T{number}" if status == "Shipped" else None
    return SeenOrder(order_id(number), customer_id(number), content(number), status, 3, None, tracking)


def event(number: int, offset: int) -> LoggedEvent:
    return LoggedEvent(0, offset, order_id(number), 1, "OrderCreated", f"event-{number}", content(number))


def _payment(number: int, *, captured_minor: int = 0) -> SeenPayment:
    return SeenPayment(
        order_id(number), authorized=True, voided=False, captured_minor=captured_minor, refunded_minor=0
    )


def sound() -> History:
    """A history with one order shipped, one rejected, one refused and one whose outcome nobody learned."""
    history = History(seed=SEED)
    history.sent = {
        SHIPPED: Sent(SHIPPED, "key-0", [attempt(SHIPPED, "unknown"), attempt(SHIPPED), attempt(SHIPPED)]),
        REJECTED: Sent(REJECTED, None, [attempt(REJECTED)]),
        REFUSED: Sent(REFUSED, None, [attempt(REFUSED, "refused")]),
        DOUBTFUL: Sent(DOUBTFUL, None, [attempt(DOUBTFUL, "unknown")]),
    }
    history.orders = [seen(SHIPPED, "Shipped"), seen(REJECTED, "Failed")]
    history.events = [event(SHIPPED, 0), event(REJECTED, 1), event(SHIPPED, 2)]
    history.decisions = [
        Decision(order_id(SHIPPED), "live", f"T{SHIPPED}"),
        Decision(order_id(REJECTED), "rejected", "T1"),
    ]
    history.sightings = {
        order_id(SHIPPED): [
            Sighting(order_id(SHIPPED), "Created", 1),
            Sighting(order_id(SHIPPED), "Shipped", 3),
        ]
    }
    history.timelines = {
        order_id(SHIPPED): [Change(1, "Created"), Change(2, "Processing"), Change(3, "Shipped")]
    }
    history.payments = [_payment(SHIPPED, captured_minor=price_minor(order_content(SEED, SHIPPED)))]
    history.stock = {"p-unknown": Counted(10, 10, 0)}
    history.injections = [Injection("kill:api", 10.0, 10.0, alone=True)]
    history.probes = [Probe(9, 9.5, 12.0), Probe(10, 11.0, 15.0)]
    return history


def violations(history: History) -> set[str]:
    return {violation.kind for violation in check(history, kinds_wanted={"kill:api": 1}, recovers=("kill:",))}


def test_a_sound_history_has_no_violations() -> None:
    assert violations(sound()) == set()


def _plant_order(history: History, **changes: object) -> None:
    history.orders[0] = replace(history.orders[0], **changes)


def _attempt(history: History, **changes: object) -> None:
    attempts = history.sent[SHIPPED].attempts
    attempts[2] = replace(attempts[2], **changes)


def _event(history: History, **changes: object) -> None:
    history.events[2] = replace(history.events[2], **changes)


def _versions_backwards(history: History) -> None:
    history.events[0] = replace(history.events[0], order_version=2, event_type="OrderCancelled")


@pytest.mark.parametrize(("older_by_ms", "found"), [(1, set[str]()), (-1, {"event-order"})])
def test_events_are_in_order_unless_the_topic_was_made_again_after_the_order(
    older_by_ms: int, found: set[str]
) -> None:
    history = sound()
    life_ms = 1_795_748_612_199
    made = str(uuid.UUID(int=(life_ms - older_by_ms) << 80))
    history.orders.append(replace(history.orders[0], order_id=made, customer_id="another"))
    first = replace(history.events[0], order_id=made, life_ms=life_ms)
    history.events += [
        replace(first, offset=7, order_version=2, event_type="OrderReleased", event_id="released"),
        replace(first, offset=8, event_id="created"),
    ]
    assert {kind for kind in violations(history) if kind.startswith("event")} == found


def test_a_repeated_event_may_lie_on_another_partition_only_after_their_number_was_changed() -> None:
    history = sound()
    _event(history, partition=1)
    history.partitions_kept = 2
    assert violations(history) == set()
    history.partitions_kept = 3
    assert violations(history) == {"event-order"}


@pytest.mark.parametrize(("also_in", "found"), [(9, set[str]()), (None, {"event-order"})])
def test_an_event_that_is_in_two_partitions_since_some_were_added_may_repeat(
    also_in: int | None, found: set[str]
) -> None:
    history = sound()
    created = history.events[1]
    released = replace(
        created,
        partition=3,
        offset=1,
        order_version=9,
        event_type="OrderReleased",
        event_id="released",
    )
    history.events[1] = replace(created, partition=3, offset=2)
    history.events.append(released)
    if also_in is not None:
        history.events.append(replace(created, partition=also_in, offset=7))
    history.partitions_kept = 0
    assert violations(history) == found


PLANTED: list[tuple[str, Callable[[History], object]]] = [
    ("lost", lambda h: h.orders.pop(0)),
    ("altered", lambda h: _plant_order(h, content="other")),
    ("altered", lambda h: _plant_order(h, customer_id=customer_id(DOUBTFUL))),
    ("refused-present", lambda h: h.orders.append(seen(REFUSED, "Failed"))),
    ("order-from-nowhere", lambda h: h.orders.append(seen(99, "Failed"))),
    ("twice", lambda h: h.orders.append(replace(h.orders[0], order_id="order-other"))),
    ("listed-twice", lambda h: h.orders.append(h.orders[0])),
    ("answers-differ", lambda h: _attempt(h, answer="another")),
    ("answer-altered", lambda h: _attempt(h, content="other")),
    ("wrong-answer", lambda h: _attempt(h, outcome="wrong", status=500)),
    ("unresolved", lambda h: h.sent.update({5: Sent(5, "key-5", [attempt(5, "unknown")])})),
    ("event-without-order", lambda h: h.events.append(event(REFUSED, 3))),
    ("event-altered", lambda h: _event(h, content="other")),
    ("event-identity", lambda h: _event(h, event_id="another")),
    ("event-order", _versions_backwards),
    ("event-order", lambda h: _event(h, partition=1)),
    ("event-missing", lambda h: h.events.pop(1)),
    ("shipped-twice", lambda h: h.decisions.append(Decision(order_id(SHIPPED), "live", "T9"))),
    ("shipment-without-order", lambda h: h.decisions.append(Decision("nobody", "live", "T9"))),
    ("status-ledger", lambda h: h.decisions.pop(0)),
    ("status-ledger", lambda h: _plant_order(h, tracking_number="T9")),
    ("status-ledger", lambda h: h.decisions.append(Decision(order_id(REJECTED), "live", "T9"))),
    ("failed-unrejected", lambda h: h.decisions.pop(1)),
    ("charged", lambda h: h.payments.clear()),
    ("charged", lambda h: h.payments.append(_payment(REJECTED, captured_minor=5))),
    ("authorization-kept", lambda h: h.payments.append(_payment(REJECTED))),
    ("payment-without-order", lambda h: h.payments.append(replace(_payment(SHIPPED), order_id="nobody"))),
    ("stock-drift", lambda h: h.stock.update({"p-x": Counted(10, 9, 0)})),
    ("stock-drift", lambda h: h.stock.update({"p-x": Counted(10, 10, 1)})),
    ("cancelled-unasked", lambda h: _plant_order(h, status="Cancelled")),
    ("cancel-lost", lambda h: h.cancelled.update({order_id(SHIPPED): "Cancelled"})),
    ("wrong-answer", lambda h: h.refusals.append((order_id(SHIPPED), "cancel", 500))),
    ("status-regressed", lambda h: h.sightings[order_id(SHIPPED)].reverse()),
    ("timeline", lambda h: h.timelines[order_id(SHIPPED)].pop(1)),
    ("timeline", lambda h: h.timelines[order_id(SHIPPED)].append(Change(3, "Shipped"))),
    ("stuck", lambda h: _plant_order(h, status="Processing")),
    ("attention", lambda h: _plant_order(h, attention="interrupted")),
    ("not-drained", lambda h: setattr(h, "drained", False)),
    ("audit", lambda h: h.audit.append("order-0 shipped-twice: it has 2 live shipments")),
    ("memory", lambda h: h.rss_mib.update({"api-0": RSS_MIB_MAX + 1})),
    ("in-flight", lambda h: setattr(h, "in_flight", 100_000)),
    ("load", lambda h: (setattr(h, "offered_per_s", 100.0), setattr(h, "loaded_s", 60.0))),
    ("died", lambda h: h.deaths.append(Death("api-0", 1, "Traceback"))),
    ("slow-recovery", lambda h: h.probes.append(Probe(11, 11.0, 10.1 + RECOVERY_S_MAX))),
    ("slow-recovery", lambda h: h.probes.append(Probe(12, 11.0, None))),
    ("not-injected", lambda h: h.injections.clear()),
]


@pytest.mark.parametrize(
    ("kind", "plant"), PLANTED, ids=[f"{i}-{kind}" for i, (kind, _) in enumerate(PLANTED)]
)
def test_a_planted_violation_is_found(kind: str, plant: Callable[[History], object]) -> None:
    history = sound()
    plant(history)
    assert kind in violations(history)


def test_a_seed_draws_the_same_plan_again_in_which_every_kind_comes_as_often_as_wanted() -> None:
    kinds = [f"kind:{index}" for index in range(20)]
    first, second = (make_plan(3, kinds, ["kind:0"], seconds=120, times=3, alone=2) for _ in range(2))
    assert first == second
    assert all(sum(planned.kind == kind for planned in first) >= 3 for kind in kinds)
    assert max(planned.at_s for planned in first) <= 120


@pytest.mark.parametrize("name", [mutant.name for mutant in MUTANTS])
def test_every_mutant_still_fits_the_product(name: str, tmp_path: Path) -> None:
    assert copy_of_source(tmp_path, patch=PATCHES / f"{name}.patch").is_dir()


def test_every_patch_is_one_of_the_mutants_that_are_run() -> None:
    assert {path.stem for path in PATCHES.glob("*.patch")} == {mutant.name for mutant in MUTANTS}

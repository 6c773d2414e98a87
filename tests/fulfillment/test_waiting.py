"""What a shipment waits for, in one sentence."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.fulfillment.conftest import OpenCarrier, World
from tests.fulfillment.test_fulfillment_api import fulfillment_api

from orderflow.fulfillment.breaker import Circuit
from orderflow.fulfillment.model import Owner, Shipment, State, Step
from orderflow.fulfillment.waiting import ORDERS, SENTENCE_CHARS_MAX, Known, waits_for

NOW_MS = 1_000_000
OWNER = Owner("worker-1", 7)
HELD = {"worker_id": "worker-1", "epoch": 7}
DUE_IN_28_S = {"due_at_ms": NOW_MS + 28_000, "waits": 3}


def row(state: str, **changes: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "order_id": "o-1",
        "state": state,
        "step": "ship",
        "direction": "do",
        "attempts": 1,
        "waits": 0,
        "due_at_ms": NOW_MS,
        "worker_id": None,
        "epoch": None,
        "party": None,
        "shipment_id": None,
        "error": None,
        "note": None,
        "parked_kind": None,
    }
    return plain | changes


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (row("received"), "waiting for a worker to take it"),
        (row("received", **HELD), "waiting for the Order Service to acknowledge Processing"),
        (
            row("received", note="the order is OnHold", due_at_ms=NOW_MS + 60_000),
            "waiting for the order's release, asked again in 60 s: the order is OnHold",
        ),
        (
            row("received", note="HTTP 503", **DUE_IN_28_S),
            "telling the Order Service Processing again in 28 s after: HTTP 503",
        ),
        (row("ready", **HELD), "waiting for its turn at the carrier, for step ship"),
        (
            row("ready", step="capture", **HELD),
            "waiting for its turn at the payment provider, for step capture",
        ),
        (row("ready", note="HTTP 503", **DUE_IN_28_S), "retry of step ship in 28 s after: HTTP 503"),
        (row("ready", due_at_ms=NOW_MS + 1), "retry of step ship in 1 s"),
        (row("ready", due_at_ms=NOW_MS + 3_600_000), "retry of step ship in 1 h 0 min"),
        (row("ready", due_at_ms=NOW_MS + 119_001), "retry of step ship in 2 min"),
        (
            row("calling", attempts=2, **HELD),
            "waiting for the carrier's answer to attempt 2 of step ship",
        ),
        (
            row("calling", step="authorize", direction="undo", **HELD),
            "waiting for the payment provider's answer to attempt 1 of step undo authorize",
        ),
        (row("shipped", **HELD), "waiting for the Order Service to acknowledge Shipped"),
        (row("rejected", **HELD), "waiting for the Order Service to acknowledge Failed"),
        (row("cancelled", **HELD), "waiting for the Order Service to acknowledge Cancelled"),
        (
            row("shipped", note="HTTP 500", **DUE_IN_28_S),
            "telling the Order Service Shipped again in 28 s after: HTTP 500",
        ),
        (
            row("parked", parked_kind="carrier-refused", due_at_ms=None),
            "parked as carrier-refused: redrive or discard its dead letter",
        ),
        (row("closed", shipment_id="s-1", due_at_ms=None), "done: shipped"),
        (row("closed", direction="undo", due_at_ms=None), "done: cancelled"),
        (
            row("closed", direction="undo", error="not enough in stock", due_at_ms=None),
            "done: failed: not enough in stock",
        ),
        (
            row("closed", note="the order was Failed before the carrier was called", due_at_ms=None),
            "done: the order was Failed before the carrier was called",
        ),
        (
            row("closed", shipment_id="s-1", direction="undo", error=None, due_at_ms=None),
            "done: cancelled",
        ),
    ],
)
def test_a_row_says_what_its_shipment_waits_for(found: dict[str, Any], sentence: str) -> None:
    assert waits_for(found, NOW_MS) == sentence


def queued(step: Step, party: str | None = None) -> dict[str, Shipment]:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    shipment = Shipment("o-1", OWNER, "c-1", None, b"{}", ordered_at=at, received_at=at)
    return {"o-1": replace(shipment, state=State.READY, step=step, party=party)}


@pytest.mark.parametrize(
    ("found", "known", "sentence"),
    [
        (
            row("ready", **HELD),
            Known(OWNER, {"ship": 2.1}),
            "waiting for the carrier's circuit: next probe in 3 s",
        ),
        (
            row("ready", **HELD),
            Known(OWNER, {"ship": 0.0}),
            "waiting for the carrier's circuit: a probe is due",
        ),
        (
            row("ready", party="http https://old.example", **HELD),
            Known(OWNER, {"ship": 2.0}),
            "waiting for its turn at the carrier, for step ship",
        ),
        (
            row("calling", party="http https://old.example", **HELD),
            Known(OWNER, {"http https://old.example": 2.0}),
            "waiting for the carrier's circuit: next probe in 2 s",
        ),
        (
            row("received", **HELD),
            Known(OWNER, {ORDERS: 0.4, "ship": 2.0}),
            "waiting for the Order Service's circuit: next probe in 1 s",
        ),
        (
            row("received", **HELD),
            Known(OWNER, {"authorize": 3.0}, queued(Step.AUTHORIZE)),
            "waiting for the payment provider's circuit: next probe in 3 s",
        ),
        (
            row("received", **HELD),
            Known(OWNER, {}, queued(Step.SHIP)),
            "waiting for its turn at the carrier, for step ship",
        ),
        (
            row("ready", worker_id="worker-1", epoch=6),
            Known(OWNER, {"ship": 2.0}),
            "waiting for its turn at the carrier, for step ship",
        ),
        (
            row("ready", note="HTTP 503", **DUE_IN_28_S),
            Known(OWNER, {"ship": 2.0}),
            "retry of step ship in 28 s after: HTTP 503",
        ),
    ],
)
def test_the_worker_that_holds_a_shipment_tells_of_its_circuits(
    found: dict[str, Any], known: Known, sentence: str
) -> None:
    assert waits_for(found, NOW_MS, known) == sentence


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("is_due", [True, False])
@pytest.mark.parametrize("worker_id", [None, "worker-1"])
def test_every_row_has_one_sentence_of_bounded_length(
    state: State, is_due: bool, worker_id: str | None
) -> None:
    found = row(
        state.value,
        due_at_ms=NOW_MS if is_due else NOW_MS + 10**9,
        worker_id=worker_id,
        epoch=7,
        note="n" * 1_000,
        error="e" * 1_000,
        parked_kind="k" * 64,
        step="authorize",
        direction="undo",
    )
    sentence = waits_for(found, NOW_MS, Known(OWNER, {ORDERS: 1.0}))
    assert 0 < len(sentence) <= SENTENCE_CHARS_MAX
    assert "\n" not in sentence


def test_the_api_tells_that_an_order_waits_for_the_circuit_of_a_carrier_that_is_down(
    world: World, http_carrier: OpenCarrier
) -> None:
    async def scenario() -> None:
        async with (
            world.running(),
            http_carrier("http://127.0.0.1:9") as carrier,
            world.working(carrier, monotonic=lambda: 0.0) as worker,
            fulfillment_api(world, worker) as get,
        ):
            await world.place(3)
            await world.until(lambda: worker.status().circuits["carrier"] is Circuit.OPEN, "it opens")
            (order_id,) = await world.place(1)
            await world.until(lambda: order_id in worker.dispatchers.queued, "its gate is open")
            status, shipment = await get(f"/api/fulfillment/shipments/{order_id}")
            assert (status, shipment["state"]) == (200, "received"), "no row says yet that its gate is open"
            assert shipment["waitsFor"] == "waiting for the carrier's circuit: next probe in 1 s"

    asyncio.run(scenario())

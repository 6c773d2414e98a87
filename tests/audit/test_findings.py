"""Each rule of an audit is broken by hand in a database or a ledger, and the audit names it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from tests.audit.conftest import COST, HOUR, PRODUCT, Stage, Tool, carrier, ended, ms, payments

from orderflow.cli.audit.rules import REMEDIES
from orderflow.fulfillment.model import DONE
from orderflow.fulfillment.tables import attentions, dead_letters, reservations, shipments, stock, workers
from orderflow.orders.tables import orders, outbox


def test_orders_in_every_state_are_no_findings(stage: Stage, tool: Tool) -> None:
    for state in (stage.shipped, stage.failed, stage.processing, stage.parked):
        state()
    stage.order("Cancelled")
    stage.order("OnHold")
    stage.order("Created", age=timedelta(0))
    report = tool.report()
    assert report["findings"] == []
    assert (report["orders"], report["shipments"], report["products"]) == (7, 4, 1)


def change(stage: Stage, table: sa.Table, order_id: str, **columns: Any) -> None:
    where = "orders" if table.metadata is orders.metadata else "fulfillment"
    stage.execute(where, sa.update(table).where(table.c.order_id == order_id).values(columns))


def ledger(stage: Stage, name: str, order_id: str, **columns: Any) -> None:
    """Change what the ledger of that name says of the order."""
    table = {"carrier": carrier, "payments": payments}[name]
    stage.execute(name, sa.update(table).where(table.c.order_id == order_id).values(columns))


def remove(stage: Stage, table: sa.Table, order_id: str) -> None:
    where = "orders" if table.metadata is orders.metadata else "fulfillment"
    stage.execute(where, sa.delete(table).where(table.c.order_id == order_id))


def _unpublished(stage: Stage) -> str:
    order_id = stage.order("Created")
    change(stage, outbox, order_id, published_at=None)
    return order_id


def _without_event(stage: Stage) -> str:
    order_id = stage.processing()
    remove(stage, outbox, order_id)
    return order_id


def _lost_shipment(stage: Stage) -> str:
    order_id = stage.shipped()
    remove(stage, shipments, order_id)
    return order_id


def _lost_order(stage: Stage) -> str:
    order_id = stage.shipped()
    remove(stage, orders, order_id)
    return order_id


def _overdue(stage: Stage) -> str:
    order_id = stage.processing()
    change(stage, shipments, order_id, due_at_ms=ms(datetime.now(UTC) - HOUR))
    return order_id


def _owner_has_died(stage: Stage) -> str:
    order_id = _overdue(stage)
    change(stage, shipments, order_id, worker_id="w", epoch=1)
    lease = {"worker_id": "w", "epoch": 1, "lease_until_ms": ms(datetime.now(UTC) - HOUR)}
    stage.execute("fulfillment", sa.insert(workers).values(lease))
    return order_id


def _never_due(stage: Stage) -> str:
    order_id = stage.processing()
    change(stage, shipments, order_id, due_at_ms=None)
    return order_id


def _closed_too_early(stage: Stage) -> str:
    order_id = stage.shipped()
    change(stage, orders, order_id, status="Cancelling")
    ledger(stage, "payments", order_id, captured_minor=0, voided=1)
    return order_id


def _nobody_was_told(stage: Stage) -> str:
    order_id = stage.parked()
    change(stage, orders, order_id, attention_kind=None)
    return order_id


def _letter_is_gone(stage: Stage) -> str:
    order_id = stage.parked()
    remove(stage, dead_letters, order_id)
    return order_id


def _other_tracking_number(stage: Stage) -> str:
    order_id = stage.shipped()
    change(stage, shipments, order_id, tracking_number="another")
    return order_id


def _cancelled_and_shipped(stage: Stage) -> str:
    order_id = stage.order("Cancelled")
    stage.shipment(order_id, "closed", shipment_id="s", tracking_number="t")
    return order_id


def _shipped_without_label(stage: Stage) -> str:
    order_id = stage.shipped()
    change(stage, shipments, order_id, shipment_id=None)
    return order_id


def _second_shipment(stage: Stage) -> str:
    order_id = stage.shipped()
    stage.at_carrier(order_id)
    return order_id


def _voided_behind_our_back(stage: Stage) -> str:
    order_id = stage.shipped()
    ledger(stage, "carrier", order_id, state="voided")
    return order_id


def _failed_and_shipped(stage: Stage) -> str:
    order_id = stage.failed()
    ledger(stage, "carrier", order_id, state="live")
    return order_id


def _other_amount(stage: Stage) -> str:
    order_id = stage.processing()
    change(stage, shipments, order_id, amount_minor=COST + 1)
    return order_id


def _not_captured(stage: Stage) -> str:
    order_id = stage.shipped()
    change(stage, shipments, order_id, ended=ended(stock=DONE, authorize=DONE, ship=DONE))
    return order_id


def _charged_twice(stage: Stage) -> str:
    order_id = stage.shipped()
    stage.paid(order_id, captured=COST)
    return order_id


def _charged_and_failed(stage: Stage) -> str:
    order_id = stage.failed()
    ledger(stage, "payments", order_id, voided=0, captured_minor=COST)
    return order_id


def _refunded(stage: Stage) -> str:
    order_id = stage.shipped()
    ledger(stage, "payments", order_id, refunded_minor=COST)
    return order_id


def _never_voided(stage: Stage) -> str:
    order_id = stage.failed()
    ledger(stage, "payments", order_id, voided=0)
    return order_id


def _undone_by_record_alone(stage: Stage) -> str:
    order_id = stage.failed()
    change(stage, shipments, order_id, ended=ended(authorize=DONE))
    return order_id


def _paid_for_nothing(stage: Stage) -> str:
    order_id = "019c46f2-b0a0-7c11-8f3a-2b1c9d4e5f60"
    stage.paid(order_id)
    return order_id


def _shipped_for_nobody(stage: Stage) -> str:
    order_id = "019c46f2-b0a0-7c11-8f3a-2b1c9d4e5f60"
    stage.at_carrier(order_id)
    return order_id


def _kept_stock(stage: Stage) -> str:
    order_id = stage.shipped()
    stage.reserve(order_id)
    return order_id


def _lost_stock(stage: Stage) -> str:
    order_id = stage.processing()
    remove(stage, reservations, order_id)
    stage.execute("fulfillment", sa.update(stock).values(reserved=0))
    return order_id


def _wrong_sum(stage: Stage) -> str:
    stage.processing()
    stage.execute("fulfillment", sa.update(stock).values(reserved=7))
    return PRODUCT


def _below_zero(stage: Stage) -> str:
    stage.execute("fulfillment", sa.update(stock).values(on_hand=-1))
    return PRODUCT


BROKEN: dict[str, tuple[str, Callable[[Stage], str]]] = {
    "an event that was never published": ("event-unpublished", _unpublished),
    "an unfinished order without an event": ("event-missing", _without_event),
    "a published event that nobody took": ("unknown-to-fulfillment", lambda stage: stage.order("Created")),
    "a shipped order without a shipment": ("shipment-missing", _lost_shipment),
    "a shipment without an order": ("shipment-without-order", _lost_order),
    "a carrier's shipment of no order": ("shipment-without-order", _shipped_for_nobody),
    "a step that is overdue": ("shipment-waits", _overdue),
    "a step whose worker has died": ("shipment-waits", _owner_has_died),
    "a shipment that is never due": ("shipment-without-timer", _never_due),
    "an open order with a closed shipment": ("shipment-closed", _closed_too_early),
    "a parked shipment that nobody was told of": ("parked-without-attention", _nobody_was_told),
    "a parked shipment without a dead letter": ("parked-without-letter", _letter_is_gone),
    "another tracking number": ("status-differs", _other_tracking_number),
    "a cancelled order with a label": ("status-differs", _cancelled_and_shipped),
    "a shipped order without a label": ("status-differs", _shipped_without_label),
    "two live shipments": ("shipped-twice", _second_shipment),
    "a shipment that the carrier has not": ("not-at-carrier", _voided_behind_our_back),
    "a failed order that was shipped": ("shipped-all-the-same", _failed_and_shipped),
    "another amount": ("amount-differs", _other_amount),
    "a payment that was not captured": ("not-captured", _not_captured),
    "two charges": ("charged-wrongly", _charged_twice),
    "a charge of a failed order": ("charged-wrongly", _charged_and_failed),
    "a shipped order that was refunded": ("charged-wrongly", _refunded),
    "money that is still set aside": ("authorization-kept", _never_voided),
    "an authorization that was not undone": ("authorization-kept", _undone_by_record_alone),
    "a payment of no order": ("payment-without-order", _paid_for_nothing),
    "stock that a closed shipment holds": ("reservation-kept", _kept_stock),
    "stock that was lost": ("reservation-missing", _lost_stock),
    "a wrong sum of reservations": ("stock-differs", _wrong_sum),
    "less than nothing in stock": ("stock-below-zero", _below_zero),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_rule_is_named_with_its_order(stage: Stage, tool: Tool, broken: str) -> None:
    stage.shipped()
    stage.failed()
    kind, break_it = BROKEN[broken]
    subject = break_it(stage)
    findings = tool.findings()
    assert (kind, subject) in findings
    assert {each for each, _ in findings} == {kind}
    assert {each for _, each in findings} == {subject}


def test_every_kind_of_finding_is_tried_here() -> None:
    assert {kind for kind, _ in BROKEN.values()} == set(REMEDIES)


@pytest.mark.parametrize("status", ["Created", "Processing", "Cancelling"])
def test_attention_that_is_on_its_way_or_there_is_enough(stage: Stage, tool: Tool, status: str) -> None:
    told, owed = stage.parked(), stage.parked()
    change(stage, orders, told, status=status)
    change(stage, orders, owed, status=status, attention_kind=None)
    row = {"order_id": owed, "kind": "payment", "reason": "no", "due_at_ms": 0}
    stage.execute("fulfillment", sa.insert(attentions).values(row))
    assert tool.findings() == set()


def test_what_a_person_has_discarded_is_settled_but_never_a_second_shipment(stage: Stage, tool: Tool) -> None:
    order_id = stage.shipped()
    change(stage, shipments, order_id, shipment_id=None, ended=ended(authorize=DONE))
    stage.letter(order_id, "discarded")
    assert tool.findings() == set()
    stage.at_carrier(order_id)
    assert tool.findings() == {("shipped-twice", order_id)}


def test_a_live_worker_has_as_long_as_it_needs(stage: Stage, tool: Tool) -> None:
    order_id = _owner_has_died(stage)
    alive = sa.update(workers).values(lease_until_ms=ms(datetime.now(UTC)) + 5_000)
    stage.execute("fulfillment", alive)
    assert tool.findings() == set()
    change(stage, shipments, order_id, epoch=2)
    assert tool.findings() == {("shipment-waits", order_id)}


def test_people_read_what_is_wrong_and_what_to_do(stage: Stage, tool: Tool) -> None:
    order_id = _second_shipment(stage)
    code, out, _ = tool.run(*stage.ledgers)
    assert code == 1
    assert f"{order_id}  shipped-twice: it has 2 live shipments" in out
    assert f"to do: {REMEDIES['shipped-twice']}" in out
    assert "1 orders, 1 shipments and 1 products were compared: 1 things are wrong" in out


def test_without_a_ledger_the_records_of_both_services_are_compared(stage: Stage, tool: Tool) -> None:
    _second_shipment(stage)
    assert tool.run()[0] == 0
    order_id = _other_tracking_number(stage)
    code, out, _ = tool.run()
    assert (code, f"{order_id}  status-differs" in out) == (1, True)


def test_a_ledger_that_was_named_must_be_readable(stage: Stage, tool: Tool) -> None:
    code, _, err = tool.run("--carrier-ledger", stage.addresses["orders"])
    assert (code, "it shows no ledger" in err) == (1, True)


def test_a_service_that_is_away_is_an_error_and_no_finding(
    stage: Stage, tool: Tool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORDERFLOW_FULFILLMENT_URL", "http://127.0.0.1:9")
    code, out, err = tool.run("--json")
    assert (code, "findings" in out) == (1, False)
    assert "no Fulfillment Service answers" in err

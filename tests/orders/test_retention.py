"""Retention: what is old is deleted in steps, and what is still needed stays."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event
from tests.orders.conftest import ORDER, Service, Start, eventually, with_plans

from orderflow.database.dialects import of
from orderflow.orders import counters
from orderflow.orders.model import Status
from orderflow.orders.retention import STEP_ROWS, WEBHOOK_LETTERS_KEPT_S, Retention
from orderflow.orders.tables import (
    idempotency_keys,
    order_changes,
    orders,
    outbox,
    status_counts,
    webhook_messages,
)
from orderflow.runtime.ids import new_uuid4

DAY = timedelta(days=1)


@pytest.fixture
def service(start: Start, tmp_path: Path) -> Service:
    return start(tmp_path / "log.db")


def retention(
    service: Service, *, later: timedelta, history: timedelta | None = None, step_rows: int = STEP_ROWS
) -> Retention:
    """Retention as it will work after so much time has passed."""
    return Retention(
        service.writer,
        keys_s=7 * DAY.total_seconds(),
        events_s=3 * DAY.total_seconds(),
        history_s=None if history is None else history.total_seconds(),
        clock=lambda: datetime.now(UTC) + later,
        step_rows=step_rows,
    )


def place(service: Service, orders: int) -> list[str]:
    """Place orders with the keys 0, 1, …, and return when all of them are published."""
    placed = [str(service.place(key=str(number)).document["orderId"]) for number in range(orders)]
    eventually(lambda: service.get("/api/stats")["outbox"]["backlog"] == 0)
    return placed


def ship(service: Service, order_ids: list[str]) -> None:
    for order_id in order_ids:
        for status in ("Processing", "Shipped"):
            assert service.patch(order_id, status=status).status == 204


def ids(service: Service, table: sa.Table) -> list[str]:
    with service.database.reader.connect() as connection:
        return sorted(connection.scalars(sa.select(table.c.order_id)))


def test_nothing_young_is_removed(service: Service) -> None:
    ship(service, place(service, 3))
    assert retention(service, later=timedelta(), history=DAY).run_once() == {
        "keys": 0,
        "events": 0,
        "history": 0,
    }
    assert service.place(key="0").headers["idempotent-replayed"] == "true"


def test_a_key_is_forgotten_after_its_lifetime_and_free_again(service: Service) -> None:
    (first,) = place(service, 1)
    assert retention(service, later=7 * DAY - timedelta(minutes=1)).run_once()["keys"] == 0
    assert service.place(key="0").document["orderId"] == first
    assert retention(service, later=7 * DAY + timedelta(minutes=1)).run_once()["keys"] == 1
    another = service.place({**ORDER, "customer": {"customerId": "other", "name": "Other"}}, key="0")
    assert another.status == 201
    assert another.document["orderId"] != first


def test_events_stay_while_their_order_is_not_finished(service: Service) -> None:
    shipped, waiting = place(service, 2)
    ship(service, [shipped])
    old = retention(service, later=30 * DAY)
    assert old.run_once()["events"] == 1
    assert ids(service, outbox) == [waiting]
    ship(service, [waiting])
    assert old.run_once()["events"] == 1
    assert ids(service, outbox) == []


def test_events_and_history_age_from_the_end_of_their_order(service: Service) -> None:
    """The order waited for 30 days and shipped on the last of them."""
    order_id, key = place(service, 1)[0], "0"
    ship(service, [order_id])
    ended = datetime.now(UTC) + 30 * DAY
    service.write(sa.update(orders).where(orders.c.order_id == order_id).values(updated_at=ended))
    young = retention(service, later=30 * DAY + timedelta(hours=1), history=DAY)
    assert young.run_once() == {"keys": 1, "events": 0, "history": 0}, f"the key {key} is as old as its order"
    assert len(service.get(f"/api/orders/{order_id}/timeline")["items"]) == 4
    assert retention(service, later=31 * DAY + timedelta(hours=1), history=DAY).run_once()["history"] == 2
    assert ids(service, outbox) == [order_id]
    assert retention(service, later=33 * DAY + timedelta(hours=1)).run_once()["events"] == 1


@with_plans
@pytest.mark.parametrize("step_rows", [1, 7])
def test_a_step_reads_its_own_stretch_and_no_whole_table(service: Service, step_rows: int) -> None:
    """The plans of the three deletions use nothing but keys and indexes of order ids."""
    ship(service, place(service, 2))
    statements: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.startswith(("DELETE", "SELECT")):
            statements.append((statement, parameters))

    event.listen(service.database.writer, "before_cursor_execute", note)
    retention(service, later=30 * DAY, history=DAY, step_rows=step_rows).run_once()
    event.remove(service.database.writer, "before_cursor_execute", note)
    explain = "EXPLAIN QUERY PLAN" if service.database.embedded else "EXPLAIN"
    steps = [(text, values) for text, values in statements if "order_id" in text]
    assert {text.split()[0] for text, _ in steps} == {"DELETE", "SELECT"}
    with service.database.writer.connect() as connection:
        if not service.database.embedded:
            connection.exec_driver_sql("SET enable_seqscan = off")
        for text, values in steps:
            plan = str(connection.exec_driver_sql(f"{explain} {text}", values).all())
            assert not re.search(r"SCAN (?!.*USING)|Seq Scan", plan), plan


def test_events_that_are_not_published_stay(start: Start) -> None:
    service = start()
    order_id = service.placed()["orderId"]
    ship(service, [order_id])
    assert retention(service, later=30 * DAY).run_once()["events"] == 0
    assert ids(service, outbox) == [order_id]


def test_history_stays_for_ever_unless_told_otherwise(service: Service) -> None:
    shipped, waiting = place(service, 2)
    ship(service, [shipped])
    assert service.patch(waiting, status="Processing").status == 204
    assert "history" not in retention(service, later=1_000 * DAY).run_once()
    assert retention(service, later=30 * DAY, history=DAY).run_once()["history"] == 2
    assert ids(service, order_changes) == [waiting]


@pytest.mark.parametrize("count", [2, 3, 4, 7])
def test_small_steps_miss_nothing(service: Service, count: int) -> None:
    placed = place(service, count)
    ship(service, placed[::2])
    removed = retention(service, later=30 * DAY, history=DAY, step_rows=3).run_once()
    assert removed == {"keys": count, "events": len(placed[::2]), "history": 2 * len(placed[::2])}
    assert ids(service, outbox) == sorted(placed[1::2])
    assert ids(service, idempotency_keys) == []


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_one_process_at_a_time_removes(service: Service) -> None:
    place(service, 1)
    with service.session() as other:
        assert of(other).try_lock(other, "orderflow-retention")
        assert retention(service, later=30 * DAY).run_once()["keys"] == 0
        other.rollback()
    assert retention(service, later=30 * DAY).run_once()["keys"] == 1


def test_counters_of_ended_processes_are_folded(service: Service) -> None:
    place(service, 2)
    many = [{"slot": slot, "status": "Shipped", "orders": 1} for slot in range(1, counters.SLOTS_MAX + 1)]
    service.write(sa.insert(status_counts), many)
    before = service.get("/api/stats")["statuses"]
    retention(service, later=timedelta()).run_once()
    assert service.get("/api/stats")["statuses"] == before
    assert before[Status.SHIPPED] == counters.SLOTS_MAX
    assert len(service.rows("SELECT DISTINCT slot FROM status_counts")) == 2
    service.placed()
    assert service.get("/api/stats")["statuses"][Status.CREATED] == 3


def test_what_a_webhook_did_not_take_is_forgotten_after_its_time(service: Service) -> None:
    ages = {1: 31, 2: 31, 3: 31, 4: 29, 5: None}
    with service.database.writer.begin() as connection:
        for position, days in ages.items():
            dead_at = None if days is None else datetime.now(UTC) - days * DAY
            row = {
                "endpoint_id": new_uuid4(),
                "position": position,
                "order_id": new_uuid4(),
                "order_version": 1,
            }
            row |= {"payload": "{}", "attempts": 9, "due_at": datetime.now(UTC), "dead_at": dead_at}
            connection.execute(sa.insert(webhook_messages).values(row))
    removing = Retention(
        service.writer,
        keys_s=DAY.total_seconds(),
        events_s=None,
        history_s=None,
        webhook_letters_s=WEBHOOK_LETTERS_KEPT_S,
        step_rows=2,
    )
    assert removing.run_once()["webhook_letters"] == 3
    with service.database.reader.connect() as connection:
        assert set(connection.scalars(sa.select(webhook_messages.c.position))) == {4, 5}

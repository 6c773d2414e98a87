"""Retention: what is old goes in steps, what is still needed stays."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.orders.conftest import ORDER, Service, Start, eventually

from orderflow.database.dialects import try_lock
from orderflow.orders import counters
from orderflow.orders.model import Status
from orderflow.orders.retention import Retention
from orderflow.orders.tables import idempotency_keys, order_changes, outbox, status_counts

DAY = timedelta(days=1)


@pytest.fixture
def service(start: Start, tmp_path: Path) -> Service:
    return start(tmp_path / "log.db")


def retention(service: Service, *, later: timedelta, history: timedelta | None = None) -> Retention:
    """As it will work that much later."""
    return Retention(
        service.writer,
        keys_s=7 * DAY.total_seconds(),
        events_s=3 * DAY.total_seconds(),
        history_s=None if history is None else history.total_seconds(),
        clock=lambda: datetime.now(UTC) + later,
    )


def place(service: Service, orders: int) -> list[str]:
    """With the keys 0, 1, …; back when all of them are published."""
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


@pytest.mark.parametrize("orders", [2, 3, 4, 7])
def test_small_steps_miss_nothing(service: Service, orders: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orderflow.orders.retention.STEP_ROWS", 3)
    placed = place(service, orders)
    ship(service, placed[::2])
    removed = retention(service, later=30 * DAY, history=DAY).run_once()
    assert removed == {"keys": orders, "events": len(placed[::2]), "history": 2 * len(placed[::2])}
    assert ids(service, outbox) == sorted(placed[1::2])
    assert ids(service, idempotency_keys) == []


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_one_process_at_a_time_removes(service: Service) -> None:
    place(service, 1)
    with service.session() as other:
        assert try_lock(other, "orderflow-retention")
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

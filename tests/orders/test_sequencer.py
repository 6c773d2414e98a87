"""The stream: every committed change gets the next position, once, and the versions of an order in order."""

import threading
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from tests.orders.conftest import ORDER, Service, Start, eventually, on_a_server, patiently, with_plans

from orderflow.database.transaction import Transaction
from orderflow.orders import sequencer, stream
from orderflow.orders.retention import Retention
from orderflow.orders.sequencer import Pass, Sequencer
from orderflow.orders.stream import Change

ROWS_MAX = 10_000


def positions(service: Service, position: int = 1) -> list[tuple[int, Change]]:
    with service.database.reader.connect() as connection:
        return stream.read(connection, position, rows_max=ROWS_MAX).changes


def sequenced(service: Service) -> list[tuple[int, Change]]:
    Sequencer(service.writer).run_once()
    return positions(service)


def test_every_change_has_a_position_with_what_it_did(service: Service) -> None:
    placed = service.placed()
    order_id = placed["orderId"]
    service.patch(order_id, status="Processing")
    service.patch(order_id, attention={"kind": "stuck", "reason": "Ada is away"})
    since = service.get(f"/api/orders/{order_id}")["attention"]["since"]
    shipped = {"carrier": "c", "trackingNumber": "t", "shippedAt": "2026-11-26T12:00:00Z"}
    assert service.patch(order_id, status="Shipped", fulfillment=shipped).status == 204

    found = sequenced(service)

    order = service.get(f"/api/orders/{order_id}")
    assert [(position, change[:3]) for position, change in found] == [
        (1, (order_id, 1, "Created")),
        (2, (order_id, 2, "Processing")),
        (3, (order_id, 3, "Processing")),
        (4, (order_id, 4, "Shipped")),
    ]
    assert (found[0][1].at, found[-1][1].at) == (placed["createdAt"], order["updatedAt"])
    assert {change.customer_id for _, change in found} == {"CUST-1"}
    assert [change[5:] for _, change in found] == [
        (None, None),
        (None, None),
        ("stuck", since),
        (None, None),
    ]


def test_the_stream_keeps_no_text_that_somebody_wrote(service: Service) -> None:
    order_id = service.placed()["orderId"]
    service.patch(order_id, attention={"kind": "stuck", "reason": "Ada is away"})
    assert "Ada" not in str(service.rows("SELECT changes FROM stream"))


def test_an_update_that_changes_nothing_is_not_in_the_stream(service: Service) -> None:
    order_id = service.placed()["orderId"]
    for _ in range(2):
        service.patch(order_id, status="Processing")
    assert service.patch(order_id, status="Cancelled").status == 409
    assert service.place(key="once").status == service.place(key="once").status == 201
    assert len(sequenced(service)) == 3


@on_a_server
def test_a_change_without_commit_gets_no_position_and_leaves_no_gap(start: Start) -> None:
    service = start()
    late = Change("019c46f2-b0a0-7c11-8f3a-2b1c9d4e5f60", 1, "Created", "2026-11-26T12:00:00.000Z", "CUST-2")
    with service.session() as connection:
        tx = Transaction(connection)
        stream.append(tx, [late])
        tx.send()
        early = service.placed()["orderId"]
        assert [(p, c.order_id) for p, c in sequenced(service)] == [(1, early)]
        connection.commit()
    assert [(p, c.order_id) for p, c in sequenced(service)] == [(1, early), (2, late.order_id)]


@on_a_server
def test_while_another_process_gives_positions_nobody_else_does(start: Start) -> None:
    service = start()
    service.placed()
    with service.session() as connection:
        tx = Transaction(connection)
        assert sequencer.sequence(tx, [Pass()]) == [1]
        service.placed()
        assert sequenced(service) == []
        tx.send()
        connection.commit()
    assert [position for position, _ in sequenced(service)] == [1, 2]


@pytest.mark.parametrize("processes", [3])
def test_positions_have_no_gaps_and_keep_the_order_of_versions_whoever_writes(
    start: Start, processes: int
) -> None:
    first = start()
    shared = first.database.embedded
    services = [first] * processes if shared else [first, *(start() for _ in range(processes - 1))]
    sequencers = [Sequencer(service.writer, pause_s=0.001) for service in services[: 1 if shared else None]]
    for each in sequencers:
        each.start()
    orders_each = 30

    def write(mine: Service, other: Service) -> None:
        for _ in range(orders_each):
            order_id = patiently(mine.place).document["orderId"]
            failed = {"status": "Failed", "fulfillment": {"errorMessage": "no"}}
            for changed_by, update in ((other, {"status": "Processing"}), (mine, failed)):
                assert patiently(lambda: changed_by.patch(order_id, **update)).status == 204  # noqa: B023 - called at once

    threads = [
        threading.Thread(target=write, args=(service, services[index - 1]))
        for index, service in enumerate(services)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    changes = 3 * orders_each * processes
    eventually(lambda: len(positions(first)) == changes)
    for each in sequencers:
        each.close()

    versions: dict[str, list[int]] = defaultdict(list)
    for _, change in positions(first):
        versions[change.order_id].append(change.version)
    assert [position for position, _ in positions(first)] == list(range(1, changes + 1))
    assert len(versions) == orders_each * processes
    assert all(found == [1, 2, 3] for found in versions.values())


def test_reading_begins_at_any_position(service: Service) -> None:
    batch: dict[str, Any] = {"orders": [ORDER] * 5}
    for _ in range(2):
        assert service.send("POST", "/api/orders/batch", batch).status == 200
    everything = sequenced(service)
    assert len(everything) == 10
    for position in range(1, 12):
        assert positions(service, position) == everything[position - 1 :]


def retention(service: Service, later: timedelta) -> Retention:
    day_s = timedelta(days=1).total_seconds()
    return Retention(
        service.writer,
        keys_s=day_s,
        events_s=day_s,
        history_s=None,
        stream_s=day_s,
        clock=lambda: datetime.now(UTC) + later,
        step_rows=2,
    )


def test_what_is_old_is_removed_from_the_beginning_and_positions_go_on(service: Service) -> None:
    for _ in range(5):
        service.placed()
    sequenced(service)
    assert retention(service, timedelta(hours=23)).run_once()["stream"] == 0
    service.placed()
    assert retention(service, timedelta(hours=25)).run_once()["stream"] == 4
    with service.database.reader.connect() as connection:
        assert stream.bounds(connection) == (5, 6)
    Sequencer(service.writer).run_once()
    assert [position for position, _ in positions(service, 5)] == [5, 6]


def test_rows_without_a_position_are_kept_however_old(service: Service) -> None:
    for _ in range(3):
        service.placed()
    assert retention(service, timedelta(days=9)).run_once()["stream"] == 0
    assert len(sequenced(service)) == 3


def test_a_pass_whose_commit_was_answered_too_late_is_repeated_without_harm(service: Service) -> None:
    service.placed()
    found = sequenced(service)
    with service.database.writer.begin() as connection:
        tx = Transaction(connection, may_be_committed=True)
        assert sequencer.sequence(tx, [Pass()]) == [0]
        tx.send()
    assert positions(service) == found
    assert service.rows("SELECT count(*) FROM stream WHERE first_position IS NULL") == [(0,)]


@with_plans
def test_the_planner_finds_waiting_rows_by_their_index(service: Service) -> None:
    with service.database.writer.connect() as connection:
        plan = "EXPLAIN " if not service.database.embedded else "EXPLAIN QUERY PLAN "
        text = str(
            sequencer._WAITING.compile(connection, compile_kwargs={"literal_binds": True})  # pyright: ignore[reportPrivateUsage]
        )
        shown = str(connection.execute(sa.text(plan + text)).all())
    assert "stream_waiting" in shown

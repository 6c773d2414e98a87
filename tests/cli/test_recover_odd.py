"""`orderflow recover` where things are not as one would expect."""

import json
from typing import Any

import pytest
import sqlalchemy as sa
from tests.cli.restoring import NOW, Restored, recover

from orderflow import cli
from orderflow.database.transaction import Transaction
from orderflow.fulfillment.tables import reservations, stock
from orderflow.orders import stream
from orderflow.orders.sequencer import Pass, sequence
from orderflow.orders.tables import orders, webhooks
from orderflow.runtime.ids import new_uuid4


def test_a_webhook_gets_what_is_taken_back_though_the_stream_was_empty(restored: Restored) -> None:
    hook = {"endpoint_id": new_uuid4(), "url": "https://example.com", "secret": "s", "created_at": NOW}
    with restored.orders.writer.begin() as connection:
        connection.execute(sa.insert(webhooks).values(hook | {"position": stream.bounds(connection).next}))
    order_id = restored.lose()
    assert recover() == 0
    with restored.orders.writer.begin() as connection:
        tx = Transaction(connection)
        sequence(tx, [Pass()])
        tx.send()
    ((position,),) = restored.rows(sa.select(webhooks.c.position))
    with restored.orders.reader.connect() as connection:
        page = stream.read(connection, position, rows_max=9)
        assert stream.bounds(connection).next == position + 1
    assert [(at, change.order_id) for at, change in page.changes] == [(position, order_id)]
    assert position > stream.SHIFT


def test_an_order_whose_money_was_not_captured_has_shipped_all_the_same(restored: Restored) -> None:
    order_id = restored.lose()
    shipped = {"shipment_id": "S-1", "carrier": "carrier", "tracking_number": "T-1", "shipped_at": NOW}
    told = {"parked_kind": "payment", "note": "no answer"}
    restored.put_shipment(order_id, "parked", direction="do", step="capture", **shipped, **told)
    restored.put_letter(order_id)
    assert recover() == 0
    c = orders.c
    ((status, tracking_number, attention),) = restored.rows(
        sa.select(c.status, c.tracking_number, c.attention_kind)
    )
    assert (status, tracking_number, attention) == ("Shipped", "T-1", "payment")
    assert recover() == 0, "once more"
    assert restored.status(order_id) == ("Shipped", 4)


def test_stock_that_was_reserved_for_a_shipment_that_is_closed_has_left(restored: Restored) -> None:
    order_id = restored.place(restored.order())
    restored.end(order_id, "Shipped", carrier="carrier", tracking_number="T-1", shipped_at=NOW)
    restored.put_shipment(order_id, "parked", parked_kind="carrier-refused", direction="do", step="ship")
    restored.put_letter(order_id)
    with restored.fulfillment.writer.begin() as connection:
        record = {"product_id": "p", "on_hand": 5, "reserved": 1, "counted_at": NOW}
        connection.execute(sa.insert(stock).values(record))
        held = {"order_id": order_id, "product_id": "p", "quantity": 1}
        connection.execute(sa.insert(reservations).values(held))
    assert recover() == 0
    with restored.fulfillment.reader.connect() as connection:
        assert connection.execute(sa.select(stock.c.on_hand, stock.c.reserved)).all() == [(4, 0)]
        assert connection.execute(sa.select(reservations)).all() == []


def spoilt(payload: str, **fields: Any) -> str:
    document: dict[str, Any] = json.loads(payload)
    for path, value in fields.items():
        *way, last = path.split("__")
        inner: Any = document
        for name in way:
            inner = inner[int(name) if name.isdigit() else name]
        inner[last] = value
    return json.dumps(document, separators=(",", ":"))


@pytest.mark.parametrize(
    "fields",
    [
        {"customer__name": "x" * 500},
        {"customer__customerId": "a\0b"},
        {"items__0__quantity": 2**70},
        {"metadata__placedBy": "x" * 500},
        {"metadata__idempotencyKey": "x" * 500},
        {"metadata__idempotencyKey": "a\0b"},
        {"createdAt": "0001-01-01T00:00:00Z"},
        {"orderVersion": 2**40},
        {"eventId": "z"},
        {"orderId": "z"},
        {"shipTo": {"name": "", "lines": [], "city": "", "country": ""}, "metadata__idempotencyKey": "k"},
    ],
    ids=str,
)
def test_an_event_that_no_order_service_wrote_keeps_no_order_from_being_taken_back(
    restored: Restored, fields: dict[str, Any]
) -> None:
    wrong = restored.order()
    restored.publish([(wrong.order_id, spoilt(wrong.payload, **fields))])
    order_id = restored.lose()
    assert recover() in (0, 1)
    assert restored.status(order_id) == ("Created", 1)


@pytest.mark.parametrize("version", [2**31, 2**70])
def test_a_move_with_a_version_that_no_order_has_keeps_no_order_from_being_taken_back(
    restored: Restored, version: int
) -> None:
    order_id, other = restored.lose(), restored.lose()
    restored.move(order_id, "OrderCancelled", version)
    assert recover() in (0, 1)
    assert restored.status(other) == ("Created", 1)


@pytest.mark.parametrize(
    "since", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "99999d", "1969-01-01T00:00:00Z"]
)
def test_an_odd_time_is_no_defect(restored: Restored, since: str) -> None:
    order_id = restored.lose()
    status = cli.run(["recover", "--since", since, "--yes"])
    assert status in (0, 2)
    assert (restored.status(order_id) == ("Created", 1)) == (status == 0)

"""The feeds of shipments and stock for audits, on each database."""

import json
import uuid
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from tests.fulfillment.conftest import World

from orderflow.contracts.audit_feeds import AuditedShipments, AuditedStock
from orderflow.contracts.pages import decode_cursor, decode_text_cursor
from orderflow.fulfillment.audit_feed import audited_shipments, audited_stock
from orderflow.fulfillment.model import DONE, Ended, Step, encode_ended
from orderflow.fulfillment.tables import attentions, dead_letters, reservations, stock, workers


def now_ms() -> int:
    return int(datetime.now(UTC).timestamp() * 1000)


def shipments(world: World, *, limit: int = 10, **options: Any) -> dict[str, Any]:
    with world.fulfillment.reader.connect() as connection:
        page = audited_shipments(connection, limit=limit, **options)
    AuditedShipments.model_validate_json(page)
    return json.loads(page)


def products(world: World, *, limit: int = 10, **options: Any) -> dict[str, Any]:
    with world.fulfillment.reader.connect() as connection:
        page = audited_stock(connection, limit=limit, **options)
    AuditedStock.model_validate_json(page)
    return json.loads(page)


def test_shipments_come_by_ascending_order_id_page_by_page_and_each_once(world: World) -> None:
    ids = sorted(str(uuid.uuid4()) for _ in range(5))
    for order_id in ids:
        world.put_shipment(order_id)
    found: list[str] = []
    after: str | None = None
    while True:
        page = shipments(world, limit=2, after=after)
        found += [item["orderId"] for item in page["items"]]
        if page["nextCursor"] is None:
            break
        after = decode_cursor(page["nextCursor"])
    assert found == ids
    assert [i["orderId"] for i in shipments(world, order_ids=[ids[3], ids[1]])["items"]] == [ids[1], ids[3]]


def test_a_shipment_is_told_with_its_owner_its_steps_and_what_is_owed(world: World) -> None:
    order_id = str(uuid.uuid4())
    steps = encode_ended([Ended(Step.STOCK, DONE), Ended(Step.AUTHORIZE, DONE)])
    world.put_shipment(
        order_id,
        state="calling",
        ended=steps,
        worker_id="w",
        epoch=7,
        due_at_ms=now_ms() - 60_000,
        error="no",
    )
    letter = {"id": str(uuid.uuid4()), "kind": "payment", "reason": "no", "order_id": order_id}
    rest = {"headers": b"[]", "attempts": 1, "at": datetime.now(UTC), "state": "open"}
    world.execute(sa.insert(dead_letters).values(letter | rest))
    owed = {"order_id": order_id, "kind": "payment", "reason": "no", "due_at_ms": 0}
    world.execute(sa.insert(attentions).values(owed))
    for product in ("a", "b"):
        row = {"order_id": order_id, "product_id": product, "quantity": 2}
        world.execute(sa.insert(reservations).values(row))
    (item,) = shipments(world)["items"]
    told = ("state", "ended", "letters", "attentionOwed", "reserved", "isFailure", "hasLabel", "held")
    assert {name: item[name] for name in told} == {
        "state": "calling",
        "ended": {"stock": "done", "authorize": "done"},
        "letters": ["open"],
        "attentionOwed": True,
        "reserved": 2,
        "isFailure": True,
        "hasLabel": False,
        "held": False,
    }
    assert -90_000 < item["dueInMs"] <= -59_000
    lease = {"worker_id": "w", "epoch": 7, "lease_until_ms": now_ms() + 5_000}
    world.execute(sa.insert(workers).values(lease))
    assert shipments(world)["items"][0]["held"] is True
    world.execute(sa.update(workers).values(epoch=8))
    assert shipments(world)["items"][0]["held"] is False


def test_a_product_is_told_with_what_orders_have_reserved_of_it(world: World) -> None:
    for product, reserved in (("a", 3), ("b", 5), ("c", 0)):
        row = {"product_id": product, "on_hand": 9, "reserved": reserved, "counted_at": datetime.now(UTC)}
        world.execute(sa.insert(stock).values(row))
    for product, quantity in (("a", 1), ("a", 2), ("b", 4)):
        row = {"order_id": str(uuid.uuid4()), "product_id": product, "quantity": quantity}
        world.execute(sa.insert(reservations).values(row))
    page = products(world, limit=2)
    assert [(i["productId"], i["reserved"], i["reservedForOrders"]) for i in page["items"]] == [
        ("a", 3, 3),
        ("b", 5, 4),
    ]
    after = decode_text_cursor(page["nextCursor"])
    (last,) = products(world, after=after)["items"]
    assert (last["productId"], last["reservedForOrders"]) == ("c", 0)
    assert [i["productId"] for i in products(world, product_ids=["b"])["items"]] == ["b"]

"""The feed of orders for audits, on each database."""

import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.orders.conftest import ORDER, UNKNOWN_ID, Service, Start, eventually

from orderflow.contracts.audit_feeds import AUDITED_ORDERS, AuditedOrders
from orderflow.orders.tables import outbox


@pytest.fixture
def service(start: Start, tmp_path: Path) -> Service:
    return start(tmp_path / "log.db")


def feed(service: Service, query: str = "") -> dict[str, Any]:
    page = service.get(f"{AUDITED_ORDERS}{query}")
    AuditedOrders.model_validate(page)
    return page


def test_orders_come_by_ascending_id_page_by_page_and_each_once(service: Service) -> None:
    placed = sorted(service.placed()["orderId"] for _ in range(5))
    found: list[str] = []
    cursor = ""
    while True:
        page = feed(service, f"?limit=2{cursor}")
        found += [item["orderId"] for item in page["items"]]
        if page["nextCursor"] is None:
            break
        cursor = f"&cursor={page['nextCursor']}"
    assert found == placed


def test_an_order_is_told_with_its_price_and_the_state_of_its_events(service: Service) -> None:
    order_id = service.placed()["orderId"]
    eventually(lambda: feed(service)["items"][0]["unpublished"] == 0)
    assert service.patch(order_id, status="Processing").status == 204
    label = {"carrier": "C", "trackingNumber": "T-1"}
    assert service.patch(order_id, status="Shipped", fulfillment=label).status == 204
    (item,) = feed(service)["items"]
    price = ORDER["items"][0]["unitPrice"]["amountMinor"] * ORDER["items"][0]["quantity"]
    assert item["publishedAt"] is not None
    assert {
        name: item[name] for name in ("status", "version", "trackingNumber", "amountMinor", "currency")
    } == {
        "status": "Shipped",
        "version": 3,
        "trackingNumber": "T-1",
        "amountMinor": price,
        "currency": "EUR",
    }
    assert (item["events"], item["unpublishedSince"], item["parked"], item["attention"]) == (
        1,
        None,
        False,
        None,
    )
    assert "Ada" not in json.dumps(item)


def test_an_event_that_waits_is_told_since_when_unless_it_is_parked_or_sent_again(start: Start) -> None:
    service = start()
    created = service.placed()["createdAt"]
    (item,) = feed(service)["items"]
    assert (item["unpublished"], item["unpublishedSince"], item["publishedAt"]) == (1, created, None)
    service.write(sa.update(outbox).values(re_emissions=1))
    (item,) = feed(service)["items"]
    assert (item["unpublished"], item["unpublishedSince"]) == (1, None)
    service.write(sa.update(outbox).values(re_emissions=0, parked_reason="too large"))
    (item,) = feed(service)["items"]
    assert (item["unpublished"], item["unpublishedSince"], item["parked"]) == (1, None, True)


def test_single_orders_can_be_asked_for(service: Service) -> None:
    first, _, third = (service.placed()["orderId"] for _ in range(3))
    page = feed(service, f"?orderId={third}&orderId={first}&orderId={UNKNOWN_ID}")
    assert [item["orderId"] for item in page["items"]] == sorted((first, third))
    assert service.send("GET", f"{AUDITED_ORDERS}?orderId=none").status == 422

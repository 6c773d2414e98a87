"""A NUL, which no database of ours keeps in a text, is refused wherever it comes, on every database."""

import json
from typing import Any

import pytest
from tests.orders.conftest import ORDER, Service

NUL = "a\0b"


@pytest.mark.parametrize(
    "query",
    [
        *(f"{name}=%00" for name in ("status", "customerId", "productId", "attention", "limit", "cursor")),
        *("createdFrom=%00", "createdTo=2026-01-01T00:00:00Z%00", "customerId=a%00b&limit=1", "%00=1"),
    ],
)
def test_in_a_query_parameter_of_a_list(service: Service, query: str) -> None:
    answer = service.send("GET", f"/api/orders?{query}")
    assert answer.status == 422
    assert answer.document["errors"][0]["in"] == "query"


@pytest.mark.parametrize("path", ["", "/timeline", "/status", "/nothing"])
def test_in_a_path(service: Service, path: str) -> None:
    assert service.send("GET", f"/api/orders/%00{path}").status == 422
    order_id = service.placed()["orderId"]
    assert service.send("PATCH", f"/api/orders/{order_id}%00/status", {"status": "Processing"}).status == 422


@pytest.mark.parametrize(
    "change",
    [
        {"customer": {"customerId": NUL, "name": "Ada"}},
        {"customer": {"customerId": "c", "name": NUL}},
        {"items": [{"productId": NUL, "quantity": 1}]},
        {"shipTo": {**ORDER["shipTo"], "city": NUL}},
        {"shipTo": {**ORDER["shipTo"], "lines": [NUL]}},
        {NUL: 1},
    ],
)
def test_in_an_order(service: Service, change: dict[str, Any]) -> None:
    order = {**ORDER, **change}
    assert service.place(order).status == 422
    for entry in (order, {**ORDER, "idempotencyKey": NUL}):
        answer = service.send("POST", "/api/orders/batch", {"orders": [entry]})
        assert json.dumps(answer.document).count('"status": 422') >= 1
    assert service.orders == 0


@pytest.mark.parametrize(
    "change",
    [
        {"status": NUL},
        {"status": "Processing", "fulfillment": {"carrier": NUL}},
        {"status": "Processing", "fulfillment": {"trackingNumber": NUL}},
        {"status": "Processing", "fulfillment": {"errorMessage": NUL}},
        {"attention": {"kind": NUL, "reason": "r"}},
        {"attention": {"kind": "k", "reason": NUL}},
    ],
)
def test_in_a_status_update(service: Service, change: dict[str, Any]) -> None:
    order_id = service.placed()["orderId"]
    assert service.patch(order_id, **change).status == 422
    answer = service.send("PATCH", "/api/orders/status", {"updates": [{"orderId": order_id, **change}]})
    assert answer.document["results"][0]["status"] == 422

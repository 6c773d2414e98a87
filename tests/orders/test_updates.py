"""Status updates over HTTP, single and bulk: in list order, repeatable, and refused with what is allowed."""

from typing import Any

from tests.orders.conftest import Answer, Service

SHIPPED = {"carrier": "DHL", "trackingNumber": "T-1", "shippedAt": "2026-02-10T09:30:00Z"}
UNKNOWN_ID = "019c46f2-b0a0-7c11-8f3a-2b1c9d4e5f60"


def bulk(service: Service, *updates: dict[str, Any]) -> list[dict[str, Any]]:
    answer = service.send("PATCH", "/api/orders/status", {"updates": list(updates)})
    assert answer.status == 200
    return answer.document["results"]


def is_refused(answer: Answer, status: str, allowed: list[str]) -> None:
    assert (answer.status, answer.headers["content-type"]) == (409, "application/problem+json")
    document = answer.document
    assert document["type"] == "urn:orderflow:problem:illegal-transition"
    assert (document["currentStatus"], document["allowedTransitions"]) == (status, allowed)


def test_an_order_shipped_shows_by_whom_when_and_under_which_number(service: Service) -> None:
    order_id = service.placed()["orderId"]
    assert service.patch(order_id, status="Processing").status == 204
    assert service.patch(order_id, status="Shipped", fulfillment=SHIPPED).status == 204
    order = service.get(f"/api/orders/{order_id}")
    assert (order["status"], order["version"], order["allowedTransitions"]) == ("Shipped", 3, [])
    shipped_at = "2026-02-10T09:30:00.000Z"
    assert order["fulfillment"] == SHIPPED | {"shippedAt": shipped_at, "errorMessage": None}


def test_an_illegal_move_is_a_409_that_says_where_the_order_is_and_may_go(service: Service) -> None:
    order_id = service.placed()["orderId"]
    is_refused(service.patch(order_id, status="Shipped"), "Created", ["Processing", "OnHold", "Cancelled"])
    service.patch(order_id, status="Processing")
    is_refused(service.patch(order_id, status="Cancelled"), "Processing", ["Shipped", "Failed", "Cancelling"])
    service.patch(order_id, status="Failed")
    is_refused(service.patch(order_id, status="Shipped"), "Failed", [])
    assert service.get(f"/api/orders/{order_id}")["version"] == 3


def test_a_repeated_update_is_a_204_that_changes_nothing(service: Service) -> None:
    order_id = service.placed()["orderId"]
    for update in ({"status": "Processing"}, {"status": "Shipped", "fulfillment": SHIPPED}):
        service.patch(order_id, **update)
        before = service.get(f"/api/orders/{order_id}")
        assert service.patch(order_id, **update).status == 204
        assert service.get(f"/api/orders/{order_id}") == before


def test_another_tracking_number_for_a_shipped_order_is_a_409(service: Service) -> None:
    order_id = service.placed()["orderId"]
    service.patch(order_id, status="Processing")
    service.patch(order_id, status="Shipped", fulfillment=SHIPPED)
    other = SHIPPED | {"trackingNumber": "T-2"}
    is_refused(service.patch(order_id, status="Shipped", fulfillment=other), "Shipped", [])
    assert service.get(f"/api/orders/{order_id}")["fulfillment"]["trackingNumber"] == "T-1"


def test_attention_is_set_kept_cleared_and_ends_with_the_order(service: Service) -> None:
    order_id = service.placed()["orderId"]

    def attention() -> Any:
        return service.get(f"/api/orders/{order_id}")["attention"]

    stuck = {"kind": "stuck", "reason": "carrier away"}
    service.patch(order_id, attention=stuck)
    first = attention()
    assert {"kind": first["kind"], "reason": first["reason"]} == stuck
    service.patch(order_id, attention=stuck)
    service.patch(order_id, status="Processing")
    assert attention() == first
    service.patch(order_id, attention=None)
    assert attention() is None
    service.patch(order_id, attention=stuck)
    service.patch(order_id, status="Shipped")
    assert attention() is None


def test_an_unknown_order_is_a_404_alone_and_in_bulk(service: Service) -> None:
    assert service.patch(UNKNOWN_ID, status="Processing").status == 404
    (result,) = bulk(service, {"orderId": UNKNOWN_ID, "status": "Processing"})
    assert (result["status"], result["problem"]["type"]) == (404, "urn:orderflow:problem:unknown-order")


def test_entries_of_one_order_apply_in_list_order(service: Service) -> None:
    one, two = service.placed()["orderId"], service.placed()["orderId"]
    results = bulk(
        service,
        {"orderId": one, "status": "Shipped"},
        {"orderId": two, "status": "Cancelled"},
        {"orderId": one, "status": "Processing"},
        {"orderId": one, "status": "Processing"},
        {"orderId": UNKNOWN_ID, "status": "Processing"},
        {"orderId": two, "status": "Processing"},
        {"orderId": one, "status": "Shipped", "fulfillment": SHIPPED},
        {"orderId": one, "status": "Shipped", "fulfillment": SHIPPED},
        {"orderId": one, "status": "Failed"},
    )
    assert [result["status"] for result in results] == [409, 204, 204, 204, 404, 409, 204, 204, 409]
    assert results[0]["problem"]["currentStatus"] == "Created"
    assert results[8]["problem"]["currentStatus"] == "Shipped"
    assert service.get(f"/api/orders/{one}")["version"] == 3
    changes = [
        item for item in service.get(f"/api/orders/{one}/timeline")["items"] if item["kind"] == "change"
    ]
    assert [change["status"] for change in changes] == ["Created", "Processing", "Shipped"]


def test_a_bulk_of_a_thousand_is_taken(service: Service) -> None:
    order_id = service.placed()["orderId"]
    updates = [
        {"orderId": order_id, "attention": {"kind": f"k{number}", "reason": "r"}} for number in range(1000)
    ]
    assert {result["status"] for result in bulk(service, *updates)} == {204}
    order = service.get(f"/api/orders/{order_id}")
    assert (order["version"], order["attention"]["kind"]) == (1001, "k999")

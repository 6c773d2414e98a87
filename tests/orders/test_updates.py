"""Status updates over HTTP, single and bulk: in list order, repeatable, and refused with what is allowed."""

from typing import Any

import pytest
import sqlalchemy as sa
from tests.lost_answers import LostAnswers
from tests.orders.conftest import Answer, Service

from orderflow.orders.model import TRANSITIONS, Status
from orderflow.orders.tables import orders

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
    is_refused(service.patch(order_id, status="Shipped"), "Created", ["Processing", "Cancelled"])
    service.patch(order_id, status="Processing")
    is_refused(service.patch(order_id, status="Cancelled"), "Processing", ["Shipped", "Failed"])
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


def changes_of(service: Service, order_id: str) -> list[tuple[int, str, str | None]]:
    """Version, status and reason of what the timeline shows as changes."""
    items = service.get(f"/api/orders/{order_id}/timeline")["items"]
    return [(e["orderVersion"], e["status"], e["reason"]) for e in items if e["kind"] == "change"]


STUCK = {"kind": "stuck", "reason": "carrier away"}
BULKS: list[list[dict[str, Any]]] = [
    [{"status": "Processing"}, {"status": "Shipped", "fulfillment": SHIPPED}],
    [{"attention": STUCK}, {"attention": None}],
    [{"attention": None}, {"attention": STUCK}, {"attention": STUCK}],
    [{"status": "Shipped"}, {"status": "Processing"}, {"status": "Processing"}],
    [{"status": "Failed"}, {"attention": STUCK}, {"status": "Cancelled"}, {"status": "Processing"}],
    [{"status": "Processing"}, {"status": "Failed"}, {"status": "Failed", "fulfillment": SHIPPED}],
]


@pytest.mark.parametrize("committed", [True, False])
@pytest.mark.parametrize("updates", BULKS)
def test_a_lost_answer_to_commit_changes_neither_the_answers_nor_the_history(
    service: Service, updates: list[dict[str, Any]], committed: bool
) -> None:
    calm, lossy = (service.placed()["orderId"] for _ in range(2))
    wanted = bulk(service, *({"orderId": calm, **update} for update in updates))
    lost = LostAnswers(service.database, commits=committed, times=2)
    results = bulk(service, *({"orderId": lossy, **update} for update in updates))
    assert lost.times == 0
    assert [result["status"] for result in results] == [result["status"] for result in wanted]
    states = [result.get("problem", {}).get("currentStatus") for result in results]
    assert states == [result.get("problem", {}).get("currentStatus") for result in wanted]
    assert changes_of(service, lossy) == changes_of(service, calm)
    statuses = service.get("/api/stats")["statuses"]
    assert statuses[service.get(f"/api/orders/{lossy}")["status"]] == 2


def test_an_order_that_the_lost_commit_left_alone_is_looked_at_anew(service: Service) -> None:
    one, two = (service.placed()["orderId"] for _ in range(2))
    service.patch(two, status="Processing")
    LostAnswers(service.database, commits=True, times=1)
    entries = [(one, "Processing"), (two, "Processing"), (two, "Created"), (UNKNOWN_ID, "Failed")]
    results = bulk(service, *({"orderId": order_id, "status": status} for order_id, status in entries))
    assert [result["status"] for result in results] == [204, 204, 422, 404]
    assert len(changes_of(service, two)) == 2


@pytest.mark.parametrize("status", Status)
def test_exactly_the_transitions_that_a_409_names_can_be_requested(service: Service, status: Status) -> None:
    made: list[str] = []
    refused: list[list[str]] = []
    for target in Status:
        order_id = service.placed()["orderId"]
        service.write(sa.update(orders).where(orders.c.order_id == order_id).values(status=status))
        answer = service.patch(order_id, status=target.value)
        now = service.get(f"/api/orders/{order_id}")["status"]
        if answer.status == 204 and target is not status:
            made.append(target.value)
            assert now == target
            continue
        assert now == status
        if answer.status == 409:
            refused.append(answer.document["allowedTransitions"])
        elif answer.status == 422:
            assert target in (Status.CREATED, Status.ON_HOLD, Status.CANCELLING), "no request can name these"
    assert refused
    assert all(sorted(allowed) == sorted(made) for allowed in refused)
    assert {*made} <= {*TRANSITIONS[status]}

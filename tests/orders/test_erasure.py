"""Erasing a customer's personal data: nothing of it is left in finished orders, which count as before."""

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from tests.orders.conftest import KEPT, ORDER, Service, Start, is_problem

from orderflow.contracts.erasure import ORDERS_A_STEP_MAX
from orderflow.contracts.order_events import decode
from orderflow.orders import tables

SECRETS = ("Ada", "Lovelace", "Square", "London", "SW1Y", "moved house")
OTHER = {**ORDER, "customer": {"customerId": "CUST-2", "name": "Grace Hopper"}}


def erase(service: Service, **more: Any) -> dict[str, Any]:
    """What all steps together have done."""
    done: dict[str, Any] = {}
    cursor = None
    while True:
        body = {"customerId": "CUST-1", **more} | ({"cursor": cursor} if cursor else {})
        answer = service.send("POST", "/api/customers/erase", body)
        assert answer.status == 200, answer.body
        for name, value in answer.document.items():
            done[name] = done[name] + value if name in done and name != "nextCursor" else value
        cursor = answer.document["nextCursor"]
        if cursor is None:
            return done


def everything(service: Service) -> Iterator[str]:
    """All rows of the orders database as text, but not the audit log's."""
    for table in tables.metadata.sorted_tables:
        if table.name != tables.audit_log.name:
            for row in service.rows(f'SELECT * FROM "{table.name}"'):  # noqa: S608
                yield f"{table.name}: {row}"


def found(service: Service) -> list[str]:
    return [row for row in everything(service) if any(secret in row for secret in SECRETS)]


def finished(service: Service, order: Any = ORDER, key: str | None = None) -> str:
    """The id of an order that failed for a reason that tells of its customer."""
    order_id = service.place(order, key).document["orderId"]
    told = {"kind": "carrier", "reason": "Ada Lovelace has moved house"}
    assert service.patch(order_id, status="Processing", attention=told).status == 204
    failed = {"errorMessage": "nobody at 12 St James's Square, London"}
    assert service.patch(order_id, status="Failed", fulfillment=failed).status == 204
    assert service.patch(order_id, attention=told).status == 204
    return order_id


def test_nothing_is_left_of_name_address_and_reasons(service: Service) -> None:
    order_id = finished(service)
    cancelled = service.placed()["orderId"]
    reason = {"reason": "Ada has moved house"}
    assert service.send("POST", f"/api/orders/{cancelled}/cancel", reason).status == 200
    assert len(found(service)) >= 5
    done = erase(service)
    assert (done["orders"], done["events"], done["reasons"]) == (2, 2, 4)
    assert done["orderIds"] == sorted([order_id, cancelled])
    assert done["underWay"] == []
    assert found(service) == []
    order = service.get(f"/api/orders/{order_id}")
    assert order["customer"] == {"customerId": "CUST-1", "name": "erased"}
    assert order["shipTo"] == {"name": "erased", "lines": ["erased"], "city": "erased", "country": "GB"}
    assert order["attention"]["reason"] == order["fulfillment"]["errorMessage"] == "erased"


def test_orders_are_counted_as_before(service: Service) -> None:
    order_id = finished(service)
    before = service.get(f"/api/orders/{order_id}")
    counted = service.get("/api/stats")["statuses"]
    erase(service)
    after = service.get(f"/api/orders/{order_id}")
    assert service.get("/api/stats")["statuses"] == counted
    for same in ("items", "status", "version", "createdAt", "updatedAt", "correlationId"):
        assert after[same] == before[same]
    assert [o["orderId"] for o in service.get("/api/orders?customerId=CUST-1")["items"]] == [order_id]


def test_an_order_under_way_keeps_its_address_and_is_named(service: Service) -> None:
    waiting = service.placed()["orderId"]
    held = service.placed()["orderId"]
    assert service.send("POST", f"/api/orders/{held}/hold").status == 200
    finished(service)
    done = erase(service)
    assert done["orders"] == 1
    assert done["underWay"] == [
        {"orderId": waiting, "status": "Created"},
        {"orderId": held, "status": "OnHold"},
    ]
    assert service.get(f"/api/orders/{waiting}")["shipTo"] == ORDER["shipTo"]


def test_orders_of_others_are_left_alone(service: Service) -> None:
    other = finished(service, OTHER)
    before = service.get(f"/api/orders/{other}")
    erase(service)
    assert service.get(f"/api/orders/{other}") == before


def test_an_event_that_is_not_published_yet_still_can_be(service: Service) -> None:
    """The relay of this service does not run, so the event is still in the outbox."""
    cancelled = service.placed()["orderId"]
    assert service.send("POST", f"/api/orders/{cancelled}/cancel").status == 200
    erase(service)
    payload = next(text for (text,) in service.rows("SELECT payload FROM outbox") if "OrderCreated" in text)
    event: Any = decode(payload.encode())
    assert event.order_id == cancelled
    assert (event.customer.customer_id, event.customer.name) == ("CUST-1", "erased")
    assert event.items[0].product_id == "PROD-1"


def test_a_repeated_request_places_no_second_order_and_gets_no_data_back(service: Service) -> None:
    order_id = finished(service, key="k-1")
    erase(service)
    again = service.place(key="k-1")
    assert (again.status, again.headers["idempotent-replayed"]) == (201, "true")
    assert again.document["orderId"] == order_id
    assert again.document["customer"]["name"] == "erased"
    assert not any(secret.encode() in again.body for secret in SECRETS)
    assert service.place({**ORDER, "items": [{"productId": "P", "quantity": 1}]}, key="k-1").status == 422
    assert service.orders == 1


def test_erasing_again_changes_nothing_and_goes_on_where_it_ended(service: Service) -> None:
    finished(service)
    erase(service)
    again = erase(service)
    assert (again["orders"], again["events"], again["reasons"]) == (0, 0, 0)
    assert len(again["orderIds"]) == 1, "the Fulfillment Service is asked again"
    finished(service)
    assert erase(service)["orders"] == 1


def test_a_customer_with_many_orders_is_erased_in_steps(start: Start) -> None:
    service = start()
    orders = [service.placed()["orderId"] for _ in range(ORDERS_A_STEP_MAX + 2)]
    for order_id in orders:
        assert service.send("POST", f"/api/orders/{order_id}/cancel").status == 200
    first = service.send("POST", "/api/customers/erase", {"customerId": "CUST-1"}).document
    assert first["orderIds"] == orders[:ORDERS_A_STEP_MAX]
    assert first["remains"] == []
    rest = {"customerId": "CUST-1", "cursor": first["nextCursor"]}
    second = service.send("POST", "/api/customers/erase", rest).document
    assert (second["orderIds"], second["nextCursor"]) == (orders[ORDERS_A_STEP_MAX:], None)
    assert found(service) == []


def test_a_dry_run_counts_and_changes_nothing(service: Service) -> None:
    finished(service)
    before = list(everything(service))
    counted = erase(service, dryRun=True)
    assert (counted["orders"], counted["events"]) == (1, 1)
    assert list(everything(service)) == before
    assert service.get("/api/audit?action=customers.erase")["items"] == []
    done = erase(service)
    assert {**done, "remains": []} == {**counted, "remains": []}


def test_the_answer_tells_what_still_holds_the_data(service: Service) -> None:
    finished(service)
    remains = {each["place"]: each for each in erase(service)["remains"]}
    events = remains[f"events in {KEPT.place}"]
    assert events["until"].endswith("Z")
    assert events["why"] == KEPT.why
    assert set(remains) == {
        f"events in {KEPT.place}",
        "digests of requests with an idempotency key",
        "audit log",
        "archives, program logs, database logs and backups",
    }


def test_the_audit_log_says_who_erased_whom_and_how_much(service: Service) -> None:
    finished(service)
    erase(service)
    erase(service)
    (entry,) = service.get("/api/audit?action=customers.erase")["items"]
    assert entry["subject"] == "CUST-1"
    assert entry["details"] == {"orders": 1, "events": 1, "reasons": 3}


@pytest.mark.parametrize(
    "wrong",
    [{}, {"customerId": ""}, {"customerId": "a\x00"}, {"customerId": "c", "cursor": "x"}, {"customerId": 1}],
)
def test_what_names_no_customer_is_refused(service: Service, wrong: dict[str, Any]) -> None:
    is_problem(service.send("POST", "/api/customers/erase", wrong), 422)


def test_a_customer_without_orders_is_no_error(service: Service) -> None:
    assert erase(service)["orderIds"] == []
    assert service.rows(str(sa.select(sa.func.count()).select_from(tables.orders))) == [(0,)]

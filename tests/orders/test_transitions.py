"""Cancel, hold and release over HTTP: what they do to an order in each status, and which events follow."""

import json
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.lost_answers import LostAnswers
from tests.orders.conftest import TOPIC, UNKNOWN_ID, Answer, Service, Start, eventually, is_problem

from orderflow.contracts.order_events import decode
from orderflow.orders.model import Action, Status
from orderflow.orders.tables import orders

# By hand from the design: the status that follows, or None where the action is refused.
FOLLOWS: dict[str, dict[str, str | None]] = {
    "Created": {"cancel": "Cancelled", "hold": "OnHold", "release": "Created"},
    "OnHold": {"cancel": "Cancelled", "hold": "OnHold", "release": "Created"},
    "Processing": {"cancel": "Cancelling", "hold": None, "release": None},
    "Cancelling": {"cancel": "Cancelling", "hold": None, "release": None},
    "Cancelled": {"cancel": "Cancelled", "hold": None, "release": None},
    "Shipped": {"cancel": None, "hold": None, "release": None},
    "Failed": {"cancel": None, "hold": None, "release": None},
}


def act(service: Service, order_id: str, action: str, reason: str | None = None, **headers: str) -> Answer:
    body = None if reason is None else {"reason": reason}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return service.send("POST", f"/api/orders/{order_id}/{action}", body, named)


def placed_as(service: Service, status: str) -> str:
    order_id = service.placed()["orderId"]
    service.write(sa.update(orders).where(orders.c.order_id == order_id).values(status=status))
    return order_id


def outbox_of(service: Service, order_id: str) -> list[tuple[int, str]]:
    """Version and type of the order's events, in the order of the versions."""
    items = service.get(f"/api/orders/{order_id}/timeline")["items"]
    return [(item["orderVersion"], item["eventType"]) for item in items if item["kind"] == "event"]


@pytest.mark.parametrize("status", Status)
def test_an_action_does_in_each_status_what_the_design_says_and_the_order_offers(
    service: Service, status: Status
) -> None:
    offered = {follows for follows in FOLLOWS[status].values() if follows not in (None, status)}
    for action, follows in FOLLOWS[status].items():
        order_id = placed_as(service, status)
        before = service.get(f"/api/orders/{order_id}")
        assert set(before["allowedTransitions"]) == offered
        answer = act(service, order_id, action)
        if follows is None:
            document = is_problem(answer, 409)
            assert document["type"] == "urn:orderflow:problem:illegal-transition"
            assert document["currentStatus"] == status
            assert document["allowedTransitions"] == before["allowedTransitions"]
            assert service.get(f"/api/orders/{order_id}") == before
            continue
        assert answer.status == 200
        order = answer.document
        assert (order["status"], order["version"]) == (follows, 1 if follows == status else 2)
        assert answer.headers["etag"] == f'"{order["version"]}"'
        assert service.get(f"/api/orders/{order_id}") == order
        again = act(service, order_id, action)
        assert (again.status, again.document) == (200, order), "a repeat is a success that changes nothing"


def test_the_timeline_says_who_did_what_and_why(service: Service) -> None:
    order_id = service.placed()["orderId"]
    act(service, order_id, "hold", "address is being checked", X_Correlation_ID="desk-1")
    act(service, order_id, "release", X_Correlation_ID="desk-2")
    act(service, order_id, "cancel", "customer called", X_Correlation_ID="desk-3")
    items = service.get(f"/api/orders/{order_id}/timeline")["items"]
    changes = [item for item in items if item["kind"] == "change"]
    assert [(c["status"], c["reason"], c["correlationId"]) for c in changes[1:]] == [
        ("OnHold", "address is being checked", "desk-1"),
        ("Created", None, "desk-2"),
        ("Cancelled", "customer called", "desk-3"),
    ]
    assert {change["actor"] for change in changes[1:]} == {"anonymous"}
    events = [item for item in items if item["kind"] == "event"]
    assert [(e["orderVersion"], e["eventType"], e["correlationId"]) for e in events[1:]] == [
        (3, "OrderReleased", "desk-2"),
        (4, "OrderCancelled", "desk-3"),
    ]


def test_the_counters_follow_the_actions(service: Service) -> None:
    held, cancelled, asked = (service.placed()["orderId"] for _ in range(3))
    act(service, held, "hold")
    act(service, cancelled, "cancel")
    service.patch(asked, status="Processing")
    act(service, asked, "cancel")
    counts = service.get("/api/stats")["statuses"]
    assert {status: count for status, count in counts.items() if count} == {
        "OnHold": 1,
        "Cancelled": 1,
        "Cancelling": 1,
    }


def test_the_body_and_the_reason_in_it_may_be_left_out(service: Service) -> None:
    plain = {"content-type": "text/plain"}
    sent: list[tuple[Any, dict[str, str]]] = [
        (None, {}),
        (b"", {}),
        (b"", plain),
        ({}, {}),
        ({"reason": None}, {}),
    ]
    for body, headers in sent:
        path = f"/api/orders/{service.placed()['orderId']}/hold"
        assert service.send("POST", path, body, headers).document["status"] == "OnHold"


BROKEN: list[tuple[Any, dict[str, str], int]] = [
    (b'{"reason":"x"}', {"content-type": "text/plain"}, 415),
    (b"{", {}, 400),
    (b"[]", {}, 422),
    ({"reason": ""}, {}, 422),
    ({"reason": "x" * 1001}, {}, 422),
    ({"reason": "two\nlines"}, {}, 422),
    ({"reasons": "x"}, {}, 422),
    ({"reason": "x"}, {"Idempotency-Key": "k"}, 422),
    ({"reason": "x"}, {"If-Match": "3"}, 422),
    (b" " * ((1 << 20) + 1), {}, 413),
]


def test_a_request_that_breaks_the_contract_changes_nothing(service: Service) -> None:
    order = service.placed()
    path = f"/api/orders/{order['orderId']}"
    for body, headers, status in BROKEN:
        is_problem(service.send("POST", f"{path}/cancel", body, headers), status)
    is_problem(service.send("POST", f"{path}/cancel?why=x"), 422)
    assert service.get(path) == order


def test_an_unknown_order_is_a_404(service: Service) -> None:
    for order_id, action in product([UNKNOWN_ID, "no-id"], Action):
        document = is_problem(act(service, order_id, action), 404)
        assert document["type"] == "urn:orderflow:problem:unknown-order"


def test_an_action_for_another_version_is_a_412_unless_it_repeats(service: Service) -> None:
    order_id = service.placed()["orderId"]
    is_problem(act(service, order_id, "hold", If_Match='"2"'), 412)
    assert act(service, order_id, "hold", If_Match='"1"').status == 200
    assert act(service, order_id, "hold", If_Match='"1"').status == 200
    is_problem(act(service, order_id, "release", If_Match='"1"'), 412)


def test_a_status_update_to_cancelled_is_announced_like_a_cancellation(service: Service) -> None:
    created, held = (service.placed()["orderId"] for _ in range(2))
    act(service, held, "hold")
    updates = [{"orderId": order_id, "status": "Cancelled"} for order_id in (created, held)]
    results = service.send("PATCH", "/api/orders/status", {"updates": updates}).document["results"]
    assert [result["status"] for result in results] == [204, 204]
    assert outbox_of(service, created)[1:] == [(2, "OrderCancelled")]
    assert outbox_of(service, held)[1:] == [(3, "OrderCancelled")]


@pytest.mark.parametrize("given", ["own", "not a traceparent", None])
def test_the_event_of_an_update_in_a_bulk_is_in_the_trace_that_the_update_names(
    service: Service, given: str | None
) -> None:
    order_id = service.placed()["orderId"]
    own, callers = (f"00-{digit * 32}-{digit * 16}-01" for digit in "ab")
    update = {"orderId": order_id, "status": "Cancelled"} | ({"traceparent": given} if given else {})
    if given == "own":
        update["traceparent"] = own
    service.send("PATCH", "/api/orders/status", {"updates": [update]}, {"traceparent": callers})
    rows = service.rows("SELECT traceparent FROM outbox WHERE order_version = 2")
    assert rows == [(own if given == "own" else callers,)]


@pytest.mark.parametrize("last", ["Cancelled", "Shipped", "Failed"])
def test_a_status_update_ends_a_cancellation_only_after_it_was_requested(service: Service, last: str) -> None:
    order_id = service.placed()["orderId"]
    service.patch(order_id, status="Processing")
    assert service.patch(order_id, status="Cancelled").status == 409, "its goods are on the way"
    act(service, order_id, "cancel")
    is_problem(service.patch(order_id, status="Processing"), 409)
    assert service.patch(order_id, status=last).status == 204
    assert service.get(f"/api/orders/{order_id}")["status"] == last
    assert outbox_of(service, order_id)[1:] == [(3, "OrderCancellationRequested")]


def test_processing_and_a_cancellation_that_race_leave_one_winner_on_which_both_agree(
    service: Service,
) -> None:
    placed = [service.placed()["orderId"] for _ in range(20)]
    with ThreadPoolExecutor(8) as pool:
        started = [pool.submit(service.patch, order_id, status="Processing") for order_id in placed]
        cancelled = [pool.submit(act, service, order_id, "cancel") for order_id in placed]
    for order_id, start, cancel in zip(placed, started, cancelled, strict=True):
        status = service.get(f"/api/orders/{order_id}")["status"]
        assert cancel.result().status == 200
        assert (status, start.result().status) in (("Cancelled", 409), ("Cancelling", 204))


@pytest.mark.parametrize("committed", [True, False])
@pytest.mark.parametrize("action", ["cancel", "hold"])
def test_a_lost_answer_to_commit_makes_no_second_move_and_no_second_event(
    service: Service, action: str, committed: bool
) -> None:
    order_id = service.placed()["orderId"]
    wanted = [(2, "OrderCancelled")] if action == "cancel" else []
    lost = LostAnswers(service.database, commits=committed, times=2)
    answer = act(service, order_id, action)
    assert lost.times == 0
    assert (answer.status, answer.document["version"]) == (200, 2)
    assert outbox_of(service, order_id)[1:] == wanted
    assert act(service, order_id, action).document == answer.document


def published(service: Service) -> list[tuple[int, str]]:
    assert service.log is not None
    consumer = service.log.consumer(TOPIC, "reader")
    try:
        events = [decode(record.value) for record in consumer.poll(10_000, 0)]
    finally:
        consumer.close()
    return [(event.order_version, event.event_type) for event in events]


def test_events_come_in_the_order_of_the_versions_though_the_log_was_away(
    start: Start, tmp_path: Path
) -> None:
    service = start(tmp_path / "log.db")
    service.publisher.down = True
    order_id = service.placed()["orderId"]
    for action in ("hold", "release", "hold", "cancel"):
        act(service, order_id, action)
    expected = [(1, "OrderCreated"), (3, "OrderReleased"), (5, "OrderCancelled")]
    assert outbox_of(service, order_id) == expected
    service.publisher.down = False
    eventually(lambda: service.get("/api/stats")["outbox"]["backlog"] == 0)
    assert published(service) == expected


def test_the_event_names_the_instant_and_the_correlation_id_of_its_move(start: Start, tmp_path: Path) -> None:
    service = start(tmp_path / "log.db")
    order_id = service.placed()["orderId"]
    service.patch(order_id, status="Processing")
    order = act(service, order_id, "cancel", X_Correlation_ID="desk-7").document
    eventually(lambda: service.get("/api/stats")["outbox"]["backlog"] == 0)
    message = service.publisher.calls[-1][-1]
    document = json.loads(message.value or b"")
    headers = dict(message.headers)
    assert message.key == order_id
    assert {name: document[name] for name in ("eventType", "schemaVersion", "orderId", "orderVersion")} == {
        "eventType": "OrderCancellationRequested",
        "schemaVersion": 1,
        "orderId": order_id,
        "orderVersion": 3,
    }
    assert document["createdAt"] == order["updatedAt"]
    assert document["metadata"] == {"source": "OrderService", "correlationId": "desk-7"}
    assert (headers["ce_type"], headers["correlation-id"]) == (b"OrderCancellationRequested", b"desk-7")
    assert headers["ce_id"].decode() == document["eventId"]

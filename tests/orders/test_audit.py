"""Who changes an order or releases an event by hand is in the audit log, in the same transaction."""

from typing import Any

import pytest
import sqlalchemy as sa
from tests.lost_answers import LostAnswers
from tests.orders.conftest import ORDER, Service, Start, is_problem

from orderflow.contracts.audit import AUDIT
from orderflow.contracts.orders_api import WORKER_AGENT
from orderflow.contracts.scopes import EVERY_SCOPE, Scope
from orderflow.web.front_door import Principal

UNKNOWN = "019c46f2-b0a0-7c11-8f3a-2b1c9d4e5f60"


def entries(service: Service, query: str = "") -> list[dict[str, Any]]:
    return service.get(f"{AUDIT}{query}")["items"]


def told(service: Service) -> list[tuple[str, str, dict[str, Any]]]:
    """Action, subject and details of each entry, oldest first."""
    found = [(each["action"], each["subject"], each["details"]) for each in entries(service)]
    return found[::-1]


def act(service: Service, order_id: str, action: str, reason: str | None = None) -> int:
    body = {} if reason is None else {"reason": reason}
    headers = {"X-Correlation-ID": f"{action}-1"}
    return service.send("POST", f"/api/orders/{order_id}/{action}", body, headers).status


def test_what_people_do_with_an_order_is_recorded_with_actor_reason_and_correlation_id(
    service: Service,
) -> None:
    order_id = service.placed()["orderId"]
    assert [act(service, order_id, action) for action in ("hold", "release")] == [200, 200]
    assert act(service, order_id, "cancel", "changed their mind") == 200
    assert told(service) == [
        ("order.hold", order_id, {"status": "OnHold"}),
        ("order.release", order_id, {"status": "Created"}),
        ("order.cancel", order_id, {"status": "Cancelled"}),
    ]
    (last,) = entries(service, "?limit=1")
    assert (last["actor"], last["reason"], last["correlationId"]) == (
        *("anonymous", "changed their mind", "cancel-1"),
    )


def test_a_status_set_by_hand_is_recorded_and_one_that_a_worker_reports_is_not(service: Service) -> None:
    by_hand, by_worker = service.placed()["orderId"], service.placed()["orderId"]
    assert service.patch(by_hand, status="Processing").status == 204
    bulk = {
        "updates": [{"orderId": each, "attention": {"kind": "look", "reason": "x"}} for each in (by_hand,)]
    }
    assert service.send("PATCH", "/api/orders/status", bulk).status == 200
    bulk = {"updates": [{"orderId": by_worker, "status": "Processing"}]}
    assert service.send("PATCH", "/api/orders/status", bulk, {"User-Agent": WORKER_AGENT}).status == 200
    assert service.get(f"/api/orders/{by_worker}")["status"] == "Processing"
    assert told(service) == [("order.update", by_hand, {"status": "Processing"})] * 2


def test_where_callers_are_known_a_worker_is_who_may_only_report(start: Start) -> None:
    callers = {
        b"worker": Principal("worker", frozenset((Scope.ORDERS_STATUS,))),
        b"ada": Principal("ada", frozenset((Scope.ORDERS_STATUS, Scope.ORDERS_READ))),
        b"admin": Principal("admin", EVERY_SCOPE),
    }

    def known(given: bytes | None) -> Principal:
        return callers[given or b"admin"]

    service = start(authenticate=known)
    for name in ("worker", "ada", "admin"):
        order_id = service.send("POST", "/api/orders", ORDER, {"Authorization": "admin"}).document["orderId"]
        patch = {"status": "Processing"}
        headers = {"Authorization": name, "User-Agent": WORKER_AGENT}
        path = f"/api/orders/{order_id}/status"
        assert service.send("PATCH", path, patch, headers).status == 204
    assert [each["actor"] for each in entries(service)] == ["admin", "ada"]
    for name, status in (("worker", 403), ("ada", 403), ("admin", 200)):
        assert service.send("GET", AUDIT, headers={"Authorization": name}).status == status


def test_what_changes_nothing_is_not_recorded(service: Service) -> None:
    order_id = service.placed()["orderId"]
    assert act(service, order_id, "cancel") == 200
    assert act(service, order_id, "cancel") == 200
    is_problem(service.send("POST", f"/api/orders/{order_id}/hold", {}), 409)
    is_problem(service.patch(UNKNOWN, status="Processing"), 404)
    assert [each["action"] for each in entries(service)] == ["order.cancel"]


def test_a_change_by_hand_that_cannot_be_recorded_is_not_made(service: Service) -> None:
    order_id = service.placed()["orderId"]
    service.write(sa.text("DROP TABLE audit_log"))
    assert act(service, order_id, "cancel") >= 500
    assert service.get(f"/api/orders/{order_id}")["status"] == "Created"


@pytest.mark.parametrize("commits", [True, False])
def test_a_change_whose_commit_is_in_doubt_is_recorded_once(start: Start, commits: bool) -> None:
    service = start()
    order_id = service.placed()["orderId"]
    LostAnswers(service.database, commits=commits, times=1)
    assert act(service, order_id, "cancel") == 200
    assert told(service) == [("order.cancel", order_id, {"status": "Cancelled"})]


def test_entries_are_filtered_and_a_wrong_filter_is_refused(service: Service) -> None:
    order_id = service.placed()["orderId"]
    act(service, order_id, "hold")
    at = entries(service)[0]["at"]
    assert len(entries(service, f"?actor=anonymous&action=order.hold&since={at}")) == 1
    for nothing in ("?actor=ada", "?action=order.cancel", "?since=2999-01-01T00:00:00Z"):
        assert entries(service, nothing) == []
    for wrong in ("?since=yesterday", "?actor=", "?subject=x", "?limit=0", "?cursor=x"):
        is_problem(service.send("GET", f"{AUDIT}{wrong}"), 422)

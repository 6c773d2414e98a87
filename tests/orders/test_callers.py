"""What a caller who is bound to a customer sees and does, and what belongs to each caller alone."""

from collections.abc import Mapping
from typing import Any

import pytest
from tests.orders.conftest import ORDER, UNKNOWN_ID, Answer, Service, Start, is_problem

from orderflow.contracts.scopes import EVERY_SCOPE, OF_CUSTOMERS
from orderflow.web.front_door import NOBODY, Principal

CALLERS = {
    b"ada": Principal("ada", OF_CUSTOMERS, "CUST-1"),
    b"bob": Principal("bob", OF_CUSTOMERS, "CUST-2"),
    b"shop": Principal("shop", EVERY_SCOPE),
    b"desk": Principal("desk", OF_CUSTOMERS),
}
OTHERS_ORDER = {**ORDER, "customer": {"customerId": "CUST-2", "name": "Bob"}}


def known(authorization: bytes | None) -> Principal:
    return NOBODY if authorization is None else CALLERS[authorization]


@pytest.fixture(params=[True, False], ids=["short way", "application"])
def service(start: Start, request: pytest.FixtureRequest) -> Service:
    return start(short_way=request.param, authenticate=known)


def send(
    service: Service,
    caller: str,
    method: str,
    path: str,
    body: Any = None,
    *,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    return service.send(method, path, body, {"authorization": caller, **(headers or {})})


def placed(service: Service, caller: str, order: Any = ORDER, key: str | None = None) -> Answer:
    headers = {"Idempotency-Key": key} if key else None
    return send(service, caller, "POST", "/api/orders", order, headers=headers)


def test_a_bound_caller_places_and_sees_orders_of_its_customer(service: Service) -> None:
    order = placed(service, "ada").document
    path = f"/api/orders/{order['orderId']}"
    assert send(service, "ada", "GET", path).status == 200
    assert send(service, "ada", "GET", f"{path}?wait=Created&timeoutMs=0").status == 200
    assert send(service, "ada", "GET", f"{path}/timeline").status == 200
    for action in ("hold", "release", "cancel"):
        assert send(service, "ada", "POST", f"{path}/{action}").status == 200


def test_an_order_of_another_customer_does_not_exist_for_a_bound_caller(service: Service) -> None:
    order = placed(service, "ada").document
    path = f"/api/orders/{order['orderId']}"
    unknown = f"/api/orders/{UNKNOWN_ID}"
    for method, rest in (
        ("GET", ""),
        ("GET", "?wait=Shipped&timeoutMs=60000"),
        ("GET", "?wait=Created"),
        ("GET", "/timeline"),
        ("POST", "/cancel"),
        ("POST", "/hold"),
        ("POST", "/release"),
    ):
        problem = is_problem(send(service, "bob", method, path + rest), 404)
        nothing = is_problem(send(service, "bob", method, unknown + rest), 404)
        different = {"instance", "correlationId"}
        assert {k: v for k, v in problem.items() if k not in different} == {
            k: v for k, v in nothing.items() if k not in different
        }
    stale = {"If-Match": '"7"'}
    assert send(service, "bob", "POST", f"{path}/cancel", headers=stale).status == 404
    assert send(service, "ada", "GET", path).document == order


def test_a_list_has_no_orders_of_other_customers_whatever_is_asked_for(service: Service) -> None:
    own = placed(service, "ada").document["orderId"]
    others = placed(service, "bob", OTHERS_ORDER).document["orderId"]

    def listed(caller: str, query: str) -> list[str]:
        items = send(service, caller, "GET", f"/api/orders{query}").document["items"]
        return [item["orderId"] for item in items]

    for query in ("", "?status=Created", "?productId=PROD-1", "?limit=200"):
        assert listed("ada", query) == [own]
        assert listed("bob", query) == [others]
        assert listed("shop", query) == [others, own]
    assert listed("ada", "?customerId=CUST-2") == []


def test_a_bound_caller_places_no_order_for_another_customer(service: Service) -> None:
    problem = is_problem(placed(service, "bob"), 403)
    assert problem["type"] == "urn:orderflow:problem:other-customer"
    assert "CUST-2" not in str(problem)
    assert service.orders == 0


def test_in_a_batch_only_the_orders_for_others_are_refused(service: Service) -> None:
    wrong: dict[str, Any] = {"customer": {}}
    batch = {"orders": [ORDER, OTHERS_ORDER, wrong]}
    results = send(service, "bob", "POST", "/api/orders/batch", batch).document["results"]
    assert [result["status"] for result in results] == [403, 201, 422]
    assert service.orders == 1


def test_two_callers_may_use_the_same_idempotency_key(service: Service) -> None:
    first, second = placed(service, "ada", key="k-1"), placed(service, "shop", key="k-1")
    assert (first.status, second.status) == (201, 201)
    assert first.document["orderId"] != second.document["orderId"]
    for caller, of in (("ada", first), ("shop", second)):
        again = placed(service, caller, key="k-1")
        assert (again.headers["idempotent-replayed"], again.body) == ("true", of.body)
    batch = {"orders": [{**OTHERS_ORDER, "idempotencyKey": "k-1"}]}
    (result,) = send(service, "bob", "POST", "/api/orders/batch", batch).document["results"]
    assert (result["status"], result.get("replayed")) == (201, None)
    assert service.orders == 3


def test_a_caller_finds_orders_by_its_own_idempotency_keys_and_only_admin_by_those_of_others(
    service: Service,
) -> None:
    of = {
        caller: placed(service, caller, key="k-1").document["orderId"] for caller in ("ada", "desk", "shop")
    }

    def found(caller: str, query: str = "idempotencyKey=k-1") -> list[str]:
        items = send(service, caller, "GET", f"/api/orders?{query}").document["items"]
        return [item["orderId"] for item in items]

    assert found("ada") == [of["ada"]]
    assert found("bob") == []
    assert found("desk") == [of["desk"]]
    assert found("desk", "idempotencyKey=k-1&productId=PROD-1") == [of["desk"]]
    assert found("shop") == sorted(of.values(), reverse=True)
    assert found("shop", "idempotencyKey=k-2") == []


def test_the_timeline_names_who_placed_and_changed_an_order(service: Service) -> None:
    path = f"/api/orders/{placed(service, 'ada').document['orderId']}"
    assert send(service, "shop", "POST", f"{path}/hold").status == 200
    release = {"status": "Cancelled"}
    assert send(service, "shop", "PATCH", f"{path}/status", release).status in (204, 409)
    entries = send(service, "ada", "GET", f"{path}/timeline").document["items"]
    actors = [(entry["status"], entry["actor"]) for entry in entries if entry["kind"] == "change"]
    assert actors[:2] == [("Created", "ada"), ("OnHold", "shop")]


def test_the_short_way_takes_orders_of_known_callers_only(start: Start) -> None:
    service = start(authenticate=known)
    assert placed(service, "ada").status == placed(service, "shop").status == 201
    assert service.taken == [True, True]
    is_problem(service.place(), 401)
    is_problem(placed(service, "bob"), 403)
    assert service.taken == [True, True, False, False]

"""Addresses, methods and queries: whatever is asked for, the answer is a resource or a problem."""

import http.client

import pytest
from tests.orders.conftest import SECRET, UNKNOWN_ID, Service, is_problem

ROUTES = {
    "/api/orders": {"GET", "POST"},
    "/api/orders/batch": {"GET", "POST"},  # an order id for GET
    "/api/orders/status": {"GET", "PATCH"},
    f"/api/orders/{UNKNOWN_ID}": {"GET"},
    f"/api/orders/{UNKNOWN_ID}/status": {"PATCH"},
    f"/api/orders/{UNKNOWN_ID}/cancel": {"POST"},
    f"/api/orders/{UNKNOWN_ID}/hold": {"POST"},
    f"/api/orders/{UNKNOWN_ID}/release": {"POST"},
    f"/api/orders/{UNKNOWN_ID}/timeline": {"GET"},
    "/api/stats": {"GET"},
    "/health/live": {"GET"},
    "/health/ready": {"GET"},
}


@pytest.mark.parametrize("path", ROUTES)
def test_a_wrong_method_is_a_405_that_names_the_right_ones(refusing: Service, path: str) -> None:
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "SPLICE"} - ROUTES[path]:
        try:
            answer = refusing.send(method, path)
        except http.client.HTTPException:
            assert method == "TRACE"
            continue
        if method == "SPLICE":
            is_problem(answer, 400)  # the HTTP parser knows no such method
            continue
        is_problem(answer, 405)
        heads = {"HEAD"} if "GET" in ROUTES[path] else set[str]()
        assert set(answer.headers["allow"].split(", ")) == ROUTES[path] | heads


@pytest.mark.parametrize("path", [path for path in ROUTES if "GET" in ROUTES[path]])
def test_head_is_answered_wherever_get_is(refusing: Service, path: str) -> None:
    get, head = refusing.send("GET", path), refusing.send("HEAD", path)
    assert (head.status, head.body) == (get.status, b"")
    # Two problems differ in their correlation id alone, which has one length.
    assert head.headers["content-length"] == str(len(get.body))


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/api",
        "/api/orders/",
        "/api/orders/x",
        f"/api/orders/{UNKNOWN_ID}",
        f"/api/orders/{UNKNOWN_ID}/",
        f"/api/orders/{UNKNOWN_ID}/timeline",
        f"/api/orders/{UNKNOWN_ID}%0a",
        "/api/orders/%ff%fe",
        "/api/orders/%ed%a0%80",
        "/api/orders/..%2f..%2fetc%2fpasswd",
        "/api/orders/" + "x" * 5_000,
        "/api/orders/%F0%9F%98%80",
        "/api/orders/{order_id}",
        "//api/orders",
        "/API/ORDERS",
    ],
)
def test_an_address_where_nothing_is_is_a_404(refusing: Service, path: str) -> None:
    is_problem(refusing.send("GET", path), 404)


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=201",
        "limit=-1",
        "limit=x",
        "limit=",
        "limit=" + "9" * 5000,
        "limit=1.5",
        "cursor=",
        "cursor=x",
        "cursor=%00",
        "cursor=" + "A" * 65,
        "cursor=AAAA",
        "cursor=%F0%9F%98%80",
        f"cursor={SECRET}",
        "status=created",
        "status=",
        f"status={SECRET}",
        "attention=maybe",
        "customerId=",
        "customerId=%00",
        "customerId=" + "x" * 201,
        "createdFrom=yesterday",
        "createdFrom=2026-02-10",
        "createdFrom=2026-02-10T09:30:00",
        "createdFrom=1770716000",
        "createdTo=0001-01-01T00:00:00%2B23:59",
        "createdTo=9999-12-31T23:59:59-23:59",
        "createdTo=2026-02-30T00:00:00Z",
        f"unknown={SECRET}",
    ],
)
def test_a_bad_list_query_is_a_422_that_names_the_parameter(refusing: Service, query: str) -> None:
    document = is_problem(refusing.send("GET", f"/api/orders?{query}"), 422)
    assert document["errors"][0]["pointer"] == "/" + query.split("=", maxsplit=1)[0]
    assert document["errors"][0]["in"] == "query"


@pytest.mark.parametrize(
    "query", ["wait=Sent", "timeoutMs=-1", "timeoutMs=60001", "timeoutMs=x", "wait=", "x=1"]
)
def test_a_bad_long_poll_query_is_a_422(refusing: Service, query: str) -> None:
    is_problem(refusing.send("GET", f"/api/orders/{UNKNOWN_ID}?{query}"), 422)

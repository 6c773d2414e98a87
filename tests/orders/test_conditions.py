"""What a request asks for besides its body (keys, versions, parameters) is done or refused, never ignored."""

import json
from typing import Any
from urllib.parse import quote

import pytest
from tests.orders.conftest import ORDER, Service, Start

KEY_WITH_ACCENT = "Bestellung-ä-42"


def refused(answer: Any, status: int, pointer: str | None = None) -> None:
    assert answer.status == status, answer.body
    if pointer is not None:
        assert pointer in [error["pointer"] for error in answer.document["errors"]]


def in_header(key: str) -> dict[str, Any]:
    return {"Idempotency-Key": key.encode()}  # http.client writes text as latin-1


def test_a_key_is_the_same_in_a_header_and_in_a_batch(service: Service) -> None:
    for key in (KEY_WITH_ACCENT, "a b"):
        by_header = service.send("POST", "/api/orders", ORDER, in_header(f" \t{key} "))
        assert by_header.status == 201
        batch = {"orders": [{**ORDER, "idempotencyKey": spelt} for spelt in (key, f"\t{key}  ")]}
        results = service.send("POST", "/api/orders/batch", batch).document["results"]
        assert {result["order"]["orderId"] for result in results} == {by_header.document["orderId"]}
    assert service.orders == 2


@pytest.mark.parametrize("key", [b"\xe4", b"", b"k" * 256, b"\xc2\x85"])
def test_a_key_that_is_none_is_refused(service: Service, key: Any) -> None:
    refused(service.send("POST", "/api/orders", ORDER, {"Idempotency-Key": key}), 422, "/Idempotency-Key")


def patched(service: Service, order_id: str, tags: str, **changes: Any) -> Any:
    return service.send("PATCH", f"/api/orders/{order_id}/status", changes, {"If-Match": tags})


@pytest.mark.parametrize("tags", ['"1"', "*", '"7", "1"', 'W/"1", "1"', ' "a,b" , "1",'])
def test_an_update_for_the_version_that_the_order_has_is_made(service: Service, tags: str) -> None:
    order_id = service.placed()["orderId"]
    assert patched(service, order_id, tags, status="Processing").status == 204


@pytest.mark.parametrize("tags", ['"2"', 'W/"1"', '"7", "8"', '"01"', '"x"', '""'])
def test_an_update_for_another_version_changes_nothing(service: Service, tags: str) -> None:
    order_id = service.placed()["orderId"]
    answer = patched(service, order_id, tags, status="Processing")
    refused(answer, 412)
    assert answer.headers["etag"] == '"1"'
    assert answer.document["currentVersion"] == 1
    assert service.get(f"/api/orders/{order_id}")["status"] == "Created"


def test_a_repeated_update_is_a_success_although_the_version_has_moved_on(service: Service) -> None:
    order_id = service.placed()["orderId"]
    assert [patched(service, order_id, '"1"', status="Processing").status for _ in range(2)] == [204, 204]
    # An update that is both stale and illegal counts as stale: the client has not seen the order as it is.
    refused(patched(service, order_id, '"1"', status="Cancelled"), 412)
    refused(patched(service, order_id, '"2"', status="Cancelled"), 409)


def test_entity_tags_that_are_none_are_refused(service: Service) -> None:
    order_id = service.placed()["orderId"]
    for tags in ("1", '"1', "W/1", '* , "1"'):
        refused(patched(service, order_id, tags, status="Processing"), 422, "/If-Match")


def test_a_repeated_status_is_the_union(service: Service) -> None:
    ids = [service.placed()["orderId"] for _ in range(3)]
    service.patch(ids[0], status="Processing")
    service.patch(ids[1], status="Cancelled")
    found = service.get("/api/orders?status=Processing&status=Cancelled")["items"]
    assert {order["orderId"] for order in found} == set(ids[:2])


@pytest.mark.parametrize(
    ("path", "pointer"),
    [
        ("/api/orders?customer=c", "/customer"),
        ("/api/orders?limit=1&limit=2", "/limit"),
        ("/api/orders?customerId=a&customerId=b", "/customerId"),
        ("/api/orders/{id}?wait=Shipped&wait=Failed&timeoutMs=0", "/wait"),
        ("/api/orders/{id}?expand=1", "/expand"),
        ("/api/outbox/parked?order=1", "/order"),
        ("/api/outbox/parked?cursor=a&cursor=b", "/cursor"),
    ],
)
def test_parameters_that_nobody_knows_or_that_come_twice_are_named(
    service: Service, path: str, pointer: str
) -> None:
    refused(service.send("GET", path.replace("{id}", service.placed()["orderId"])), 422, pointer)


@pytest.fixture(params=["short", "usual"])
def either_way(request: pytest.FixtureRequest, start: Start) -> Service:
    """A service with the short way of POST, and one without."""
    return start(short_way=request.param == "short")


OPERATIONS: list[tuple[str, str, Any]] = [
    ("POST", "/api/orders", ORDER),
    ("POST", "/api/orders/batch", {"orders": [ORDER]}),
    ("PATCH", "/api/orders/status", {"updates": [{"orderId": "{id}", "status": "Processing"}]}),
    ("PATCH", "/api/orders/{id}/status", {"status": "Processing"}),
    *(("POST", f"/api/orders/{{id}}/{action}", {}) for action in ("cancel", "hold", "release")),
    ("POST", "/api/outbox/parked/release", {}),
    *(
        ("GET", path, None)
        for path in (
            *("/api/orders", "/api/orders/{id}", "/api/orders/{id}/timeline", "/api/outbox/parked"),
            *("/api/stats", "/health/live", "/health/ready"),
        )
    ),
]
ASKED: list[tuple[str, dict[str, str], str]] = [
    ("?dryRun=true", {}, "/dryRun"),
    ("?", {"If-Match": '"1"'}, "/If-Match"),
    ("?", {"If-None-Match": "*"}, "/If-None-Match"),
    ("?", {"Idempotency-Key": "k"}, "/Idempotency-Key"),
]


@pytest.mark.parametrize(("method", "path", "body"), OPERATIONS, ids=lambda value: str(value)[:30])
def test_what_is_asked_beside_the_body_and_not_done_is_refused(
    either_way: Service, method: str, path: str, body: Any
) -> None:
    order_id = either_way.placed()["orderId"]
    text = None if body is None else json.dumps(body).replace("{id}", order_id).encode()
    for query, headers, pointer in ASKED:
        takes = (path, pointer) in (
            *(
                (f"/api/orders/{{id}}/{name}", "/If-Match")
                for name in ("status", "cancel", "hold", "release")
            ),
            ("/api/orders", "/Idempotency-Key") if method == "POST" else None,
        )
        if takes or (method == "GET" and pointer == "/If-None-Match"):
            continue
        refused(either_way.send(method, path.replace("{id}", order_id) + query, text, headers), 422, pointer)
    assert either_way.orders == 1
    assert either_way.get(f"/api/orders/{order_id}")["version"] == 1


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json; charset=UTF-8", 201),
        ('Application/JSON;charset="utf-8"', 201),
        ("application/json ; CharSet = utf8 ; version=1", 201),
        ("application/json;", 201),
        ("application/json; charset=latin-1", 415),
        ('application/json; charset="utf-16"', 415),
        ("application/json; charset=utf-8; charset=latin-1", 415),
        ("application/json; charset=", 415),
        ("text/plain; application/json", 415),
    ],
)
def test_json_is_utf_8_whatever_it_is_called(either_way: Service, content_type: str, status: int) -> None:
    refused(either_way.send("POST", "/api/orders", ORDER, {"content-type": content_type}), status)
    assert either_way.orders == (1 if status == 201 else 0)


def test_an_address_needs_no_postal_code(service: Service) -> None:
    ship_to = {key: value for key, value in ORDER["shipTo"].items() if key != "postalCode"}
    order = service.placed({**ORDER, "shipTo": {**ship_to, "country": "HK"}})
    assert "postalCode" not in order["shipTo"]


def test_an_integer_may_be_written_with_a_fraction_of_nothing(service: Service) -> None:
    item = '{"productId":"p","quantity":2.0,"unitPrice":{"amountMinor":1e3,"currency":"EUR"}}'
    text = json.dumps({**ORDER, "items": []}).replace("[]", f"[{item}]", 1)
    order = service.send("POST", "/api/orders", text.encode()).document
    assert order["items"][0] == {
        "productId": "p",
        "quantity": 2,
        "unitPrice": {"amountMinor": 1000, "currency": "EUR"},
    }
    for wrong in ("2.5", '"2"', "true", "1e400", "-0.0"):
        body = text.replace("2.0", wrong).encode()
        refused(service.send("POST", "/api/orders", body), 422)


def test_a_page_of_large_orders_ends_early_and_goes_on(service: Service) -> None:
    items = [{"productId": f"{n:04d}" + "x" * 190, "quantity": 1} for n in range(1_000)]
    for _ in range(30):
        service.placed({**ORDER, "items": items})
    seen: list[str] = []
    cursor = ""
    while cursor is not None:
        answer = service.send("GET", f"/api/orders?limit=200{cursor and '&cursor=' + quote(cursor)}")
        assert len(answer.body) < 5 << 20
        seen += [order["orderId"] for order in answer.document["items"]]
        assert all(len(order["items"]) == 1_000 for order in answer.document["items"])
        cursor = answer.document["nextCursor"]
    assert len(seen) == len(set(seen)) == 30
    assert seen == sorted(seen, reverse=True)

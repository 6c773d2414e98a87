"""Whatever is sent, the answer is the contract's: the right status, problem details, no echo, never a 500."""

import gzip
import http.client
import json
from copy import deepcopy
from typing import Any

import pytest
from tests.orders.conftest import ORDER, SECRET, UNKNOWN_ID, Service, is_problem

MIB = 1 << 20


def changed(path: str, value: Any) -> dict[str, Any]:
    """The order with one thing in it replaced; `path` as in customer/name or items/0/quantity."""
    order: Any = deepcopy(ORDER)
    *parents, last = [int(part) if part.isdigit() else part for part in path.split("/")]
    inner = order
    for part in parents:
        inner = inner[part]
    inner[last] = value
    return order


def priced(*prices: object) -> dict[str, Any]:
    items = [{"productId": "P", "quantity": 1} | ({"unitPrice": price} if price else {}) for price in prices]
    return ORDER | {"items": items}


EUR = {"amountMinor": 1, "currency": "EUR"}
USD = {"amountMinor": 1, "currency": "USD"}

INVALID_ORDERS = {
    "two currencies": (priced(EUR, USD), "/items/1/unitPrice/currency"),
    "partially priced": (priced(EUR, None), "/items/1/unitPrice"),
    "first one unpriced": (priced(None, EUR), "/items/1/unitPrice"),
    "lower-case currency": (priced(EUR | {"currency": "eur"}), "/items/0/unitPrice/currency"),
    "negative amount": (priced(EUR | {"amountMinor": -1}), "/items/0/unitPrice/amountMinor"),
    "amount over the bound": (priced(EUR | {"amountMinor": 10**12 + 1}), "/items/0/unitPrice/amountMinor"),
    "fractional amount": (priced(EUR | {"amountMinor": 1.5}), "/items/0/unitPrice/amountMinor"),
    "NUL": (changed("customer/name", SECRET + "\0"), "/customer/name"),
    "line break": (changed("customer/name", SECRET + "\n"), "/customer/name"),
    "C1 control": (changed("customer/name", SECRET + "\x85"), "/customer/name"),
    "blank": (changed("customer/name", "   "), "/customer/name"),
    "empty": (changed("customer/customerId", ""), "/customer/customerId"),
    "201 characters": (changed("customer/name", SECRET + "x" * 181), "/customer/name"),
    "201 astral characters": (changed("customer/name", "\U0001f600" * 201), "/customer/name"),
    "number for text": (changed("customer/name", 7), "/customer/name"),
    "null for text": (changed("customer/name", None), "/customer/name"),
    "float quantity": (changed("items/0/quantity", 2.5), "/items/0/quantity"),
    "bool quantity": (changed("items/0/quantity", True), "/items/0/quantity"),
    "text quantity": (changed("items/0/quantity", "2"), "/items/0/quantity"),
    "zero quantity": (changed("items/0/quantity", 0), "/items/0/quantity"),
    "negative quantity": (changed("items/0/quantity", -1), "/items/0/quantity"),
    "quantity over the bound": (changed("items/0/quantity", 1_000_001), "/items/0/quantity"),
    "huge quantity": (changed("items/0/quantity", 10**4000), "/items/0/quantity"),
    "no items": (changed("items", []), "/items"),
    "1,001 items": (changed("items", [{"productId": "P", "quantity": 1}] * 1001), "/items"),
    "items as object": (changed("items", {}), "/items"),
    "unknown field": (ORDER | {"notes": SECRET}, "/notes"),
    "unknown inner field": (changed("customer/email", SECRET), "/customer/email"),
    "snake case": (
        {"customer": {"customer_id": "C", "name": "N"}, "items": ORDER["items"]},
        "/customer/customerId",
    ),
    "no customer": ({"items": ORDER["items"]}, "/customer"),
    "empty address": (changed("shipTo", {}), "/shipTo/name"),
    "eleven address lines": (changed("shipTo/lines", ["x"] * 11), "/shipTo/lines"),
    "a list": ([ORDER], ""),
    "a text": (SECRET, ""),
    "null": (None, ""),
    "a key for batches only": (ORDER | {"idempotencyKey": "k"}, "/idempotencyKey"),
    "tricky name": (ORDER | {"a/b~c": 1}, "/a~1b~0c"),
}

MALFORMED = {
    "no JSON": b"not json " + SECRET.encode(),
    "cut off": json.dumps(ORDER).encode()[:-3],
    "two documents": json.dumps(ORDER).encode() * 2,
    "lone surrogate": b'{"customer":{"customerId":"\\ud800","name":"N"}}',
    "invalid UTF-8": b'{"customer":{"customerId":"\xff"}}',
    "UTF-16": json.dumps(ORDER).encode("utf-16"),
    "empty": b"",
    "deep lists": b"[" * 10_000,
    "deep objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "number of 5,000 digits": b'{"items":' + b"9" * 5_000 + b"}",
    "comment": b"/* */ {}",
    "trailing comma": b'{"items":[],}',
}

NOT_A_NUMBER = [b"NaN", b"Infinity", b"-Infinity", b"1e999", b"1E400", b"-0.5"]


@pytest.mark.parametrize("name", INVALID_ORDERS)
def test_an_invalid_order_is_refused_with_a_pointer_and_leaves_nothing(refusing: Service, name: str) -> None:
    order, pointer = INVALID_ORDERS[name]
    document = is_problem(refusing.send("POST", "/api/orders", json.dumps(order).encode()), 422)
    assert pointer in [error["pointer"] for error in document["errors"]]


def test_an_invalid_order_fails_alone_in_its_batch(service: Service) -> None:
    cases = [
        case for case in INVALID_ORDERS.values() if isinstance(case[0], dict) and case[1] != "/idempotencyKey"
    ]
    batch = {"orders": [entry for order, _ in cases for entry in (order, ORDER)]}
    results = service.send("POST", "/api/orders/batch", batch).document["results"]
    assert [result["status"] for result in results] == [422, 201] * len(cases)
    for (_, pointer), index in zip(cases, range(0, len(batch["orders"]), 2), strict=True):
        problem = results[index]["problem"]
        assert f"/orders/{index}{pointer}" in [error["pointer"] for error in problem["errors"]]
        assert SECRET not in json.dumps(problem)
    assert service.orders == len(cases)


WRITES = [
    ("POST", "/api/orders"),
    ("POST", "/api/orders/batch"),
    ("PATCH", f"/api/orders/{UNKNOWN_ID}/status"),
    ("PATCH", "/api/orders/status"),
]


@pytest.mark.parametrize("name", MALFORMED)
def test_a_body_that_is_no_json_is_a_400_on_every_write(refusing: Service, name: str) -> None:
    for method, path in WRITES:
        is_problem(refusing.send(method, path, MALFORMED[name]), 400)


@pytest.mark.parametrize("number", NOT_A_NUMBER)
def test_numbers_that_are_none_are_refused(service: Service, number: bytes) -> None:
    body = (
        json.dumps(changed("items/0/quantity", 1))
        .encode()
        .replace(b'"quantity": 1', b'"quantity": ' + number)
    )
    is_problem(service.send("POST", "/api/orders", body), 422)
    batch = b'{"orders":[' + body + b"," + json.dumps(ORDER).encode() + b"]}"
    results = service.send("POST", "/api/orders/batch", batch).document["results"]
    assert [result["status"] for result in results] == [422, 201]


def test_of_a_repeated_key_the_last_one_counts(service: Service) -> None:
    body = json.dumps(ORDER).encode()[:-1] + b', "customer": {"customerId": "LAST", "name": "N"}}'
    assert service.send("POST", "/api/orders", body).document["customer"]["customerId"] == "LAST"


def test_the_limits_themselves_are_taken(service: Service) -> None:
    order = changed("items", [{"productId": "x" * 200, "quantity": 1_000_000}] * 1000)
    order["customer"] = {"customerId": "\U0001f600" * 200, "name": "É" * 200}
    placed = service.placed(order)
    assert len(placed["items"]) == 1000
    assert service.get(f"/api/orders/{placed['orderId']}") == placed


def test_another_content_type_or_an_encoding_is_a_415(service: Service) -> None:
    body = json.dumps(ORDER).encode()
    for headers in (
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": ""},
        {"content-type": "application/json-patch+json"},
        {"content-encoding": "gzip"},
    ):
        for method, path in WRITES:
            is_problem(service.send(method, path, gzip.compress(body), headers), 415)
    assert service.place().status == 201
    with_charset = service.send(
        "POST", "/api/orders", body, {"content-type": "Application/JSON; charset=utf-8"}
    )
    assert with_charset.status == 201


def test_a_body_may_have_one_mebibyte_and_not_a_byte_more(service: Service) -> None:
    body = json.dumps(ORDER).encode()
    assert service.send("POST", "/api/orders", body.ljust(MIB)).status == 201
    for size in (MIB + 1, 4 * MIB, 5 * MIB):
        is_problem(service.send("POST", "/api/orders", body.ljust(size)), 413)
    is_problem(service.send("POST", "/api/orders/batch", b"{}".ljust(8 * MIB + 1)), 413)
    assert service.orders == 1


def test_an_oversized_body_is_not_read_for_ever(refusing: Service) -> None:
    """The server discards only so much of it, and may then close while the client is still sending."""
    for path in ("/api/orders", "/api/orders/batch"):
        try:
            answer = refusing.send("POST", path, b" " * 40 * MIB)
        except (ConnectionError, http.client.HTTPException):
            continue
        is_problem(answer, 413)


def test_a_chunked_body_is_taken_and_bounded_all_the_same(service: Service) -> None:
    body = json.dumps(ORDER).encode()
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)
    for chunks, status in (([body[:20], body[20:]], 201), ([body] + [b" " * 65536] * 17, 413)):
        connection.request(
            "POST", "/api/orders", iter(chunks), {"content-type": "application/json"}, encode_chunked=True
        )
        response = connection.getresponse()
        assert (response.status, bool(response.read())) == (status, True)
    connection.close()


def test_a_byte_order_mark_before_a_body_is_passed_over(service: Service) -> None:
    order_id = service.placed()["orderId"]
    mark = b"\xef\xbb\xbf"
    order, batch, patch = (
        mark + json.dumps(body).encode() for body in (ORDER, {"orders": [ORDER]}, {"status": "Processing"})
    )
    assert service.send("POST", "/api/orders", order).status == 201
    assert service.send("POST", "/api/orders/batch", batch).document["results"][0]["status"] == 201
    assert service.send("PATCH", f"/api/orders/{order_id}/status", patch).status == 204


def test_the_identity_coding_is_none(service: Service) -> None:
    assert service.send("POST", "/api/orders", ORDER, {"Content-Encoding": "identity"}).status == 201
    is_problem(service.send("POST", "/api/orders", ORDER, {"Content-Encoding": "gzip"}), 415)


BAD_PATCHES: dict[str, Any] = {
    "nothing": {},
    "not by PATCH": {"status": "OnHold"},
    "back to Created": {"status": "Created"},
    "null status only": {"fulfillment": {"shippedAt": "2026-02-10T09:30:00"}},
    "a date": {"fulfillment": {"shippedAt": "2026-02-10"}},
    "a number for a time": {"fulfillment": {"shippedAt": 1770716000}},
    "a time before the calendar": {"fulfillment": {"shippedAt": "0001-01-01T00:00:00+23:59"}},
    "a time after the calendar": {"fulfillment": {"shippedAt": "9999-12-31T23:59:59-23:59"}},
    "NUL in a carrier": {"fulfillment": {"carrier": "\0"}},
    "long tracking number": {"fulfillment": {"trackingNumber": "x" * 201}},
    "long error": {"fulfillment": {"errorMessage": "x" * 1001}},
    "bad kind": {"attention": {"kind": "Not A Kind", "reason": "x"}},
    "no reason": {"attention": {"kind": "x"}},
    "unknown field": {"status": "Shipped", "trackingNumber": SECRET},
}


@pytest.mark.parametrize("name", BAD_PATCHES)
def test_a_bad_status_update_is_a_422_alone_and_in_bulk_and_changes_nothing(
    service: Service, name: str
) -> None:
    order = service.placed()
    is_problem(service.patch(order["orderId"], **BAD_PATCHES[name]), 422)
    good = {"orderId": order["orderId"], "attention": {"kind": "seen", "reason": "r"}}
    updates = [{"orderId": order["orderId"]} | BAD_PATCHES[name], good]
    results = service.send("PATCH", "/api/orders/status", {"updates": updates}).document["results"]
    assert [result["status"] for result in results] == [422, 204]
    assert service.get(f"/api/orders/{order['orderId']}")["version"] == 2


def test_times_at_the_ends_of_the_calendar_are_kept(service: Service) -> None:
    for at in ("0001-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z"):
        order_id = service.placed()["orderId"]
        assert service.patch(order_id, fulfillment={"shippedAt": at}).status == 204
        assert service.get(f"/api/orders/{order_id}")["fulfillment"]["shippedAt"] == at


@pytest.mark.parametrize("name", ["orders", "updates"])
@pytest.mark.parametrize("entries", [[], [0] * 1001, {}, None, SECRET], ids=lambda e: type(e).__name__)
def test_a_bulk_of_no_or_too_many_entries_is_a_422(refusing: Service, name: str, entries: object) -> None:
    method, path = ("POST", "/api/orders/batch") if name == "orders" else ("PATCH", "/api/orders/status")
    is_problem(refusing.send(method, path, {name: entries}), 422)
    is_problem(refusing.send(method, path, {name: entries, "more": 1}), 422)


def test_a_body_wrong_in_thousands_of_places_gets_a_short_answer(service: Service) -> None:
    flood = {f"field{i}": SECRET for i in range(20_000)}
    is_problem(service.send("POST", "/api/orders", ORDER | flood), 422)
    answer = service.send("POST", "/api/orders/batch", {"orders": [{"items": [{}] * 1000}] * 200})
    assert {result["status"] for result in answer.document["results"]} == {422}
    assert len(answer.body) < 200 * 1_000


def test_the_largest_order_of_a_batch_is_taken_whole(service: Service) -> None:
    """200 characters of four bytes each in a thousand items: more than a single body may have."""
    large = ORDER | {"items": [{"productId": "\U0001f600" * 200, "quantity": 1}] * 1000}
    body = json.dumps({"orders": [large] * 5}, ensure_ascii=False).encode()
    results = service.send("POST", "/api/orders/batch", body).document["results"]
    assert [result["status"] for result in results] == [201] * 5
    assert service.get(f"/api/orders/{results[4]['order']['orderId']}") == results[4]["order"]

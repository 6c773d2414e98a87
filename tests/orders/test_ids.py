"""An id that ends with white space is refused wherever it comes, on every database: SQL Server would take it
for the id without."""

from typing import Any

import pytest
from tests.orders.conftest import ORDER, Service

WORDS = "must not be blank or end with white space, and must have no control characters"
ENDS = ["a ", "a\u00a0", "a\u3000"]


def with_id(field: str, value: str) -> dict[str, Any]:
    if field == "customerId":
        return {**ORDER, "customer": {"customerId": value, "name": "Ada"}}
    return {**ORDER, "items": [{"productId": value, "quantity": 1}]}


@pytest.mark.parametrize("field", ["customerId", "productId"])
@pytest.mark.parametrize("value", ENDS)
def test_in_an_order(service: Service, field: str, value: str) -> None:
    order = with_id(field, value)
    refused = service.place(order)
    assert refused.status == 422
    assert [error["message"] for error in refused.document["errors"]] == [WORDS]
    answer = service.send("POST", "/api/orders/batch", {"orders": [order, ORDER]})
    assert [result["status"] for result in answer.document["results"]] == [422, 201]
    assert service.orders == 1


@pytest.mark.parametrize("query", ["customerId=a%20", "productId=a%20", "customerId=a+"])
def test_in_a_filter(service: Service, query: str) -> None:
    answer = service.send("GET", f"/api/orders?{query}")
    assert answer.status == 422
    assert answer.document["errors"][0]["message"] == WORDS


def test_in_an_erasure(service: Service) -> None:
    """It must never erase the data of the customer with the id without the space."""
    assert service.send("POST", "/api/customers/erase", {"customerId": "a "}).status == 422


def test_white_space_elsewhere_is_part_of_an_id(service: Service) -> None:
    placed = service.place(with_id("customerId", " a b"))
    assert placed.status == 201
    found = service.send("GET", "/api/orders?customerId=%20a%20b").document["items"]
    assert [order["orderId"] for order in found] == [placed.document["orderId"]]


def test_names_may_end_with_a_space(service: Service) -> None:
    placed = service.place({**ORDER, "customer": {"customerId": "a", "name": "Ada "}})
    assert placed.document["customer"]["name"] == "Ada "

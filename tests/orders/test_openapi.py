"""The OpenAPI document is what the service does: requests made from it get documented answers."""

from typing import Any, cast

import pytest
import schemathesis
import schemathesis.checks
from hypothesis import given
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi import checks as openapi_checks
from tests.documented import closed, made_requests
from tests.orders.conftest import Service

EXAMPLES_PER_OPERATION = 15
openapi = cast("Any", openapi_checks)  # its own annotations are incomplete
CHECKS = [
    cast("Any", schemathesis.checks).not_a_server_error,
    openapi.status_code_conformance,
    openapi.content_type_conformance,
    openapi.response_schema_conformance,
]


def operations(service: Service) -> list[Any]:
    schema = cast("Any", schemathesis.openapi.from_dict(closed(service.get("/openapi.json"))))
    return [result.ok() for result in schema.get_all_operations()]


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["valid", "invalid"])
def test_requests_made_from_the_document_get_documented_answers(
    service: Service, mode: GenerationMode
) -> None:
    taking_input = [one for one in operations(service) if one.body or list(one.query)]
    assert {one.label for one in taking_input} >= {"POST /api/orders", "PATCH /api/orders/status"}
    for operation in taking_input:

        @made_requests(EXAMPLES_PER_OPERATION)
        @given(operation.as_strategy(generation_mode=mode))
        def sent(case: Any) -> None:
            answer = case.call(base_url=f"http://127.0.0.1:{service.port}", timeout=30)
            case.validate_response(answer, checks=CHECKS)

        sent()


def test_every_operation_is_documented(service: Service) -> None:
    assert {operation.label for operation in operations(service)} >= {
        "POST /api/orders",
        "POST /api/orders/batch",
        "GET /api/orders",
        "GET /api/orders/{order_id}",
        "GET /api/orders/{order_id}/timeline",
        "PATCH /api/orders/{order_id}/status",
        "PATCH /api/orders/status",
        "POST /api/orders/{order_id}/cancel",
        "POST /api/orders/{order_id}/hold",
        "POST /api/orders/{order_id}/release",
        "POST /api/customers/erase",
        "GET /api/stats",
        "GET /health/live",
        "GET /health/ready",
    }


def test_the_document_says_which_scope_an_operation_needs(service: Service) -> None:
    document = service.get("/openapi.json")
    (scheme,) = document["components"]["securitySchemes"].items()
    assert (scheme[0], scheme[1]["type"], scheme[1]["scheme"]) == ("bearer", "http", "bearer")
    assert document["paths"]["/api/orders"]["post"]["security"] == [{"bearer": ["orders:write"]}]
    assert document["paths"]["/health/ready"]["get"]["security"] == []

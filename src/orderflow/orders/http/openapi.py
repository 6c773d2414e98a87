"""The OpenAPI document. FastAPI describes the reads; the writes, which it does not route, are added here."""

from typing import Any, Literal

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from orderflow.contracts import orders_api as api
from orderflow.contracts.erasure import ERASE_CUSTOMER, EraseCustomerIn, EraseCustomerOut
from orderflow.orders.http.access import RULES

_REF = "#/components/schemas/{model}"
_PROBLEM = {"application/problem+json": {"schema": {"$ref": _REF.format(model="Problem")}}}
_UNAUTHENTICATED = "no valid key or token"
_ERRORS = {
    400: "not JSON",
    401: _UNAUTHENTICATED,
    403: "the caller lacks the scope, or a page of another origin wants to change something",
    409: "the order's status does not allow it, or the first request with this key still runs",
    413: "too large",
    415: "not application/json",
    422: "breaks the contract; `errors` points at the fields",
    429: "more requests than the rate limit allows; try again after Retry-After",
    503: "try again after Retry-After; `outcome-unknown` only with the same idempotency key",
}
_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Makes the request safe to repeat: the same key and body get the same answer.",
    "schema": {"type": "string", "minLength": 1, "maxLength": api.IDEMPOTENCY_KEY_CHARS_MAX},
}
_IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": "Only while the order has one of these versions (its ETag); 412 otherwise.",
    "schema": {"type": "string", "pattern": r'^("[0-9]{1,9}"|\*)$'},
}
_ORDER_ID = {
    "name": "order_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "format": "uuid"},
}


_MODELS: list[tuple[type[BaseModel], Literal["validation", "serialization"]]] = [
    (api.OrderIn, "validation"),
    (api.BatchIn, "validation"),
    (api.StatusPatch, "validation"),
    (api.StatusUpdatesIn, "validation"),
    (api.ActionIn, "validation"),
    (api.ReleaseIn, "validation"),
    (EraseCustomerIn, "validation"),
    (api.Problem, "serialization"),
    (api.BatchOut, "serialization"),
    (api.StatusUpdatesOut, "serialization"),
    (api.ReleaseOut, "serialization"),
    (EraseCustomerOut, "serialization"),
]


def get_responses(answer: type[BaseModel] | None) -> dict[int | str, dict[str, Any]]:
    """The documented answers of a read."""
    ok: dict[str, Any] = {"description": "OK"} | ({"model": answer} if answer else {})
    return {
        200: ok,
        **{status: {"description": text, "content": _PROBLEM} for status, text in _READ_ERRORS.items()},
    }


_READ_ERRORS = {
    401: _UNAUTHENTICATED,
    403: "the caller lacks the scope",
    404: "no such order",
    422: "a parameter breaks the contract",
    429: "more requests than the rate limit allows; try again after Retry-After",
    503: "the database does not answer",
}


def document_writes(app: FastAPI) -> None:
    """Add the operations that Starlette routes directly to the application's OpenAPI document."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = generate()
            _, definitions = models_json_schema(_MODELS, ref_template=_REF)
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            schemas.update(
                {name: schema for name, schema in definitions["$defs"].items() if name not in schemas}
            )
            for path, method, operation in _operations():
                document["paths"].setdefault(path, {})[method] = operation
            document["components"]["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
            for path, methods in document["paths"].items():
                for method, operation in methods.items():
                    scope = RULES[method.upper(), path].scope
                    operation["security"] = [] if scope is None else [{"bearer": [scope]}]
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi


def _operations() -> list[tuple[str, str, dict[str, Any]]]:
    created = _answer(201, "The order is durable.", "OrderOut")
    return [
        ("/api/orders", "post", _operation("Place an order", "OrderIn", created, [_IDEMPOTENCY_KEY])),
        (
            "/api/orders/batch",
            "post",
            _operation(
                "Place up to 1,000 orders", "BatchIn", _answer(200, "A result per order.", "BatchOut")
            ),
        ),
        (
            "/api/orders/{order_id}/status",
            "patch",
            _operation(
                "Move an order to another status",
                "StatusPatch",
                {
                    "204": {"description": "The order is as asked."},
                    "404": _problem("no such order"),
                    "412": _problem("the order has another version"),
                },
                [_ORDER_ID, _IF_MATCH],
            ),
        ),
        (
            "/api/orders/status",
            "patch",
            _operation(
                "Move up to 1,000 orders",
                "StatusUpdatesIn",
                _answer(200, "A result per update.", "StatusUpdatesOut"),
            ),
        ),
        *(
            (f"/api/orders/{{order_id}}/{action}", "post", _action(summary))
            for action, summary in (
                ("cancel", "Cancel an order: at once, or as a request while it is being processed"),
                ("hold", "Keep an order from being processed"),
                ("release", "Let an order that is on hold be processed"),
            )
        ),
        (
            "/api/outbox/parked/release",
            "post",
            _operation(
                "Have the relay try parked events again",
                "ReleaseIn",
                {
                    **_answer(200, "How many are tried again.", "ReleaseOut"),
                    "404": _problem("no event of such an order is parked"),
                },
            ),
        ),
        (
            ERASE_CUSTOMER,
            "post",
            _operation(
                "Erase a customer's name and address in finished orders, a step at a time",
                "EraseCustomerIn",
                _answer(200, "What the step has changed.", "EraseCustomerOut"),
            ),
        ),
    ]


def _action(summary: str) -> dict[str, Any]:
    operation = _operation(
        summary,
        "ActionIn",
        {
            **_answer(200, "The order, also if it was as asked already.", "OrderOut"),
            "404": _problem("no such order"),
            "412": _problem("the order has another version"),
        },
        [_ORDER_ID, _IF_MATCH],
    )
    content = {"schema": _ref("ActionIn"), "example": {"reason": "ordered twice by mistake"}}
    return operation | {"requestBody": {"required": False, "content": {"application/json": content}}}


def _operation(
    summary: str, body: str, answers: dict[str, Any], parameters: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    return {
        "summary": summary,
        "parameters": parameters or [],
        "requestBody": {"required": True, "content": {"application/json": {"schema": _ref(body)}}},
        "responses": answers | {str(status): _problem(text) for status, text in _ERRORS.items()},
    }


def _answer(status: int, text: str, model: str) -> dict[str, Any]:
    return {str(status): {"description": text, "content": {"application/json": {"schema": _ref(model)}}}}


def _problem(text: str) -> dict[str, Any]:
    return {"description": text, "content": _PROBLEM}


def _ref(model: str) -> dict[str, str]:
    return {"$ref": _REF.format(model=model)}

"""The OpenAPI document of the Order Service. FastAPI describes the reads; the writes and the stream, which it
does not route, and what both services have in common are added here."""

import json
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

from orderflow.contracts import orders_api as api
from orderflow.contracts.audit import AUDIT
from orderflow.contracts.audit_feeds import AUDITED_ORDERS
from orderflow.contracts.erasure import ERASE_CUSTOMER, EraseCustomerIn, EraseCustomerOut
from orderflow.contracts.webhooks import (
    WEBHOOK,
    WEBHOOK_LETTERS,
    WEBHOOKS,
    DiscardIn,
    RotateIn,
    WebhookCreated,
    WebhookIn,
    WebhookLetterDone,
    WebhookRedriven,
    WebhookRemoved,
    WebhookRotated,
    WebhookTested,
)
from orderflow.orders.http.access import RULES
from orderflow.orders.http.openapi_examples import CREATED, ORDER, ORDER_ID, order_as
from orderflow.orders.http.parsing import StreamQuery
from orderflow.web import openapi
from orderflow.web.health import Live, Ready
from orderflow.web.openapi import Document, answer, body, operation, path_parameter, problem

_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Makes the request safe to repeat: the same key and body get the same answer.",
    "schema": {"type": "string", "minLength": 1, "maxLength": api.IDEMPOTENCY_KEY_CHARS_MAX},
    "example": "basket-4711",
}
_IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": "Only while the order has one of these versions (its ETag); 412 otherwise.",
    "schema": {"type": "string", "pattern": r'^("[0-9]{1,9}"|\*)$'},
    "example": '"3"',
}
_LAST_EVENT_ID = {
    "name": "Last-Event-ID",
    "in": "header",
    "required": False,
    "description": "The last `id` that the client has got: the stream goes on behind it.",
    "schema": {"type": "string", "pattern": "^[0-9]{1,18}$"},
    "example": "4711",
}
_IN_PATH = path_parameter("order_id", {"type": "string", "format": "uuid"}, ORDER_ID)
_NO_ORDER = problem(404, "no such order", "unknown-order")
_OTHER_VERSION = problem(412, "the order has another version")
_ILLEGAL = problem(409, "the order's status does not allow it", "illegal-transition")
_OF_WEBHOOK = path_parameter("webhook_id", {"type": "string", "format": "uuid"}, ORDER_ID)
_NO_WEBHOOK = problem(404, "no such webhook")
_POSITION = path_parameter("position", {"type": "integer", "format": "int64", "minimum": 0}, 4712)
_NO_LETTER = problem(404, "no such webhook, or no such dead letter of it")
_WITH_404 = {
    "/api/orders/{order_id}": _NO_ORDER,
    "/api/orders/{order_id}/timeline": _NO_ORDER,
    WEBHOOK_LETTERS: _NO_WEBHOOK,
}

_MODELS: openapi.Models = [
    *(
        (model, "validation")
        for model in (
            *(api.OrderIn, api.BatchIn, api.StatusPatch, api.StatusUpdatesIn, api.ActionIn, api.ReleaseIn),
            *(EraseCustomerIn, WebhookIn, RotateIn, DiscardIn),
        )
    ),
    *(
        (model, "serialization")
        for model in (
            *(api.Problem, api.BatchOut, api.StatusUpdatesOut, api.ReleaseOut, api.OrderOut),
            *(api.OrderChange, api.StreamReset),
            *(WebhookCreated, WebhookRemoved, WebhookTested, WebhookRotated),
            *(WebhookRedriven, WebhookLetterDone),
            *(EraseCustomerOut, Live, Ready),
        )
    ),
]


SUMMARIES = {
    "/api/orders": "Orders, newest first",
    "/api/orders/{order_id}": "An order, at once or when it has a status",
    "/api/orders/{order_id}/timeline": "Every change and event of an order",
    "/api/stats": "Orders by status, and what waits in the outbox",
    "/api/outbox/parked": "Events that the log refuses because of their size",
    WEBHOOKS: "Webhooks, and how far each is behind",
    WEBHOOK_LETTERS: "Messages of a webhook that were not taken within the whole schedule",
    AUDIT: "What people have changed here, newest first",
    AUDITED_ORDERS: "What `orderflow audit` compares: every order, ascending by order id",
}
"""Of the reads that FastAPI describes."""


def get_responses(answer: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    """The answers of a read that FastAPI documents; it would describe a 422 of its own."""
    return {200: {"description": "OK", "model": answer}, 422: problem(422, "a parameter breaks the contract")}


def document_the_rest(app: FastAPI) -> None:
    """Complete the application's OpenAPI document with what FastAPI does not know."""
    generate = app.openapi

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            made = generate()
            schemas = made.setdefault("components", {}).setdefault("schemas", {})
            schemas.update(openapi.schemas(_MODELS) | schemas)
            for path, summary in SUMMARIES.items():
                made["paths"][path]["get"]["summary"] = summary
            for path, missing in _WITH_404.items():
                read = made["paths"][path]["get"]
                read["responses"]["404"] = missing
                read["parameters"] = [
                    each | {"example": ORDER_ID} if each["in"] == "path" else each
                    for each in read["parameters"]
                ]
            found = made["paths"]["/api/orders/{order_id}"]["get"]["responses"]["200"]
            found |= answer(found["description"], api.OrderOut, "ETag")
            for path, methods in (
                _writes() | _webhooks() | _stream() | openapi.shared_operations(Ready)
            ).items():
                made["paths"][path] = made["paths"].get(path, {}) | methods
            app.openapi_schema = openapi.completed(made, RULES)
        return app.openapi_schema

    app.openapi = document


def _stream() -> Document:
    data = {
        "position": 4712,
        "orderId": ORDER_ID,
        "status": "Processing",
        "version": 2,
        "at": "2026-02-10T09:30:00.000Z",
        "attention": None,
    }
    example = f": heartbeat\nid: 4711\n\nid: 4712\nevent: order\ndata: {json.dumps(data)}\n\n"
    text = (
        "Server-Sent Events. The `id` of `event: order` is the position of the change, and a heartbeat names "
        "the position so far. `event: reset` comes first if the stream cannot go on behind `Last-Event-ID`: "
        "changes are missing, and what follows begins behind the `id` of the reset."
    )
    events = [_event("order", api.OrderChange), _event("reset", api.StreamReset)]
    content = {"itemSchema": {"oneOf": events}, "example": example}
    return {
        api.STREAM: {
            "get": operation(
                "Follow the changes of orders as they happen",
                {200: {"description": text, "content": {"text/event-stream": content}}},
                parameters=[*openapi.query_parameters(StreamQuery), _LAST_EVENT_ID],
            )
        }
    }


def _event(name: str, data: type[BaseModel]) -> Document:
    return {
        "type": "object",
        "required": ["id", "event", "data"],
        "properties": {
            "id": {"type": "string", "pattern": "^[0-9]+$"},
            "event": {"const": name},
            "data": {
                "type": "string",
                "contentMediaType": "application/json",
                "contentSchema": openapi.ref(data),
            },
        },
    }


_ACTIONS = (
    (
        "cancel",
        "Cancel an order: at once, or as a request while it is being processed",
        order_as("Cancelled", 2),
    ),
    ("hold", "Keep an order from being processed", order_as("OnHold", 2, "Created", "Cancelled")),
    ("release", "Let an order that is on hold be processed", order_as("Created", 3, "OnHold", "Cancelled")),
)
"""Each with the order that it answers."""


def _writes() -> Document:
    action = {"reason": "ordered twice by mistake"}
    update = {
        "status": "Shipped",
        "fulfillment": {
            "carrier": "Parcel Post",
            "trackingNumber": "TRK-1",
            "shippedAt": "2026-02-10T09:30:00Z",
        },
    }
    return {
        "/api/orders": {"post": _place()},
        "/api/orders/batch": {"post": _place_batch()},
        "/api/orders/{order_id}/status": {
            "patch": operation(
                "Move an order to another status",
                {
                    204: {"description": "The order is as asked."},
                    404: _NO_ORDER,
                    409: _ILLEGAL,
                    412: _OTHER_VERSION,
                },
                parameters=[_IN_PATH, _IF_MATCH],
                requestBody=body(api.StatusPatch, update),
            )
        },
        "/api/orders/status": {
            "patch": operation(
                "Move up to 1,000 orders",
                {
                    200: answer(
                        "A result per update, in order.",
                        api.StatusUpdatesOut,
                        example={"results": [{"status": 204}]},
                    )
                },
                requestBody=body(api.StatusUpdatesIn, {"updates": [{"orderId": ORDER_ID} | update]}),
            )
        },
        **{
            f"/api/orders/{{order_id}}/{name}": {"post": _action(summary, action, made)}
            for name, summary, made in _ACTIONS
        },
        "/api/outbox/parked/release": {
            "post": operation(
                "Have the relay try parked events again",
                {
                    200: answer("How many are tried again.", api.ReleaseOut),
                    404: problem(404, "no event of such an order is parked"),
                },
                requestBody=body(api.ReleaseIn, {"orderId": ORDER_ID}),
            )
        },
        ERASE_CUSTOMER: {
            "post": operation(
                "Erase a customer's name and address in finished orders, a step at a time",
                {200: answer("What the step has changed.", EraseCustomerOut)},
                requestBody=body(EraseCustomerIn, {"customerId": "CUST-1", "dryRun": True}),
            )
        },
    }


def _webhooks() -> Document:
    removed = answer("How many messages had not been delivered.", WebhookRemoved)
    tested = answer("What the receiver has done with it.", WebhookTested)
    redriven = answer("How many messages are tried at once.", WebhookRedriven)
    example = {"url": "https://shop.example.com/orderflow", "eventTypes": ["order.shipped"]}
    return {
        WEBHOOKS: {
            "post": operation(
                "Send the changes of orders from now on to an address",
                {
                    201: answer("The webhook with its secret, which is shown this once.", WebhookCreated),
                    409: problem(409, "there are 100 webhooks already", "too-many"),
                },
                requestBody=body(WebhookIn, example),
            )
        },
        WEBHOOK: {
            "delete": operation(
                "Remove a webhook and the messages that wait for it",
                {200: removed, 404: _NO_WEBHOOK},
                parameters=[_OF_WEBHOOK],
            )
        },
        **{
            f"{WEBHOOK}/{name}": {
                "post": operation(summary, {200: told, 404: _NO_WEBHOOK}, parameters=[_OF_WEBHOOK])
            }
            for name, summary, told in (
                ("test", "Send a test message now", tested),
                ("redrive", "Try dead letters and waiting messages of a webhook at once", redriven),
            )
        },
        f"{WEBHOOK}/rotate": {
            "post": operation(
                "Give a webhook another secret, while messages are signed with the former one as well",
                {
                    200: answer("The new secret, which is shown this once.", WebhookRotated),
                    404: _NO_WEBHOOK,
                    409: problem(409, "4 former secrets are still in use", "too-many"),
                },
                parameters=[_OF_WEBHOOK],
                requestBody=body(RotateIn, {"overlapSeconds": 86_400}, required=False),
            )
        },
        **_webhook_letters(),
    }


def _webhook_letters() -> Document:
    done = {200: answer("The dead letter's position.", WebhookLetterDone), 404: _NO_LETTER}
    return {
        f"{WEBHOOK_LETTERS}/{{position}}/redrive": {
            "post": operation(
                "Try one dead letter of a webhook at once",
                done,
                parameters=[_OF_WEBHOOK, _POSITION],
            )
        },
        f"{WEBHOOK_LETTERS}/{{position}}/discard": {
            "post": operation(
                "Forget one dead letter of a webhook",
                done,
                parameters=[_OF_WEBHOOK, _POSITION],
                requestBody=body(DiscardIn, {"reason": "the receiver has read the order"}),
            )
        },
    }


def _place() -> Document:
    kinds = ("validation-failed", "idempotency-key-reused")
    return operation(
        "Place an order",
        {
            201: answer(
                "The order is durable.", api.OrderOut, "Location", "Idempotent-Replayed?", example=CREATED
            ),
            403: problem(
                403,
                "the caller lacks the scope or is bound to another customer; or a page of another origin",
                *("forbidden", "other-customer", "cross-origin"),
            ),
            409: problem(409, "the first request with this key still runs", "idempotency-key-in-progress"),
            422: problem(422, "breaks the contract, or the key was used with another order", *kinds),
            503: problem(
                503,
                "wait as Retry-After says; `outcome-unknown` only with the same idempotency key",
                *("overloaded", "database-unavailable", "outcome-unknown"),
            ),
        },
        parameters=[_IDEMPOTENCY_KEY],
        requestBody=body(api.OrderIn, ORDER),
    )


def _place_batch() -> Document:
    return operation(
        "Place up to 1,000 orders",
        {
            200: answer(
                "A result per order, in order.",
                api.BatchOut,
                example={"results": [{"status": 201, "order": CREATED}]},
            )
        },
        requestBody=body(api.BatchIn, {"orders": [ORDER | {"idempotencyKey": "basket-4711"}]}),
    )


def _action(summary: str, example: Document, made: Document) -> Document:
    answers = {
        200: answer("The order, also if it was as asked already.", api.OrderOut, "ETag", example=made),
        404: _NO_ORDER,
        409: _ILLEGAL,
        412: _OTHER_VERSION,
    }
    asked = body(api.ActionIn, example, required=False)
    return operation(summary, answers, parameters=[_IN_PATH, _IF_MATCH], requestBody=asked)

"""The OpenAPI document of the Fulfillment Service."""

from functools import cache
from typing import Any

from orderflow.contracts.audit import AUDIT, AuditPage, AuditQuery
from orderflow.contracts.audit_feeds import (
    AUDITED_SHIPMENTS,
    AUDITED_STOCK,
    AuditedShipments,
    AuditedStock,
    FeedQuery,
    StockFeedQuery,
)
from orderflow.contracts.erasure import ERASE_SHIPMENTS, EraseShipmentsIn, EraseShipmentsOut
from orderflow.contracts.orders_api import TEXT_CHARS_MAX, Problem
from orderflow.fulfillment.http import documents as out
from orderflow.fulfillment.http.access import LETTERS, RULES, SHIPMENTS
from orderflow.fulfillment.http.dead_letters import DiscardIn, RedriveIn
from orderflow.fulfillment.http.reads import LettersQuery, ShipmentsQuery
from orderflow.fulfillment.http.simulation import SIMULATED_CARRIER, BehaviourIn
from orderflow.fulfillment.http.stock import STOCK, CountIn, StockQuery
from orderflow.web import openapi
from orderflow.web.health import Live
from orderflow.web.openapi import (
    Document,
    answer,
    body,
    operation,
    path_parameter,
    problem,
    query_parameters,
)

_UUID = {"type": "string", "format": "uuid"}
_ORDER_ID = path_parameter("order_id", _UUID, "019c46f2-b0a0-7c11-8f3a-2b1c9d4e5f60")
_LETTER_ID = path_parameter("letter_id", _UUID, "b3f1c2d4-5e6f-5a7b-8c9d-0e1f2a3b4c5d")
_REDRIVE_ID = path_parameter("redrive_id", _UUID, "7d9e2f10-3a4b-4c5d-8e6f-708192a3b4c5")
_PRODUCT_ID = path_parameter(
    "product_id",
    # A slash needs no encoding; everything else that is special in a path does.
    {"type": "string", "minLength": 1, "maxLength": TEXT_CHARS_MAX, "pattern": "^[A-Za-z0-9_-]+$"},
    "PROD-1",
)
_NO_LETTER = problem(404, "no such dead letter")
_NO_REDRIVE = problem(404, "no such redrive")

_BODIES: openapi.Models = [
    (DiscardIn, "validation"),
    (RedriveIn, "validation"),
    (CountIn, "validation"),
    (EraseShipmentsIn, "validation"),
    (BehaviourIn, "validation"),
]
_ANSWERS: openapi.Models = [
    (model, "serialization")
    for model in (
        *(out.Shipment, out.ShipmentPage, out.DeadLetterPage, out.DeadLetterDetails, out.DeadLetterGroups),
        *(out.LetterMessage, out.GroupRedrive, out.GroupRedrives, out.StockRecord, out.StockPage),
        *(out.Behaviour, out.WorkerReady),
        *(AuditPage, AuditedShipments, AuditedStock, EraseShipmentsOut, Live, Problem),
    )
]


@cache
def openapi_document() -> dict[str, Any]:
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": "Orderflow Fulfillment Service",
            "version": "1",
            "description": openapi.INTRODUCTION,
        },
        "paths": {**_shipments(), **_letters(), **_redrives(), **_stock(), **_simulation(), **_others()},
        "components": {
            "schemas": openapi.schemas(
                [*_BODIES, *_ANSWERS],
                (ShipmentsQuery, LettersQuery, StockQuery, AuditQuery, FeedQuery, StockFeedQuery),
            )
        },
    }
    return openapi.completed(document, RULES)


def _shipments() -> Document:
    return {
        SHIPMENTS: {
            "get": operation(
                "Shipments, by order id",
                {200: answer("A page.", out.ShipmentPage)},
                parameters=query_parameters(ShipmentsQuery),
            )
        },
        f"{SHIPMENTS}/{{order_id}}": {
            "get": operation(
                "The shipment of an order, with its steps and what it waits for",
                {
                    200: answer("The shipment.", out.Shipment),
                    404: problem(404, "no shipment for such an order"),
                },
                parameters=[_ORDER_ID],
            )
        },
    }


def _letters() -> Document:
    return {
        LETTERS: {
            "get": operation(
                "Dead letters: what could not be processed or shipped, and waits for a person",
                {200: answer("A page.", out.DeadLetterPage)},
                parameters=query_parameters(LettersQuery),
            )
        },
        f"{LETTERS}/groups": {
            "get": operation(
                "How many dead letters are open, by kind and reason",
                {200: answer("The groups, the largest first.", out.DeadLetterGroups)},
            )
        },
        f"{LETTERS}/{{letter_id}}": {
            "get": operation(
                "A dead letter, what was done with it, and its order's shipment",
                {200: answer("The dead letter.", out.DeadLetterDetails), 404: _NO_LETTER},
                parameters=[_LETTER_ID],
            )
        },
        f"{LETTERS}/{{letter_id}}/message": {
            "get": operation(
                "What a dead letter is about, whole: a message, or a request to a carrier",
                {200: answer("Key, headers and value.", out.LetterMessage), 404: _NO_LETTER},
                parameters=[_LETTER_ID],
            )
        },
        f"{LETTERS}/{{letter_id}}/redrive": {
            "post": operation(
                "Process a dead letter again",
                {
                    202: answer(
                        "It is being processed, and followed until its order is done.", out.DeadLetterDetails
                    ),
                    404: _NO_LETTER,
                    409: problem(409, "not open, or it failed again at once", "not-open", "failed-again"),
                },
                parameters=[_LETTER_ID],
            )
        },
        f"{LETTERS}/{{letter_id}}/discard": {
            "post": operation(
                "Give a dead letter up: what the carrier may have made is voided, and its order fails",
                {
                    200: answer("It is discarded.", out.DeadLetterDetails),
                    404: _NO_LETTER,
                    409: problem(
                        409,
                        "not open, not voided by the carrier, or the order is Shipped with it",
                        "not-open",
                        "void-not-obtained",
                    ),
                },
                parameters=[_LETTER_ID],
                requestBody=body(DiscardIn, {"reason": "the customer has bought it elsewhere"}),
            )
        },
    }


def _redrives() -> Document:
    return {
        f"{LETTERS}/redrive": {
            "post": operation(
                "Redrive a group of dead letters, so many a second",
                {
                    202: answer("It has begun.", out.GroupRedrive),
                    409: problem(409, "a redrive of this kind runs already", "redrive-running"),
                },
                requestBody=body(RedriveIn, {"kind": "carrier-unavailable", "ratePerS": 10}),
            )
        },
        f"{LETTERS}/redrives": {
            "get": operation(
                "Redrives of groups, the newest first, at most 50",
                {200: answer("The redrives.", out.GroupRedrives)},
            )
        },
        f"{LETTERS}/redrives/{{redrive_id}}": {
            "get": operation(
                "The progress of a group's redrive",
                {200: answer("The redrive.", out.GroupRedrive), 404: _NO_REDRIVE},
                parameters=[_REDRIVE_ID],
            )
        },
        f"{LETTERS}/redrives/{{redrive_id}}/stop": {
            "post": operation(
                "Stop a group's redrive; what it has redriven goes on",
                {200: answer("The redrive, also if it had ended.", out.GroupRedrive), 404: _NO_REDRIVE},
                parameters=[_REDRIVE_ID],
            )
        },
    }


def _stock() -> Document:
    return {
        STOCK: {
            "get": operation(
                "Stock of the products that are tracked, by product id",
                {200: answer("A page.", out.StockPage)},
                parameters=query_parameters(StockQuery),
            )
        },
        f"{STOCK}/{{product_id}}": {
            "put": operation(
                "Count a product; its first count makes it tracked",
                {200: answer("Its record.", out.StockRecord)},
                parameters=[_PRODUCT_ID],
                requestBody=body(CountIn, {"onHand": 250, "reason": "counted on Friday"}),
            )
        },
    }


def _simulation() -> Document:
    told = answer("How it behaves now.", out.Behaviour)
    none = problem(404, "no simulated carrier, or not in development")
    behaviour = {"delayMsLeast": 1000, "delayMsMost": 5000, "failureRate": 0.15, "errorRate": 0.0}
    return {
        SIMULATED_CARRIER: {
            "get": operation("How the simulated carrier behaves", {200: told, 404: none}),
            "put": operation(
                "Have the simulated carrier behave otherwise, until it is started anew",
                {200: told, 404: none},
                requestBody=body(BehaviourIn, behaviour),
            ),
        }
    }


def _others() -> Document:
    return {
        AUDIT: {
            "get": operation(
                "What people have changed here, newest first",
                {200: answer("A page.", AuditPage)},
                parameters=query_parameters(AuditQuery),
            )
        },
        AUDITED_SHIPMENTS: {
            "get": operation(
                "What `orderflow audit` compares: every shipment, ascending by order id",
                {200: answer("A page.", AuditedShipments)},
                parameters=query_parameters(FeedQuery),
            )
        },
        AUDITED_STOCK: {
            "get": operation(
                "What `orderflow audit` compares: every tracked product, with what orders reserve of it",
                {200: answer("A page.", AuditedStock)},
                parameters=query_parameters(StockFeedQuery),
            )
        },
        ERASE_SHIPMENTS: {
            "post": operation(
                "Erase a customer's name and address in finished shipments, a step at a time",
                {200: answer("What the step has changed.", EraseShipmentsOut)},
                requestBody=body(EraseShipmentsIn, {"customerId": "CUST-1", "dryRun": True}),
            )
        },
        **openapi.shared_operations(out.WorkerReady),
    }

"""The AsyncAPI 3 document of the topics. It is the same for every installation, and says what the topics are
called if no setting says otherwise."""

from typing import Any

from orderflow.contracts.order_events import EVENT_BYTES_MAX, ORDER_CREATED, SOURCE, json_schemas
from orderflow.messaging import DEAD_LETTER_SUFFIX, PARTITIONS, message_bytes_max

Document = dict[str, Any]

_TOPIC = "order-events"
_SCHEMAS = "#/components/schemas/"
_MESSAGES = "#/components/messages/"
_ORDER_ID = "019c46f2-b0a0-7c11-8f3a-2b1c9d4e5f60"
_TIME = "2026-02-10T09:30:00.123Z"
_TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
_BINDING = "0.5.0"
"""The version of the Kafka bindings."""

_INTRODUCTION = " ".join(
    [
        "The Order Service publishes what happens to orders; whoever wants to know reads the topic in a",
        "consumer group of their own. The events of one order have the same key, and so one partition; the",
        "first occurrences of them come in the order of `orderVersion`. An event may come again: drop the",
        "versions that are not above the last one that you have seen of that order. Ignore fields and types",
        "of events that you do not know. `schemaVersion` rises only when a reader must change; an event",
        "without one has version 1. `ORDERFLOW_ORDERS_TOPIC` gives the topic another name.",
    ]
)
_SUMMARIES = {
    "OrderCreated.v1": "An order was accepted, as the proof of concept wrote it. Still read, never written.",
    "OrderCreated.v2": "An order was accepted. Carries what is needed to ship it.",
    "OrderCancellationRequested.v1": "An order that is being processed is to be cancelled: stop and undo.",
    "OrderCancelled.v1": "An order was cancelled before anything had begun.",
    "OrderReleased.v1": "An order is no longer on hold.",
}


def document() -> Document:
    """The whole document."""
    schemas, messages = _events()
    names = list(messages)
    messages["DeadLetter"] = _dead_letter()
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Orderflow events",
            "version": "1",
            "description": _INTRODUCTION,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {
            "orderEvents": _channel(_TOPIC, "What happens to orders.", names),
            "deadLetters": _channel(
                _TOPIC + DEAD_LETTER_SUFFIX,
                "A copy of each message and shipment that the Fulfillment Service could not process, for "
                "whoever reads there; the API lists them as well.",
                ["DeadLetter"],
            ),
        },
        "operations": {
            "publishOrderEvents": _sent(
                "orderEvents",
                "The Order Service publishes an event after the change that it tells of is durable.",
                # Version 1 is only read.
                [name for name in names if name != f"{ORDER_CREATED}.v1"],
            ),
            "publishDeadLetters": _sent(
                "deadLetters",
                "The Fulfillment Service copies what it could not process, at least once.",
                ["DeadLetter"],
            ),
        },
        "components": {"messages": messages, "schemas": schemas},
    }


def _channel(topic: str, description: str, messages: list[str]) -> Document:
    return {
        "address": topic,
        "description": description,
        "messages": {name: {"$ref": _MESSAGES + name} for name in messages},
        "bindings": {
            "kafka": {
                "topic": topic,
                "partitions": PARTITIONS,
                "topicConfiguration": {"max.message.bytes": message_bytes_max(topic)},
                "bindingVersion": _BINDING,
            }
        },
    }


def _sent(channel: str, description: str, messages: list[str]) -> Document:
    here = f"#/channels/{channel}"
    return {
        "action": "send",
        "channel": {"$ref": here},
        "description": description,
        "messages": [{"$ref": f"{here}/messages/{name}"} for name in messages],
    }


def _events() -> tuple[Document, Document]:
    """The schemas and the messages of all versions of all events, by name."""
    schemas: Document = {"EventHeaders": _EVENT_HEADERS}
    messages: Document = {}
    for name, schema in json_schemas(_SCHEMAS + "{model}").items():
        schemas |= schema.pop("$defs", {})
        schemas[name] = schema
        messages[name] = {
            "name": name.partition(".")[0],
            "title": name,
            "summary": _SUMMARIES[name],
            "headers": {"$ref": _SCHEMAS + "EventHeaders"},
            "payload": {"$ref": _SCHEMAS + name},
            "correlationId": {"location": "$message.header#/correlation-id"},
            "bindings": {"kafka": {"key": _KEY, "bindingVersion": _BINDING}},
            "examples": [{"name": "example", "payload": _example(*name.split(".v"))}],
        }
    return schemas, messages


_KEY = {"type": "string", "format": "uuid", "description": "The order's id."}


def _text(description: str, **more: Any) -> Document:
    return {"type": "string", "description": description, **more}


_EVENT_HEADERS: Document = {
    "type": "object",
    "description": "CloudEvents attributes in binary mode (CloudEvents 1.0, Kafka binding), and who asked.",
    "required": [
        "ce_specversion",
        "ce_id",
        "ce_source",
        "ce_type",
        "ce_time",
        "content-type",
        "correlation-id",
    ],
    "properties": {
        "ce_specversion": {"const": "1.0"},
        "ce_id": _text("The event's id, as `eventId`.", format="uuid"),
        "ce_source": {"const": SOURCE},
        "ce_type": _text("As `eventType`."),
        "ce_time": _text("When the event happened.", format="date-time"),
        "content-type": {"const": "application/json"},
        "correlation-id": _text("The id of the request that caused the event."),
        "traceparent": _text("The trace that the event belongs to (W3C).", examples=[_TRACEPARENT]),
    },
}


def _dead_letter() -> Document:
    return {
        "name": "DeadLetter",
        "title": "DeadLetter",
        "summary": "The original message, its bytes unchanged, with headers that say why it failed.",
        "contentType": "application/octet-stream",
        "headers": {
            "type": "object",
            "description": "The headers of the original, and these. `topic`, `partition` and `offset` are "
            "absent where a shipment failed, not a message.",
            "required": ["reason", "attempts"],
            "properties": {
                "reason": _text("Its kind and why, as in `undecodable: the message is not JSON in UTF-8`."),
                "topic": _text("Where the original was."),
                "partition": _text("Its partition, in decimal.", pattern="^[0-9]+$"),
                "offset": _text("Its offset, in decimal.", pattern="^[0-9]+$"),
                "attempts": _text("How often it was tried, in decimal.", pattern="^[0-9]+$"),
            },
        },
        "payload": {"description": f"Any bytes. An event has {EVENT_BYTES_MAX} at most."},
        "bindings": {
            "kafka": {"key": {"description": "The key of the original."}, "bindingVersion": _BINDING}
        },
    }


def _example(name: str, version: str) -> Document:
    metadata = {"source": SOURCE, "correlationId": "checkout-42"}
    event: Document = {"eventType": name, "orderId": _ORDER_ID, "createdAt": _TIME, "metadata": metadata}
    if name == ORDER_CREATED:
        event["customer"] = {"customerId": "CUST-1", "name": "Ada Lovelace"}
        item: Document = {"productId": "PROD-1", "quantity": 2}
        event["items"] = [item]
        if version == "1":
            return event
        item["unitPrice"] = {"amountMinor": 1999, "currency": "EUR"}
        event["shipTo"] = {
            "name": "Ada Lovelace",
            "lines": ["12 St James's Square"],
            "city": "London",
            "postalCode": "SW1Y 4JH",
            "country": "GB",
        }
    return event | {
        "schemaVersion": int(version),
        "eventId": "7c9e6679-7425-40de-944b-e07fc1f90ae7",
        "orderVersion": 1 if name == ORDER_CREATED else 3,
    }

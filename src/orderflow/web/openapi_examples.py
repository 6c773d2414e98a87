"""Examples of successful answers, made from their schemas: a new field is in them by itself."""

from collections.abc import Mapping
from typing import Any

Document = dict[str, Any]

_UUID = "019c46f2-b0a0-7c11-8f3a-2b1c9d4e5f60"
_FORMATS = {"date-time": "2026-02-10T09:30:00Z", "uuid": _UUID}
_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "null": type(None),
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "string": str,
    "array": list,
    "object": dict,
}
_SAMPLES: Mapping[str, tuple[Any, ...]] = {
    "action": ("order.cancel", "redrive"),
    "actor": ("desk",),
    "allowedTransitions": ([],),
    "amountMinor": (1999,),
    "attention": (None, 0),
    "carrier": ("Parcel Post",),
    "circuits": ({"carrier": "closed", "orders": "closed"},),
    "city": ("London",),
    "correlationId": ("checkout-42",),
    "country": ("GB",),
    "currency": ("EUR",),
    "customerId": ("CUST-1",),
    "degraded": ([],),
    "delayMsLeast": (1000,),
    "delayMsMost": (5000,),
    "delivered": (True,),
    "detail": ("HTTP 204",),
    "direction": ("do",),
    "dueAt": (None,),
    "dueInMs": (None,),
    "error": (None,),
    "errorMessage": (None,),
    "errorRate": (0.0,),
    "eventId": (None, _UUID),
    "eventType": (None, "OrderCreated"),
    "eventTypes": (["order.shipped"],),
    "failedCalls": ([],),
    "failingSince": (None,),
    "failureRate": (0.15,),
    "formerSecretUntil": (None,),
    "group": ("fulfillment-service-group",),
    "headers": ([{"name": "ce_type", "value": "OrderCreated"}],),
    "id": (_UUID,),
    "key": (_UUID,),
    "keyBase64": (None,),
    "kind": ("carrier-refused",),
    "lastError": (None,),
    "letters": ([], 12),
    "lines": (["12 St James's Square"],),
    "name": ("Ada Lovelace",),
    "nextCursor": (None,),
    "note": (None,),
    "offset": (4711,),
    "onHand": (250,),
    "orderId": (_UUID,),
    "orderIds": ([_UUID],),
    "outcome": (None,),
    "parked": (None, 0, False),
    "partition": (3,),
    "party": ("parcel-post",),
    "place": ("topic order-events",),
    "position": (4712,),
    "postalCode": ("SW1Y 4JH",),
    "problem": (None,),
    "productId": ("PROD-1",),
    "published": (True,),
    "quantity": (2,),
    "reason": (None, "The carrier does not accept the request: HTTP 400"),
    "redrivenAt": (None,),
    "region": (None,),
    "secret": ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",),
    "shipmentId": ("SHP-1",),
    "skippedEvents": ({},),
    "state": ("closed", "done"),
    "status": ("Shipped", 201),
    "statuses": ({"Created": 3, "Processing": 12, "Shipped": 4711, "Failed": 9},),
    "step": ("ship",),
    "subject": (_UUID,),
    "topic": ("order-events",),
    "topicPosition": (None,),
    "traceId": ("4bf92f3577b34da6a3ce929d0e0e4736",),
    "trackingNumber": ("TRK-1",),
    "type": ("order.shipped",),
    "url": ("https://shop.example.com/orderflow",),
    "value": ('{"schemaVersion":9}',),
    "valueBase64": (None,),
    "valueBytes": (19,),
    "version": (3,),
    "waitsFor": ("done",),
    "why": ("the broker keeps messages for 7 days",),
    "withoutShipment": ([],),
    "workerId": ("worker-1",),
}
"""What a field of this name may be; the first that its schema allows is taken."""


def give_examples(document: Document) -> None:
    """Give each successful answer in JSON an example, unless it has one."""
    schemas = document["components"]["schemas"]
    for methods in document["paths"].values():
        for operation in methods.values():
            for status, described in operation["responses"].items():
                content = described.get("content", {}).get("application/json")
                if status.startswith("2") and content and "example" not in content:
                    content["example"] = _example(content["schema"], schemas)


def _example(schema: Document, schemas: Document, name: str = "") -> Any:
    schema = _resolved(schema, schemas)
    for sample in _SAMPLES.get(name, ()):
        if _fits(sample, schema, schemas):
            return sample
    if "anyOf" in schema:
        return _example(schema["anyOf"][0], schemas, name)
    if "const" in schema or "enum" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    match schema.get("type"):
        case "object":
            made = {key: _example(each, schemas, key) for key, each in schema.get("properties", {}).items()}
            # What may be left out is left out rather than null.
            needed = schema.get("required", ())
            return {key: value for key, value in made.items() if value is not None or key in needed}
        case "array":
            return [_example(schema["items"], schemas, name)]
        case "string":
            return _FORMATS.get(schema.get("format", ""), name or "text")
        case "boolean":
            return False
        case _:
            return schema.get("minimum", 1)


def _resolved(schema: Document, schemas: Document) -> Document:
    while "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    return schema


def _fits(sample: Any, schema: Document, schemas: Document) -> bool:
    schema = _resolved(schema, schemas)
    if "anyOf" in schema:
        return any(_fits(sample, each, schemas) for each in schema["anyOf"])
    if "enum" in schema:
        return sample in schema["enum"]
    if "const" in schema:
        return sample == schema["const"]
    is_flag = isinstance(sample, bool) and schema.get("type") != "boolean"
    return not is_flag and isinstance(sample, _TYPES.get(schema.get("type", ""), object))

"""An order, as the OpenAPI document shows it in requests and answers."""

from orderflow.web.openapi import Document

ORDER: Document = {
    "customer": {"customerId": "CUST-1", "name": "Ada Lovelace"},
    "items": [{"productId": "PROD-1", "quantity": 2, "unitPrice": {"amountMinor": 1999, "currency": "EUR"}}],
    "shipTo": {
        "name": "Ada Lovelace",
        "lines": ["12 St James's Square"],
        "city": "London",
        "postalCode": "SW1Y 4JH",
        "country": "GB",
    },
}
ORDER_ID = "019c46f2-b0a0-7c11-8f3a-2b1c9d4e5f60"


def order_as(status: str, version: int, *allowed: str) -> Document:
    """The order as its answers have it."""
    then = "2026-02-10T09:30:00.123Z"
    told = {"orderId": ORDER_ID, "status": status, "version": version, "fulfillment": None}
    told |= {"attention": None, "createdAt": then, "updatedAt": then, "correlationId": "checkout-42"}
    return ORDER | told | {"allowedTransitions": [*allowed]}


CREATED = order_as("Created", 1, "OnHold", "Cancelled")

"""An order as the client takes it: the fields of `POST /api/orders`, spelled as they are sent."""

from typing import NotRequired, TypedDict


class NewCustomer(TypedDict):
    customerId: str
    name: str


class NewPrice(TypedDict):
    """An amount in the currency's minor unit (pence, cents)."""

    amountMinor: int
    currency: str


class NewItem(TypedDict):
    """All items of an order have a price in one currency, or none has one."""

    productId: str
    quantity: int
    unitPrice: NotRequired[NewPrice]


class NewAddress(TypedDict):
    name: str
    lines: list[str]
    city: str
    region: NotRequired[str]
    postalCode: NotRequired[str]
    country: str


class NewOrder(TypedDict):
    """`idempotencyKey` is for orders of a batch; `place` takes the key as an argument."""

    customer: NewCustomer
    items: list[NewItem]
    shipTo: NotRequired[NewAddress]
    idempotencyKey: NotRequired[str]

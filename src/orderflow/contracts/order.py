"""The fields of an order. Each name is defined here once, for requests, answers and events.

The rules for values differ: a request is refused for values that an event in the log may still have. So
`orders_api` and `order_events` give these models the types of their values.
"""

from typing import Generic, TypeVar

from pydantic import BaseModel

IdT = TypeVar("IdT")
TextT = TypeVar("TextT")
LinesT = TypeVar("LinesT")
AmountT = TypeVar("AmountT")
CurrencyT = TypeVar("CurrencyT")
QuantityT = TypeVar("QuantityT")
PriceT = TypeVar("PriceT")
CustomerT = TypeVar("CustomerT")
ItemsT = TypeVar("ItemsT")
ShipToT = TypeVar("ShipToT")


class CustomerFields(BaseModel, Generic[IdT, TextT]):
    customer_id: IdT
    name: TextT


class PriceFields(BaseModel, Generic[AmountT, CurrencyT]):
    amount_minor: AmountT
    currency: CurrencyT


class ItemFields(BaseModel, Generic[IdT, QuantityT, PriceT]):
    product_id: IdT
    quantity: QuantityT
    unit_price: PriceT | None = None


class ShipToFields(BaseModel, Generic[TextT, LinesT]):
    name: TextT
    lines: LinesT
    city: TextT
    region: TextT | None = None
    postal_code: TextT | None = None
    country: TextT


class OrderFields(BaseModel, Generic[CustomerT, ItemsT, ShipToT]):
    customer: CustomerT
    items: ItemsT
    ship_to: ShipToT | None = None

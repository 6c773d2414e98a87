"""The feeds that `orderflow audit` compares: what each service knows of every order, by ascending order id,
in pages of bounded size. They hold no personal data and no texts that people or carriers have written.
"""

from datetime import datetime, timedelta
from typing import Annotated

from pydantic import Field
from pydantic_core import to_json

from orderflow.contracts.orders_api import Answer, Id, OrderId
from orderflow.contracts.pages import PageQuery, TextPageQuery

AUDITED_ORDERS = "/api/audit/orders"
AUDITED_SHIPMENTS = "/api/audit/shipments"
AUDITED_STOCK = "/api/audit/stock"

FEED_PAGE_MAX = 1_000
SELECTED_MAX = 20
"""Orders or products that one request may name."""


def with_horizon(page: bytes, kept_s: float | None, now: datetime) -> bytes:
    """The page of a feed whose rows are kept for so many seconds, for ever if that is None."""
    gone_before = None if kept_s is None else now - timedelta(seconds=kept_s)
    return b'%b,"goneBefore":%b}' % (page[:-1], to_json(gone_before))


_Limit = Annotated[int, Field(ge=1, le=FEED_PAGE_MAX)]


class FeedQuery(PageQuery):
    """With `orderId`, which may be repeated, only these orders."""

    limit: _Limit = FEED_PAGE_MAX
    order_id: list[OrderId] = Field([], max_length=SELECTED_MAX)


class StockFeedQuery(TextPageQuery):
    """With `productId`, which may be repeated, only these products."""

    limit: _Limit = FEED_PAGE_MAX
    product_id: list[Id] = Field([], max_length=SELECTED_MAX)


class AuditedOrder(Answer):
    """What the Order Service knows of an order. `attention` is its kind. `amountMinor` is what the order
    costs, null if its items have no prices.

    `events` counts its events that are still in the outbox, and `unpublished` those of them that wait to be
    published, again or for the first time. `unpublishedSince` is when the oldest event was written that was
    never published, and `parked` whether the log refuses one for its size. `publishedAt` is when the latest
    event was published.
    """

    order_id: OrderId
    status: str
    version: int
    created_at: datetime
    updated_at: datetime
    attention: str | None
    tracking_number: str | None
    amount_minor: int | None
    currency: str | None
    events: int
    unpublished: int
    unpublished_since: datetime | None
    parked: bool
    published_at: datetime | None


class AuditedOrders(Answer):
    """Finished orders that have not changed since `goneBefore` may have been archived."""

    items: list[AuditedOrder]
    next_cursor: str | None
    gone_before: datetime | None = None


class AuditedShipment(Answer):
    """What the Fulfillment Service knows of an order. `ended` has the steps of its saga that have ended, each
    with `done`, `undone` or `given-up`.

    `held`: a live worker has it. `dueInMs` is when its next step is due, below 0 if it has been due for so
    long, and null if it has none. `letters` are the states of its dead letters. `attentionOwed`: its order is
    about to be told to ask for a person. `reserved` counts the products that are reserved for it.
    """

    order_id: OrderId
    state: str
    step: str
    direction: str
    ended: dict[str, str]
    attempts: int
    held: bool
    due_in_ms: int | None
    parked: str | None
    letters: list[str]
    attention_owed: bool
    has_label: bool
    tracking_number: str | None
    is_failure: bool
    amount_minor: int | None
    currency: str | None
    reserved: int
    ordered_at: datetime
    received_at: datetime
    closed_at: datetime | None


class AuditedShipments(Answer):
    """Shipments that were closed before `goneBefore` may have been archived."""

    items: list[AuditedShipment]
    next_cursor: str | None
    gone_before: datetime | None = None


class AuditedProduct(Answer):
    """A tracked product: its record, and the sum of what is reserved of it for orders."""

    product_id: str
    on_hand: int
    reserved: int
    reserved_for_orders: int


class AuditedStock(Answer):
    items: list[AuditedProduct]
    next_cursor: str | None

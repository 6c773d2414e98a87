"""The stock records: what a person has counted of each product."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from pydantic_core import to_json
from sqlalchemy.engine import Connection

from orderflow.contracts.pages import encode_text_cursor, page_of
from orderflow.database import bulk
from orderflow.database.dialects import one_of
from orderflow.database.transaction import Transaction
from orderflow.fulfillment.tables import stock

ON_HAND_MAX = 10**12
"""Pieces of one product that a record can hold."""


@dataclass(frozen=True, slots=True)
class SetOnHand:
    """`on_hand` is 0 to ON_HAND_MAX pieces, counted at `at`; `product_id` is a text of the contract."""

    product_id: str
    on_hand: int
    at: datetime


@dataclass(frozen=True, slots=True)
class StockRecord:
    product_id: str
    on_hand: int
    reserved: int


def set_on_hand(tx: Transaction, commands: Sequence[SetOnHand]) -> list[StockRecord]:
    """Set what is on hand; a product without a record gets one, and is tracked from then on.

    A count is a fact, so it may be less than what is reserved. Then nothing more is reserved until enough was
    released or counted; what is reserved already stays so.
    """
    newest = {command.product_id: command for command in commands}
    tx.add(_SET, [(product, c.on_hand, c.at, 0) for product, c in sorted(newest.items())])
    found = tx.connection.execute(_RESERVED, {"products": to_json([*newest]).decode()})
    reserved = {row.product_id: row.reserved for row in found}
    return [StockRecord(c.product_id, c.on_hand, reserved[c.product_id]) for c in commands]


_SET = bulk.InsertOrUpdate(stock, ("product_id",), ("on_hand", "counted_at"), ("reserved",))
_RESERVED = sa.select(stock.c.product_id, stock.c.reserved).where(one_of(stock.c.product_id, "products"))


def document(record: StockRecord) -> dict[str, object]:
    """The record as the HTTP API shows it."""
    return {"productId": record.product_id, "onHand": record.on_hand, "reserved": record.reserved}


def list_stock(connection: Connection, *, product_id: str | None, limit: int, after: str | None) -> bytes:
    """A page of records by product id, those after the given one, as JSON; with `product_id` only its
    record."""
    c = stock.c
    wanted = sa.select(c.product_id, c.on_hand, c.reserved).order_by(c.product_id).limit(limit + 1)
    if product_id is not None:
        wanted = wanted.where(c.product_id == product_id)
    if after is not None:
        wanted = wanted.where(c.product_id > after)
    records = [StockRecord(*row) for row in connection.execute(wanted)]
    return page_of(records, document, lambda record: record.product_id, limit, encode_text_cursor)

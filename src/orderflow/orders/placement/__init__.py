"""The statements that insert new orders, which run more often than any others; one file per dialect.

The database makes all rows of an order from one parameter: its PlaceOrder as a JSON array. That contains the
event, which holds the whole order, so nothing is rendered twice.
"""

from collections.abc import Sequence

from orderflow.database.transaction import Transaction
from orderflow.orders.placement import mssql, postgresql, sqlite
from orderflow.orders.placement.order import PlaceOrder

_INSERT_NEW = {
    "postgresql": postgresql.insert_new,
    "sqlite": sqlite.insert_new,
    "mssql": mssql.insert_new,
}


def insert_new(tx: Transaction, orders: Sequence[PlaceOrder], *, lease_ms: int) -> set[str]:
    """Insert the orders with their items, keys and events, and count them. Orders whose key exists already
    are left out; returns their ids.

    No key may occur twice. The events are leased to this process's own relay for `lease_ms` milliseconds;
    with a negative number any relay may take them.
    """
    return _INSERT_NEW[tx.dialect.name](tx.connection, orders, lease_ms) if orders else set()

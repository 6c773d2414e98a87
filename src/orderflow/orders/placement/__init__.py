"""How new orders get into their tables: the hottest statements there are, a file per dialect.

The database makes all rows of an order out of one parameter: its PlaceOrder as a JSON array, with the event
in it, which is the whole order. So nothing is rendered twice.
"""

from collections.abc import Sequence

from orderflow.database.transaction import Transaction
from orderflow.orders.placement import postgresql, sqlite
from orderflow.orders.placement.order import PlaceOrder

_INSERT_NEW = {"postgresql": postgresql.insert_new, "sqlite": sqlite.insert_new}


def insert_new(tx: Transaction, orders: Sequence[PlaceOrder], *, lease_ms: int) -> set[str]:
    """Insert orders, items, keys, events and their number; except where an order's key is there already: the
    ids of those.

    No key comes twice. The events belong to this process's own relay for `lease_ms`.
    """
    return _INSERT_NEW[tx.dialect.name](tx.connection, orders, lease_ms) if orders else set()

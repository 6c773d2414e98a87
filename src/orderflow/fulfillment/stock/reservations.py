"""Reserves stock for orders, gives it back, and takes out what was shipped.

These use cases also run inside the transactions of others. An order that names no product with a stock record
costs a batch one look-up by index. Stock rows stay locked until the transaction commits: whoever has other
work in it does that first, and calls `move` once for all orders. Two calls in one transaction lock in two
rounds, which two transactions can do in opposite orders; PostgreSQL then ends one of them after a second.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import sqlalchemy as sa
from pydantic_core import to_json

from orderflow.database import bulk
from orderflow.database.dialects import locked, one_of
from orderflow.database.transaction import Transaction
from orderflow.fulfillment.tables import PRODUCT_ID_CHARS_MAX, reservations, stock
from orderflow.runtime.telemetry import tracing
from orderflow.runtime.telemetry.tracing import SpanKind


@dataclass(frozen=True, slots=True)
class Reserve:
    """`lines` are product ids and quantities of at least 1; a product may occur in several of them.
    `is_shipped`: its carrier has the goods already, so they are reserved even if the records say that there
    is too little. `traceparent`, here and below, is the order's, for the span of the move."""

    order_id: str
    lines: tuple[tuple[str, int], ...]
    is_shipped: bool = False
    traceparent: str | None = None

    @property
    def rows(self) -> int:
        return 1 + len(self.lines)


@dataclass(frozen=True, slots=True)
class Release:
    """Give back what is reserved for the order, if anything is."""

    order_id: str
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Consume:
    """The order was shipped: what is reserved for it, if anything, is no longer on hand."""

    order_id: str
    traceparent: str | None = None


Move = Reserve | Release | Consume


@dataclass(frozen=True, slots=True)
class Reserved:
    """All tracked lines are reserved, now or by an earlier call."""


@dataclass(frozen=True, slots=True)
class Untracked:
    """None of the order's products has a stock record, so there is nothing to reserve."""


@dataclass(frozen=True, slots=True)
class Missing:
    """`available` is what other orders have left of the product, at least 0."""

    product_id: str
    wanted: int
    available: int


@dataclass(frozen=True, slots=True)
class Insufficient:
    """Nothing was reserved; `missing` names each product of which there is too little, by product id."""

    missing: tuple[Missing, ...]


ReserveResult = Reserved | Untracked | Insufficient


def reserve(tx: Transaction, commands: Sequence[Reserve]) -> list[ReserveResult]:
    """Reserve what each order needs, or nothing of it. An earlier command has priority over a later one.

    An order that holds a reservation gets Reserved, and nothing more is reserved for it. The other answers
    leave no trace, so they may differ when a command is repeated; and after `release` or `consume` an order
    can be reserved for again. So the caller records the answer in the same transaction, and asks no more.
    """
    return [result for result in move(tx, commands) if result is not None]


def release(tx: Transaction, commands: Sequence[Release]) -> list[None]:
    """Give back what is reserved for the orders; may be repeated."""
    move(tx, commands)
    return [None] * len(commands)


def consume(tx: Transaction, commands: Sequence[Consume]) -> list[None]:
    """Take what is reserved for the orders out of stock, because they were shipped; may be repeated."""
    move(tx, commands)
    return [None] * len(commands)


def move(tx: Transaction, moves: Sequence[Move]) -> list[ReserveResult | None]:
    """Do any of the three for many orders, in list order; the result of Release and Consume is None.

    Whatever the number of orders, this sends at most six statements. If none of the products is tracked, it
    sends one for all Reserve, and one for all others.
    """
    began_ns = tracing.now_ns()
    needs = [_needs(command) if isinstance(command, Reserve) else {} for command in moves]
    ending = {command.order_id for command in moves if not isinstance(command, Reserve)}
    products = {product_id for need in needs for product_id in need}
    holding = _reservations(tx, ending) if ending else {}
    products.update(*holding.values())
    rows = _lock_stock(tx, products) if products else {}
    if not rows:
        return [Untracked() if isinstance(command, Reserve) else None for command in moves]
    tracked = [{product: wanted for product, wanted in need.items() if product in rows} for need in needs]
    orders = {*holding, *(c.order_id for c, need in zip(moves, tracked, strict=True) if need)}
    # Read again: the locks were waited for, and whoever held them may have moved these orders.
    ledger = _Ledger(Counter(rows), _reservations(tx, orders) if orders else {})
    results = [ledger.apply(command, need) for command, need in zip(moves, tracked, strict=True)]
    _write(tx, ledger)
    if tracing.is_on():
        tx.after_commit(partial(_tell, moves, results, ledger.before, began_ns))
    return results


def _tell(
    moves: Sequence[Move],
    results: Sequence[ReserveResult | None],
    before: Mapping[str, Mapping[str, int]],
    began_ns: int,
) -> None:
    """A span for each order that is traced and whose products are tracked."""
    for command, result in zip(moves, results, strict=True):
        if command.traceparent is None or not tracing.is_traced(command.traceparent):
            continue
        moved = command.order_id in before if result is None else not isinstance(result, Untracked)
        if moved:
            told = {tracing.ORDER_ID: command.order_id}
            if result is not None:
                told[tracing.OUTCOME] = type(result).__name__.lower()
            name = tracing.STOCK.format(move=type(command).__name__.lower())
            tracing.record(name, SpanKind.INTERNAL, command.traceparent, began_ns, told)


@dataclass(slots=True)
class _Ledger:
    """What the locked rows say, and what the moves of a batch change in them."""

    free: Counter[str]
    """What may still be reserved, by product; below 0 if more is reserved than on hand."""
    before: Mapping[str, Mapping[str, int]]
    """What was reserved before the batch: quantities by product, by order."""
    held: dict[str, Mapping[str, int]] = field(init=False)
    """What is reserved now."""
    on_hand: Counter[str] = field(default_factory=Counter[str])
    reserved: Counter[str] = field(default_factory=Counter[str])

    def __post_init__(self) -> None:
        self.held = dict(self.before)

    def apply(self, command: Move, need: Mapping[str, int]) -> ReserveResult | None:
        if isinstance(command, Reserve):
            return self._reserve(command, need)
        quantities = self.held.pop(command.order_id, {})
        self.reserved.subtract(quantities)
        if isinstance(command, Consume):
            self.on_hand.subtract(quantities)
            return None
        self.free.update(quantities)
        return None

    def _reserve(self, command: Reserve, need: Mapping[str, int]) -> ReserveResult:
        if command.order_id in self.held:
            return Reserved()
        if not need:
            return Untracked()
        missing = [
            Missing(product_id, wanted, max(0, self.free[product_id]))
            for product_id, wanted in sorted(need.items())
            if wanted > self.free[product_id]
        ]
        if missing and not command.is_shipped:
            return Insufficient(tuple(missing))
        self.free.subtract(need)
        self.reserved.update(need)
        self.held[command.order_id] = need
        return Reserved()


def _needs(command: Reserve) -> dict[str, int]:
    """The quantity of each product. Products that no record can name are left out: events of the past may
    hold such ids, and a database would cut them, refuse them or take them for others."""
    needs: Counter[str] = Counter()
    for product_id, quantity in command.lines:
        is_storable = len(product_id) <= PRODUCT_ID_CHARS_MAX and "\0" not in product_id
        if is_storable and not product_id.endswith(" "):
            needs[product_id] += quantity
    return needs


def _reservations(tx: Transaction, order_ids: Collection[str]) -> dict[str, dict[str, int]]:
    """What is reserved for the orders: quantities by product, by order. Orders without any are left out."""
    held: dict[str, dict[str, int]] = {}
    for row in tx.connection.execute(_RESERVATIONS, {"ids": _json(order_ids)}):
        held.setdefault(row.order_id, {})[row.product_id] = row.quantity
    return held


_RESERVATIONS = sa.select(reservations.c.order_id, reservations.c.product_id, reservations.c.quantity).where(
    one_of(reservations.c.order_id, "ids")
)


def _lock_stock(tx: Transaction, product_ids: Collection[str]) -> dict[str, int]:
    """Lock the products' records in the order of their ids, so that no two batches wait for each other; what
    is free of each."""
    rows = tx.connection.execute(_LOCK_STOCK, {"products": _json(product_ids)})
    return {row.product_id: row.on_hand - row.reserved for row in rows}


_LOCK_STOCK = locked(
    sa.select(stock.c.product_id, stock.c.on_hand, stock.c.reserved)
    .where(one_of(stock.c.product_id, "products"))
    .order_by(stock.c.product_id),
    stock,
)


def _write(tx: Transaction, ledger: _Ledger) -> None:
    gone = [i for i, quantities in ledger.before.items() if ledger.held.get(i) is not quantities]
    new = [i for i, quantities in ledger.held.items() if ledger.before.get(i) is not quantities]
    if gone:
        tx.connection.execute(_DELETE, {"ids": _json(gone)})
    moved = sorted(p for p in {*ledger.on_hand, *ledger.reserved} if ledger.on_hand[p] or ledger.reserved[p])
    tx.add(_CHANGE, [(product, ledger.on_hand[product], ledger.reserved[product]) for product in moved])
    tx.add(_INSERT, [(i, *line) for i in sorted(new) for line in sorted(ledger.held[i].items())])


_DELETE = sa.delete(reservations).where(one_of(reservations.c.order_id, "ids"))
_CHANGE = bulk.Update(stock, ("product_id",), added=("on_hand", "reserved"))
_INSERT = bulk.Insert(reservations, ("order_id", "product_id", "quantity"))


def _json(values: Collection[str]) -> str:
    return to_json(sorted(values)).decode()

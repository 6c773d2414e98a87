"""Only the row's exact owner may change a shipment: the statements for that."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import cast

import sqlalchemy as sa
from pydantic_core import to_json

from orderflow.database import bulk
from orderflow.database.dialects import locked, one_of
from orderflow.database.transaction import Transaction
from orderflow.fulfillment.model import Owner, Shipment, Written
from orderflow.fulfillment.tables import shipments

row = shipments.c


@dataclass(frozen=True, slots=True)
class Change:
    """A decision about a shipment, to be written at `at`."""

    shipment: Shipment
    decision: Written
    at: datetime


def order_id_of(change: Change) -> str:
    return change.shipment.order_id


Key = tuple[str, str, int]
"""Order id, worker and epoch: a batch may hold changes of an old and of a new life for the same order."""


def key_of(change: Change) -> Key:
    owner = change.shipment.owner
    return change.shipment.order_id, owner.worker_id, owner.epoch


def statement(
    values: Sequence[str],
    computed: bulk.Computed = MappingProxyType({}),
    where: sa.ColumnElement[bool] | None = None,
) -> bulk.Update:
    """Sets the values of each change's row, where it is its owner's; returns the keys of those, as far as
    they remain."""
    keys = ("order_id", "worker_id", "epoch")
    return bulk.Update(shipments, keys, values, computed, where, returning=True)


def update(
    tx: Transaction, statement: bulk.Update, rows: Sequence[tuple[Change, tuple[object, ...]]]
) -> set[Key]:
    return cast("set[Key]", tx.write(statement, [(*key_of(change), *new) for change, new in rows]))


def lock(
    tx: Transaction, changes: Sequence[Change], which: sa.ColumnElement[bool] | None = None
) -> list[Change]:
    """The changes whose rows are their owner's and are as given, and now locked."""
    wanted = _OURS if which is None else _OURS.where(which)
    by_owner: dict[Owner, list[str]] = {}
    for change in changes:
        by_owner.setdefault(change.shipment.owner, []).append(change.shipment.order_id)
    ours: set[Key] = set()
    for owner, order_ids in by_owner.items():
        of_owner = {"ids": to_json(order_ids).decode(), "worker": owner.worker_id, "of_epoch": owner.epoch}
        locked = tx.connection.execute(wanted, of_owner)
        ours.update((order_id, owner.worker_id, owner.epoch) for order_id in locked.scalars())
    return [change for change in changes if key_of(change) in ours]


_OURS = locked(
    sa.select(row.order_id)
    .where(
        one_of(row.order_id, "ids"),
        row.worker_id == sa.bindparam("worker"),
        row.epoch == sa.bindparam("of_epoch"),
    )
    .order_by(row.order_id),
    shipments,
)


Moved = dict[Key, Shipment]
"""The shipments that were written, as they are now."""

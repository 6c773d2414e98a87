"""carrier-sim's durable ledger: the answer to every key, and every physical shipment ever made. Tests judge
by it what was really shipped.

Nothing here forbids two live shipments for one order: that is the bug to be shown, so it must be possible.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from orderflow.simulators.ledger_file import LedgerFile

State = Literal["live", "voided", "rejected"]

_COLUMNS = "request_hash, order_id, shipment_id, tracking_number, state, created_at"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (
    sequence INTEGER PRIMARY KEY,
    idempotency_key TEXT NOT NULL UNIQUE,
    request_hash BLOB NOT NULL,
    order_id TEXT NOT NULL,
    shipment_id TEXT NOT NULL UNIQUE,
    tracking_number TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('live', 'voided', 'rejected')),
    created_at TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS answers_by_order ON answers (order_id);
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """What was decided for one idempotency key, at `created_at` (ISO 8601 UTC)."""

    request_hash: bytes
    order_id: str
    shipment_id: str
    tracking_number: str
    state: State
    created_at: str


class Ledger(LedgerFile):
    """Raises what LedgerFile raises."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, _SCHEMA)

    async def answer_once(
        self, idempotency_key: str, proposed: Answer, *, forgotten_before: str | None = None
    ) -> Answer:
        """The first answer ever proposed for this key: the caller's own or an earlier one. An earlier one
        that was created before `forgotten_before` is forgotten, so another shipment is made."""

        def operation(connection: sqlite3.Connection) -> Answer:
            if forgotten_before is not None and _forget(connection, idempotency_key, forgotten_before):
                return insert(connection, _another(connection, proposed))
            found = connection.execute(
                f"SELECT {_COLUMNS} FROM answers WHERE idempotency_key = ?",  # noqa: S608 (constant columns)
                (idempotency_key,),
            ).fetchone()
            return Answer(*found) if found is not None else insert(connection, proposed)

        def insert(connection: sqlite3.Connection, proposed: Answer) -> Answer:
            connection.execute(
                f"INSERT INTO answers (idempotency_key, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
                (
                    idempotency_key,
                    proposed.request_hash,
                    proposed.order_id,
                    proposed.shipment_id,
                    proposed.tracking_number,
                    proposed.state,
                    proposed.created_at,
                ),
            )
            return proposed

        return await self._perform(operation)

    async def shipments_of(self, order_id: str) -> list[Answer]:
        """Live and voided shipments of the order, oldest first."""

        def operation(connection: sqlite3.Connection) -> list[Answer]:
            rows = connection.execute(
                f"SELECT {_COLUMNS} FROM answers"  # noqa: S608 (constant columns)
                " WHERE order_id = ? AND state <> 'rejected' ORDER BY sequence",
                (order_id,),
            )
            return [Answer(*row) for row in rows]

        return await self._perform(operation)

    async def order_of(self, shipment_id: str) -> str | None:
        """The order that the shipment was made for, or None where no such shipment was ever made."""

        def operation(connection: sqlite3.Connection) -> str | None:
            found = connection.execute(
                "SELECT order_id FROM answers WHERE shipment_id = ? AND state <> 'rejected'", (shipment_id,)
            ).fetchone()
            return None if found is None else str(found[0])

        return await self._perform(operation)

    async def void(self, shipment_id: str) -> bool:
        """False where no such shipment was ever made. Voiding a voided one changes nothing and is True."""

        def operation(connection: sqlite3.Connection) -> bool:
            cursor = connection.execute(
                "UPDATE answers SET state = 'voided' WHERE shipment_id = ? AND state <> 'rejected'",
                (shipment_id,),
            )
            return cursor.rowcount == 1

        return await self._perform(operation)

    def shipments_ever_made(self) -> Iterator[list[Answer]]:
        """Every shipment, oldest first, in lists of up to 1,000: one snapshot, read while the writer goes
        on."""
        query = f"SELECT {_COLUMNS} FROM answers WHERE state <> 'rejected' ORDER BY sequence"  # noqa: S608
        for rows in self._listing(query):
            yield [Answer(*row) for row in rows]


def _forget(connection: sqlite3.Connection, idempotency_key: str, before: str) -> bool:
    """Free the key of an old answer; the shipment stays."""
    forgotten = connection.execute(
        "UPDATE answers SET idempotency_key = idempotency_key || ' forgotten ' || sequence"
        " WHERE idempotency_key = ? AND created_at < ?",
        (idempotency_key, before),
    )
    return forgotten.rowcount == 1


def _another(connection: sqlite3.Connection, proposed: Answer) -> Answer:
    """The same answer with ids of its own: the number of the order's earlier answers is appended to them."""
    (made,) = connection.execute(
        "SELECT count(*) FROM answers WHERE order_id = ?", (proposed.order_id,)
    ).fetchone()
    return replace(
        proposed,
        shipment_id=f"{proposed.shipment_id}-{made}",
        tracking_number=f"{proposed.tracking_number}-{made}",
    )

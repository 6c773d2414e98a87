"""payment-sim's durable ledger: the answer to every key, and what became of every payment. Tests judge by it
whether anybody was charged for nothing, or twice.

An amount never changes, a capture and a refund are of the whole amount, and nothing is both captured and
voided. Nothing here forbids two payments for one order: that is a bug to be shown, so it must be possible.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orderflow.fulfillment.payments import Payment
from orderflow.fulfillment.payments.simulated import refusal
from orderflow.simulators.ledger_file import LedgerFile

_COLUMNS = (
    "order_id, authorization_id, amount_minor, currency, authorized, voided, captured_minor, refunded_minor"
)
_SCHEMA = """
CREATE TABLE IF NOT EXISTS payments (
    sequence INTEGER PRIMARY KEY,
    idempotency_key TEXT NOT NULL UNIQUE,
    order_id TEXT NOT NULL,
    authorization_id TEXT NOT NULL UNIQUE,
    amount_minor INTEGER NOT NULL CHECK (amount_minor > 0),
    currency TEXT NOT NULL,
    authorized INTEGER NOT NULL CHECK (authorized IN (0, 1)),
    voided INTEGER NOT NULL CHECK (voided IN (0, authorized)),
    captured_minor INTEGER NOT NULL CHECK (captured_minor IN (0, amount_minor * (authorized - voided))),
    refunded_minor INTEGER NOT NULL CHECK (refunded_minor IN (0, captured_minor))
);
CREATE INDEX IF NOT EXISTS payments_by_order ON payments (order_id);
"""
_CHANGES = {
    "capture": "captured_minor = amount_minor",
    "void": "voided = 1",
    "refund": "refunded_minor = captured_minor",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """A payment, and the order that it is for."""

    order_id: str
    payment: Payment


class PaymentLedger(LedgerFile):
    """Raises what LedgerFile raises."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, _SCHEMA)

    async def decide_once(self, idempotency_key: str, proposed: Entry) -> Entry:
        """The first decision ever proposed for this key, with what became of it since."""

        def operation(connection: sqlite3.Connection) -> Entry:
            found = _one(connection, "idempotency_key", idempotency_key)
            if found is not None:
                return found
            payment = proposed.payment
            connection.execute(
                f"INSERT INTO payments (idempotency_key, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, 0, 0, 0)",  # noqa: S608
                (
                    idempotency_key,
                    proposed.order_id,
                    payment.authorization_id,
                    payment.amount_minor,
                    payment.currency,
                    payment.authorized,
                ),
            )
            return proposed

        return await self._perform(operation)

    async def payments_of(self, order_id: str) -> list[Entry]:
        """What was ever authorized for the order, oldest first."""

        def operation(connection: sqlite3.Connection) -> list[Entry]:
            rows = connection.execute(
                f"SELECT {_COLUMNS} FROM payments WHERE order_id = ? AND authorized ORDER BY sequence",  # noqa: S608
                (order_id,),
            )
            return [_entry(row) for row in rows]

        return await self._perform(operation)

    async def granted(self, authorization_id: str) -> Entry | None:
        """The payment, or None where no such authorization was ever granted."""

        def operation(connection: sqlite3.Connection) -> Entry | None:
            found = _one(connection, "authorization_id", authorization_id)
            return found if found is not None and found.payment.authorized else None

        return await self._perform(operation)

    async def change(self, change: str, authorization_id: str) -> str | None:
        """`capture`, `void` or `refund` a payment that was granted, which changes nothing when repeated. Why
        it is refused, or None."""

        def operation(connection: sqlite3.Connection) -> str | None:
            found = _one(connection, "authorization_id", authorization_id)
            if found is None or not found.payment.authorized:
                return "no such authorization was ever granted"
            refused = refusal(change, found.payment)
            if refused is None:
                connection.execute(
                    f"UPDATE payments SET {_CHANGES[change]} WHERE authorization_id = ?",  # noqa: S608
                    (authorization_id,),
                )
            return refused

        return await self._perform(operation)

    def payments_ever_asked_for(self) -> Iterator[list[Entry]]:
        """Every payment, declined ones included, oldest first, in lists of up to 1,000: one snapshot."""
        for rows in self._listing(f"SELECT {_COLUMNS} FROM payments ORDER BY sequence"):  # noqa: S608
            yield [_entry(row) for row in rows]


def _one(connection: sqlite3.Connection, column: str, value: str) -> Entry | None:
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM payments WHERE {column} = ?",  # noqa: S608 (constant columns)
        (value,),
    ).fetchone()
    return None if row is None else _entry(row)


def _entry(row: tuple[Any, ...]) -> Entry:
    order_id, authorization_id, amount_minor, currency, authorized, voided, captured, refunded = row
    payment = Payment(
        authorization_id, amount_minor, currency, bool(authorized), bool(voided), captured, refunded
    )
    return Entry(order_id, payment)

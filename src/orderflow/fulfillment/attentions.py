"""What orders are to tell a person: one row per order, until the Order Service has acknowledged it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from orderflow.database import bulk
from orderflow.database.dialects import has_passed, locked, now_ms
from orderflow.database.transaction import Transaction
from orderflow.fulfillment.tables import attentions

CLEARED = "cleared"
"""The kind that takes an order's attention away."""

RESEND_MS = 30_000
"""A claimed attention is due again after so long, unless it was acknowledged."""


@dataclass(frozen=True, slots=True)
class Attention:
    """`kind` and `reason` are as the contract of the Order Service defines them."""

    order_id: str
    kind: str
    reason: str
    correlation_id: str | None


@dataclass(frozen=True, slots=True)
class ClaimAttentions:
    rows_max: int

    @property
    def rows(self) -> int:
        return self.rows_max


def status_update(attention: Attention) -> dict[str, Any]:
    """The update for the Order Service (contract: StatusUpdate)."""
    told = {"kind": attention.kind, "reason": attention.reason}
    update: dict[str, Any] = {
        "orderId": attention.order_id,
        "attention": None if attention.kind == CLEARED else told,
    }
    if attention.correlation_id is not None:
        update["correlationId"] = attention.correlation_id
    return update


def put(tx: Transaction, new: Sequence[Attention]) -> None:
    """Store attentions to be sent; the newest of an order replaces one that was not acknowledged yet."""
    newest = {attention.order_id: attention for attention in new}
    tx.add(_PUT, [(i, a.kind, a.reason, a.correlation_id) for i, a in sorted(newest.items())])


_PUT = bulk.InsertOrUpdate(
    attentions, ("order_id",), ("kind", "reason", "correlation_id"), computed={"due_at_ms": now_ms()}
)


def forget(tx: Transaction, order_id: str) -> None:
    """Drop an attention that was not acknowledged yet: it is no longer true."""
    tx.connection.execute(sa.delete(attentions).where(attentions.c.order_id == order_id))


def clear(tx: Transaction, order_id: str) -> None:
    """Take the order's attention away: a person has seen to it, and no later step of the order will do so."""
    put(tx, [Attention(order_id, CLEARED, "seen to", None)])


def claim(tx: Transaction, commands: Sequence[ClaimAttentions]) -> list[list[Attention]]:
    """Claim those that are due, the oldest first; other workers leave them alone for 30 s."""
    # Repeating this is safe: attentions that a lost answer may have claimed are due again soon.
    return [_claim(tx, command.rows_max) for command in commands]


def _claim(tx: Transaction, rows_max: int) -> list[Attention]:
    due = tx.connection.execute(
        locked(
            sa.select(attentions)
            .where(has_passed(attentions.c.due_at_ms, longest_ms=RESEND_MS))
            .order_by(attentions.c.due_at_ms)
            .limit(rows_max),
            attentions,
            skip_locked=True,
        )
    ).all()
    if due:
        tx.connection.execute(
            sa.update(attentions)
            .where(attentions.c.order_id.in_([found.order_id for found in due]))
            .values(due_at_ms=now_ms() + RESEND_MS)
        )
    return [Attention(found.order_id, found.kind, found.reason, found.correlation_id) for found in due]


def acknowledge(tx: Transaction, sent: Sequence[Attention]) -> list[None]:
    """Delete what was acknowledged, but not what replaced it meanwhile."""
    for attention in sorted(sent, key=lambda a: a.order_id):
        tx.connection.execute(
            sa.delete(attentions).where(
                attentions.c.order_id == attention.order_id,
                attentions.c.kind == attention.kind,
                attentions.c.reason == attention.reason,
            )
        )
    return [None] * len(sent)

"""The audit log: who has changed what by hand. Each service has one, in its own database.

An entry is written in the transaction of the change that it tells of, so neither is there without the other.
The table is append-only: no statement of ours changes or deletes an entry, and triggers refuse to do so.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import wraps
from typing import Any, Generic, TypeVar

import sqlalchemy as sa
from pydantic_core import from_json, to_json
from sqlalchemy.engine import Connection

from orderflow.contracts.audit import AuditQuery
from orderflow.contracts.instants import utc_text
from orderflow.contracts.pages import page_of
from orderflow.database import bulk
from orderflow.database.batch import UseCase, rows_of
from orderflow.database.dialects import UtcTime, UuidText
from orderflow.database.transaction import Transaction
from orderflow.runtime.ids import new_uuid7

C = TypeVar("C")
R = TypeVar("R")

Details = Mapping[str, object]
"""What changed, in numbers and names of our own: nothing that tells of a person."""

_COLUMNS = ("id", "at", "actor", "action", "subject", "reason", "correlation_id", "details")


def audit_table(name: str, metadata: sa.MetaData) -> sa.Table:
    return sa.Table(
        name,
        metadata,
        sa.Column("id", UuidText, primary_key=True),
        sa.Column("at", UtcTime, nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("subject", sa.String(200), nullable=False),
        sa.Column("reason", sa.String(1000)),
        sa.Column("correlation_id", sa.String(200), nullable=False),
        sa.Column("details", sa.Text, nullable=False),
    )


@dataclass(frozen=True, slots=True)
class Act:
    """What somebody is about to do. `id` sorts by time, and makes the entry unique however often its
    transaction is tried. `reason` is what the actor gave, of 1,000 characters at most."""

    id: str
    at: datetime
    actor: str
    action: str
    subject: str
    correlation_id: str
    reason: str | None = None
    details: Details = field(default_factory=dict[str, object])


def act(
    at: datetime,
    action: str,
    subject: str,
    *,
    actor: str,
    correlation_id: str,
    reason: str | None = None,
    details: Details | None = None,
) -> Act:
    new_id = new_uuid7(int(at.timestamp() * 1000))
    return Act(new_id, at, actor, action, subject, correlation_id, reason, details or {})


@dataclass(frozen=True, slots=True)
class ByHand(Generic[C]):
    """A command, and the act that gave it."""

    command: C
    act: Act

    @property
    def rows(self) -> int:
        return rows_of(self.command) + 1


class AuditLog:
    """The audit log in one table."""

    def __init__(self, table: sa.Table) -> None:
        self._table = table
        self._add = bulk.InsertAbsent(table, _COLUMNS)

    def recording(
        self, use_case: UseCase[C, R], changed: Callable[[R], Details | None]
    ) -> UseCase[ByHand[C], R]:
        """The use case for commands that are given by hand. `changed` says by the result what is to be added
        to the details of the entry; None means that nothing has changed, and then there is no entry."""

        @wraps(use_case)
        def recorded(tx: Transaction, commands: Sequence[ByHand[C]]) -> Sequence[R]:
            results = use_case(tx, [each.command for each in commands])
            done: list[tuple[Act, Details]] = []
            for each, result in zip(commands, results, strict=True):
                if (more := changed(result)) is not None:
                    done.append((each.act, more))
            self.append(tx, done)
            return results

        return recorded

    def append(self, tx: Transaction, done: Sequence[tuple[Act, Details]]) -> None:
        """Add an entry for each act, with more details. An entry that is there already stays as it is."""
        if done:
            tx.write(self._add, [_row(made, more) for made, more in done])

    def page(self, connection: Connection, query: AuditQuery) -> bytes:
        """A page of entries as JSON, newest first."""
        c = self._table.c
        wanted = sa.select(*(c[name] for name in _COLUMNS)).order_by(c.id.desc()).limit(query.limit + 1)
        for column, value in ((c.actor, query.actor), (c.action, query.action)):
            if value is not None:
                wanted = wanted.where(column == value)
        if query.since is not None:
            wanted = wanted.where(c.at >= query.since)
        if query.cursor is not None:
            wanted = wanted.where(c.id < query.cursor)
        entries = connection.execute(wanted).all()
        return page_of(entries, _document, lambda entry: entry.id, query.limit)


def _row(made: Act, more: Details) -> tuple[object, ...]:
    details = to_json({**made.details, **more}).decode()
    return (
        *(made.id, made.at, made.actor, made.action, made.subject),
        *(made.reason, made.correlation_id, details),
    )


def _document(entry: sa.Row[Any]) -> dict[str, Any]:
    return {
        "id": entry.id,
        "at": utc_text(entry.at),
        "actor": entry.actor,
        "action": entry.action,
        "subject": entry.subject,
        "reason": entry.reason,
        "correlationId": entry.correlation_id,
        "details": from_json(entry.details),
    }

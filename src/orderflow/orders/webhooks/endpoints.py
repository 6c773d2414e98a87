"""Who gets the changes: endpoints are added, listed, removed, given new secrets, and leased by the process
that delivers.

A lease is in the endpoint's row and ends by the database's clock, as in the outbox. What an owner records
counts only while the row still names it.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple

import sqlalchemy as sa
from pydantic_core import from_json, to_json
from sqlalchemy.engine import Connection

from orderflow.contracts.instants import utc_text
from orderflow.database import bulk
from orderflow.database.dialects import has_passed, locked, now_ms
from orderflow.database.transaction import Transaction
from orderflow.orders.commands import ROW_LOCK_TIMEOUT_MS
from orderflow.orders.stream import bounds
from orderflow.orders.tables import webhook_messages, webhooks
from orderflow.runtime.ids import FIRST_UUID

ENDPOINTS_MAX = 100
LEASE_MS = 30_000
FORMER_SECRETS_MAX = 4


class Add(NamedTuple):
    endpoint_id: str
    url: str
    secret: str
    event_types: tuple[str, ...] | None
    """None for all."""
    at: datetime


class Remove(NamedTuple):
    endpoint_id: str


class Rotate(NamedTuple):
    """Gives an endpoint another secret. Messages are signed with the former ones as well, until
    `former_until` at the latest."""

    endpoint_id: str
    secret: str
    at: datetime
    former_until: datetime


Rotation = Literal["rotated", "unknown", "too many"]
"""What became of it: `too many` former secrets would still be in use."""


class LookUp(NamedTuple):
    """Asks for an endpoint in a transaction that is to be recorded."""

    endpoint_id: str


class Claim(NamedTuple):
    """Asks for the endpoints that are free, and for those that this process has already."""

    owner: str
    at: datetime

    @property
    def rows(self) -> int:
        return ENDPOINTS_MAX


class Release(NamedTuple):
    """Frees what this process has."""

    owner: str


class FormerSecret(NamedTuple):
    secret: str
    until: datetime


class Endpoint(NamedTuple):
    endpoint_id: str
    url: str
    secret: str
    event_types: frozenset[str] | None
    position: int
    """Of the next change to look at."""
    missed: int
    failing_since: datetime | None
    last_error: str | None
    former_secrets: tuple[FormerSecret, ...] = ()

    def secrets_at(self, at: datetime) -> list[str]:
        """With which a message is signed at this time, the newest first."""
        return [self.secret, *(former.secret for former in self.former_secrets if former.until > at)]


def add(tx: Transaction, commands: Sequence[Add]) -> list[bool]:
    """Add endpoints, which get what happens from now on. False if there are ENDPOINTS_MAX already."""
    # One that is there already was added by an earlier COMMIT whose answer was lost.
    room = ENDPOINTS_MAX - tx.connection.scalars(_COUNT).one()
    position = bounds(tx.connection).next
    rows = [
        (each.endpoint_id, each.url, each.secret, _joined(each.event_types), each.at, position)
        for each in commands[: max(0, room)]
    ]
    if rows:
        tx.write(_ADD, rows)
    there = {row[0] for row in rows}
    if tx.may_be_committed:
        there |= set(tx.connection.scalars(_IDS))
    return [each.endpoint_id in there for each in commands]


def remove(tx: Transaction, commands: Sequence[Remove]) -> list[int | None]:
    """Remove endpoints with all that waits for them; returns how many messages that were. None for an
    endpoint that there is not."""
    return [_remove(tx, command.endpoint_id) for command in commands]


def _remove(tx: Transaction, endpoint_id: str) -> int | None:
    named = webhooks.c.endpoint_id == endpoint_id
    removed = tx.connection.execute(sa.delete(webhooks).where(named)).rowcount
    if not removed and not tx.may_be_committed:
        return None
    of_endpoint = webhook_messages.c.endpoint_id == endpoint_id
    return tx.connection.execute(sa.delete(webhook_messages).where(of_endpoint)).rowcount


def rotate(tx: Transaction, commands: Sequence[Rotate]) -> list[Rotation]:
    return [_rotate(tx, command) for command in commands]


def _rotate(tx: Transaction, command: Rotate) -> Rotation:
    row = tx.connection.execute(_TO_ROTATE, {"sought": command.endpoint_id}).first()
    if row is None:
        return "unknown"
    endpoint = _read(row)
    if command.secret in (endpoint.secret, *(former.secret for former in endpoint.former_secrets)):
        return "rotated"  # by an earlier COMMIT whose answer was lost; others may have rotated it since
    had = (FormerSecret(endpoint.secret, command.former_until), *endpoint.former_secrets)
    former = [each._replace(until=min(each.until, command.former_until)) for each in had]
    former = [each for each in former if each.until > command.at]
    if len(former) > FORMER_SECRETS_MAX:
        return "too many"
    named = sa.update(webhooks).where(webhooks.c.endpoint_id == command.endpoint_id)
    tx.connection.execute(named.values(secret=command.secret, former_secrets=_in_json(former)))
    return "rotated"


def look_up(tx: Transaction, commands: Sequence[LookUp]) -> list[Endpoint | None]:
    """The endpoints; None for one that there is not."""
    return [_endpoint(tx, command.endpoint_id) for command in commands]


def _endpoint(tx: Transaction, endpoint_id: str) -> Endpoint | None:
    row = tx.connection.execute(_BY_ID, {"sought": endpoint_id}).first()
    return None if row is None else _read(row)


def claim(tx: Transaction, commands: Sequence[Claim]) -> list[list[Endpoint]]:
    """Lease endpoints, or renew the leases, and forget their secrets that are over. While another process has
    one, it is left out."""
    # If the answer to an earlier COMMIT was lost, the endpoints are this owner's already.
    return [_claim(tx, command) for command in commands]


def _claim(tx: Transaction, command: Claim) -> list[Endpoint]:
    found = [_read(row) for row in tx.connection.execute(_FREE, {"owner": command.owner})]
    tx.add(_LEASE, [(each.endpoint_id, command.owner) for each in found])
    left = {
        each.endpoint_id: [former for former in each.former_secrets if former.until > command.at]
        for each in found
        if any(former.until <= command.at for former in each.former_secrets)
    }
    tx.add(_FORMER_SECRETS, [(endpoint_id, _in_json(former)) for endpoint_id, former in left.items()])
    return found


def release(tx: Transaction, commands: Sequence[Release]) -> list[None]:
    for command in commands:
        mine = webhooks.c.owner == command.owner
        tx.connection.execute(sa.update(webhooks).where(mine).values(owner=None, leased_until_ms=0))
    return [None] * len(commands)


def free_leases(connection: Connection) -> None:
    """Free all leases, for an embedded database: the previous process, which held them, has ended."""
    connection.execute(sa.update(webhooks).values(owner=None, leased_until_ms=0))


def listed(connection: Connection, *, limit: int, behind: str | None) -> list[dict[str, Any]]:
    """Endpoints as they are shown, by id, one more than `limit` if there are more."""
    rows = connection.execute(_LISTED, {"behind": behind or FIRST_UUID, "most": limit + 1}).all()
    following = bounds(connection).next
    return [
        {
            "id": row.endpoint_id,
            "url": row.url,
            "eventTypes": _split(row.event_types),
            "createdAt": utc_text(row.created_at),
            "behind": max(0, following - row.position) + row.waiting,
            "waiting": row.waiting,
            "deadLetters": row.dead,
            "missed": row.missed,
            "failingSince": utc_text(row.failing_since) if row.failing_since else None,
            "lastError": row.last_error,
            "formerSecretUntil": _last_until(_formers(row.former_secrets)),
        }
        for row in rows
    ]


def _joined(event_types: Sequence[str] | None) -> str | None:
    return None if event_types is None else " ".join(event_types)


def _split(event_types: str | None) -> list[str] | None:
    return None if event_types is None else event_types.split()


def _read(row: sa.Row[Any]) -> Endpoint:
    wanted = _split(row.event_types)
    return Endpoint(
        row.endpoint_id,
        row.url,
        row.secret,
        None if wanted is None else frozenset(wanted),
        row.position,
        row.missed,
        row.failing_since,
        row.last_error,
        _formers(row.former_secrets),
    )


def _formers(stored: str | None) -> tuple[FormerSecret, ...]:
    each: list[tuple[str, str]] = [] if stored is None else from_json(stored)
    return tuple(FormerSecret(secret, datetime.fromisoformat(until)) for secret, until in each)


def _in_json(former: Sequence[FormerSecret]) -> str | None:
    return to_json(former).decode() if former else None


def _last_until(former: Sequence[FormerSecret]) -> str | None:
    return utc_text(max(each.until for each in former)) if former else None


_ADD = bulk.InsertAbsent(webhooks, ("endpoint_id", "url", "secret", "event_types", "created_at", "position"))
_COUNT = sa.select(sa.func.count()).select_from(webhooks)
_IDS = sa.select(webhooks.c.endpoint_id)
_COLUMNS = [webhooks.c[name] for name in Endpoint._fields]
_BY_ID = sa.select(*_COLUMNS).where(webhooks.c.endpoint_id == sa.bindparam("sought"))
_TO_ROTATE = locked(_BY_ID, webhooks, lock_timeout_ms=ROW_LOCK_TIMEOUT_MS)
_FORMER_SECRETS = bulk.Update(webhooks, ("endpoint_id",), ("former_secrets",))
_FREE = locked(
    sa.select(*_COLUMNS)
    .where(
        sa.or_(
            webhooks.c.owner == sa.bindparam("owner"),
            has_passed(webhooks.c.leased_until_ms, longest_ms=LEASE_MS),
        )
    )
    .order_by(webhooks.c.endpoint_id),
    webhooks,
    skip_locked=True,
)
_LEASE = bulk.Update(
    webhooks, ("endpoint_id",), ("owner",), computed={"leased_until_ms": now_ms() + LEASE_MS}
)


def _messages(condition: sa.ColumnElement[bool], name: str) -> sa.Label[int]:
    of_endpoint = webhook_messages.c.endpoint_id == webhooks.c.endpoint_id
    counted = sa.select(sa.func.count()).where(of_endpoint, condition).scalar_subquery()
    return counted.label(name)


_LISTED = (
    sa.select(
        *(column for column in webhooks.c if column.name != "secret"),
        _messages(webhook_messages.c.dead_at.is_(None), "waiting"),
        _messages(webhook_messages.c.dead_at.is_not(None), "dead"),
    )
    .where(webhooks.c.endpoint_id > sa.bindparam("behind"))
    .order_by(webhooks.c.endpoint_id)
    .limit(sa.bindparam("most", type_=sa.Integer))
)

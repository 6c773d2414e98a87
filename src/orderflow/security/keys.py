"""API keys in the database: made, listed and revoked.

Each service has its own table of them in its own database, so that it can check keys while the other one is
away. A row is never deleted, and revoked only once: see `version`.
"""

import re
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from orderflow.contracts.scopes import Scope
from orderflow.database.dialects import UtcTime

KEYS_MAX = 10_000
"""How many keys there may be that are not revoked: every process holds them all in memory."""
NAME_CHARS_MAX = 64
CUSTOMER_CHARS_MAX = 200

_KEY = re.compile(r"of_(?P<prefix>[0-9a-f]{10})_[A-Za-z0-9_-]{43}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@/-]{0,63}")
_PREFIX = re.compile(r"(of_)?(?P<prefix>[0-9a-f]{10})")
RESERVED_NAMES = frozenset(("anonymous", "client"))
"""What the timeline calls those who are not known."""


def key_table(name: str, metadata: sa.MetaData) -> sa.Table:
    """A service's table of keys."""
    return sa.Table(
        name,
        metadata,
        sa.Column("prefix", sa.String(10), primary_key=True),
        # Of the whole key, as hexadecimal digits. A key has 256 random bits, so no slow hash is needed.
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("name", sa.String(NAME_CHARS_MAX), nullable=False),
        sa.Column("scopes", sa.String(200), nullable=False),
        sa.Column("customer_id", sa.String(CUSTOMER_CHARS_MAX)),
        sa.Column("created_at", UtcTime, nullable=False),
        sa.Column("expires_at", UtcTime),
        sa.Column("revoked_at", UtcTime),
        sa.Column("last_used_at", UtcTime),
    )


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key on its way to its owner, and what is stored of it. Nothing but its owner keeps the `text`."""

    text: str = field(repr=False)
    name: str
    scopes: frozenset[Scope]
    customer_id: str | None
    created_at: datetime
    expires_at: datetime | None

    @property
    def prefix(self) -> str:
        """What names the key without telling it."""
        return prefix_of(self.text)


class Version(NamedTuple):
    """Differs whenever a key was made or revoked: both numbers only ever grow."""

    made: int
    revoked: int


class TooManyKeys(Exception):
    """There are KEYS_MAX keys that are not revoked."""


class KeyTaken(Exception):
    """There is a key with this prefix that is another one, or was revoked."""


def new_text() -> str:
    """A key with 256 random bits."""
    return f"of_{secrets.token_hex(5)}_{secrets.token_urlsafe(32)}"


def is_key(text: str) -> bool:
    return _KEY.fullmatch(text) is not None


def is_name(text: str) -> bool:
    """Whether a key may have this name. It never contains a colon, as the names of tokens' owners do."""
    return _NAME.fullmatch(text) is not None and text not in RESERVED_NAMES


def prefix_of(text: str) -> str:
    """The prefix of a key, or the prefix itself, with or without its `of_`. Raises ValueError."""
    found = _KEY.fullmatch(text) or _PREFIX.fullmatch(text)
    if found is None:
        raise ValueError("a key's prefix is of_ and ten hexadecimal digits")
    return found["prefix"]


def digest(text: bytes) -> bytes:
    return sha256(text).digest()


def add(connection: Connection, table: sa.Table, key: NewKey) -> bool:
    """Store the key. False if it is stored already. Raises TooManyKeys and KeyTaken."""
    named = sa.select(table.c.sha256, table.c.revoked_at).where(table.c.prefix == key.prefix)
    if (there := connection.execute(named).first()) is not None:
        if there.revoked_at is not None or there.sha256 != digest(key.text.encode()).hex():
            raise KeyTaken(f"of_{key.prefix} was revoked, or is another key")
        return False
    unrevoked = sa.select(sa.func.count()).select_from(table).where(table.c.revoked_at.is_(None))
    if connection.scalars(unrevoked).one() >= KEYS_MAX:
        raise TooManyKeys(f"there are {KEYS_MAX} keys; revoke some")
    connection.execute(
        sa.insert(table).values(
            prefix=key.prefix,
            sha256=digest(key.text.encode()).hex(),
            name=key.name,
            scopes=" ".join(sorted(key.scopes)),
            customer_id=key.customer_id,
            created_at=key.created_at,
            expires_at=key.expires_at,
        )
    )
    return True


def revoke(connection: Connection, table: sa.Table, prefix: str, at: datetime) -> bool | None:
    """Revoke the key. False if it is revoked already, None if there is no such key."""
    named = table.c.prefix == prefix
    revoking = sa.update(table).where(named, table.c.revoked_at.is_(None)).values(revoked_at=at)
    if connection.execute(revoking).rowcount:
        return True
    return None if connection.execute(sa.select(table.c.prefix).where(named)).first() is None else False


def listed(connection: Connection, table: sa.Table) -> Sequence[RowMapping]:
    """All keys, without their digests."""
    columns = [column for column in table.columns if column.name != "sha256"]
    return connection.execute(sa.select(*columns)).mappings().all()


def version(connection: Connection, table: sa.Table) -> Version:
    made_and_revoked = sa.select(sa.func.count(), sa.func.count(table.c.revoked_at)).select_from(table)
    return Version(*connection.execute(made_and_revoked).one())


def unrevoked(connection: Connection, table: sa.Table) -> Sequence[RowMapping]:
    """The keys that are not revoked. They may have expired."""
    return connection.execute(sa.select(table).where(table.c.revoked_at.is_(None))).mappings().all()


def note_use(connection: Connection, table: sa.Table, prefixes: Collection[str], at: datetime) -> None:
    """Remember that the keys with these prefixes were used. Rows are written in the order of their prefixes,
    so that two processes never wait for each other in a circle."""
    update = sa.update(table).where(table.c.prefix == sa.bindparam("used")).values(last_used_at=at)
    connection.execute(update, [{"used": prefix} for prefix in sorted(prefixes)])

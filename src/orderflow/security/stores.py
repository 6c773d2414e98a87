"""Keys are in the databases of both services. This makes, lists and revokes them in both."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from orderflow.database.audit import Act, AuditLog, Details, act
from orderflow.database.dialects import Failure, classify
from orderflow.database.engine import DatabaseUnavailable, reason
from orderflow.database.opening import Source, prepared
from orderflow.database.transaction import Transaction
from orderflow.runtime.ids import new_uuid4
from orderflow.security import keys

T = TypeVar("T")


WAIT_S = 5.0
"""How long a database that does not answer is waited for: a person waits, too."""


class KeyStore(NamedTuple):
    """Where the keys of one service are: its database, their table, and its audit log."""

    source: Source
    keys: sa.Table
    audit_log: sa.Table


@dataclass(frozen=True, slots=True)
class KeyStores:
    """The keys of both services. Databases that may be migrated are (`migrates`). An embedded one may be in
    use by `orderflow up` at the same time. `actor` is who makes or revokes keys, for the audit logs.

    Every method raises as `database.opening.prepared`, and can be repeated then.
    """

    stores: Sequence[KeyStore]
    migrates: bool
    actor: str

    def add(self, key: keys.NewKey) -> None:
        """Store the key everywhere. If that fails halfway, it does no harm: nobody was told the key. Raises
        TooManyKeys and KeyTaken."""
        details = {"name": key.name, "scopes": sorted(key.scopes), "bound": key.customer_id is not None}
        made = self._act("key.create", key.prefix, key.created_at, details)

        def add(connection: Connection, store: KeyStore) -> None:
            if keys.add(connection, store.keys, key):
                _record(connection, store, made)

        for each in self.stores:
            self._do(each, add)

    def revoke(self, prefix: str, at: datetime) -> bool:
        """Revoke the key everywhere. False if there is no such key. Where one database does not answer, the
        key is revoked in the other all the same."""
        made = self._act("key.revoke", prefix, at)

        def revoke(connection: Connection, store: KeyStore) -> bool:
            revoked = keys.revoke(connection, store.keys, prefix, at)
            if revoked:
                _record(connection, store, made)
            return revoked is not None

        found = False
        unavailable: list[str] = []
        for each in self.stores:
            try:
                found = self._do(each, revoke) or found
            except DatabaseUnavailable as error:
                service = each.source.schema.name
                unavailable.append(f"{error}; the {service} service may still take the key: repeat this")
        if unavailable:
            raise DatabaseUnavailable("\n".join(unavailable))
        return found

    def listed(self) -> list[dict[str, Any]]:
        """The keys, the newest first. `services` are those that have the key and have not revoked it; there
        are fewer than two if making or revoking it failed halfway."""
        found: dict[str, dict[str, Any]] = {}
        for each in self.stores:
            for row in self._do(each, lambda connection, store: keys.listed(connection, store.keys)):
                key = found.setdefault(row["prefix"], {**row, "services": []})
                key["services"] += [] if row["revoked_at"] else [each.source.schema.name]
                used: list[datetime | None] = [key["last_used_at"], row["last_used_at"]]
                key["last_used_at"] = max((at for at in used if at), default=None)
        return sorted(found.values(), key=lambda key: (key["created_at"], key["prefix"]), reverse=True)

    def _act(self, action: str, prefix: str, at: datetime, details: Details | None = None) -> Act:
        return act(at, action, f"of_{prefix}", actor=self.actor, correlation_id=new_uuid4(), details=details)

    def _do(self, store: KeyStore, action: Callable[[Connection, KeyStore], T]) -> T:
        with prepared(replace(store.source, wait_s=WAIT_S), migrates=self.migrates) as database:
            try:
                with database.writer.connect() as connection:
                    if database.embedded:
                        # `orderflow up` may be using the file: only one connection may checkpoint its log.
                        connection.exec_driver_sql("PRAGMA wal_autocheckpoint=0").close()
                    result = action(connection, store)
                    connection.commit()
                    return result
            except SQLAlchemyError as error:
                if classify(error) in (Failure.DEFECT, Failure.UNKNOWN):
                    raise
                raise DatabaseUnavailable(reason(error)) from error


def _record(connection: Connection, store: KeyStore, made: Act) -> None:
    AuditLog(store.audit_log).append(Transaction(connection), [(made, {})])

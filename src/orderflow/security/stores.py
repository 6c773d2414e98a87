"""Keys are in the databases of both services. This makes, lists and revokes them in both."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Concatenate, ParamSpec, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from orderflow.database.dialects import Failure, classify
from orderflow.database.engine import DatabaseUnavailable, reason
from orderflow.database.opening import Source, prepared
from orderflow.security import keys

P = ParamSpec("P")
T = TypeVar("T")


WAIT_S = 5.0
"""How long a database that does not answer is waited for: a person waits, too."""


@dataclass(frozen=True, slots=True)
class KeyStores:
    """The keys of both services: where their databases are, and their tables. Databases that may be migrated
    are (`migrates`). An embedded one may be in use by `orderflow up` at the same time.

    Every method raises as `database.opening.prepared`, and can be repeated then.
    """

    tables: Sequence[tuple[Source, sa.Table]]
    migrates: bool

    def add(self, key: keys.NewKey) -> None:
        """Store the key everywhere. If that fails halfway, it does no harm: nobody was told the key. Raises
        TooManyKeys and KeyTaken."""
        for each in self.tables:
            self._do(each, keys.add, key)

    def revoke(self, prefix: str, at: datetime) -> bool:
        """Revoke the key everywhere. False if there is no such key. Where one database does not answer, the
        key is revoked in the other all the same."""
        found = False
        unavailable: list[str] = []
        for each in self.tables:
            try:
                found = self._do(each, keys.revoke, prefix, at) or found
            except DatabaseUnavailable as error:
                service = each[0].schema.name
                unavailable.append(f"{error}; the {service} service may still take the key: repeat this")
        if unavailable:
            raise DatabaseUnavailable("\n".join(unavailable))
        return found

    def listed(self) -> list[dict[str, Any]]:
        """The keys, the newest first. `services` are those that have the key and have not revoked it; there
        are fewer than two if making or revoking it failed halfway."""
        found: dict[str, dict[str, Any]] = {}
        for each in self.tables:
            for row in self._do(each, keys.listed):
                key = found.setdefault(row["prefix"], {**row, "services": []})
                key["services"] += [] if row["revoked_at"] else [each[0].schema.name]
                used: list[datetime | None] = [key["last_used_at"], row["last_used_at"]]
                key["last_used_at"] = max((at for at in used if at), default=None)
        return sorted(found.values(), key=lambda key: (key["created_at"], key["prefix"]), reverse=True)

    def _do(
        self,
        of: tuple[Source, sa.Table],
        action: Callable[Concatenate[Connection, sa.Table, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        source, table = of
        with prepared(replace(source, wait_s=WAIT_S), migrates=self.migrates) as database:
            try:
                with database.writer.connect() as connection:
                    if database.embedded:
                        # `orderflow up` may be using the file: only one connection may checkpoint its log.
                        connection.exec_driver_sql("PRAGMA wal_autocheckpoint=0")
                    result = action(connection, table, *args, **kwargs)
                    connection.commit()
                    return result
            except SQLAlchemyError as error:
                if classify(error) in (Failure.DEFECT, Failure.UNKNOWN):
                    raise
                raise DatabaseUnavailable(reason(error)) from error

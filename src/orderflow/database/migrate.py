"""Brings a database to the newest schema, safely when many processes ask at once.

One directory of Alembic revisions per context under `migrations/`. All pending revisions run in one
transaction under a lock, so a killed migration leaves the old schema and the next caller starts over.
"""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, TypeVar

import sqlalchemy as sa
import structlog
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from orderflow.database.dialects import Failure, classify, of
from orderflow.database.engine import (
    Database,
    DatabaseMisconfigured,
    DatabaseUnavailable,
    reason,
    refuse_unusable,
)
from orderflow.database.errors import SchemaMismatch
from orderflow.runtime.masking import mask_urls

log = structlog.get_logger()

Context = Literal["orders", "fulfillment"]

T = TypeVar("T")

LOCK_WAIT_S = 60
TRIES_MAX = 5
_LOCK_KEYS: dict[Context, int] = {"orders": 0x6F7264, "fulfillment": 0x66756C}
_OWN_TABLE: dict[Context, str] = {"orders": "orders", "fulfillment": "shipments"}


def version_table(context: Context) -> str:
    """Each context has its own, so that both may share one database."""
    return f"alembic_version_{context}"


def scripts(context: Context) -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations" / context))
    config.set_main_option("path_separator", "os")
    return ScriptDirectory.from_config(config)


def newest(context: Context) -> str:
    head = scripts(context).get_current_head()
    if head is None:
        raise LookupError(f"no migrations for {context}")
    return head


def current(connection: Connection, context: Context) -> str | None:
    """The schema's revision, None for a database that has none yet."""
    options = {"version_table": version_table(context)}
    return MigrationContext.configure(connection, opts=options).get_current_revision()


def migrate(database: Database, context: Context) -> list[str]:
    """Apply what is missing and return the revisions applied, oldest first; empty when nothing was.

    Raises DatabaseUnavailable, or DatabaseMisconfigured for a schema that is newer than this program or a
    database that belongs to another application.
    """
    return _outlasting_outages(_migrate, database, context)


def _migrate(database: Database, context: Context) -> list[str]:
    script = scripts(context)
    applied: list[str] = []
    with _connected(database) as connection:
        of(connection).lock(connection, _LOCK_KEYS[context], LOCK_WAIT_S)
        before = current(connection, context)
        _refuse_foreign(connection, context, before, script)

        def upgrade(revision: str, _migration: MigrationContext) -> list[object]:
            steps = script._upgrade_revs(newest(context), revision)  # pyright: ignore[reportPrivateUsage]
            applied.extend(step.revision.revision for step in steps)
            return list(steps)

        with EnvironmentContext(Config(), script, fn=upgrade) as environment:
            environment.configure(connection=connection, version_table=version_table(context))
            environment.run_migrations()
        connection.commit()
    for revision in applied:
        log.info("database.migrated", context=context, revision=revision)
    return applied


def check(database: Database, context: Context) -> None:
    """Raises DatabaseMisconfigured unless the schema is exactly the one this program knows, and
    DatabaseUnavailable."""
    found = _outlasting_outages(_found, database, context)
    if found != newest(context):
        raise SchemaMismatch(
            f"the {context} database has schema {found or 'none'}, this program needs {newest(context)}: "
            "run `orderflow migrate` first"
        )


def _found(database: Database, context: Context) -> str | None:
    with _connected(database) as connection:
        found = current(connection, context)
        _refuse_foreign(connection, context, found, scripts(context))
        return found


def _outlasting_outages(action: Callable[[Database, Context], T], database: Database, context: Context) -> T:
    """A database that goes away in between is waited for; the action, which changed nothing, begins anew."""
    for _ in range(TRIES_MAX - 1):
        try:
            return action(database, context)
        except DatabaseUnavailable as error:
            log.warning("database.lost", context=context, reason=str(error))
            wait_for(database, context, seconds_max=LOCK_WAIT_S)
    return action(database, context)


def wait_for(database: Database, context: Context, *, seconds_max: float, pause_s: float = 1.0) -> None:
    """Return when the database answers; a log line per failed try. Raises DatabaseUnavailable after the
    bound, DatabaseMisconfigured at once where waiting is no use (wrong password, no such database, an
    encoding that cannot be used)."""
    deadline = time.monotonic() + seconds_max
    while True:
        try:
            with _connected(database) as connection:
                refuse_unusable(connection)
            return
        except DatabaseUnavailable as error:
            if time.monotonic() >= deadline:
                raise
            log.warning("database.waiting", context=context, reason=str(error))
            time.sleep(pause_s)


@contextmanager
def _connected(database: Database) -> Generator[Connection]:
    """A connection; an outage while it is used raises DatabaseUnavailable, a missing right or somebody else's
    table raises DatabaseMisconfigured."""
    with _connect(database) as connection:
        try:
            yield connection
        except DBAPIError as error:
            if classify(error) in (Failure.UNAVAILABLE, Failure.RETRY, Failure.LOCKED):
                raise DatabaseUnavailable(reason(error)) from error
            raise DatabaseMisconfigured(f"{_shown(database)}: {reason(error)}") from error
        except SQLAlchemyError as error:
            if classify(error) is not Failure.UNAVAILABLE:
                raise
            raise DatabaseUnavailable(reason(error)) from error


_NOT_WORTH_WAITING = (
    *("authentication failed", "does not exist", "no such database", "no such user", "invalid "),
    "SASL authentication",
)
_UNUSABLE_FILE = ("not a database", "unable to open", "readonly database", "disk image is malformed")


def _connect(database: Database) -> Connection:
    try:
        return database.writer.connect()
    except SQLAlchemyError as error:
        url, text = _shown(database), reason(error)
        if database.embedded and any(words in text for words in _UNUSABLE_FILE):
            raise DatabaseMisconfigured(f"{database.file}: {text}; name another file in the URL") from error
        if any(words in str(error) for words in _NOT_WORTH_WAITING):
            raise DatabaseMisconfigured(
                f"{url}: {text}; check user, password and database name in the URL"
            ) from error
        if classify(error) in (Failure.DEFECT, Failure.UNKNOWN):
            raise DatabaseMisconfigured(f"{url}: {text}") from error
        raise DatabaseUnavailable(text) from error


def _shown(database: Database) -> str:
    return mask_urls(database.url.render_as_string(hide_password=False))


def _refuse_foreign(
    connection: Connection, context: Context, revision: str | None, script: ScriptDirectory
) -> None:
    if revision is not None:
        known: Callable[[], set[str]] = lambda: {s.revision for s in script.walk_revisions()}  # noqa: E731
        if revision not in known():
            raise SchemaMismatch(
                f"the {context} database has schema {revision}, which is newer than this program "
                f"(it knows up to {newest(context)}): run the newer version of Orderflow"
            )
        return
    if sa.inspect(connection).has_table(_OWN_TABLE[context]):
        raise DatabaseMisconfigured(
            f"the database already has a table {_OWN_TABLE[context]!r} that Orderflow did not make: "
            "it belongs to another application; name an empty database in the URL"
        )

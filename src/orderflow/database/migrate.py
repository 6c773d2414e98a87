"""Brings a database to the newest schema, safely even when many processes do so at once.

Each context has a directory of Alembic revisions, which its `Schema` names; `phases.py` says which of them
may run while processes of the release before do. All that run, run in one transaction under a lock, so a
migration that is killed leaves the old schema, and the next caller starts over.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa
import structlog
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from orderflow.database.dialects import DIALECTS, Failure, classify, of
from orderflow.database.engine import (
    Database,
    DatabaseMisconfigured,
    DatabaseUnavailable,
    reason,
    refuse_unusable,
)
from orderflow.database.errors import SchemaMismatch
from orderflow.database.phases import (
    can_work_on_newer,
    due,
    is_contraction,
    keep_contraction,
    kept_in,
    known_revisions,
    needed,
    pending,
)
from orderflow.runtime.masking import mask_urls
from orderflow.runtime.patience import until_it_works

log = structlog.get_logger()

T = TypeVar("T")

LOCK_WAIT_S = 60
TRIES_MAX = 5


@dataclass(frozen=True, slots=True)
class Schema:
    """One context's tables: the directory of its revisions, the key of the lock for migrations, and a table
    that shows whether another application owns the database."""

    name: str
    directory: Path
    lock_key: int
    own_table: str

    @property
    def version_table(self) -> str:
        """Each context has its own, so that both may share one database."""
        return f"alembic_version_{self.name}"

    @property
    def contraction_table(self) -> str:
        """Has the newest contraction of the schema."""
        return f"last_contraction_{self.name}"


def scripts(schema: Schema) -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(schema.directory))
    config.set_main_option("path_separator", "os")
    return ScriptDirectory.from_config(config)


def newest(schema: Schema) -> str:
    head = scripts(schema).get_current_head()
    if head is None:
        raise LookupError(f"no migrations for {schema.name}")
    return head


def current(connection: Connection, schema: Schema) -> str | None:
    """The schema's revision; None for a database that has none yet."""
    options = {"version_table": schema.version_table}
    return MigrationContext.configure(connection, opts=options).get_current_revision()


def migrate(database: Database, schema: Schema, *, contract: bool = True) -> list[str]:
    """Apply the missing revisions and return them, oldest first; empty if none was missing, or if the schema
    is newer than this program, but fits it. With `contract=False` a database that has a schema already is
    only expanded, so that processes of the release before can go on.

    Raises DatabaseUnavailable, SchemaMismatch for a schema that this program cannot work on or cannot only
    expand, and DatabaseMisconfigured for a database that belongs to another application.
    """
    return _outlasting_outages(partial(_migrate, contract=contract), database, schema)


def _migrate(database: Database, schema: Schema, *, contract: bool) -> list[str]:
    script = scripts(schema)
    with _connected(database) as connection:
        of(connection).lock(connection, schema.lock_key, LOCK_WAIT_S)
        before = _usable(connection, schema, script)
        if before is not None and before not in known_revisions(script):
            return []
        steps = due(script, before, contract=contract)

        def upgrade(revision: str, _migration: MigrationContext) -> list[object]:
            newest_due = steps[-1].revision if steps else revision
            return list(script._upgrade_revs(newest_due, revision))  # pyright: ignore[reportPrivateUsage]

        with EnvironmentContext(Config(), script, fn=upgrade) as environment:
            environment.configure(connection=connection, version_table=schema.version_table)
            environment.run_migrations()
        found = steps[-1].revision if steps else before
        if found is not None:
            keep_contraction(connection, kept_in(schema.contraction_table), script, found)
        connection.commit()
    for step in steps:
        log.info("database.migrated", context=schema.name, revision=step.revision)
    return [step.revision for step in steps]


def check(database: Database, schema: Schema) -> None:
    """Raises SchemaMismatch unless this program can work on the schema, DatabaseMisconfigured if the database
    belongs to another application, and DatabaseUnavailable if it does not answer."""
    script = scripts(schema)
    found = usable_schema(database, schema)
    known = known_revisions(script)
    if found is None or (found in known and any(not is_contraction(step) for step in pending(script, found))):
        raise SchemaMismatch(
            f"the {schema.name} database has schema {found or 'none'}, this program needs {needed(script)}: "
            "run `orderflow migrate` first"
        )


def usable_schema(database: Database, schema: Schema) -> str | None:
    """The database's schema, which may have to be migrated; None if it has none. Raises as `check`."""

    def read(database: Database, schema: Schema) -> str | None:
        with _connected(database) as connection:
            return _usable(connection, schema, scripts(schema))

    return _outlasting_outages(read, database, schema)


def _outlasting_outages(action: Callable[[Database, Schema], T], database: Database, schema: Schema) -> T:
    """Run the action. If the database becomes unavailable, wait for it and start the action over, which has
    changed nothing."""
    for _ in range(TRIES_MAX - 1):
        try:
            return action(database, schema)
        except DatabaseUnavailable as error:
            log.warning("database.lost", context=schema.name, reason=str(error))
            wait_for(database, schema, seconds_max=LOCK_WAIT_S)
    return action(database, schema)


def wait_for(database: Database, schema: Schema, *, seconds_max: float, pause_s: float = 1.0) -> None:
    """Return when the database answers; each failed try writes a log line. Raises DatabaseUnavailable after
    `seconds_max`, and DatabaseMisconfigured at once if waiting is no use (wrong password, no such database,
    an encoding that cannot be used)."""
    once_it_answers(database, schema, refuse_unusable, seconds_max=seconds_max, pause_s=pause_s)


def once_it_answers(
    database: Database,
    schema: Schema,
    do: Callable[[Connection], object],
    *,
    seconds_max: float,
    pause_s: float = 1.0,
) -> None:
    """Do this in a transaction of its own, which may be repeated. Waits and raises as `wait_for`."""

    def attempt() -> None:
        with _connected(database) as connection:
            do(connection)
            connection.commit()

    until_it_works(
        attempt,
        may_pass=lambda error: isinstance(error, DatabaseUnavailable),
        on_wait=lambda error: log.warning("database.waiting", context=schema.name, reason=str(error)),
        seconds_max=seconds_max,
        pause_s=pause_s,
    )


@contextmanager
def _connected(database: Database) -> Generator[Connection]:
    """A connection. An outage while it is used raises DatabaseUnavailable; a missing right or another
    application's table raises DatabaseMisconfigured."""
    with _connect(database) as connection:
        try:
            yield connection
        except DBAPIError as error:
            failure = classify(error)
            if failure is Failure.LOCKED:
                raise DatabaseUnavailable(f"another session keeps a table: {reason(error)}") from error
            if failure in (Failure.UNAVAILABLE, Failure.RETRY):
                raise DatabaseUnavailable(reason(error)) from error
            raise DatabaseMisconfigured(f"{_shown(database)}: {reason(error)}") from error
        except SQLAlchemyError as error:
            if classify(error) is not Failure.UNAVAILABLE:
                raise
            raise DatabaseUnavailable(reason(error)) from error


def _connect(database: Database) -> Connection:
    try:
        return database.writer.connect()
    except SQLAlchemyError as error:
        url, text = _shown(database), reason(error)
        lasts = any(words in str(error) for words in DIALECTS[database.writer.dialect.name].lasting_refusals)
        if lasts and database.embedded:
            raise DatabaseMisconfigured(f"{database.file}: {text}; name another file in the URL") from error
        if lasts:
            raise DatabaseMisconfigured(
                f"{url}: {text}; check user, password and database name in the URL"
            ) from error
        if classify(error) in (Failure.DEFECT, Failure.UNKNOWN):
            raise DatabaseMisconfigured(f"{url}: {text}") from error
        raise DatabaseUnavailable(text) from error


def _shown(database: Database) -> str:
    return mask_urls(database.url.render_as_string(hide_password=False))


def _usable(connection: Connection, schema: Schema, script: ScriptDirectory) -> str | None:
    found = current(connection, schema)
    if found is None:
        if sa.inspect(connection).has_table(schema.own_table):
            raise DatabaseMisconfigured(
                f"the database already has a table {schema.own_table!r} that Orderflow did not make: "
                "it belongs to another application; name an empty database in the URL"
            )
        return None
    known = known_revisions(script)
    if found not in known and not can_work_on_newer(connection, kept_in(schema.contraction_table), known):
        raise SchemaMismatch(
            f"the {schema.name} database has schema {found}, which is newer than this program "
            f"(it knows up to {newest(schema)}): run the newer version of Orderflow"
        )
    return found

"""What migrating a database would do, and whom it would hold up. Nothing is changed to find out."""

import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import Script
from sqlalchemy.engine import Connection

from orderflow.database.dialects import of
from orderflow.database.engine import Database
from orderflow.database.migrate import Schema, scripts, usable_schema
from orderflow.database.phases import is_contraction, known_revisions, pending


class Waits(StrEnum):
    """What waits while a migration has its lock, from the strongest lock to the weakest."""

    EVERYTHING = "reads and writes wait"
    WRITES = "writes wait"
    ROWS = "writes to the same rows wait"


@dataclass(frozen=True, slots=True)
class Lock:
    """On a table that processes use already. `rows` is how many the database believes it has."""

    table: str
    waits: Waits
    rows: int | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """A migration that is to be applied. `statements` are those that a server would get; a SQLite file has
    one lock for everything, so none are listed for it."""

    revision: str
    title: str
    is_contraction: bool
    statements: tuple[str, ...]
    locks: tuple[Lock, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    context: str
    found: str | None
    """The schema that the database has."""
    steps: tuple[Step, ...]


def plan(database: Database, schema: Schema) -> Plan:
    """Raises as `migrate.check`, but not for a schema that has to be migrated."""
    script = scripts(schema)
    found = usable_schema(database, schema)
    steps = pending(script, found) if found is None or found in known_revisions(script) else []
    with database.reader.connect() as connection:
        schema_now = sa.inspect(connection)
        tables = {name: name for name in schema_now.get_table_names()}
        indexes = {str(i["name"]): table for table in tables for i in schema_now.get_indexes(table)}
        return Plan(schema.name, found, tuple(_planned(connection, step, indexes | tables) for step in steps))


def _planned(connection: Connection, step: Script, tables: Mapping[str, str]) -> Step:
    """`tables` are those that exist, by their own names and by those of their indexes."""
    title = " ".join((step.doc or "").split()).partition(". ")[0].removesuffix(".")
    if connection.dialect.name == "sqlite":
        locks = (Lock("every table of the file", Waits.WRITES),) if tables else ()
        return Step(step.revision, title, is_contraction(step), (), locks)
    statements = _statements(connection, step)
    strongest: dict[str, Waits] = {}
    for name, waits in (found for statement in statements if (found := held_up(statement)) is not None):
        if (table := tables.get(name)) is not None:
            strongest[table] = min(waits, strongest.get(table, waits), key=list(Waits).index)
    locks = tuple(Lock(table, waits, _rows(connection, table)) for table, waits in strongest.items())
    return Step(step.revision, title, is_contraction(step), statements, locks)


def _statements(connection: Connection, step: Script) -> tuple[str, ...]:
    """What the migration would send, as SQL."""
    sql = io.StringIO()
    options = {"as_sql": True, "output_buffer": sql}
    context = MigrationContext.configure(dialect=of(connection).compiler, opts=options)
    with Operations.context(context):
        step.module.upgrade()
    parts = re.split(r";\n+(?=[A-Z]|$)", sql.getvalue().strip() + "\n")
    return tuple(part.strip() for part in parts if part.strip() and part.strip() != "GO")


_NAME = r"(?:\[?\w+\]?\.)?[\"\[]?(?P<table>\w+)"
_LOCKS = (
    (rf"CREATE (UNIQUE )?CLUSTERED INDEX .* ON {_NAME}", Waits.EVERYTHING),
    (rf"CREATE (UNIQUE )?(NONCLUSTERED )?INDEX (?!CONCURRENTLY).* ON {_NAME}", Waits.WRITES),
    (rf"CREATE TRIGGER .* ON {_NAME}", Waits.WRITES),
    (rf"ALTER TABLE {_NAME} ADD (CONSTRAINT \w+ )?FOREIGN KEY", Waits.WRITES),
    (rf"(UPDATE|DELETE FROM|INSERT INTO) {_NAME}", Waits.ROWS),
    (rf"ALTER TABLE {_NAME} SET \((fillfactor|autovacuum)", None),
    (rf"(ALTER|DROP|TRUNCATE) TABLE (IF EXISTS )?{_NAME}", Waits.EVERYTHING),
    (rf"DROP INDEX {_NAME}", Waits.EVERYTHING),
)
"""By the beginning of a statement; the first that fits is the one. PostgreSQL documents the locks under
"Explicit Locking"; where SQL Server takes a weaker one, this one is still safe to plan with."""


def held_up(statement: str) -> tuple[str, Waits] | None:
    """The table, or its index, that the statement locks, and what waits for it. None if nothing does."""
    for pattern, waits in _LOCKS:
        if (found := re.match(pattern, " ".join(statement.split()), re.IGNORECASE)) is not None:
            return None if waits is None else (found["table"], waits)
    return None


def _rows(connection: Connection, table: str) -> int | None:
    if connection.dialect.name != "postgresql":
        return None
    counted = connection.scalar(
        sa.text("SELECT reltuples::bigint FROM pg_class WHERE oid = to_regclass(:name)"), {"name": table}
    )
    return counted if counted is not None and counted >= 0 else None  # -1: never counted


def lines(planned: Plan) -> Iterator[str]:
    """The plan for people."""
    state = f"schema {planned.found}" if planned.found else "no schema yet"
    yield f"{planned.context}: {state}" + ("" if planned.steps else ", nothing to apply")
    for step in planned.steps:
        yield f"  {step.revision} {'contract' if step.is_contraction else 'expand'}: {step.title}"
        for statement in step.statements:
            yield f"      {' '.join(statement.split())}"
        for lock in step.locks:
            rows = "" if lock.rows is None else f" (about {lock.rows:,} rows)"
            yield f"      {lock.table}{rows}: {lock.waits}"

"""The golden files: all T-SQL that Orderflow may send to SQL Server, for people to review.

`python -m tests.mssql.golden` writes them anew. No statement in them has been run by a SQL Server yet.
"""

import importlib
import io
import pkgutil
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import sqlalchemy as sa
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from tests.mssql import recorder, scenario

import orderflow
from orderflow.database import bulk, mssql_engine
from orderflow.database.dialects.mssql import LOCK_BY_NAME
from orderflow.database.migrate import Schema, newest, scripts
from orderflow.fulfillment.migrations import SCHEMA as FULFILLMENT
from orderflow.orders.migrations import SCHEMA as ORDERS
from orderflow.orders.placement.mssql import INSERT

DIRECTORY = Path(__file__).parent / "golden"
WIDTH = 118

Named = dict[str, list[str]]
"""Statements by the names of the functions that send them, or of the constants that they are."""


def files() -> dict[str, str]:
    """The content of each golden file, by its name."""
    named = constants()
    known = {statement for same in named.values() for statement in same}
    named |= {name: new for name, sent in recorded().items() if (new := sorted({*sent} - known))}
    named |= {"orders.placement.mssql.INSERT": [INSERT]}
    named |= {"database.dialects.mssql.LOCK_BY_NAME": [LOCK_BY_NAME]}
    named |= {"database.mssql_engine.TRANSACTION": [mssql_engine.TRANSACTION]}
    rooms = sorted({name.split(".")[0] for name in named})
    by_room = {room: {n: s for n, s in named.items() if n.split(".")[0] == room} for room in rooms}
    found = {f"{room}.sql": _written(statements) for room, statements in by_room.items()}
    for schema in (ORDERS, FULFILLMENT):
        found[f"schema_{schema.name}.sql"] = migrations(schema)
    return found


def constants() -> Named:
    """The statements that are constants of their modules."""
    found: Named = {}
    seen: set[int] = set()
    for module in _modules():
        values: dict[str, object] = vars(module)
        for name, value in values.items():
            number = id(value)
            if number in seen:
                continue
            seen.add(number)
            key = f"{module.__name__.removeprefix('orderflow.')}.{name}"
            if isinstance(value, bulk.Statement):
                found[key] = [bulk.compiled(value, "mssql").sql]
            elif isinstance(value, (sa.Select, sa.Insert, sa.Update, sa.Delete)):
                found[key] = [recorder.t_sql(cast("sa.Executable", value))]
    return found


def _modules() -> Iterator[ModuleType]:
    for found in pkgutil.walk_packages(orderflow.__path__, "orderflow."):
        room = found.name.split(".")[1]
        if room in ("orders", "fulfillment", "security", "database") and ".versions" not in found.name:
            yield importlib.import_module(found.name)


def recorded() -> Named:
    with tempfile.TemporaryDirectory() as directory, recorder.recording() as found:
        scenario.run(Path(directory))
    return {name: sorted(statements) for name, statements in found.statements.items()}


def migrations(schema: Schema) -> str:
    """What brings an empty database to the newest schema."""
    script, sql = scripts(schema), io.StringIO()

    def upgrade(revision: str, _context: MigrationContext) -> list[Any]:
        return list(script._upgrade_revs(newest(schema), revision))  # pyright: ignore[reportPrivateUsage]

    options = {"as_sql": True, "output_buffer": sql, "fn": upgrade, "version_table": schema.version_table}
    context = MigrationContext.configure(dialect=recorder.MSSQL.compiler, opts=options)
    with Operations.context(context):
        context.run_migrations()
    return f"{sql.getvalue().strip()}\n"


def _written(named: Named) -> str:
    parts: list[str] = []
    for name in sorted(named):
        for statement in named[name]:
            lines = [part for line in statement.splitlines() for part in _wrapped(line)]
            parts.append("\n".join([f"-- {name}", *lines]))
    return "\n\n".join(parts) + "\n"


def _wrapped(line: str) -> list[str]:
    return textwrap.wrap(
        line.rstrip(), WIDTH, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
    )


def statements(text: str) -> list[tuple[str, str]]:
    """The statements of a golden file, with their names."""
    found: list[tuple[str, str]] = []
    for part in text.split("\n\n"):
        name, _, sql = part.partition("\n")
        found.append((name.removeprefix("-- "), sql))
    return found


if __name__ == "__main__":
    DIRECTORY.mkdir(exist_ok=True)
    for name, content in files().items():
        (DIRECTORY / name).write_text(content)

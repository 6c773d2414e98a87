"""`archive show` and `restore`: reads back what retention has moved to files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from orderflow.cli.configuration import load_settings
from orderflow.cli.terminal import CommandFailed, WrongUse, as_json, write_line

if TYPE_CHECKING:  # SQLAlchemy and the settings cost more time than `orderflow version` may take
    from sqlalchemy import Table

    from orderflow.database.archive import Row
    from orderflow.database.engine import Database
    from orderflow.settings import Settings

ROWS_A_TRANSACTION = 500

Files = Annotated[list[Path], Parameter(name="FILE")]


def show(
    files: Files,
    /,
    *,
    order: Annotated[str | None, Parameter(help="Only rows that belong to this order.")] = None,
    table: Annotated[str | None, Parameter(help="Only rows of this table.")] = None,
) -> int:
    """Print the rows of archives, a JSON object a line, as they were written. A row may come twice."""
    with _broken_archives():
        for row in _rows(files):
            if table in (None, row.table) and order in (None, row.values.get("order_id")):
                write_line(as_json({"table": row.table, "row": row.values}))
    return 0


def restore(files: Files, /) -> int:
    """Put the rows of archives back into the databases, where they are missing. `orderflow up` must not run.

    The files are read twice, first to see that all of them are whole. Retention removes the rows again,
    unless it keeps them for longer than it did.
    """
    settings = load_settings()
    from orderflow.cli.roles import expected_errors

    for file in files:
        if file.exists() and not file.is_file():
            raise WrongUse(f"{file} is no file, and could not be read twice")
    with expected_errors(), _broken_archives():
        counts = _restore(settings, files)
    told = ", ".join(f"{count} of {name}" for name, count in sorted(counts.items()) if count)
    write_line(f"restored: {told or 'nothing, because every row is there'}")
    return 0


def _restore(settings: Settings, files: Sequence[Path]) -> Counter[str]:
    """How many rows of each table were missing. May be repeated."""
    from orderflow.app import databases
    from orderflow.database.archive import decoded
    from orderflow.database.opening import prepared, sole_use_of_files
    from orderflow.fulfillment.archiving import TABLES as FULFILLMENT
    from orderflow.orders.archiving import TABLES as ORDERS

    known = {table.name: table for table in (*ORDERS, *FULFILLMENT)}
    for row in _rows(files):
        decoded(_table(known, row), row.values)
    restored = Counter[str]()
    sources = databases(settings)
    with ExitStack() as stack:
        stack.enter_context(sole_use_of_files(sources, ()))
        opened = [
            stack.enter_context(prepared(source, migrates=settings.migrates_at_start)) for source in sources
        ]
        homes = list(zip((ORDERS, FULFILLMENT), opened, strict=True))
        rows = _rows(files)
        while some := list(islice(rows, ROWS_A_TRANSACTION)):
            for tables, database in homes:
                here = [row for row in some if known[row.table] in tables]
                restored += _put_back(database, known, here)
    return restored


def _put_back(database: Database, known: Mapping[str, Table], rows: Sequence[Row]) -> Counter[str]:
    from sqlalchemy.exc import SQLAlchemyError

    from orderflow.database.archive import BrokenArchive, decoded
    from orderflow.database.dialects import Failure, classify, insert_absent
    from orderflow.database.engine import DatabaseUnavailable, reason

    missing = Counter[str]()
    try:
        with database.writer.begin() as connection:
            for row in rows:
                table = known[row.table]
                missing[row.table] += insert_absent(connection, table, decoded(table, row.values))
    except SQLAlchemyError as error:
        if classify(error) is Failure.DATA:
            raise BrokenArchive(f"a row cannot be put back: {reason(error)}") from None
        raise DatabaseUnavailable(reason(error)) from None
    return missing


def _table(known: Mapping[str, Table], row: Row) -> Table:
    """Raises BrokenArchive for a table whose rows no archive has: a file must bring nobody a key."""
    from orderflow.database.archive import BrokenArchive

    if row.table not in known:
        raise BrokenArchive(f"rows of a table that is never archived: {row.table}")
    return known[row.table]


@contextmanager
def _broken_archives() -> Generator[None]:
    from orderflow.database.archive import BrokenArchive

    try:
        yield
    except BrokenArchive as error:
        raise CommandFailed(str(error)) from None


def _rows(files: Sequence[Path]) -> Iterator[Row]:
    from orderflow.database.archive import read

    if not files:
        raise WrongUse("name at least one archive")
    for file in files:
        try:
            yield from read(file)
        except OSError as error:
            raise CommandFailed(f"{file}: {error.strerror}") from None

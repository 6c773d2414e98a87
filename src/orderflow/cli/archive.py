"""`archive show` and `restore`: reads back what retention has moved to files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from orderflow.cli.configuration import load_settings
from orderflow.cli.terminal import CommandFailed, WrongUse, as_json, write_line

if TYPE_CHECKING:  # SQLAlchemy and the settings cost more time than `orderflow version` may take
    from orderflow.database.archive import Row
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

    Retention removes them again, unless it keeps rows for longer than it did.
    """
    settings = load_settings()
    from orderflow.cli.roles import expected_errors

    with expected_errors(), _broken_archives():
        counts = _restore(settings, _rows(files))
    told = ", ".join(f"{count} of {name}" for name, count in sorted(counts.items()) if count)
    write_line(f"restored: {told or 'nothing, because every row is there'}")
    return 0


def _restore(settings: Settings, rows: Iterator[Row]) -> Counter[str]:
    """How many rows of each table were missing. May be repeated."""
    from orderflow.app import databases
    from orderflow.database.archive import BrokenArchive, decoded
    from orderflow.database.dialects import insert_absent
    from orderflow.database.opening import prepared, sole_use_of_files
    from orderflow.fulfillment.tables import metadata as fulfillment
    from orderflow.orders.tables import metadata as orders

    restored = Counter[str]()
    sources = databases(settings)
    with ExitStack() as stack:
        stack.enter_context(sole_use_of_files(sources, ()))
        opened = [
            stack.enter_context(prepared(source, migrates=settings.migrates_at_start)) for source in sources
        ]
        homes = [
            (dict(metadata.tables), database)
            for metadata, database in zip((orders, fulfillment), opened, strict=True)
        ]
        while some := list(islice(rows, ROWS_A_TRANSACTION)):
            for tables, database in homes:
                with database.writer.begin() as connection:
                    for row in some:
                        if (table := tables.get(row.table)) is not None:
                            values = decoded(table, row.values)
                            restored[row.table] += insert_absent(connection, table, values)
            unknown = {row.table for row in some}.difference(*(tables for tables, _ in homes))
            if unknown:
                raise BrokenArchive(f"rows of tables that are not known: {', '.join(sorted(unknown))}")
    return restored


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

"""`move`: takes the data of an embedded deployment to database servers."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from orderflow.cli.configuration import load_settings
from orderflow.cli.terminal import CommandFailed, WrongUse, write_line

if TYPE_CHECKING:  # SQLAlchemy and the settings cost more time than `orderflow version` may take
    from orderflow.database.engine import Database
    from orderflow.settings import Settings


def move(
    source: Annotated[Path, Parameter(name="DIRECTORY", help="The data directory of the `orderflow up`.")], /
) -> int:
    """Move all orders and shipments of an embedded deployment to the databases that the settings name.

    `orderflow up` must not run, and the databases must be empty. What was moved is verified row by row, and
    the directory stays as it is.
    """
    settings = load_settings()
    from orderflow.cli.roles import expected_errors

    if not (source / "orders.db").exists():
        raise WrongUse(f"{source} has no orders.db: name the data directory of an embedded deployment")
    with expected_errors(), _refusals():
        for name, rows in _move(settings, source).items():
            moved = ", ".join(f"{count} of {table}" for table, count in rows.items() if count)
            write_line(f"{name}: {moved or 'nothing was there'}; counts and checksums are the same")
    write_line("the events of unfinished orders will be sent again, to the event log of the settings")
    return 0


def _move(settings: Settings, directory: Path) -> dict[str, dict[str, int]]:
    """How many rows were moved, by service and table."""
    from orderflow.app import databases
    from orderflow.database.dialects import of
    from orderflow.database.moving import move
    from orderflow.database.opening import prepared, sole_use_of_files
    from orderflow.database.urls import parse_url
    from orderflow.fulfillment.moving import go_on as fulfillment_goes_on
    from orderflow.fulfillment.tables import metadata as fulfillment
    from orderflow.orders.moving import go_on as orders_go_on
    from orderflow.orders.tables import metadata as orders
    from orderflow.runtime.processes import lock_data_dir

    nowhere = {"database_url": None, "fulfillment_database_url": None}
    embedded = databases(settings.model_copy(update={"data_dir": directory, **nowhere}))
    targets = databases(settings)
    for target in targets:
        if parse_url(target.url).get_backend_name() == "sqlite":
            raise WrongUse(f"{target.setting} names a file: name a database of PostgreSQL or SQL Server")
    moved: dict[str, dict[str, int]] = {}
    with ExitStack() as stack:
        stack.enter_context(lock_data_dir(directory))
        stack.enter_context(sole_use_of_files(embedded, ()))
        received: list[Database] = []
        for source, target, metadata in zip(embedded, targets, (orders, fulfillment), strict=True):
            of_source = stack.enter_context(prepared(source, migrates=True))
            received.append(stack.enter_context(prepared(target, migrates=settings.migrates_at_start)))
            with of_source.reader.connect() as sent, received[-1].writer.begin() as connection:
                of(connection).take_time(connection)
                moved[source.schema.name] = move(sent, connection, metadata.sorted_tables)
        # Only now is anything changed: until then, a move that was interrupted can be made again.
        of_orders, of_fulfillment = received
        with of_fulfillment.writer.begin() as connection:
            fulfillment_goes_on(connection)
        with of_orders.writer.begin() as connection:
            of(connection).take_time(connection)
            orders_go_on(connection, settings.orders_topic)
    return moved


@contextmanager
def _refusals() -> Generator[None]:
    from orderflow.database.moving import NotEmpty, NotTheSame

    try:
        yield
    except (NotEmpty, NotTheSame) as error:
        raise CommandFailed(f"nothing was moved: {error}") from None

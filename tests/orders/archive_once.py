"""`python -m tests.orders.archive_once URL DIRECTORY` archives all finished orders of a database, in steps of
one. A test kills it."""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from orderflow.database.archive import Archive
from orderflow.database.archiving import Archiver
from orderflow.database.engine import connect
from orderflow.database.group_commit import GroupCommit
from orderflow.orders import archiving


def main() -> None:
    database = connect(sys.argv[1], application="test")
    writer = GroupCommit(database.writer, "orders")
    writer.start()
    archiver = Archiver(
        database,
        writer,
        Archive(Path(sys.argv[2]), "orders"),
        archiving.kinds(events_s=1, history_s=None, orders_s=1),
        clock=lambda: datetime.now(UTC) + timedelta(days=1),
        step_rows=1,
    )
    archiver.run_once()
    writer.close()
    database.dispose()


if __name__ == "__main__":
    main()

"""Archiving in the Order Service: what is old is in the archive before it is gone; what is needed stays."""

import os
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.orders.conftest import Service, Start
from tests.orders.test_retention import ids, place, ship

from orderflow.database.archive import Archive, Row, read
from orderflow.database.archiving import LOCK, Archiver, Purge
from orderflow.database.dialects import of
from orderflow.database.group_commit import GroupCommit
from orderflow.orders import archiving
from orderflow.orders.tables import idempotency_keys, order_changes, order_items, orders, outbox
from orderflow.runtime.ids import FIRST_UUID

ROOT = Path(__file__).parents[2]
DAY = timedelta(days=1)
ALL = (outbox, order_changes, order_items, orders)


@pytest.fixture
def service(start: Start, tmp_path: Path) -> Service:
    return start(tmp_path / "log.db")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    made = tmp_path / "archive"
    made.mkdir()
    return made


def archiver(
    service: Service,
    directory: Path,
    *,
    later: timedelta = 31 * DAY,
    step_rows: int = 2,
    writer: GroupCommit | None = None,
) -> Archiver:
    """As it will work after so much time has passed; it keeps events for a day, and orders for 30."""
    day_s = DAY.total_seconds()
    return Archiver(
        service.database,
        writer or service.writer,
        Archive(directory, "orders"),
        archiving.kinds(events_s=day_s, history_s=None, orders_s=30 * day_s),
        clock=lambda: datetime.now(UTC) + later,
        step_rows=step_rows,
    )


def archived(directory: Path) -> list[Row]:
    return [row for file in sorted(directory.iterdir()) for row in read(file)]


def keys_of(rows: list[Row]) -> Counter[tuple[object, ...]]:
    """How often each row is there."""
    names = {table.name: [column.name for column in table.primary_key] for table in ALL}
    return Counter((row.table, *(row.values[name] for name in names[row.table])) for row in rows)


def present(service: Service) -> set[tuple[object, ...]]:
    with service.database.reader.connect() as connection:
        return {
            (table.name, *key) for table in ALL for key in connection.execute(sa.select(*table.primary_key))
        }


def forget_keys(service: Service) -> None:
    service.write(sa.delete(idempotency_keys))


def test_a_finished_order_goes_with_all_its_rows_and_all_of_them_are_in_the_archive(
    service: Service, directory: Path
) -> None:
    placed = place(service, 5)
    ship(service, placed)
    forget_keys(service)
    before = present(service)
    gone = archiver(service, directory).run_once()
    assert gone["orders"] == 5
    assert present(service) == set()
    assert set(keys_of(archived(directory))) == before
    (first,) = [row for row in archived(directory) if row.table == "orders"][:1]
    assert (first.values["status"], first.values["customer_id"]) == ("Shipped", "CUST-1")
    assert service.send("GET", f"/api/orders/{placed[0]}").status == 404


def test_what_is_unfinished_young_or_has_a_key_stays(service: Service, directory: Path) -> None:
    shipped, open_order, keyed = place(service, 3)
    ship(service, [shipped, keyed])
    service.write(sa.delete(idempotency_keys).where(idempotency_keys.c.order_id != keyed))
    assert archiver(service, directory, later=29 * DAY).run_once()["orders"] == 0
    assert archiver(service, directory).run_once()["orders"] == 1
    assert ids(service, orders) == sorted([open_order, keyed])
    assert ids(service, order_items) == sorted([open_order, keyed])
    assert ids(service, outbox) == [open_order]


def test_an_order_whose_event_waits_stays(start: Start, directory: Path) -> None:
    service = start()
    order_id = service.placed()["orderId"]
    ship(service, [order_id])
    assert set(archiver(service, directory).run_once().values()) == {0}
    assert ids(service, orders) == ids(service, outbox) == [order_id]


def test_events_go_to_the_archive_before_their_order_does(service: Service, directory: Path) -> None:
    ship(service, place(service, 2))
    assert archiver(service, directory, later=2 * DAY).run_once() == {"events": 2, "orders": 0}
    assert {row.table for row in archived(directory)} == {"outbox"}
    assert (len(ids(service, outbox)), len(ids(service, orders))) == (0, 2)


def test_nothing_is_deleted_that_could_not_be_written(service: Service, directory: Path) -> None:
    ship(service, place(service, 2))
    forget_keys(service)
    before = present(service)
    directory.rmdir()
    with pytest.raises(FileNotFoundError):
        archiver(service, directory).run_once()
    assert present(service) == before


def test_what_was_written_and_not_deleted_is_written_again_and_never_missing(
    service: Service, directory: Path
) -> None:
    ship(service, place(service, 3))
    forget_keys(service)
    before = present(service)
    closed = GroupCommit(service.database.writer, "closed")
    closed.close()
    archiver(service, directory, writer=closed).run_once()
    assert present(service) == before
    archiver(service, directory).run_once()
    assert present(service) == set()
    times = keys_of(archived(directory))
    assert set(times) == before
    assert max(times.values()) > 1


def test_an_order_that_changes_while_it_is_archived_stays(service: Service) -> None:
    (order_id,) = place(service, 1)
    ship(service, [order_id])
    forget_keys(service)
    kind = archiving.kinds(events_s=1, history_s=None, orders_s=1)[-1]
    before = datetime.now(UTC) + DAY
    with service.database.reader.connect() as connection:
        found = kind.find(connection, FIRST_UUID, before, 10)
    assert found.ids == [order_id]
    service.write(sa.update(orders).values(updated_at=before + DAY))
    purge = Purge(tuple(found.ids), before)
    assert service.writer.submit_blocking(kind.purge, [purge]) == [0]
    assert ids(service, orders) == [order_id]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_one_process_at_a_time_archives(service: Service, directory: Path) -> None:
    ship(service, place(service, 1))
    with service.session() as other:
        assert of(other).try_lock(other, LOCK)
        assert archiver(service, directory).run_once()["events"] == 0
        other.rollback()
    assert archived_nothing(directory)
    assert archiver(service, directory).run_once()["events"] == 1


def archived_nothing(directory: Path) -> bool:
    return not list(directory.iterdir())


@pytest.fixture
def left_behind(start: Start, tmp_path: Path) -> tuple[Service, str]:
    """A database that no process has open but ours, with finished orders, and its URL."""
    url = f"sqlite:///{tmp_path / 'left.db'}"
    service = start(tmp_path / "log.db", url=url)
    ship(service, place(service, 6))
    forget_keys(service)
    return service, url


def test_a_process_that_is_killed_between_write_and_delete_loses_nothing(
    left_behind: tuple[Service, str], directory: Path
) -> None:
    service, url = left_behind
    before = present(service)
    codes: list[int] = []
    for _ in range(20):
        done = subprocess.run(
            [sys.executable, "-m", "tests.orders.archive_once", url, str(directory)],
            cwd=ROOT,
            env={**os.environ, "ORDERFLOW_TEST_CRASH_POINT": "archive.written:2"},
            capture_output=True,
            timeout=60,
            check=False,
        )
        codes.append(done.returncode)
        assert set(keys_of(archived(directory))) | present(service) == before
        if done.returncode == 0:
            break
    assert codes[0] == -9, "it was never killed"
    assert codes[-1] == 0
    assert present(service) == set()

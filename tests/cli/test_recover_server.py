"""`orderflow recover` on database servers, whose sessions have bounds for everything."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.cli.restoring import NOW, Restored, recover
from tests.orders.conftest import eventually

from orderflow.database.dialects import of
from orderflow.database.transaction import Transaction
from orderflow.fulfillment import lease
from orderflow.orders.sequencer import LOCK
from orderflow.orders.tables import outbox

IN_A_HURRY = """CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF current_setting('statement_timeout') <> '0'
        OR current_setting('idle_in_transaction_session_timeout') <> '0'
    THEN RAISE EXCEPTION 'this takes too long'; END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER {name} BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()"""
"""Stands in for a database that is large."""
BREAKS_OFF = """CREATE FUNCTION breaks_off() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW;
END $$;
CREATE TRIGGER breaks_off BEFORE UPDATE ON outbox FOR EACH ROW EXECUTE FUNCTION breaks_off()"""


@pytest.fixture
def restored(
    postgres_database: str, second_postgres_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Restored]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ORDERFLOW_DATABASE_URL", postgres_database)
    monkeypatch.setenv("ORDERFLOW_FULFILLMENT_DATABASE_URL", second_postgres_database)
    made = Restored(tmp_path, postgres_database, second_postgres_database)
    yield made
    made.orders.dispose()
    made.fulfillment.dispose()


def test_a_large_database_has_the_time_that_it_takes(restored: Restored) -> None:
    order_id = restored.lose()
    restored.put_shipment(
        order_id,
        "closed",
        direction="do",
        shipment_id="S",
        tracking_number="T-1",
        carrier="c",
        shipped_at=NOW,
    )
    other = restored.place(restored.order())
    restored.end(other, "Shipped", tracking_number="T-2", carrier="c", shipped_at=NOW)
    for database, tables in (
        (restored.orders, ("order_changes", "stream")),
        (restored.fulfillment, ("shipments",)),
    ):
        with database.writer.begin() as connection:
            for table in tables:
                connection.exec_driver_sql(IN_A_HURRY.format(name=f"in_a_hurry_{table}", table=table))
    assert recover() == 0
    assert restored.status(order_id) == ("Shipped", 3)
    assert restored.shipment(other).state == "closed"


def test_a_recovery_that_breaks_off_between_both_databases_is_made_again(
    restored: Restored, capsys: pytest.CaptureFixture[str]
) -> None:
    lost, shipped = restored.lose("k"), restored.place(restored.order())
    restored.end(shipped, "Shipped", tracking_number="T-1", carrier="c", shipped_at=NOW)
    with restored.orders.writer.begin() as connection:
        connection.exec_driver_sql(BREAKS_OFF)
    assert recover() == 1
    assert "the database cannot be reached" in capsys.readouterr().err
    assert restored.status(lost) is None
    assert restored.shipment(shipped).state == "closed", "fulfillment's comes first"
    with restored.orders.writer.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER breaks_off ON outbox")
    assert recover() == 0
    assert restored.status(lost) == ("Created", 1)
    assert restored.shipment(shipped).state == "closed"


def test_nothing_is_taken_back_while_positions_are_given(
    restored: Restored, capsys: pytest.CaptureFixture[str]
) -> None:
    order_id = restored.lose()
    with restored.orders.writer.begin() as connection:
        assert of(connection).try_lock(connection, LOCK)
        assert recover() == 1
    assert "an api or a relay runs" in capsys.readouterr().err
    assert restored.status(order_id) is None


def test_nothing_is_taken_back_if_a_worker_has_begun_meanwhile(
    restored: Restored, capsys: pytest.CaptureFixture[str]
) -> None:
    restored.place(restored.order())
    with restored.orders.writer.begin() as connection:
        connection.execute(sa.update(outbox).values(published_at=NOW))
    with ThreadPoolExecutor(1) as pool:
        with restored.orders.writer.begin() as connection:
            connection.exec_driver_sql("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
            recovery = pool.submit(recover)
            waits = sa.text(
                "SELECT count(*) FROM pg_locks JOIN pg_database ON database = pg_database.oid "
                "WHERE NOT granted AND datname = current_database()"
            )
            eventually(lambda: connection.scalar(waits))
            with restored.fulfillment.writer.begin() as fulfillment:
                lease.acquire(Transaction(fulfillment), [lease.Acquire("w")])
        assert recovery.result() == 1
    assert "a fulfillment worker runs" in capsys.readouterr().err
    assert restored.rows(sa.select(outbox.c.published_at, outbox.c.re_emissions)) == [(NOW, 0)]

"""`orderflow migrate --plan` says what would be applied and what waits for it, and changes nothing."""

from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy import event
from tests.database.releases import following
from tests.upgrades.earlier_release import make_schema

from orderflow.database.engine import Database, connect
from orderflow.database.migrate import Schema, migrate, newest, scripts
from orderflow.database.migration_plan import Lock, Waits, held_up, lines, plan
from orderflow.fulfillment.migrations import SCHEMA as FULFILLMENT
from orderflow.orders.migrations import SCHEMA as ORDERS

contexts = pytest.mark.parametrize("schema", [ORDERS, FULFILLMENT], ids=["orders", "fulfillment"])

WAITS = {
    "AccessExclusiveLock": Waits.EVERYTHING,
    "ExclusiveLock": Waits.WRITES,
    "ShareRowExclusiveLock": Waits.WRITES,
    "ShareLock": Waits.WRITES,
    "RowExclusiveLock": Waits.ROWS,
}
"""PostgreSQL's modes. The others let reads and writes through."""
MODES = "SELECT relname, mode FROM pg_locks JOIN pg_class ON oid = relation WHERE pid = pg_backend_pid()"


def strongest(held: list[tuple[str, str]], tables: set[str]) -> dict[str, Waits]:
    """By table, what waits for these locks."""
    found = [(table, WAITS[mode]) for table, mode in held if table in tables and mode in WAITS]
    order = list(Waits)
    return {
        table: min((waits for name, waits in found if name == table), key=order.index) for table, _ in found
    }


def tables(database: Database) -> set[str]:
    with database.reader.connect() as connection:
        return set(sa.inspect(connection).get_table_names())


@contexts
def test_the_plan_says_what_postgresql_locks(postgres_database: str, schema: Schema) -> None:
    database = connect(postgres_database, application="orderflow-test")
    held: list[tuple[str, str]] = []

    def look(connection: sa.Connection) -> None:
        held.extend((str(table), str(mode)) for table, mode in connection.execute(sa.text(MODES)))

    event.listen(database.writer, "commit", look)
    for step in reversed(list(scripts(schema).walk_revisions())):
        before = tables(database) - {schema.version_table}
        planned = plan(database, schema).steps[0]
        held.clear()
        make_schema(database, schema, step.revision)
        assert planned.revision == step.revision
        assert {lock.table: lock.waits for lock in planned.locks} == strongest(held, before), step.revision
    database.dispose()


STATEMENTS = (
    "CREATE INDEX i ON a (x)",
    "CREATE UNIQUE INDEX i ON a (x)",
    "DROP INDEX a_by_y",
    "ALTER TABLE a ADD COLUMN z integer",
    "ALTER TABLE a DROP COLUMN y",
    "ALTER TABLE a ADD CONSTRAINT c CHECK (x > 0)",
    "ALTER TABLE a ADD CONSTRAINT f FOREIGN KEY(x) REFERENCES b (x)",
    "ALTER TABLE a ALTER COLUMN x SET NOT NULL",
    "ALTER TABLE a SET (fillfactor = 50)",
    "ALTER TABLE a SET (autovacuum_vacuum_scale_factor = 0.01)",
    "CREATE TRIGGER t BEFORE UPDATE ON a FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "UPDATE a SET x = 1",
    "DELETE FROM a",
    "INSERT INTO a (x) VALUES (1)",
    "TRUNCATE TABLE a",
    "DROP TABLE a",
    "CREATE TABLE c (x integer)",
)


@pytest.mark.parametrize("statement", STATEMENTS)
def test_a_statement_holds_up_what_postgresql_says(postgres_database: str, statement: str) -> None:
    with psycopg.connect(postgres_database) as connection:
        connection.execute("CREATE TABLE a (x integer, y integer)")
        connection.execute("CREATE TABLE b (x integer PRIMARY KEY)")
        connection.execute("CREATE INDEX a_by_y ON a (y)")
        connection.commit()
        table = connection.execute("SELECT 'a'::regclass::oid").fetchone()
        assert table is not None
        connection.execute(statement)  # pyright: ignore[reportArgumentType, reportCallIssue]
        modes = connection.execute(
            "SELECT mode FROM pg_locks WHERE pid = pg_backend_pid() AND relation = %s", table
        ).fetchall()
    waiting = strongest([("a", str(mode)) for (mode,) in modes], {"a"}).get("a")
    found = held_up(statement)
    assert (found and found[1]) == waiting
    if found is not None:
        assert found[0] == ("a_by_y" if statement.startswith("DROP INDEX") else "a")


def test_the_plan_tells_expansions_from_contractions_with_their_statements(
    postgres_database: str, tmp_path: Path
) -> None:
    database = connect(postgres_database, application="orderflow-test")
    migrate(database, ORDERS)
    expansion = 'op.add_column("orders", sa.Column("later", sa.String(10)))'
    contraction = 'op.drop_index("orders_by_customer", "orders")'
    planned = plan(database, following(ORDERS, tmp_path, expansion, contraction, contract=(False, True)))
    assert [(step.revision, step.is_contraction) for step in planned.steps] == [
        ("9001", False),
        ("9002", True),
    ]
    assert [step.locks for step in planned.steps] == [(Lock("orders", Waits.EVERYTHING),)] * 2
    assert list(lines(planned)) == [
        f"orders: schema {newest(ORDERS)}",
        "  9001 expand: Migration 9001",
        "      ALTER TABLE orders ADD COLUMN later VARCHAR(10)",
        "      orders: reads and writes wait",
        "  9002 contract: Migration 9002",
        "      DROP INDEX orders_by_customer",
        "      orders: reads and writes wait",
    ]
    database.dispose()


@contexts
def test_a_plan_changes_nothing(database: Database, schema: Schema, tmp_path: Path) -> None:
    planned = plan(database, schema)
    assert planned.found is None
    assert len(planned.steps) == len(list(scripts(schema).walk_revisions()))
    assert tables(database) == set()
    migrate(database, schema)
    before = tables(database)
    assert plan(database, schema).steps == ()
    later = following(schema, tmp_path, 'op.create_table("t", sa.Column("x", sa.Integer))', contract=(False,))
    assert [step.revision for step in plan(database, later).steps] == ["9001"]
    assert tables(database) == before

"""What differs between databases is said once, in the dialect's own file."""

import re
from pathlib import Path
from typing import Any, cast

import pytest
import sqlalchemy as sa
from tests.database.conftest import notes

import orderflow
from orderflow.database import bulk
from orderflow.database.dialects import DIALECTS, locked, one_of
from orderflow.database.engine import Database
from orderflow.database.transaction import Transaction
from orderflow.orders import placement
from orderflow.orders.placement.order import POSITION, PlaceOrder

EXPLAIN = {"sqlite": "EXPLAIN QUERY PLAN", "postgresql": "EXPLAIN"}
SOURCE = Path(orderflow.__file__).parent
DIALECT_FILES = {f"{name}.py" for name in DIALECTS}


@pytest.mark.parametrize(
    "words", ["with_for_update", "on_conflict", "@compiles", "json_each", "jsonb_", "julianday", "epoch from"]
)
def test_sql_that_only_one_database_knows_is_in_its_own_files_alone(words: str) -> None:
    hook = SOURCE / "database" / "dialects" / "__init__.py"
    uses = [path for path in SOURCE.rglob("*.py") if words in path.read_text()]
    assert [path for path in uses if path.name not in DIALECT_FILES and path != hook] == []


def test_a_query_that_locks_rows_says_so_in_every_dialect() -> None:
    query = locked(sa.select(notes.c.id), notes, skip_locked=True)
    said = {name: str(query.compile(dialect=dialect.compiler)) for name, dialect in DIALECTS.items()}
    assert said["postgresql"].endswith("FOR UPDATE OF notes SKIP LOCKED")
    assert "UPDATE" not in said["sqlite"]  # its transaction has the file's only write lock


def test_new_orders_have_a_statement_in_every_dialect() -> None:
    known = set(placement._INSERT_NEW)  # pyright: ignore[reportPrivateUsage]
    assert known == set(DIALECTS)
    assert list(POSITION) == list(PlaceOrder._fields)


def test_a_row_is_updated_by_its_key_and_only_where_the_condition_holds(noted: Database) -> None:
    renumber = bulk.Update(notes, ("id",), computed={"id": notes.c.id + 100}, where=notes.c.id > 1)
    with noted.writer.begin() as connection:
        tx = Transaction(connection)
        assert tx.write(bulk.InsertAbsent(notes, ("id",)), [(1,), (2,), (3,)]) == {(1,), (2,), (3,)}
        tx.add(renumber, [(1,), (2,)])
        tx.add(bulk.Insert(notes, ("id",)), [(9,)])
        assert set(tx.connection.scalars(sa.select(notes.c.id))) == {1, 102, 3, 9}


def test_rows_that_are_there_are_left_alone_or_added_to(noted: Database) -> None:
    counts = sa.Table(
        "counts",
        sa.MetaData(),
        sa.Column("name", sa.String(9), primary_key=True),
        sa.Column("count", sa.BigInteger),
        sa.Column("note", sa.String(9)),
    )
    add = bulk.InsertOrUpdate(counts, ("name",), ("note",), added=("count",))
    with noted.writer.begin() as connection:
        counts.create(connection)
        tx = Transaction(connection)
        for rows in ([("a", "x", 1), ("b", "y", 2)], [("b", "z", 40)]):
            tx.add(add, rows)
        absent = bulk.InsertAbsent(counts, ("name", "count"))
        assert tx.write(absent, [("a", 7), ("c", 7)]) == {("c",)}
        found = {tuple(row) for row in connection.execute(sa.select(counts))}
    assert found == {("a", 1, "x"), ("b", 42, "z"), ("c", 7, None)}


KEPT = sa.Table(
    "kept", sa.MetaData(), sa.Column("id", sa.CHAR(36), primary_key=True), sa.Column("n", sa.Integer)
)
_NAMED = one_of(KEPT.c.id, "ids")


@pytest.mark.parametrize(
    "statement",
    [
        sa.select(KEPT.c.n).where(_NAMED),
        sa.select(KEPT.c.n).where(KEPT.c.n > 0, _NAMED),
        sa.update(KEPT).where(_NAMED).values(n=0),
        sa.delete(KEPT).where(sa.and_(KEPT.c.n == 0, _NAMED)),
    ],
)
def test_rows_of_given_ids_are_found_by_the_index(database: Database, statement: sa.Select[Any]) -> None:
    with database.writer.begin() as connection:
        KEPT.create(connection)
        connection.execute(sa.insert(KEPT), [{"id": f"{i:036}", "n": i} for i in range(2_000)])
        compiled = statement.compile(dialect=connection.dialect)
        values: dict[str, object] = {**cast("dict[str, object]", compiled.params), "ids": f'["{1:036}"]'}
        names = [str(name) for name in compiled.positiontup or ()]
        if connection.dialect.name not in EXPLAIN:
            pytest.skip("this server tells its plans in another way")
        plan = connection.exec_driver_sql(
            f"{EXPLAIN[connection.dialect.name]} {compiled}",
            tuple(values[name] for name in names) if names else values,
        )
        assert not re.search(r"SCAN kept|Seq Scan on kept", str(plan.all()))


@pytest.mark.parametrize("database_url", ["postgresql", "pgbouncer"], indirect=True)
def test_an_update_looks_at_its_own_rows_even_with_a_plan_from_when_the_table_was_empty(
    database: Database,
) -> None:
    """A session keeps the plan of its first executions, and nobody analyzes a table in its first minute."""
    unnumbered = sa.case((KEPT.c.n.is_(None), 1), else_=0) == 1
    renumber = bulk.Update(KEPT, ("id",), ("n",), where=unnumbered, returning=True)
    with database.writer.begin() as connection:
        KEPT.create(connection)
    for number in range(20):
        with database.writer.begin() as connection:
            connection.execute(sa.insert(KEPT), [{"id": f"{number:036}", "n": None}])
            Transaction(connection).write(renumber, [(f"{number:036}", number)])
    with database.writer.begin() as connection:
        connection.execute(sa.insert(KEPT), [{"id": f"{i:036}", "n": None} for i in range(100, 5_000)])
    with database.writer.begin() as connection:
        Transaction(connection).write(renumber, [(f"{i:036}", i) for i in range(100, 120)])
        looked_at = connection.scalar(
            sa.text(
                "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'kept'"
            )
        )
    assert looked_at is not None
    assert 20 <= looked_at <= 40

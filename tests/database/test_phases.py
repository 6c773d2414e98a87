"""The schema is expanded while the release before runs, and contracted afterwards; until then the release
before can come back."""

import threading
import time
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from tests.database.releases import following
from tests.upgrades.earlier_release import make_schema

from orderflow.database.engine import Database, DatabaseUnavailable, connect
from orderflow.database.errors import SchemaMismatch
from orderflow.database.migrate import Schema, check, current, migrate, newest, scripts
from orderflow.database.phases import is_contraction, kept_in
from orderflow.fulfillment.migrations import SCHEMA as FULFILLMENT
from orderflow.orders.migrations import SCHEMA as ORDERS

contexts = pytest.mark.parametrize("schema", [ORDERS, FULFILLMENT], ids=["orders", "fulfillment"])

ADD = 'op.add_column("{table}", sa.Column("later", sa.String(10)))'
DROP = 'op.drop_index("{index}", "{table}")'
ONE_OF = {"orders": ("orders", "orders_by_customer"), "fulfillment": ("shipments", "shipments_parked")}


def bodies(schema: Schema) -> tuple[str, str]:
    """An expansion and a contraction."""
    table, index = ONE_OF[schema.name]
    return ADD.format(table=table), DROP.format(index=index, table=table)


def next_release(schema: Schema, directory: Path) -> Schema:
    return following(schema, directory, *bodies(schema), contract=(False, True))


def found(database: Database, schema: Schema) -> str | None:
    with database.reader.connect() as connection:
        return current(connection, schema)


@contexts
def test_the_release_before_starts_on_an_expanded_schema_and_leaves_it_alone(
    database: Database, schema: Schema, tmp_path: Path
) -> None:
    migrate(database, schema)
    assert migrate(database, next_release(schema, tmp_path), contract=False) == ["9001"]
    check(database, schema)
    assert migrate(database, schema) == []
    assert found(database, schema) == "9001"


@contexts
def test_the_release_before_is_refused_once_the_schema_is_contracted(
    database: Database, schema: Schema, tmp_path: Path
) -> None:
    following = next_release(schema, tmp_path)
    migrate(database, schema)
    assert migrate(database, following) == ["9001", "9002"]
    for call in (check, migrate):
        with pytest.raises(SchemaMismatch, match=r"schema 9002, which is newer .* run the newer version"):
            call(database, schema)
    check(database, following)


@contexts
def test_a_release_needs_its_expansions_but_not_its_contractions(
    database: Database, schema: Schema, tmp_path: Path
) -> None:
    following = next_release(schema, tmp_path)
    migrate(database, schema)
    with pytest.raises(SchemaMismatch, match="this program needs 9001: run `orderflow migrate` first"):
        check(database, following)
    migrate(database, following, contract=False)
    check(database, following)
    assert migrate(database, following, contract=False) == []
    assert migrate(database, following) == ["9002"]
    check(database, following)


def test_an_empty_database_gets_the_newest_schema_because_nobody_runs_on_it(
    database: Database, tmp_path: Path
) -> None:
    assert migrate(database, next_release(ORDERS, tmp_path), contract=False)[-1] == "9002"


def test_an_expansion_that_builds_on_a_contraction_is_not_applied_beside_running_processes(
    database: Database, tmp_path: Path
) -> None:
    expansion, contraction = bodies(ORDERS)
    skipped_one = following(ORDERS, tmp_path, contraction, expansion, contract=(True, False))
    migrate(database, ORDERS)
    with pytest.raises(SchemaMismatch, match=r"9002 builds on 9001.* run `orderflow migrate --contract`"):
        migrate(database, skipped_one, contract=False)
    assert found(database, ORDERS) == newest(ORDERS)
    assert migrate(database, skipped_one) == ["9001", "9002"]


def test_a_newer_schema_that_does_not_say_how_it_was_contracted_is_refused(
    database: Database, tmp_path: Path
) -> None:
    migrate(database, next_release(ORDERS, tmp_path), contract=False)
    with database.writer.begin() as connection:
        kept_in(ORDERS.contraction_table).drop(connection)
    with pytest.raises(SchemaMismatch, match="newer than this program"):
        check(database, ORDERS)


def test_a_database_of_a_release_that_did_not_keep_contractions_keeps_them_from_now_on(
    database: Database,
) -> None:
    make_schema(database, FULFILLMENT, newest(FULFILLMENT))
    assert migrate(database, FULFILLMENT, contract=False) == []
    with database.reader.connect() as connection:
        kept = connection.scalar(sa.select(kept_in(FULFILLMENT.contraction_table).c.revision))
    assert kept == "0005"


def columns(database: Database) -> dict[tuple[str, str], tuple[str, bool, bool]]:
    """By table and name: the type, whether it may be null, and whether it has a default."""
    with database.reader.connect() as connection:
        schema = sa.inspect(connection)
        return {
            (table, column["name"]): (str(column["type"]), column["nullable"], column["default"] is not None)
            for table in schema.get_table_names()
            for column in schema.get_columns(table)
        }


def uniques(database: Database) -> set[tuple[str, str]]:
    """What refuses rows: unique indexes and constraints, checks and foreign keys, by table."""
    with database.reader.connect() as connection:
        schema = sa.inspect(connection)
        rules: set[tuple[str, str]] = set()
        for table in schema.get_table_names():
            rules |= {(table, str(index["name"])) for index in schema.get_indexes(table) if index["unique"]}
            for named in (
                *schema.get_unique_constraints(table),
                *schema.get_check_constraints(table),
                *schema.get_foreign_keys(table),
            ):
                rules.add((table, str(named["name"])))
        return rules


@pytest.mark.parametrize("server", ["sqlite", "postgres"])
@contexts
def test_an_expansion_takes_nothing_away_and_demands_nothing_of_what_is_there(
    schema: Schema, server: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = f"sqlite:///{tmp_path}/some.db"
    if server == "postgres":
        url = str(request.getfixturevalue("postgres_database"))
    database = connect(url, application="orderflow-test")
    for step in reversed(list(scripts(schema).walk_revisions())):
        before, rules_before = columns(database), uniques(database)
        make_schema(database, schema, step.revision)
        if is_contraction(step):
            continue
        after = columns(database)
        tables = {table for table, _ in before} - {schema.version_table}
        assert {key: after.get(key) for key in before} == before, step.revision
        for (table, name), (_, nullable, has_default) in after.items():
            if table in tables and (table, name) not in before:
                assert nullable or has_default, (step.revision, table, name)
        new_rules = {(table, name) for table, name in uniques(database) - rules_before if table in tables}
        assert new_rules == set(), step.revision
    database.dispose()


def test_a_migration_that_waits_for_a_long_reader_holds_up_nobody_for_long(
    postgres_database: str, tmp_path: Path
) -> None:
    """A backup reads every table in one transaction; whatever comes after a lock that waits for it waits as
    well."""
    database = connect(postgres_database, application="orderflow-test")
    migrate(database, ORDERS)
    expanded = next_release(ORDERS, tmp_path)
    refused: list[str] = []

    def expand() -> None:
        try:
            migrate(database, expanded, contract=False)
        except DatabaseUnavailable as error:
            refused.append(str(error))

    waited_s = 0.0
    with psycopg.connect(postgres_database) as backup, psycopg.connect(postgres_database) as other:
        other.autocommit = True
        backup.execute("SELECT count(*) FROM orders")
        migration = threading.Thread(target=expand)
        migration.start()
        while migration.is_alive():
            began = time.monotonic()
            other.execute("SELECT count(*) FROM orders")
            waited_s = max(waited_s, time.monotonic() - began)
            migration.join(timeout=0.05)
    assert ["another session keeps a table" in text for text in refused] == [True]
    assert 0.2 < waited_s < 3, "it waited for the migration, but not for the backup"
    assert migrate(database, expanded, contract=False) == ["9001"]
    database.dispose()

"""A schema is made once and completely, by the process that comes first; databases of others are left
alone."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from tests.database.releases import is_of_the_code

from orderflow.database.engine import Database, DatabaseMisconfigured, connect
from orderflow.database.migrate import Schema, check, migrate, newest, scripts
from orderflow.database.phases import kept_in
from orderflow.fulfillment.migrations import SCHEMA as FULFILLMENT
from orderflow.fulfillment.tables import metadata as fulfillment_metadata
from orderflow.orders.migrations import SCHEMA as ORDERS
from orderflow.orders.tables import metadata as orders_metadata

CONTEXTS = {ORDERS: orders_metadata, FULFILLMENT: fulfillment_metadata}
OWN_TABLE = {ORDERS: "orders", FULFILLMENT: "shipments"}
contexts = pytest.mark.parametrize("context", list(CONTEXTS), ids=["orders", "fulfillment"])


def tables(database: Database) -> set[str]:
    with database.reader.connect() as connection:
        return set(sa.inspect(connection).get_table_names())


@contexts
def test_a_fresh_database_gets_every_revision_once(database: Database, context: Schema) -> None:
    applied = migrate(database, context)
    assert applied == [step.revision for step in reversed(list(scripts(context).walk_revisions()))]
    assert migrate(database, context) == []
    check(database, context)


@contexts
def test_the_migrations_make_exactly_the_tables_that_the_code_uses(
    database: Database, context: Schema
) -> None:
    migrate(database, context)
    with database.reader.connect() as connection:
        options = {
            "version_table": context.version_table,
            "compare_type": True,
            "compare_server_default": True,
            "include_name": is_of_the_code,
        }
        migration = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(migration, CONTEXTS[context]) == []
        inspector = sa.inspect(connection)
        for table in CONTEXTS[context].tables.values():
            found = {index["name"]: index["column_names"] for index in inspector.get_indexes(table.name)}
            assert found == {index.name: [c.name for c in index.columns] for index in table.indexes}
            assert inspector.get_pk_constraint(table.name)["constrained_columns"] == [
                c.name for c in table.primary_key
            ]


def test_both_contexts_may_share_a_database(database: Database) -> None:
    for context in CONTEXTS:
        migrate(database, context)
    for context in CONTEXTS:
        check(database, context)


PROGRAM = textwrap.dedent("""
    import sys
    from orderflow.database.engine import connect
    from orderflow.database.migrate import check, migrate
    from orderflow.orders.migrations import SCHEMA as ORDERS
    database = connect(sys.argv[1], application="migrator")
    print("ready", flush=True)
    sys.stdin.readline()
    applied = migrate(database, ORDERS)
    check(database, ORDERS)
    print("applied" if applied else "nothing", flush=True)
""")


def migrating(url: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_of_ten_processes_at_once_one_migrates_and_all_go_on(database_url: str) -> None:
    processes = [migrating(database_url) for _ in range(10)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    outputs = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * 10
    said = [output.splitlines()[-1] for output in outputs]
    assert sorted(said) == ["applied"] + ["nothing"] * 9


KILLED = textwrap.dedent("""
    import os, signal, sys
    from sqlalchemy import event
    from orderflow.database.engine import connect
    from orderflow.database.migrate import migrate
    from orderflow.orders.migrations import SCHEMA as ORDERS
    database = connect(sys.argv[1], application="migrator")

    def die(_connection, _cursor, statement, *_):
        if statement.lstrip().startswith("CREATE TABLE outbox"):
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(database.writer, "after_cursor_execute", die)
    migrate(database, ORDERS)
""")


def test_a_migration_killed_half_way_leaves_nothing_and_the_next_one_starts_over(database_url: str) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, database_url], check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    database = connect(database_url, application="orderflow-test")
    try:
        assert tables(database) == set()
        assert migrate(database, ORDERS)[0] == "0001"
        check(database, ORDERS)
    finally:
        database.dispose()


@contexts
def test_a_schema_that_is_newer_than_the_program_is_refused_and_left_alone(
    database: Database, context: Schema
) -> None:
    migrate(database, context)
    with database.writer.begin() as connection:
        connection.execute(
            sa.update(sa.table(context.version_table, sa.column("version_num"))), {"version_num": "9999"}
        )
        kept = kept_in(context.contraction_table)
        connection.execute(sa.delete(kept))
        connection.execute(sa.insert(kept), {"revision": "9998"})
    for call in (migrate, check):
        with pytest.raises(
            DatabaseMisconfigured, match=r"schema 9999, which is newer .* knows up to " + newest(context)
        ):
            call(database, context)


@contexts
def test_a_database_of_another_application_is_refused_and_left_alone(
    database: Database, context: Schema
) -> None:
    with database.writer.begin() as connection:
        connection.exec_driver_sql(f"CREATE TABLE {OWN_TABLE[context]} (theirs integer)")
    for call in (migrate, check):
        with pytest.raises(DatabaseMisconfigured, match="belongs to another application"):
            call(database, context)
    assert tables(database) == {OWN_TABLE[context]}


@contexts
def test_a_schema_that_is_missing_is_refused_where_migrations_are_run_by_hand(
    database: Database, context: Schema
) -> None:
    with pytest.raises(DatabaseMisconfigured, match="run `orderflow migrate` first"):
        check(database, context)


def test_a_file_that_is_no_database_is_refused_as_such(tmp_path: Path) -> None:
    file = tmp_path / "orders.db"
    file.write_text("notes about orders " * 100)
    database = connect(f"sqlite:///{file}", application="orderflow-test")
    with pytest.raises(DatabaseMisconfigured, match="not a database"):
        migrate(database, ORDERS)
    database.dispose()


def test_a_directory_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    database = connect(f"sqlite:///{tmp_path / 'orders.db'}", application="orderflow-test")
    tmp_path.chmod(0o500)
    with pytest.raises(Exception, match="unable to open"):
        migrate(database, ORDERS)
    database.dispose()


@pytest.mark.parametrize("wrong", [{"password": "wrong"}, {"database": "no_such_database"}])
def test_a_wrong_password_or_name_is_said_without_the_password(
    postgres_database: str, wrong: dict[str, str]
) -> None:
    url = sa.make_url(postgres_database).set(**wrong).render_as_string(hide_password=False)  # pyright: ignore[reportArgumentType]
    database = connect(url, application="orderflow-test")
    with pytest.raises(DatabaseMisconfigured, match="check user, password and database name") as caught:
        migrate(database, ORDERS)
    assert str(sa.make_url(url).password) not in str(caught.value)
    database.dispose()

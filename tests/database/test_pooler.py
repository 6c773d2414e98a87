"""Behind PgBouncer every transaction has its bounds, and nothing of ours stays in a session."""

from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.exc import OperationalError
from tests.database.conftest import Note, WriteNotes, eventually, is_unavailable, notes
from tests.pgbouncer import PgBouncer

from orderflow.database.engine import Database, DatabaseMisconfigured, connect
from orderflow.database.group_commit import GroupCommit
from orderflow.database.migrate import migrate, wait_for
from orderflow.orders.migrations import SCHEMA as ORDERS

PARAMETERS = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "timezone")
BOUNDS = ("10s", "2s", "5s", "UTC")


@pytest.fixture(params=["direct", "refuses", "ignores", "session"])
def url(
    request: pytest.FixtureRequest, postgres_database: str, start_pgbouncer: Callable[..., PgBouncer]
) -> str:
    """A database reached directly and through poolers that refuse and that ignore start-up parameters."""
    if request.param == "direct":
        return postgres_database
    settings = "pool_mode = session" if request.param == "session" else ""
    pooler = start_pgbouncer(ignores_options=request.param == "ignores", settings=settings)
    return pooler.url(postgres_database)


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    database = connect(url, application="orderflow-test")
    yield database
    database.dispose()


def settings(engine: Engine, *names: str) -> tuple[str, ...]:
    with engine.connect() as connection:
        return tuple(connection.exec_driver_sql(f"SHOW {name}").scalar_one() for name in names)


def test_every_transaction_has_its_time_outs(database: Database) -> None:
    for _ in range(3):
        assert settings(database.writer, *PARAMETERS) == BOUNDS
        assert settings(database.reader, *PARAMETERS) == BOUNDS


def test_writes_look_rows_up_by_index_and_reads_as_they_like(database: Database) -> None:
    assert settings(database.writer, "enable_seqscan", "enable_hashjoin") == ("off", "off")
    assert settings(database.reader, "enable_seqscan", "enable_hashjoin") == ("on", "on")


def test_no_plan_is_compiled_however_expensive_the_planner_takes_it_to_be(database: Database) -> None:
    expensive = "EXPLAIN (ANALYZE) SELECT count(*) FROM generate_series(1, 10) a, generate_series(1, 10) b"
    for engine in (database.writer, database.reader):
        with engine.begin() as connection:
            connection.exec_driver_sql("SELECT set_config('cpu_operator_cost', '1000', true)")
            plan = str(connection.exec_driver_sql(expensive).all())
        assert "Aggregate" in plan
        assert "JIT" not in plan


def test_a_statement_that_takes_too_long_ends(database: Database) -> None:
    with database.reader.connect() as connection:
        connection.exec_driver_sql("SELECT set_config('statement_timeout', '50', true)")
    with database.writer.connect() as connection:
        connection.exec_driver_sql("SET LOCAL statement_timeout = 50")
        with pytest.raises(OperationalError, match="statement timeout"):
            connection.exec_driver_sql("SELECT pg_sleep(5)")
    assert settings(database.writer, "statement_timeout") == ("10s",)


def test_nothing_of_ours_stays_with_the_server_for_the_next_client(
    postgres_database: str, start_pgbouncer: Callable[..., PgBouncer]
) -> None:
    pooler = start_pgbouncer(settings="default_pool_size = 1")
    database = connect(pooler.url(postgres_database), application="orderflow-test")
    other = sa.create_engine(sa.make_url(pooler.url(postgres_database)).set(drivername="postgresql+psycopg"))
    before = settings(other, "statement_timeout", "enable_seqscan")
    for _ in range(10):
        assert settings(database.writer, "statement_timeout", "enable_seqscan") == ("10s", "off")
        assert settings(other, "statement_timeout", "enable_seqscan") == before
    database.dispose()
    other.dispose()


def test_the_same_statement_runs_on_any_session_of_the_pooler_any_number_of_times(database: Database) -> None:
    with database.writer.connect() as holding:
        holding.exec_driver_sql("SELECT 1")
        for number in range(20):
            with database.writer.begin() as connection:
                assert connection.scalar(sa.select(sa.literal(number))) == number
            if number == 10:
                holding.rollback()


def test_what_a_transaction_wrote_is_kept_by_commit_and_forgotten_by_rollback(database: Database) -> None:
    with database.writer.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE kept (n integer)")
    with database.writer.connect() as connection:
        connection.exec_driver_sql("INSERT INTO kept VALUES (1)")
        connection.rollback()
        connection.exec_driver_sql("INSERT INTO kept VALUES (2)")
        connection.commit()
    with database.reader.connect() as connection:
        assert connection.exec_driver_sql("SELECT n FROM kept").scalars().all() == [2]


def test_the_schema_of_the_url_is_used_beside_our_own_parameters(database: Database, url: str) -> None:
    with database.writer.begin() as connection:
        connection.exec_driver_sql("CREATE SCHEMA sales")
    there = connect(f"{url}?options=-c%20search_path%3Dsales%20-c%20work_mem=5MB", application="test")
    try:
        assert migrate(there, ORDERS)
        assert settings(there.writer, *PARAMETERS, "work_mem") == (*BOUNDS, "5MB")
        for engine in (there.writer, there.reader):
            with engine.connect() as connection:
                assert connection.exec_driver_sql("SELECT to_regclass('orders')::text").scalar() == "orders"
        with database.reader.connect() as connection:
            inspector = sa.inspect(connection)
            assert "orders" in inspector.get_table_names("sales")
            assert "orders" not in inspector.get_table_names("public")
    finally:
        there.dispose()


def test_a_schema_that_is_not_there_is_refused(url: str) -> None:
    database = connect(f"{url}?options=-csearch_path=nowhere", application="test")
    with pytest.raises(DatabaseMisconfigured, match="no schema of the search path exists"):
        wait_for(database, ORDERS, seconds_max=0)
    database.dispose()


def test_sessions_of_the_pooler_that_stayed_read_only_are_ended_until_one_takes_writes(
    postgres_database: str, start_pgbouncer: Callable[..., PgBouncer]
) -> None:
    """Nobody but the server can end a session that a pooler keeps."""
    pooler = start_pgbouncer(settings="default_pool_size = 3\nmin_pool_size = 3")
    name = sa.make_url(postgres_database).database
    direct = connect(postgres_database, application="orderflow-test")
    database = connect(pooler.url(postgres_database), application="orderflow-test")
    writer = GroupCommit(database.writer, "test")
    writer.start()
    try:
        with direct.writer.begin() as connection:
            notes.create(connection)
            connection.exec_driver_sql(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
        for number in range(3):
            assert is_unavailable(writer.submit_blocking(WriteNotes(), [Note(number)])[0])
        with direct.writer.begin() as connection:
            connection.exec_driver_sql(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')
        eventually(lambda: writer.submit_blocking(WriteNotes(), [Note(9)]) == [9])
        for number in range(10, 20):
            assert writer.submit_blocking(WriteNotes(), [Note(number)]) == [number]
    finally:
        writer.close()
        database.dispose()
        direct.dispose()


def test_a_server_that_went_away_behind_the_pooler_is_found_again(
    postgres_database: str, pgbouncer: PgBouncer
) -> None:
    database = connect(pgbouncer.url(postgres_database), application="orderflow-test")
    assert settings(database.writer, "statement_timeout") == ("10s",)
    pgbouncer.kill()
    with pytest.raises(OperationalError):
        settings(database.writer, "statement_timeout")
    pgbouncer.start()
    assert settings(database.writer, "statement_timeout") == ("10s",)
    database.dispose()

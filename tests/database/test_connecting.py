"""What a database URL may say, which databases are refused, and which sessions leave the pool."""

import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from sqlalchemy.engine import Connection
from tests.database.conftest import Note, WriteNotes, in_threads, is_unavailable, notes, stored

from orderflow.database import sqlite_engine
from orderflow.database.engine import Database, DatabaseMisconfigured, connect, parse_url
from orderflow.database.group_commit import GroupCommit
from orderflow.database.migrate import migrate, once_it_answers, wait_for
from orderflow.messaging.connect import open_bus
from orderflow.orders.migrations import SCHEMA as ORDERS
from orderflow.settings import load

on_a_server = pytest.mark.parametrize("database_url", ["postgresql", "pgbouncer"], indirect=True)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "cannot be read"),
        ("nonsense", "cannot be read"),
        ("postgresql://u:s3cret@h:port/d", "a port is a number"),
        ("postgresql://u:s3cret@h:99999/d", "a port is a number"),
        ("postgresql://u:s3cret@h1:5432,h2:x/d", "a port is a number"),
        ("postgresql://u:p@s3cret@h:5432/d", "as %40"),
        ("postgresql://u:p@s3cret@h1:1,h2:2/d", "cannot be read"),
        ("postgresql://u:s3cret@h:5432", "names no database"),
        ("postgresql://u@h/?password=s3cret", "names no database"),
        ("postgresql://u:s3cret@h/d?pasword=s3cret", "pasword"),
        ("postgresql://u:s3cret@h/d?options=-f", "write them as"),
        ("postgresql://u:s3cret@h/d?options=-c statement_timeout%3D0", "Orderflow sets itself"),
        ("postgresql://u:s3cret@h/d?options=--TimeZone%3DAsia/Tokyo", "Orderflow sets itself"),
        ("postgresql://u:s3cret@h/d?port=x", "port"),
        ("oracle://u:s3cret@h/d", "not supported"),
        ("mysql+pymysql://u:s3cret@h/d", "not supported"),
        ("sqlite://", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
        ("sqlite:////tmp/a?b.db", "%3F"),
    ],
)
def test_a_url_that_cannot_be_used_is_told_in_one_line_without_its_password(url: str, words: str) -> None:
    with pytest.raises(DatabaseMisconfigured) as refused:
        connect(url, application="test")
    text = str(refused.value)
    assert words in text
    assert "\n" not in text
    assert "s3cret" not in text


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("postgresql://u:p@h1:5432,h2:5433/d?target_session_attrs=read-write", ("h1:5432", "h2:5433")),
        ("postgres://u:p@h1,h2:5433,[::1]:1/d", ("h1:5432", "h2:5433", "[::1]:1")),
        ("postgresql://h1,[::1]/d", ("h1:5432", "[::1]:5432")),
    ],
)
def test_a_url_may_name_several_hosts(url: str, hosts: tuple[str, ...]) -> None:
    parsed = parse_url(url)
    assert parsed.query["host"] == hosts
    assert parsed.database == "d"


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that refuses connections."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@on_a_server
def test_of_several_hosts_the_one_that_takes_writes_is_used(database_url: str, silent_port: int) -> None:
    parts = urlsplit(database_url)
    userinfo, _, host = parts.netloc.rpartition("@")
    url = (
        f"postgresql://{userinfo}@127.0.0.1:{silent_port},{host}{parts.path}?target_session_attrs=read-write"
    )
    database = connect(url, application="test")
    assert migrate(database, ORDERS)
    database.dispose()


def test_why_none_of_several_hosts_can_be_used_is_one_line_that_names_each(silent_port: int) -> None:
    url = f"postgresql://u:s3cret@127.0.0.1:{silent_port},localhost:{silent_port}/d"
    database = connect(url, application="test")
    with pytest.raises(Exception, match=r"127\.0\.0\.1.*localhost") as failed:
        wait_for(database, ORDERS, seconds_max=0)
    assert "\n" not in str(failed.value)
    database.dispose()


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_database_that_cannot_hold_every_text_is_refused(postgres_url: str, encoding: str) -> None:
    name = f"orderflow_test_{uuid4().hex}"
    with psycopg.connect(postgres_url, autocommit=True) as server:
        server.execute(
            sql.SQL("CREATE DATABASE {} ENCODING {} LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0").format(
                sql.Identifier(name), sql.Literal(encoding)
            )
        )
    database = connect(urlsplit(postgres_url)._replace(path=f"/{name}").geturl(), application="test")
    try:
        with pytest.raises(DatabaseMisconfigured, match=f"encoding {encoding}.*ENCODING 'UTF8'"):
            wait_for(database, ORDERS, seconds_max=0)
    finally:
        database.dispose()
        with psycopg.connect(postgres_url, autocommit=True) as server:
            server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def test_a_file_with_another_encoding_is_refused(tmp_path: Path) -> None:
    file = sqlite3.connect(tmp_path / "wide.db")
    file.execute("PRAGMA encoding='UTF-16'")
    file.execute("CREATE TABLE t (c)")
    file.close()
    database = connect(f"sqlite:///{tmp_path / 'wide.db'}", application="test")
    with pytest.raises(DatabaseMisconfigured, match="encoding UTF-16le, not UTF-8"):
        wait_for(database, ORDERS, seconds_max=0)
    database.dispose()


@on_a_server
def test_a_role_that_may_make_nothing_is_told_so_in_one_line(database: Database) -> None:
    with database.writer.begin() as connection:
        connection.exec_driver_sql("CREATE SCHEMA theirs")
    url = database.url.update_query_dict({"options": "-c search_path=theirs -c role=pg_read_all_data"})
    other = connect(url.render_as_string(hide_password=False), application="test")
    with pytest.raises(DatabaseMisconfigured, match="permission denied"):
        migrate(other, ORDERS)
    other.dispose()


@on_a_server
def test_a_session_that_became_read_only_leaves_the_pool_and_the_write_is_tried_on_another(
    noted: Database, postgres_url: str
) -> None:
    """As after a failover: sessions stay with the server that lost its role."""
    writer = GroupCommit(noted.writer, "test")
    writer.start()
    try:
        assert writer.submit_blocking(WriteNotes(), [Note(1)]) == [1]
        with noted.writer.begin() as connection:
            connection.exec_driver_sql("SELECT set_config('default_transaction_read_only', 'on', false)")
        assert writer.submit_blocking(WriteNotes(), [Note(2)]) == [2]
    finally:
        writer.close()
    assert stored(noted) == [1, 2]


@pytest.mark.parametrize("name", ["a?b", "a#b", "100%", "a%20b", "a b", "ä€𝕏", "it's", 'a"b', "a;b&c=d"])
def test_a_file_may_be_called_anything(tmp_path: Path, name: str) -> None:
    file = tmp_path / name / "orders.db"
    database = connect(f"sqlite:///{quote(str(file))}", application="test")
    migrate(database, ORDERS)
    assert database.file == file.resolve()
    assert file.exists()
    database.dispose()


def test_a_file_is_used_by_one_process_by_whatever_name_it_is_called(tmp_path: Path) -> None:
    file = tmp_path / "orders.db"
    with sqlite_engine.sole_use(file):
        (tmp_path / "symbolic.db").symlink_to(file)
        (tmp_path / "hard.db").hardlink_to(file)
        for name in ("orders.db", "symbolic.db", "hard.db"):
            used = pytest.raises(DatabaseMisconfigured, match="another Orderflow process already uses")
            with used, sqlite_engine.sole_use(tmp_path / name):
                raise AssertionError("it was let in")
    with sqlite_engine.sole_use(file):
        pass


def test_a_write_lock_of_another_process_is_waited_for_less_than_2_s_by_all_who_come_meanwhile(
    tmp_path: Path,
) -> None:
    database = connect(f"sqlite:///{tmp_path / 'some.db'}", application="test")
    with database.writer.begin() as connection:
        notes.create(connection)
    other = sqlite3.connect(tmp_path / "some.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    writer = GroupCommit(database.writer, "test")
    writer.start()
    waited_s: list[float] = []

    def write(number: int) -> None:
        time.sleep(number * 0.2)
        began_at = time.monotonic()
        assert is_unavailable(writer.submit_blocking(WriteNotes(), [Note(number)])[0])
        waited_s.append(time.monotonic() - began_at)

    try:
        in_threads(12, write)
        assert len(waited_s) == 12
        assert max(waited_s) < 2.5  # 2 s, and what a busy machine adds
        other.execute("ROLLBACK")
        assert writer.submit_blocking(WriteNotes(), [Note(99)]) == [99]
    finally:
        other.close()
        writer.close()
        database.dispose()


def test_what_is_done_at_start_waits_for_a_disk_that_is_full(tmp_path: Path) -> None:
    database = connect(f"sqlite:///{tmp_path / 'some.db'}", application="test")
    tries: list[bool] = []

    def fill(connection: Connection) -> None:
        is_full = not tries
        tries.append(is_full)
        connection.exec_driver_sql(f"PRAGMA max_page_count={1 if is_full else 1_000_000}").close()
        connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS t AS SELECT zeroblob(100000)")

    once_it_answers(database, ORDERS, fill, seconds_max=5, pause_s=0)
    assert tries == [True, False]
    database.dispose()


def test_an_event_log_waits_for_another_process_that_holds_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = sqlite3.connect(tmp_path / "events.db", check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")
    release = threading.Timer(6, other.rollback)  # longer than the file's own time-out
    release.start()
    monkeypatch.setenv("ORDERFLOW_DATA_DIR", str(tmp_path))
    with open_bus(load()) as bus:
        bus.publisher().close()
    release.join()
    other.close()

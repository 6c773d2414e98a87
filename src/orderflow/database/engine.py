"""Engines with every bound set, and a bounded pool of threads for reads."""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from orderflow.database.dialects import Failure, classify

P = ParamSpec("P")
T = TypeVar("T")

CONNECT_TIMEOUT_S = 3
STATEMENT_TIMEOUT_MS = 10_000
LOCK_TIMEOUT_MS = 2_000
IDLE_IN_TRANSACTION_TIMEOUT_MS = 5_000
POOL_WAIT_S = 5
READ_THREADS = 4
READS_WAITING_MAX = 1_000
WRITE_CONNECTIONS_MAX = 4


class DatabaseUnavailable(Exception):
    """The database cannot be reached or cannot write now; nothing was written."""


class DatabaseMisconfigured(Exception):
    """The URL or the database is not what Orderflow needs; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Database:
    """One database with an engine for writing and one for reading.

    On SQLite the writer takes the file's write lock when a transaction begins and alone checkpoints the log;
    on a server both are the same pool sizes against the same server.
    """

    url: URL
    writer: Engine
    reader: Engine

    @property
    def embedded(self) -> bool:
        return self.url.get_backend_name() == "sqlite"

    def dispose(self) -> None:
        self.reader.dispose()
        self.writer.dispose()


def parse_url(text: str) -> URL:
    """A database URL with the driver we use. Raises DatabaseMisconfigured; never shows the password."""
    try:
        url = make_url(text)
    except ArgumentError:
        raise DatabaseMisconfigured(
            "the database URL cannot be read; it looks like postgresql://user:password@host:5432/name "
            "or sqlite:///path/to/file.db"
        ) from None
    backend = url.get_backend_name()
    if backend in ("postgresql", "postgres"):
        if not url.database:
            raise DatabaseMisconfigured(f"the database URL names no database: {url}; add /name at its end")
        return url.set(drivername="postgresql+psycopg")
    if backend == "sqlite":
        if not url.database or url.database == ":memory:":
            raise DatabaseMisconfigured("a SQLite URL needs a file: sqlite:///path/to/file.db")
        return url.set(drivername="sqlite")
    raise DatabaseMisconfigured(f"the database {backend!r} is not supported; use postgresql:// or sqlite:///")


def connect(url_text: str, *, application: str) -> Database:
    """Make the engines; no connection is opened yet. `application` is what the server's activity view
    shows."""
    url = parse_url(url_text)
    if url.get_backend_name() == "sqlite":
        Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
        return Database(url, _sqlite_engine(url, writes=True), _sqlite_engine(url, writes=False))
    return Database(
        url,
        _postgresql_engine(url, application, WRITE_CONNECTIONS_MAX, options=_BY_INDEX),
        # Autocommit: a transaction of one statement needs no BEGIN and no ROLLBACK, two round trips of four.
        _postgresql_engine(url, application, READ_THREADS, isolation_level="AUTOCOMMIT"),
    )


# What writes looks rows up by index. A plan made while a table was small or its statistics were old, or
# kept since then, must never walk through the table for each batch: a fault run lost minutes to that.
_BY_INDEX = " ".join(f"-c enable_{way}=off" for way in ("seqscan", "bitmapscan", "hashjoin", "mergejoin"))


def _postgresql_engine(
    url: URL, application: str, connections_max: int, *, options: str = "", **engine: Any
) -> Engine:
    return sa.create_engine(
        url,
        **engine,
        hide_parameters=True,  # statements hold personal data
        pool_size=connections_max,
        max_overflow=0,
        pool_timeout=POOL_WAIT_S,
        pool_use_lifo=True,
        connect_args={
            "connect_timeout": CONNECT_TIMEOUT_S,
            "application_name": application,
            "keepalives_idle": 5,
            "keepalives_interval": 2,
            "keepalives_count": 3,
            "tcp_user_timeout": STATEMENT_TIMEOUT_MS,
            "options": f"-c statement_timeout={STATEMENT_TIMEOUT_MS} -c lock_timeout={LOCK_TIMEOUT_MS} "
            f"-c idle_in_transaction_session_timeout={IDLE_IN_TRANSACTION_TIMEOUT_MS} "
            f"-c timezone=UTC {options}",
        },
    )


def _sqlite_engine(url: URL, *, writes: bool) -> Engine:
    engine = sa.create_engine(
        url,
        hide_parameters=True,
        poolclass=sa.QueuePool,
        pool_size=1 if writes else READ_THREADS,
        max_overflow=0,
        pool_timeout=POOL_WAIT_S,
        connect_args={"timeout": 5, "check_same_thread": False},
    )

    def on_connect(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # SQLAlchemy's begin event below opens every transaction
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "cache_size=-65536",
            # SQLite before 3.51.3 can corrupt the log when two connections checkpoint: only the writer does.
            f"wal_autocheckpoint={1000 if writes else 0}",
        ):
            connection.execute(f"PRAGMA {pragma}")
        if not writes:
            connection.execute("PRAGMA query_only=ON")

    def on_begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    event.listen(engine, "connect", on_connect)
    event.listen(engine, "begin", on_begin)
    return engine


class Reader:
    """Runs queries on a bounded pool of threads, each with a connection of its own, from an event loop."""

    def __init__(self, database: Database) -> None:
        self._engine = database.reader
        self._threads = ThreadPoolExecutor(READ_THREADS, thread_name_prefix="read")
        self._waiting = 0

    async def run(
        self, query: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """The query's result; its statements see one state on SQLite, each its own on a server. Raises
        DatabaseUnavailable."""
        if self._waiting >= READS_WAITING_MAX:
            raise DatabaseUnavailable(f"{READS_WAITING_MAX} queries wait already")
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, lambda: self._read(query, *args, **kwargs))
        finally:
            self._waiting -= 1

    def _read(self, query: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        for last_try in (False, True):
            try:
                with self._engine.connect() as connection:
                    return query(connection, *args, **kwargs)
            except SQLAlchemyError as error:
                # A pooled connection may have died with a server that is back by now: try once more.
                invalidated = isinstance(error, DBAPIError) and error.connection_invalidated
                if invalidated and not last_try:
                    continue
                if classify(error) is Failure.DEFECT:
                    raise
                raise DatabaseUnavailable(reason(error)) from error
        raise AssertionError("unreachable")

    def close(self) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)


def reason(error: BaseException) -> str:
    """The first line of what the driver says, without statement and parameters: those may hold personal
    data."""
    original = getattr(error, "orig", None) or error
    lines = str(original).strip().splitlines()
    return lines[0] if lines else type(original).__name__

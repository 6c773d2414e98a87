"""Engines that have every limit set, and a bounded pool of threads for reads."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from orderflow.database import mssql_engine, postgresql_engine, sqlite_engine
from orderflow.database.dialects import Failure, classify
from orderflow.database.errors import DatabaseMisconfigured, DatabaseUnavailable, reason
from orderflow.database.urls import parse_url
from orderflow.runtime.telemetry.metrics import db_operation

__all__ = [
    "Database",
    "DatabaseMisconfigured",
    "DatabaseUnavailable",
    "Reader",
    "connect",
    "parse_url",
    "reason",
]

P = ParamSpec("P")
T = TypeVar("T")

POOL_WAIT_S = 5.0
READ_THREADS = 4
READ_CONNECTIONS_MAX = READ_THREADS + 1
"""One for each thread that reads, and one for the API keys, which must not wait behind queries."""
READS_WAITING_MAX = 1_000
READ_WAIT_S_MAX = 5.0
"""A read that has waited so long for a thread is refused, as an order is that waits for the writer: whoever
asked may have gone, and after an outage the next ones would wait behind it."""
WRITE_CONNECTIONS_MAX = 4


@dataclass(frozen=True, slots=True)
class Database:
    """One database with an engine for writing and one for reading.

    On SQLite the writer takes the file's write lock when a transaction begins, and only the writer
    checkpoints the log. On a server both engines have pools of the same size, and connect to the same server.
    """

    url: URL
    writer: Engine
    reader: Engine

    @property
    def embedded(self) -> bool:
        return self.url.get_backend_name() == "sqlite"

    @property
    def file(self) -> Path | None:
        """The file of an embedded database, without symbolic links."""
        return Path(str(self.url.database)).resolve() if self.embedded else None

    def dispose(self) -> None:
        self.reader.dispose()
        self.writer.dispose()


def connect(url_text: str, *, application: str) -> Database:
    """Make the engines; no connection is opened yet. `application` is what the server's activity view
    shows. Raises DatabaseMisconfigured."""
    url = parse_url(url_text)
    if url.get_backend_name() == "sqlite":
        directory = Path(str(url.database)).parent
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DatabaseMisconfigured(f"{directory} cannot be made: {error.strerror}") from None
        return Database(
            url,
            sqlite_engine.writing_engine(url, pool_wait_s=POOL_WAIT_S),
            sqlite_engine.reading_engine(url, connections=READ_CONNECTIONS_MAX, pool_wait_s=POOL_WAIT_S),
        )
    server = _SERVERS[url.get_backend_name()]
    return Database(
        url,
        server.writing_engine(url, application, connections=WRITE_CONNECTIONS_MAX, pool_wait_s=POOL_WAIT_S),
        server.reading_engine(url, application, connections=READ_CONNECTIONS_MAX, pool_wait_s=POOL_WAIT_S),
    )


def refuse_unusable(connection: Connection) -> None:
    """Raises DatabaseMisconfigured for a database that answers but cannot keep what Orderflow gives it."""
    _ENGINES[connection.dialect.name].refuse_unusable(connection)


_SERVERS = {"postgresql": postgresql_engine, "mssql": mssql_engine}
_ENGINES = {**_SERVERS, "sqlite": sqlite_engine}


class Reader:
    """Runs queries on a bounded pool of threads, each with a connection of its own, from an event loop. At
    most READS_WAITING_MAX wait, and none longer than READ_WAIT_S_MAX."""

    def __init__(self, database: Database, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._engine = database.reader
        self._monotonic = monotonic
        self._threads = ThreadPoolExecutor(READ_THREADS, thread_name_prefix="read")
        self._waiting = 0

    async def run(
        self, query: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run the query and return its result. On SQLite its statements all see the same state; on a server
        each sees its own. Raises DatabaseUnavailable."""
        if self._waiting >= READS_WAITING_MAX:
            raise DatabaseUnavailable(f"{READS_WAITING_MAX} queries wait already")
        self._waiting += 1
        try:
            asked_at_s = self._monotonic()
            return await asyncio.get_running_loop().run_in_executor(
                self._threads, lambda: self._read_in_time(asked_at_s, query, *args, **kwargs)
            )
        finally:
            self._waiting -= 1

    def _read_in_time(
        self,
        asked_at_s: float,
        query: Callable[Concatenate[Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        waited_s = self._monotonic() - asked_at_s
        if waited_s > READ_WAIT_S_MAX:
            raise DatabaseUnavailable(f"the query has waited {waited_s:.0f} s behind others")
        return self._read(query, *args, **kwargs)

    def _read(self, query: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        for last_try in (False, True):
            tried_at_s = time.perf_counter()
            try:
                with self._engine.connect() as connection:
                    began = time.perf_counter()
                    result = query(connection, *args, **kwargs)
                db_operation(self._engine.dialect.name, query, time.perf_counter() - began)
                return result
            except SQLAlchemyError as error:
                # A pooled connection may have died with a server that is back by now, and the writer that a
                # query gave in to may have ended. So try once more, but not what took too long.
                failure = classify(error)
                invalidated = isinstance(error, DBAPIError) and error.connection_invalidated
                gave_in = failure is Failure.RETRY and time.perf_counter() - tried_at_s < READ_WAIT_S_MAX
                if (invalidated or gave_in) and not last_try:
                    continue
                if failure in (Failure.DEFECT, Failure.UNKNOWN):
                    raise
                raise DatabaseUnavailable(reason(error)) from error
        raise AssertionError("unreachable")

    def close(self) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)

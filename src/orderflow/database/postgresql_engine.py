"""Engines for PostgreSQL, reached directly or through a pooler that shares its sessions among transactions.

Every transaction needs the parameters in `SESSION`, above all the time-outs. A session of our own is started
with them. Behind a pooler such as PgBouncer a session is ours for one transaction only: the pooler refuses or
ignores start-up parameters, and a parameter that one transaction sets for the session would affect another
client's next transaction. So there each transaction sets its own parameters, in the message that begins it.
"""

from collections.abc import Mapping
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, Dialect, Engine, ExceptionContext
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import ConnectionPoolEntry

from orderflow.database.errors import DatabaseMisconfigured, reason
from orderflow.database.urls import server_options, startup_options

CONNECT_TIMEOUT_S = 3
STATEMENT_TIMEOUT_MS = 10_000
LOCK_TIMEOUT_MS = 2_000
IDLE_IN_TRANSACTION_TIMEOUT_MS = 5_000

SESSION: dict[str, str] = {
    "statement_timeout": str(STATEMENT_TIMEOUT_MS),
    "lock_timeout": str(LOCK_TIMEOUT_MS),
    "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_TIMEOUT_MS),
    "timezone": "UTC",
    # PostgreSQL compiles a plan whose estimated cost is high. Disabling ways (`BY_INDEX`) makes a scan of a
    # tiny table look that expensive, and compiling takes far longer than any of our statements.
    "jit": "off",
}

# Statements that write look rows up by index. A plan that was made while a table was small or its statistics
# were old, or that was kept since then, must never scan the whole table for each batch: a fault run lost
# minutes to that.
BY_INDEX: dict[str, str] = {
    f"enable_{way}": "off" for way in ("seqscan", "bitmapscan", "hashjoin", "mergejoin")
}

READ_ONLY = "25006"


def writing_engine(url: URL, application: str, *, connections: int, pool_wait_s: float) -> Engine:
    return _engine(url, application, BY_INDEX, pool_size=connections, pool_timeout=pool_wait_s)


def reading_engine(url: URL, application: str, *, connections: int, pool_wait_s: float) -> Engine:
    # Autocommit: a transaction of one statement needs no BEGIN and no ROLLBACK, which are two of four round
    # trips.
    engine = {"pool_size": connections, "pool_timeout": pool_wait_s, "isolation_level": "AUTOCOMMIT"}
    return _engine(url, application, {}, **engine)


def refuse_unusable(connection: Connection) -> None:
    """Raises DatabaseMisconfigured for a database that cannot hold every text, or whose search path has no
    schema."""
    encoding, schema = connection.execute(
        sa.text("SELECT pg_catalog.getdatabaseencoding(), pg_catalog.current_schema()")
    ).one()
    if encoding != "UTF8":
        raise DatabaseMisconfigured(
            f"the database has the encoding {encoding}, which cannot hold every name: "
            "make one with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0"
        )
    if schema is None:
        raise DatabaseMisconfigured(
            "no schema of the search path exists: make it with CREATE SCHEMA, or mend search_path in the URL"
        )


def _engine(url: URL, application: str, more: dict[str, str], **options: Any) -> Engine:
    theirs = server_options(url)
    if doubled := sorted(theirs.keys() & (SESSION | more).keys()):
        raise DatabaseMisconfigured(
            f"the database URL's options set {', '.join(doubled)}, which Orderflow sets itself: leave it out"
        )
    arguments = {
        "connect_timeout": CONNECT_TIMEOUT_S,
        "application_name": application,
        "client_encoding": "utf8",
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "tcp_user_timeout": STATEMENT_TIMEOUT_MS,
    }
    try:
        engine = sa.create_engine(
            url,
            **options,
            hide_parameters=True,  # statements hold personal data
            max_overflow=0,
            pool_use_lifo=True,
            connect_args=arguments,
        )
    except ArgumentError as error:
        raise DatabaseMisconfigured(f"the database URL cannot be used: {reason(error)}") from None
    sessions = _Sessions(theirs | SESSION | more)
    event.listen(engine, "do_connect", sessions.connect)
    event.listen(engine, "begin", sessions.begin)
    event.listen(engine, "handle_error", _leave_read_only_session)
    return engine


class _Sessions:
    """Opens the connections of one engine and gives every transaction the parameters it needs."""

    def __init__(self, parameters: Mapping[str, str]) -> None:
        self._startup = startup_options(parameters)
        settings = ", ".join(
            f"pg_catalog.set_config({_literal(name)}, {_literal(value)}, true)"
            for name, value in parameters.items()
        )
        # This is one message, as BEGIN alone would be, so the parameters cost no round trip.
        self._begin = f"BEGIN; SELECT {settings}"
        self._pooled = False
        """True once a pooler was found. Nothing that depends on a session is tried with it again."""

    def connect(
        self, _dialect: Dialect, record: ConnectionPoolEntry, _args: Any, parameters: dict[str, Any]
    ) -> psycopg.Connection[Any]:
        connection = self._connected(parameters)
        if self._pooled:
            record.info["pooled"] = True
            # A prepared statement belongs to a session, and the next transaction may get another session.
            connection.prepare_threshold = None
        else:
            connection.autocommit = False
        return connection

    def _connected(self, parameters: dict[str, Any]) -> psycopg.Connection[Any]:
        plain = {name: value for name, value in parameters.items() if name != "options"}
        if not self._pooled:
            try:
                connection = psycopg.connect(**plain, autocommit=True, options=self._startup)
            except psycopg.OperationalError as error:
                if "startup parameter" not in str(error):
                    raise
                self._pooled = True  # a pooler refuses the parameters, and names them
            else:
                self._pooled = not _own_session(connection)
                if not self._pooled:
                    return connection
                connection.close()
        return psycopg.connect(**plain, autocommit=True)

    def begin(self, connection: Connection) -> None:
        """If the session is not ours, begin the transaction here; the driver begins all others."""
        if connection.info.get("pooled"):
            connection.exec_driver_sql(self._begin, execution_options={"no_parameters": True})


def _own_session(connection: psycopg.Connection[Any]) -> bool:
    """Whether the server process that serves us is the one that we connected to; behind a pooler it is
    another one."""
    row = connection.execute("SELECT pg_catalog.pg_backend_pid()").fetchone()
    return row is not None and row[0] == connection.info.backend_pid


def _leave_read_only_session(context: ExceptionContext) -> None:
    """Remove a read-only session from the pool. A server that is no longer the primary keeps its sessions,
    which would refuse every write until somebody ends them. The next connection goes to the server that takes
    writes now."""
    if getattr(context.original_exception, "sqlstate", None) == READ_ONLY:
        context.is_disconnect = True


def _literal(text: str) -> str:
    return "E'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"

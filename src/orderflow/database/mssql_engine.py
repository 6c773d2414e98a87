"""Engines for SQL Server. Sessions have time-outs, and speak English: errors are known by their texts.

The driver begins a transaction with the first statement, and another one if that has ended meanwhile. The
server has no bound for idle transactions: if this process is stopped in one, others wait for its rows until
their lock time-out.
"""

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, Engine, ExceptionContext
from sqlalchemy.exc import ArgumentError

from orderflow.database.dialects.dialect import LOCK_TIMEOUT, Failure
from orderflow.database.dialects.mssql import MSSQL
from orderflow.database.errors import DatabaseMisconfigured, TransactionEnded, reason

CONNECT_TIMEOUT_S = 3
STATEMENT_TIMEOUT_S = 10
LOCK_TIMEOUT_MS = 2_000
COMPATIBILITY_MIN = 150
"""SQL Server 2019: it has OPENJSON, STRING_AGG and collations of UTF-8."""

OURS = {"connectretrycount": "0", "keepalive": "5", "keepaliveinterval": "2"}
"""What the URL cannot say. The driver must not mend a session by itself: its transaction would be gone."""

SESSION = (
    "SET LANGUAGE us_english",
    "SET TRANSACTION ISOLATION LEVEL READ COMMITTED",
    f"SET LOCK_TIMEOUT {LOCK_TIMEOUT_MS}",
)
# Without READ_COMMITTED_SNAPSHOT a query may block a writer for a moment; in a deadlock the query gives in.
YIELDING = "SET DEADLOCK_PRIORITY LOW"


def writing_engine(url: URL, application: str, *, connections: int, pool_wait_s: float) -> Engine:
    engine = _engine(url, application, SESSION, pool_size=connections, pool_timeout=pool_wait_s)
    commit_whole_transactions_only(engine)
    return engine


def reading_engine(url: URL, application: str, *, connections: int, pool_wait_s: float) -> Engine:
    engine = {"pool_size": connections, "pool_timeout": pool_wait_s, "isolation_level": "AUTOCOMMIT"}
    return _engine(url, application, (*SESSION, YIELDING), **engine)


TRANSACTION = "SELECT MAX(CURRENT_TRANSACTION_ID()) FROM sys.schemas"
"""The number of the transaction, which begins with this if there is none yet: the server begins one only for
a statement that reads a table."""


def commit_whole_transactions_only(engine: Engine) -> None:
    """Raise TransactionEnded instead of committing, if the server has ended the transaction since it began.

    The driver says nothing if an error that it keeps to itself has ended the transaction, and sends the next
    statement in a new one, whose COMMIT would succeed without the statements before. With XACT_ABORT the
    server would end it at more errors, and take away savepoints. This costs a round trip at the beginning and
    one at the end.
    """
    event.listen(engine, "begin", _note_transaction)
    event.listen(engine, "commit", _refuse_another_transaction)


def _note_transaction(connection: Connection) -> None:
    connection.info["transaction"] = connection.exec_driver_sql(TRANSACTION).scalar_one()


def _refuse_another_transaction(connection: Connection) -> None:
    began, ends = connection.info["transaction"], None
    try:
        ends = connection.exec_driver_sql(TRANSACTION).scalar_one()
    finally:
        if ends != began:
            connection.invalidate()  # SQLAlchemy would not roll back what it could not commit
    if ends != began:
        raise TransactionEnded(f"the server has ended transaction {began} and begun {ends}")


_COMPATIBILITY = "SELECT compatibility_level FROM sys.databases WHERE database_id = DB_ID()"


def refuse_unusable(connection: Connection) -> None:
    """Raises DatabaseMisconfigured for a database that does not understand our statements."""
    level = connection.execute(sa.text(_COMPATIBILITY)).scalar_one()
    if level < COMPATIBILITY_MIN:
        raise DatabaseMisconfigured(
            f"the database has the compatibility level {level}, and Orderflow needs {COMPATIBILITY_MIN} "
            f"(SQL Server 2019): ALTER DATABASE … SET COMPATIBILITY_LEVEL = {COMPATIBILITY_MIN}"
        )


def complete(url: URL) -> URL:
    """The URL with what the driver is told beside it: to encrypt, unless the URL says otherwise."""
    told = {name.lower(): value for name, value in url.query.items()}
    return url.set(query={"encrypt": "yes"} | told | OURS)


def _engine(url: URL, application: str, session: tuple[str, ...], **options: Any) -> Engine:
    try:
        engine = sa.create_engine(
            complete(url),
            **options,
            hide_parameters=True,  # statements hold personal data
            max_overflow=0,
            pool_use_lifo=True,
            connect_args={"timeout": CONNECT_TIMEOUT_S},
        )
    except ModuleNotFoundError:
        raise DatabaseMisconfigured(
            "the driver for SQL Server is not installed: pip install 'orderflow[mssql]'"
        ) from None
    except ArgumentError as error:
        raise DatabaseMisconfigured(f"the database URL cannot be used: {reason(error)}") from None
    event.listen(engine, "connect", _prepare(application, session))
    event.listen(engine, "checkin", _restore)
    event.listen(engine, "before_cursor_execute", _with_lock_timeout, retval=True)
    event.listen(engine, "handle_error", _leave_useless_session)
    return engine


def _prepare(application: str, session: tuple[str, ...]) -> Callable[[Any, Any], None]:
    # The driver sets the name of the program itself, so ours is the context of the session.
    name = application.encode()[:128].hex()
    statements = ";\n".join((*session, f"SET CONTEXT_INFO 0x{name}"))

    def prepare(connection: Any, _record: Any) -> None:
        connection.timeout = STATEMENT_TIMEOUT_S
        cursor = connection.cursor()
        cursor.execute(statements)
        cursor.close()

    return prepare


def _restore(connection: Any, _record: Any) -> None:
    """Give a session its usual bound again, after a migration had a longer one."""
    if connection is not None and connection.timeout != STATEMENT_TIMEOUT_S:
        connection.timeout = STATEMENT_TIMEOUT_S
        connection.cursor().execute(f"SET LOCK_TIMEOUT {LOCK_TIMEOUT_MS}")


def _with_lock_timeout(
    _connection: Connection, _cursor: Any, statement: str, parameters: Any, context: Any, _many: bool
) -> tuple[str, Any]:
    """A statement with a bound of its own. The bound ends with the message, because that has parameters, and
    the server runs such a message as a procedure."""
    bound_ms: int | None = context.execution_options.get(LOCK_TIMEOUT) if context is not None else None
    if bound_ms is not None:
        statement = f"SET LOCK_TIMEOUT {bound_ms:d};\n{statement}"
    return statement, parameters


def _leave_useless_session(context: ExceptionContext) -> None:
    """Remove a session from the pool that can do no more: its server may have become read-only, for example,
    and the next connection goes to the one that takes writes now. After a COMMIT or ROLLBACK that failed its
    transaction may still be open; these have neither a statement nor a cursor."""
    is_open = context.connection is not None and context.statement is None and context.cursor is None
    if is_open or MSSQL.failure(context.original_exception) is Failure.UNAVAILABLE:
        context.is_disconnect = True

"""What can be known of SQL Server without one: its URLs, its errors, and the bounds of its sessions."""

import socket
import time
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError

from orderflow.database import mssql_engine
from orderflow.database.dialects import DIALECTS, Failure, classify
from orderflow.database.dialects.dialect import LOCK_TIMEOUT, TABLE_LOCK_WAIT_MS
from orderflow.database.dialects.mssql import LOCK_BY_NAME
from orderflow.database.dialects.transact_sql import TransactSql
from orderflow.database.engine import connect
from orderflow.database.errors import DatabaseMisconfigured
from orderflow.database.migration_plan import Waits, held_up
from orderflow.database.urls import parse_url
from orderflow.settings import load_with_origins, plain_text

URL = "mssql://orders:s3cret@db.example:1433/orders"


class DriverError(Exception):
    """An error as the driver raises it: with a name of its SQLSTATE, and the server's message as text."""

    __module__ = "mssql_python.exceptions"

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(f"Driver Error: {kind}; DDBC Error: [Microsoft][SQL Server]{text}")
        self.driver_error = kind


ACCESS, GENERAL, LINK = "Syntax error or access violation", "General error", "Communication link failure"
FAILURES = {
    1205: ("Serialization failure", "Transaction (Process ID 5) was deadlocked on lock", Failure.RETRY),
    -1205: (GENERAL, "… and has been chosen as the deadlock victim. Rerun the transaction.", Failure.RETRY),
    1222: ("Timeout expired", "Lock request time out period exceeded.", Failure.LOCKED),
    -2: ("Timeout expired", "Query timeout expired", Failure.RETRY),
    233: (GENERAL, "Named pipe: No process is on the other end of the pipe.", Failure.UNAVAILABLE),
    547: ("Integrity constraint violation", "The INSERT conflicted with the CHECK constraint", Failure.DATA),
    3902: (ACCESS, "The COMMIT TRANSACTION request has no corresponding BEGIN TRANSACTION.", Failure.RETRY),
    3930: (
        ACCESS,
        "The current transaction cannot be committed and cannot support operations",
        Failure.RETRY,
    ),
    6401: (ACCESS, "Cannot roll back a. No transaction or savepoint of that name was found.", Failure.RETRY),
    701: (ACCESS, "There is insufficient system memory in resource pool", Failure.UNAVAILABLE),
    922: (ACCESS, "Database 'orders' is being recovered. Waiting until it has.", Failure.UNAVAILABLE),
    976: (ACCESS, "The database is participating in an availability group", Failure.UNAVAILABLE),
    1105: (ACCESS, "Could not allocate space for object 'orders'", Failure.UNAVAILABLE),
    2601: ("Integrity constraint violation", "Cannot insert duplicate key row", Failure.DATA),
    2627: ("Integrity constraint violation", "Violation of PRIMARY KEY constraint", Failure.DATA),
    2628: ("String data, right-truncated", "String or binary data would be truncated", Failure.DATA),
    3906: (ACCESS, 'Failed to update "orders" because the database is read-only.', Failure.UNAVAILABLE),
    3908: (ACCESS, "Could not run BEGIN TRANSACTION in database 'orders'", Failure.UNAVAILABLE),
    3971: (ACCESS, "The server failed to resume the transaction. Desc:3500000002.", Failure.UNAVAILABLE),
    4221: (ACCESS, "… due to long wait on 'HADR_DATABASE_WAIT_FOR_TRANSITION'.", Failure.UNAVAILABLE),
    8645: (ACCESS, "A timeout occurred while waiting for memory resources to execute", Failure.UNAVAILABLE),
    10928: (ACCESS, "Resource ID : 1. The request limit for the database is 90", Failure.UNAVAILABLE),
    10929: (ACCESS, "However, the server is currently too busy to support requests", Failure.UNAVAILABLE),
    18401: (GENERAL, "Login failed for login 'x'. Server is in script upgrade mode.", Failure.UNAVAILABLE),
    4060: (ACCESS, 'Cannot open database "orders" requested by the login.', Failure.UNAVAILABLE),
    9002: (ACCESS, "The transaction log for database 'orders' is full", Failure.UNAVAILABLE),
    10053: (GENERAL, "An established connection was aborted by the software", Failure.UNAVAILABLE),
    10054: (LINK, "An existing connection was forcibly closed", Failure.UNAVAILABLE),
    18456: ("Invalid authorization specification", "Login failed for user 'x'.", Failure.UNAVAILABLE),
    40197: (ACCESS, "The service has encountered an error processing your request.", Failure.UNAVAILABLE),
    40501: (ACCESS, "The service is currently busy. Retry the request", Failure.UNAVAILABLE),
    40613: (ACCESS, "Database 'x' on server 'y' is not currently available.", Failure.UNAVAILABLE),
    49918: (ACCESS, "Cannot process request. Not enough resources to process request.", Failure.UNAVAILABLE),
    49919: (ACCESS, "Too many create or update operations in progress", Failure.UNAVAILABLE),
    49920: (ACCESS, "Cannot process request. Too many operations in progress", Failure.UNAVAILABLE),
    -3: ("Connection operation failed", "Failed to load the driver.", Failure.UNKNOWN),
    208: ("Base table or view not found", "Invalid object name 'nowhere'.", Failure.UNKNOWN),
    229: (ACCESS, "The SELECT permission was denied on the object 'orders'", Failure.UNKNOWN),
    50000: (ACCESS, "audit_log is append-only", Failure.UNKNOWN),
}
"""By the server's number, which the driver does not tell."""


@pytest.mark.parametrize("number", FAILURES)
def test_every_error_of_sql_server_is_understood_by_its_text_or_its_kind(number: int) -> None:
    kind, text, meaning = FAILURES[number]
    assert classify(DBAPIError("INSERT", None, DriverError(kind, text))) is meaning


def leaves_the_pool(error: Exception, **told: object) -> bool:
    """Whether the session does, as SQLAlchemy tells of the error: with what has failed."""
    told = {"connection": None, "statement": None, "cursor": None, "is_disconnect": False} | told
    context = SimpleNamespace(original_exception=error, **told)
    mssql_engine._leave_useless_session(context)  # pyright: ignore[reportPrivateUsage, reportArgumentType]
    return context.is_disconnect


def test_a_session_that_can_do_no_more_leaves_the_pool() -> None:
    for number, (kind, text, meaning) in FAILURES.items():
        leaves = leaves_the_pool(DriverError(kind, text), connection="one", statement="INSERT")
        assert leaves is (meaning is Failure.UNAVAILABLE), number


def test_a_session_whose_commit_has_failed_leaves_the_pool_with_its_transaction() -> None:
    late = DriverError("Timeout expired", "Query timeout expired")
    assert leaves_the_pool(late, connection="one")
    assert not leaves_the_pool(late, connection="one", cursor="while rows are read")
    assert not leaves_the_pool(late), "there is no session yet"


def connection_string(url: str) -> str:
    (text,), _ = TransactSql().create_connect_args(mssql_engine.complete(parse_url(url)))
    return str(text).lower()


def test_a_connection_is_encrypted_and_verified_unless_the_url_says_otherwise() -> None:
    assert "encrypt=yes" in connection_string(URL)
    assert "trustservercertificate" not in connection_string(URL)
    assert "encrypt=strict" in connection_string(f"{URL}?Encrypt=strict")
    assert "servercertificate=/ca.pem" in connection_string(f"{URL}?serverCertificate=/ca.pem")


def test_the_driver_never_mends_a_session_by_itself() -> None:
    assert "connectretrycount=0" in connection_string(URL)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (f"{URL}?sslmode=verify-full", "sslmode is not among"),
        (f"{URL}?connectRetryCount=3", "connectRetryCount is not among"),
        ("mssql://orders:s3cret@one:1433,two:1433/orders", "names one host"),
        ("mssql://orders:s3cret@db.example", "names no database"),
        ("mssql://orders:s3cret@db.example:0/orders", "a port is a number"),
    ],
)
def test_a_url_that_cannot_be_used_is_told_in_one_line_without_its_password(url: str, words: str) -> None:
    with pytest.raises(DatabaseMisconfigured) as refused:
        parse_url(url)
    assert words in str(refused.value)
    assert "s3cret" not in str(refused.value)


@pytest.mark.skipif(find_spec("mssql_python") is None, reason="no driver for SQL Server: see `make mssql`")
@pytest.mark.parametrize("listens", [False, True], ids=["a closed port", "a silent server"])
def test_a_server_that_does_not_answer_is_given_up_within_its_bound(listens: bool) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        if listens:
            silent.listen()
        host = f"127.0.0.1:{silent.getsockname()[1]}"
        database = connect(f"mssql://orders:s3cret@{host}/orders", application="test")
        began = time.monotonic()
        with pytest.raises(DBAPIError) as failed:
            database.writer.connect()
        assert time.monotonic() - began < mssql_engine.CONNECT_TIMEOUT_S + 1
        assert classify(failed.value) is Failure.UNAVAILABLE
        database.dispose()


@pytest.mark.skipif(find_spec("mssql_python") is not None, reason="the driver is installed")
def test_without_the_driver_the_refusal_names_the_extra() -> None:
    with pytest.raises(DatabaseMisconfigured, match=r"pip install 'orderflow\[mssql\]'"):
        connect(URL, application="test")


@pytest.mark.parametrize(
    ("query", "is_verified"),
    [
        ("", True),
        ("?encrypt=strict", True),
        ("?Encrypt=Mandatory&serverCertificate=/ca.pem", True),
        ("?encrypt=no", False),
        ("?encrypt=optional", False),
        ("?TrustServerCertificate=Yes", False),
    ],
)
def test_a_server_that_is_not_verified_is_told(query: str, is_verified: bool) -> None:
    given = {"ORDERFLOW_ENV": "prod", "ORDERFLOW_DATABASE_URL": f"{URL}{query}"}
    told = {each.variable for each in plain_text(load_with_origins(given).settings, "api")}
    assert ("ORDERFLOW_DATABASE_URL" not in told) is is_verified


def test_a_statement_with_a_bound_of_its_own_says_it_in_its_message() -> None:
    def sent(**options: Any) -> str:
        context = SimpleNamespace(execution_options=options)
        connection: Any = None
        with_bound = mssql_engine._with_lock_timeout  # pyright: ignore[reportPrivateUsage]
        sql, parameters = with_bound(connection, None, "SELECT 1", (), context, False)
        assert parameters == ()
        return sql

    assert sent() == "SELECT 1"
    assert sent(**{LOCK_TIMEOUT: 50}) == "SET LOCK_TIMEOUT 50;\nSELECT 1"


def test_a_session_has_its_bounds_and_speaks_the_language_in_which_errors_are_known() -> None:
    sent: list[str] = []
    cursor = SimpleNamespace(execute=sent.append, close=lambda: None)
    connection = SimpleNamespace(cursor=lambda: cursor, timeout=0)
    mssql_engine._prepare("api", mssql_engine.SESSION)(connection, None)  # pyright: ignore[reportPrivateUsage]
    assert connection.timeout == mssql_engine.STATEMENT_TIMEOUT_S
    assert "SET LOCK_TIMEOUT 2000" in sent[0]
    assert "SET LANGUAGE us_english" in sent[0]
    assert f"0x{b'api'.hex()}" in sent[0]


def test_a_migration_waits_long_for_its_turn_and_briefly_for_a_table() -> None:
    sent: list[tuple[object, ...]] = []
    granted = SimpleNamespace(scalar_one=lambda: 0)

    def send(*message: object) -> object:
        sent.append(message)
        return granted

    driver = SimpleNamespace(timeout=0)
    connection: Any = SimpleNamespace(
        connection=SimpleNamespace(driver_connection=driver), exec_driver_sql=send
    )
    DIALECTS["mssql"].lock(connection, 7, 60)
    assert sent == [
        (f"SET LOCK_TIMEOUT {TABLE_LOCK_WAIT_MS}",),
        (LOCK_BY_NAME, ("orderflow-7", 60_000)),
    ]
    assert driver.timeout == 600


def test_a_clustered_index_holds_up_reads_as_well() -> None:
    assert held_up("CREATE CLUSTERED INDEX a_by_x ON a (x)") == ("a", Waits.EVERYTHING)
    assert held_up("CREATE INDEX a_by_x ON a (x)") == ("a", Waits.WRITES)

"""What all suites share: real PostgreSQL and Kafka, or a skip that names what is missing."""

import logging
import os
import shutil
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest
import sqlalchemy as sa
import structlog
from psycopg import sql
from tests import mssql_server, pgbouncer, unread_answers
from tests.pgbouncer import PgBouncer

PARTS = {
    "postgres": "PostgreSQL",
    "mssql": "SQL Server",
    "kafka": "Kafka",
    "pgbouncer": "PgBouncer",
    "chromium": "Chromium",
    "prometheus": "Prometheus",
    "compose": "Docker Compose",
    "registry": "package registry",
    "helm": "Helm",
    "k6": "k6",
}

SERVERS = {"postgresql": "postgres_database", "postgres": "postgres_database", "mssql": "mssql_database"}
"""The fixture that has an empty database's URL, by the name that a test's parameter has for its server."""


def pytest_configure() -> None:
    """Keep a developer's own settings from the tests, and the tests from a database that somebody uses."""
    for variable in list(os.environ):
        if variable.startswith("ORDERFLOW_") and not variable.startswith("ORDERFLOW_TEST_"):
            del os.environ[variable]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line for each reason why tests were skipped: a missing part is one, however many tests need it."""
    skipped: list[pytest.TestReport] = terminalreporter.stats.get("skipped", [])
    reasons = Counter(str(report.longrepr[2]) for report in skipped if isinstance(report.longrepr, tuple))
    if reasons:
        terminalreporter.section("not run")
    for reason, count in reasons.most_common():
        terminalreporter.write_line(f"{count} tests: {reason.removeprefix('Skipped: ')}")


def require(part: str, variable: str) -> str:
    """The URL in `variable`. Without one, skip, or fail if ORDERFLOW_TEST_REQUIRE names the part."""
    url = os.environ.get(variable)
    return url or missing(part, "`make services` starts it, or says what it lacks")


def missing(part: str, remedy: str) -> NoReturn:
    """Skip, or fail if ORDERFLOW_TEST_REQUIRE names the part."""
    reason = f"no {PARTS[part]}: {remedy}"
    if part in os.environ.get("ORDERFLOW_TEST_REQUIRE", "").split(","):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture
def logging_restored() -> Iterator[None]:
    """For a test that configures logging, which the whole process shares: restores it afterwards."""
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    structlog.reset_defaults()
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


@pytest.fixture(autouse=True)
def early_statements() -> Iterator[list[str]]:
    """What was sent while an answer was unread: nothing. A test that means to do so clears it."""
    with unread_answers.watched() as early:
        yield early
    assert early == []


@pytest.fixture(scope="session")
def postgres_url() -> str:
    """The database `postgres` of a real server, as a role that may create databases."""
    return require("postgres", "ORDERFLOW_TEST_POSTGRES_URL")


@contextmanager
def empty_database(postgres_url: str) -> Generator[str]:
    name = f"orderflow_test_{uuid4().hex}"
    with psycopg.connect(postgres_url, autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    yield urlsplit(postgres_url)._replace(path=f"/{name}").geturl()
    with psycopg.connect(postgres_url, autocommit=True) as server:
        server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def postgres_database(postgres_url: str) -> Iterator[str]:
    """The URL of an empty database of this test's own, dropped afterwards with whoever is still connected."""
    with empty_database(postgres_url) as url:
        yield url


@pytest.fixture
def second_postgres_database(postgres_url: str) -> Iterator[str]:
    """Another one, for a test whose services have a database each."""
    with empty_database(postgres_url) as url:
        yield url


@pytest.fixture(scope="session")
def mssql_url() -> str:
    """The database `master` of a SQL Server, as a login that may create databases."""
    return os.environ.get(mssql_server.VARIABLE) or missing("mssql", mssql_server.REMEDY)


@pytest.fixture
def mssql_database(mssql_url: str) -> Iterator[str]:
    """The URL of an empty SQL Server database of this test's own, dropped afterwards."""
    name = f"orderflow_test_{uuid4().hex}"
    mssql_server.make_database(mssql_url, name)
    yield urlsplit(mssql_url)._replace(path=f"/{name}").geturl()
    mssql_server.drop_database(mssql_url, name)


@pytest.fixture(params=["postgresql", "mssql"])
def server_database(request: pytest.FixtureRequest) -> str:
    """The URL of an empty database of this test's own that several processes may share, on each server."""
    return str(request.getfixturevalue(SERVERS[request.param]))


def renaming(dialect: str, old: str, new: str) -> str:
    """The statement that takes a table away from whoever reads or writes it, or gives it back."""
    return f"EXEC sp_rename '{old}', '{new}'" if dialect == "mssql" else f"ALTER TABLE {old} RENAME TO {new}"


def rename_table(connection: sa.Connection, old: str, new: str) -> None:
    connection.exec_driver_sql(renaming(connection.dialect.name, old, new))


@pytest.fixture(scope="session")
def start_pgbouncer(postgres_url: str) -> Iterator[Callable[..., PgBouncer]]:
    """Starts poolers in front of the server, and ends them all."""
    if pgbouncer.BINARY is None:
        missing("pgbouncer", "install Debian's package pgbouncer")
    poolers: list[PgBouncer] = []

    def start(**options: Any) -> PgBouncer:
        poolers.append(PgBouncer(postgres_url, **options))
        return poolers[-1]

    yield start
    for pooler in poolers:
        pooler.close()


@pytest.fixture(scope="session", name="pgbouncer")
def shared_pgbouncer(start_pgbouncer: Callable[..., PgBouncer]) -> PgBouncer:
    """A pooler that refuses start-up parameters, which is its default."""
    return start_pgbouncer()


@pytest.fixture(scope="session")
def promtool() -> str:
    """The program that checks and tests Prometheus' files."""
    return shutil.which("promtool") or missing("prometheus", "install Debian's package prometheus")


@pytest.fixture(scope="session")
def prometheus_binary() -> str:
    return shutil.which("prometheus") or missing("prometheus", "install Debian's package prometheus")


@pytest.fixture
def pooled_database(postgres_database: str, pgbouncer: PgBouncer) -> str:
    """The URL of an empty database of this test's own, through a pooler in transaction mode."""
    return pgbouncer.url(postgres_database)


@pytest.fixture(scope="session")
def kafka_url() -> str:
    """A real broker; a test makes topics and groups of unique names in it."""
    return require("kafka", "ORDERFLOW_TEST_KAFKA_URL")

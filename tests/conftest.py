"""What all suites share: PostgreSQL and Kafka from `make services`, or a skip that names what is missing."""

import os
from collections.abc import Iterator
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

PARTS = {"postgres": "PostgreSQL", "kafka": "Kafka"}


def pytest_configure() -> None:
    """A developer's own settings never reach a test, nor a test the database somebody works with."""
    for variable in list(os.environ):
        if variable.startswith("ORDERFLOW_") and not variable.startswith("ORDERFLOW_TEST_"):
            del os.environ[variable]


def require(part: str, variable: str) -> str:
    """The URL in `variable`; without one, skip, or fail where ORDERFLOW_TEST_REQUIRE names the part."""
    if url := os.environ.get(variable):
        return url
    reason = f"no {PARTS[part]}: run `make services` and export what it prints"
    if part in os.environ.get("ORDERFLOW_TEST_REQUIRE", "").split(","):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def postgres_url() -> str:
    """The database `postgres` of a real server, as a role that may create databases."""
    return require("postgres", "ORDERFLOW_TEST_POSTGRES_URL")


@pytest.fixture
def postgres_database(postgres_url: str) -> Iterator[str]:
    """The URL of an empty database of this test's own, dropped afterwards with whoever is still connected."""
    name = f"orderflow_test_{uuid4().hex}"
    with psycopg.connect(postgres_url, autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    yield urlsplit(postgres_url)._replace(path=f"/{name}").geturl()
    with psycopg.connect(postgres_url, autocommit=True) as server:
        server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def kafka_url() -> str:
    """A real broker; a test makes topics and groups of unique names in it."""
    return require("kafka", "ORDERFLOW_TEST_KAFKA_URL")

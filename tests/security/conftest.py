"""Keys in a database of the test's own, in each dialect."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.conftest import SERVERS

from orderflow.contracts.scopes import Scope
from orderflow.database.engine import Database, connect
from orderflow.database.migrate import migrate
from orderflow.orders.migrations import SCHEMA as ORDERS
from orderflow.orders.tables import api_keys
from orderflow.security import keys

BORN = datetime(2026, 1, 1, tzinfo=UTC)


def new_key(
    *scopes: Scope, name: str = "shop", customer: str | None = None, expires: datetime | None = None
) -> keys.NewKey:
    return keys.NewKey(keys.new_text(), name, frozenset(scopes), customer, BORN, expires)


def stored(database: Database, *scopes: Scope, name: str = "shop", customer: str | None = None) -> str:
    """A key that is in the Order Service's database."""
    key = new_key(*scopes, name=name, customer=customer)
    with database.writer.begin() as connection:
        keys.add(connection, api_keys, key)
    return key.text


def revoke(database: Database, key: str) -> bool:
    with database.writer.begin() as connection:
        return keys.revoke(connection, api_keys, keys.prefix_of(key), datetime.now(UTC)) is not None


@pytest.fixture(params=["sqlite", "postgresql", "mssql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    url = (
        f"sqlite:///{tmp_path / 'orders.db'}"
        if request.param == "sqlite"
        else request.getfixturevalue(SERVERS[request.param])
    )
    opened = connect(url, application="test")
    migrate(opened, ORDERS)
    yield opened
    opened.dispose()

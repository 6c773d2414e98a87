"""Keys are made and revoked in the databases of both services."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.security.conftest import new_key

from orderflow.contracts.scopes import Scope
from orderflow.database.engine import DatabaseUnavailable, connect
from orderflow.database.opening import Source
from orderflow.fulfillment import tables as fulfillment
from orderflow.fulfillment.migrations import SCHEMA as FULFILLMENT
from orderflow.orders import tables as orders
from orderflow.orders.migrations import SCHEMA as ORDERS
from orderflow.security.stores import KeyStores

Tables = list[tuple[Source, sa.Table]]


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    return [
        (Source(schema, f"sqlite:///{tmp_path / schema.name}.db", "X", 5), table)
        for schema, table in ((ORDERS, orders.api_keys), (FULFILLMENT, fulfillment.api_keys))
    ]


@pytest.fixture
def stores(tables: Tables) -> KeyStores:
    return KeyStores(tables, migrates=True)


def in_use(source: Source) -> sa.Connection:
    """A transaction that keeps others from writing."""
    connection = connect(source.url, application="other").writer.connect()
    connection.begin()
    return connection


def test_both_services_have_a_key_until_it_is_revoked(stores: KeyStores) -> None:
    key = new_key(Scope.ORDERS_READ, name="shop")
    stores.add(key)
    (row,) = stores.listed()
    assert (row["prefix"], row["name"], row["services"]) == (key.prefix, "shop", ["orders", "fulfillment"])
    assert stores.revoke(key.prefix, datetime.now(UTC))
    assert stores.revoke(key.prefix, datetime.now(UTC)), "it can be repeated"
    assert [row["services"] for row in stores.listed()] == [[]]
    assert not stores.revoke("0123456789", datetime.now(UTC))


def test_where_one_database_is_away_a_key_is_revoked_in_the_other_and_the_rest_is_said(
    stores: KeyStores, tables: Tables
) -> None:
    key = new_key(Scope.ORDERS_READ)
    stores.add(key)
    for (source, _), service in zip(tables, ("orders", "fulfillment"), strict=True):
        other = in_use(source)
        with pytest.raises(DatabaseUnavailable, match=f"the {service} service may still take the key"):
            stores.revoke(key.prefix, datetime.now(UTC))
        other.close()
    assert stores.listed()[0]["services"] == [], "each was revoked while the other was away"


def test_a_key_that_could_be_stored_in_one_database_only_is_listed_as_such(
    stores: KeyStores, tables: Tables
) -> None:
    other = in_use(tables[1][0])
    with pytest.raises(DatabaseUnavailable):
        stores.add(new_key(Scope.ORDERS_READ))
    other.close()
    assert stores.listed()[0]["services"] == ["orders"]

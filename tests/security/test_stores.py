"""Keys are made and revoked in the databases of both services."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from pydantic_core import from_json
from tests.security.conftest import new_key

from orderflow.contracts.audit import AuditQuery
from orderflow.contracts.scopes import Scope
from orderflow.database.audit import AuditLog
from orderflow.database.engine import DatabaseUnavailable, connect
from orderflow.database.opening import Source
from orderflow.fulfillment import tables as fulfillment
from orderflow.fulfillment.migrations import SCHEMA as FULFILLMENT
from orderflow.orders import tables as orders
from orderflow.orders.migrations import SCHEMA as ORDERS
from orderflow.security.stores import KeyStore, KeyStores


@pytest.fixture
def tables(tmp_path: Path) -> list[KeyStore]:
    return [
        KeyStore(Source(schema, f"sqlite:///{tmp_path / schema.name}.db", "X", 5), of.api_keys, of.audit_log)
        for schema, of in ((ORDERS, orders), (FULFILLMENT, fulfillment))
    ]


@pytest.fixture
def stores(tables: list[KeyStore]) -> KeyStores:
    return KeyStores(tables, True, "command line (ada)")


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
    stores: KeyStores, tables: list[KeyStore]
) -> None:
    key = new_key(Scope.ORDERS_READ)
    stores.add(key)
    for (source, *_), service in zip(tables, ("orders", "fulfillment"), strict=True):
        other = in_use(source)
        with pytest.raises(DatabaseUnavailable, match=f"the {service} service may still take the key"):
            stores.revoke(key.prefix, datetime.now(UTC))
        other.close()
    assert stores.listed()[0]["services"] == [], "each was revoked while the other was away"


def test_a_key_that_could_be_stored_in_one_database_only_is_listed_as_such(
    stores: KeyStores, tables: list[KeyStore]
) -> None:
    other = in_use(tables[1][0])
    with pytest.raises(DatabaseUnavailable):
        stores.add(new_key(Scope.ORDERS_READ))
    other.close()
    assert stores.listed()[0]["services"] == ["orders"]


def entries(store: KeyStore) -> list[tuple[str, str, str, dict[str, object]]]:
    """Actor, action, subject and details, newest first."""
    database = connect(store.source.url, application="other")
    with database.reader.connect() as connection:
        page = from_json(AuditLog(store.audit_log).page(connection, AuditQuery()))
    database.dispose()
    return [tuple(each[name] for name in ("actor", "action", "subject", "details")) for each in page["items"]]


def test_who_makes_and_revokes_a_key_is_in_the_audit_log_of_both_services_once(
    stores: KeyStores, tables: list[KeyStore]
) -> None:
    key = new_key(Scope.ORDERS_READ, name="shop")
    stores.add(key)
    stores.add(key)
    for _ in range(2):
        stores.revoke(key.prefix, datetime.now(UTC))
    stores.revoke("0123456789", datetime.now(UTC))
    details = {"name": "shop", "scopes": ["orders:read"], "bound": False}
    for store in tables:
        assert entries(store) == [
            ("command line (ada)", "key.revoke", f"of_{key.prefix}", {}),
            ("command line (ada)", "key.create", f"of_{key.prefix}", details),
        ]

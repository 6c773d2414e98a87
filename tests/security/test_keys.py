"""Keys are random, stored as digests, and named by a prefix that tells nothing."""

import pytest
from tests.security.conftest import new_key, revoke, stored

from orderflow.contracts.scopes import EVERY_SCOPE, OF_CUSTOMERS, Scope, granted
from orderflow.database.engine import Database
from orderflow.orders.tables import api_keys
from orderflow.runtime.masking import mask_urls
from orderflow.security import keys


def test_no_two_keys_are_alike() -> None:
    made = [keys.new_text() for _ in range(100)]
    assert len(set(made)) == len({keys.prefix_of(key) for key in made}) == 100
    assert all(len(key) == 3 + 10 + 1 + 43 for key in made)


def test_neither_a_keys_repr_nor_a_text_with_it_tells_the_key() -> None:
    key = new_key(Scope.ADMIN)
    assert key.text not in repr(key)
    masked = mask_urls(f"the header was 'Bearer {key.text}'")
    assert key.text[14:] not in masked
    assert f"of_{key.prefix}_***" in masked


@pytest.mark.parametrize("text", ["", "of_", "of_0123", "x" * 10, "of_0123456789_short", "OF_0123456789"])
def test_what_names_no_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="prefix"):
        keys.prefix_of(text)


@pytest.mark.parametrize("name", ["shop", "Ada@example.org", "jobs/nightly-1"])
def test_names_are_words(name: str) -> None:
    assert keys.is_name(name)


@pytest.mark.parametrize("name", ["", "a" * 65, "jwt:ada", "a b", "a\n", "-x", "anonymous", "client", "é"])
def test_a_key_cannot_have_the_name_of_a_tokens_owner_or_of_nobody(name: str) -> None:
    assert not keys.is_name(name)


def test_the_database_has_the_digest_and_not_the_key(database: Database) -> None:
    key = stored(database, Scope.ORDERS_READ)
    with database.reader.connect() as connection:
        (row,) = connection.execute(api_keys.select()).all()
    assert not any(key[14:] in str(value) for value in row)
    assert keys.digest(key.encode()).hex() in row


def test_making_and_revoking_a_key_change_the_version_and_nothing_else_does(database: Database) -> None:
    def version() -> keys.Version:
        with database.reader.connect() as connection:
            return keys.version(connection, api_keys)

    seen = [version()]
    key = stored(database, Scope.ORDERS_READ)
    seen.append(version())
    assert revoke(database, key)
    seen.append(version())
    assert revoke(database, key)  # again
    assert not revoke(database, keys.new_text())
    assert version() == seen[-1]
    assert len(set(seen)) == 3


def test_an_admin_may_do_everything_and_a_bound_caller_never_more_than_its_customer() -> None:
    assert granted(frozenset((Scope.ADMIN,))) == EVERY_SCOPE
    assert granted(frozenset((Scope.ORDERS_READ,))) == {Scope.ORDERS_READ}
    assert granted(frozenset((Scope.ADMIN,)), "c-1") == OF_CUSTOMERS
    assert granted(frozenset((Scope.ORDERS_STATUS, Scope.ORDERS_READ)), "c-1") == {Scope.ORDERS_READ}

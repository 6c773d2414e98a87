"""A process knows the keys that are valid now, without asking the database for each request."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event
from tests.conftest import rename_table
from tests.security.conftest import BORN, new_key, revoke, stored

from orderflow.contracts.scopes import Scope
from orderflow.database.engine import Database
from orderflow.database.errors import TransactionEnded
from orderflow.orders.tables import api_keys
from orderflow.runtime.health import Health
from orderflow.security import keys
from orderflow.security.key_ring import NOTE_USE_S, PART, STALE_S_MAX, KeyRing
from orderflow.web.front_door import Denial, Principal


class Times:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.s = (BORN + timedelta(hours=1)).timestamp()

    def __call__(self) -> float:
        return self.s


@pytest.fixture
def times() -> Times:
    return Times()


@pytest.fixture
def health() -> Health:
    return Health()


@pytest.fixture
def ring(database: Database, times: Times, health: Health) -> KeyRing:
    return KeyRing(database, api_keys, health, clock=times, monotonic=times)


def statements(database: Database) -> list[str]:
    """What is sent to the database from now on."""
    sent: list[str] = []

    def on_execute(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        sent.append(statement)

    for engine in (database.reader, database.writer):
        event.listen(engine, "before_cursor_execute", on_execute)
    return sent


def last_use(database: Database) -> datetime | None:
    with database.reader.connect() as connection:
        return connection.execute(sa.select(api_keys.c.last_used_at)).scalar_one()


def test_a_key_is_known_from_the_next_refresh_and_no_longer_after_it_was_revoked(
    ring: KeyRing, database: Database
) -> None:
    ring.refresh()
    key = stored(database, Scope.ORDERS_READ, name="shop", customer="c-1")
    ring.refresh()
    assert ring.find(key.encode()) == Principal("shop", frozenset((Scope.ORDERS_READ,)), "c-1")
    revoke(database, key)
    ring.refresh()
    assert ring.find(key.encode()).denial is Denial.INVALID


def test_a_key_in_use_is_no_longer_accepted_once_it_was_revoked(ring: KeyRing, database: Database) -> None:
    """What is remembered of its last use ends with the snapshot it was found in."""
    key, other = stored(database, Scope.ORDERS_READ), stored(database, Scope.ORDERS_WRITE)
    ring.refresh()
    for _ in range(3):
        assert ring.find(key.encode()).scopes == {Scope.ORDERS_READ}
        assert ring.find(other.encode()).scopes == {Scope.ORDERS_WRITE}
    revoke(database, key)
    ring.refresh()
    assert ring.find(key.encode()).denial is Denial.INVALID
    assert ring.find(other.encode()).scopes == {Scope.ORDERS_WRITE}


def test_a_key_with_one_wrong_character_is_unknown(ring: KeyRing, database: Database) -> None:
    key = stored(database, Scope.ORDERS_READ)
    ring.refresh()
    for wrong in (key[:-1] + ("A" if key[-1] != "A" else "B"), key[:-1], key + "A", key.upper(), ""):
        assert ring.find(wrong.encode()).denial is Denial.INVALID
    assert ring.find(b"\xff\x00").denial is Denial.INVALID


def test_an_expired_key_is_unknown_at_that_very_time(ring: KeyRing, database: Database, times: Times) -> None:
    key = new_key(Scope.ORDERS_READ, expires=datetime.fromtimestamp(times.s + 10, UTC))
    with database.writer.begin() as connection:
        keys.add(connection, api_keys, key)
    ring.refresh()
    times.s += 9.9
    assert ring.find(key.text.encode()).denial is None
    times.s += 0.1
    assert ring.find(key.text.encode()).denial is Denial.INVALID


def test_finding_keys_sends_nothing_to_the_database_however_many_are_unknown(
    ring: KeyRing, database: Database
) -> None:
    key = stored(database, Scope.ORDERS_READ)
    ring.refresh()
    sent = statements(database)
    for _ in range(1_000):
        ring.find(keys.new_text().encode())
        ring.find(key.encode())
    assert sent == []


def test_a_refresh_without_a_change_is_one_small_query(ring: KeyRing, database: Database) -> None:
    stored(database, Scope.ORDERS_READ)
    ring.refresh()
    sent = statements(database)
    ring.refresh()
    (query,) = [statement for statement in sent if statement.startswith("SELECT")]
    assert query.startswith("SELECT count(*)")


def test_keys_are_accepted_for_a_while_without_the_database_and_then_nobody_is_known_or_refused(
    ring: KeyRing, database: Database, times: Times, health: Health
) -> None:
    key = stored(database, Scope.ORDERS_READ)
    ring.refresh()
    with database.writer.begin() as connection:
        rename_table(connection, "api_keys", "elsewhere")
    times.s += STALE_S_MAX
    ring.refresh()
    assert health.is_degraded(PART)
    assert ring.find(key.encode()).denial is None
    times.s += 0.1
    assert ring.find(key.encode()).denial is ring.find(b"nonsense").denial is Denial.UNDECIDED
    with database.writer.begin() as connection:
        rename_table(connection, "elsewhere", "api_keys")
    ring.refresh()
    assert ring.find(key.encode()).denial is None
    assert not health.is_degraded(PART)


def test_before_the_first_refresh_nobody_is_refused_for_good(ring: KeyRing) -> None:
    assert ring.find(keys.new_text().encode()).denial is Denial.UNDECIDED


def test_the_last_use_is_noted_once_a_minute(ring: KeyRing, database: Database, times: Times) -> None:
    key = stored(database, Scope.ORDERS_READ)
    ring.refresh()
    ring.find(key.encode())
    ring.refresh()
    assert last_use(database) is None
    times.s += NOTE_USE_S
    ring.refresh()
    first = datetime.fromtimestamp(times.s, UTC)
    assert last_use(database) == first
    ring.find(key.encode())
    times.s += NOTE_USE_S / 2
    ring.refresh()
    assert last_use(database) == first
    times.s += NOTE_USE_S / 2
    ring.refresh()
    assert last_use(database) == first + timedelta(seconds=NOTE_USE_S)
    times.s += NOTE_USE_S
    ring.refresh()
    assert last_use(database) == first + timedelta(seconds=NOTE_USE_S), "it was not used since"


def test_a_use_that_cannot_be_noted_because_the_server_ends_the_transaction_is_trouble_and_no_more(
    ring: KeyRing, database: Database, times: Times, health: Health
) -> None:
    def end(_connection: sa.Connection) -> None:
        raise TransactionEnded("the server has ended it")

    key = stored(database, Scope.ORDERS_READ)
    ring.refresh()
    ring.find(key.encode())
    event.listen(database.writer, "commit", end)
    times.s += NOTE_USE_S
    ring.refresh()
    assert health.is_degraded(PART)
    assert isinstance(ring.find(key.encode()), Principal)


def test_a_processs_own_key_is_in_no_database(database: Database, health: Health, times: Times) -> None:
    text, worker = keys.new_text(), Principal("worker", frozenset((Scope.ORDERS_STATUS,)))
    ring = KeyRing(database, api_keys, health, own=[(text, worker)], clock=times, monotonic=times)
    ring.refresh()
    stored(database, Scope.ORDERS_READ)
    ring.refresh()
    assert ring.find(text.encode()) == worker
    times.s += NOTE_USE_S
    ring.refresh()
    assert last_use(database) is None


def test_scopes_of_a_newer_release_allow_nothing_here(ring: KeyRing, database: Database) -> None:
    key = stored(database, Scope.ADMIN)
    with database.writer.begin() as connection:
        connection.execute(sa.update(api_keys).values(scopes="orders:read orders:of-the-future"))
    ring.refresh()
    assert ring.find(key.encode()).scopes == {Scope.ORDERS_READ}

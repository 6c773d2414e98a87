"""Stock is reserved for whole orders, given back, and taken out; each may be repeated."""

import sys
import uuid
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import pytest
import sqlalchemy as sa
from sqlalchemy import event
from tests.conftest import SERVERS

from orderflow.database.engine import Database, connect
from orderflow.database.migrate import migrate
from orderflow.database.transaction import Transaction
from orderflow.fulfillment.migrations import SCHEMA
from orderflow.fulfillment.stock.records import ON_HAND_MAX, SetOnHand, StockRecord, set_on_hand
from orderflow.fulfillment.stock.reservations import (
    Consume,
    Insufficient,
    Missing,
    Move,
    Release,
    Reserve,
    Reserved,
    Untracked,
    consume,
    move,
    release,
    reserve,
)
from orderflow.fulfillment.tables import reservations, stock

C = TypeVar("C")
R = TypeVar("R")

AT = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)


@pytest.fixture(params=["sqlite", "postgresql", "mssql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty fulfillment database."""
    url = f"sqlite:///{tmp_path / 'fulfillment.db'}"
    if request.param != "sqlite":
        url = str(request.getfixturevalue(SERVERS[request.param]))
    with migrated(url) as database:
        yield database


@contextmanager
def migrated(url: str) -> Generator[Database]:
    database = connect(url, application="orderflow-test")
    migrate(database, SCHEMA)
    yield database
    database.dispose()


def write(database: Database, use_case: Callable[[Transaction, Sequence[C]], R], *commands: C) -> R:
    """Run the use case in a transaction of its own."""
    with database.writer.begin() as connection:
        tx = Transaction(connection)
        results = use_case(tx, commands)
        tx.send()
    return results


def put(database: Database, **on_hand: int) -> None:
    write(database, set_on_hand, *(SetOnHand(product, count, AT) for product, count in on_hand.items()))


def levels(database: Database) -> dict[str, tuple[int, int]]:
    """On hand and reserved, by product."""
    with database.reader.connect() as connection:
        rows = connection.execute(sa.select(stock))
        return {row.product_id: (row.on_hand, row.reserved) for row in rows}


def held(database: Database) -> dict[str, dict[str, int]]:
    """What is reserved, by order and product."""
    found: dict[str, dict[str, int]] = {}
    with database.reader.connect() as connection:
        for row in connection.execute(sa.select(reservations)):
            found.setdefault(row.order_id, {})[row.product_id] = row.quantity
    return found


def order(*lines: tuple[str, int]) -> Reserve:
    return Reserve(str(uuid.uuid4()), lines)


def test_an_order_gets_all_that_it_needs_or_nothing(database: Database) -> None:
    put(database, apple=5, pear=1)
    greedy, modest = order(("apple", 2), ("pear", 2)), order(("apple", 5), ("pear", 1))
    results = write(database, reserve, greedy, modest)
    assert results == [Insufficient((Missing("pear", 2, 1),)), Reserved()]
    assert levels(database) == {"apple": (5, 5), "pear": (1, 1)}
    assert held(database) == {modest.order_id: {"apple": 5, "pear": 1}}


def test_what_is_missing_is_named_by_product_with_what_was_left(database: Database) -> None:
    put(database, apple=5, pear=1, plum=9)
    first, second = order(("apple", 3)), order(("pear", 4), ("plum", 1), ("apple", 3), ("apple", 1))
    results = write(database, reserve, first, second)
    assert results[1] == Insufficient((Missing("apple", 4, 2), Missing("pear", 4, 1)))


def test_the_lines_of_one_product_count_together(database: Database) -> None:
    put(database, apple=5)
    fits, exceeds = order(("apple", 2), ("apple", 3)), order(("apple", 3), ("apple", 3))
    assert write(database, reserve, exceeds) == [Insufficient((Missing("apple", 6, 5),))]
    assert write(database, reserve, fits) == [Reserved()]
    assert held(database) == {fits.order_id: {"apple": 5}}


def test_products_without_a_record_are_not_tracked(database: Database) -> None:
    put(database, apple=5)
    untracked, mixed, empty = order(("pear", 10**9)), order(("pear", 10**9), ("apple", 1)), order()
    assert write(database, reserve, untracked, mixed, empty) == [Untracked(), Reserved(), Untracked()]
    assert held(database) == {mixed.order_id: {"apple": 1}}
    put(database, pear=1)
    assert write(database, reserve, mixed) == [Reserved()]
    assert levels(database) == {"apple": (5, 1), "pear": (1, 0)}


def test_product_ids_are_the_same_only_if_every_character_is(database: Database) -> None:
    ids = [
        "Café",
        "café",
        "cafe",
        "cafe\u0301",
        "CAFE",
        "ß",
        "ss",
        "😀",
        "a\\b",
        'a"b',
        "%",
        "_",
    ]
    sorted_ids = sorted(ids)
    write(database, set_on_hand, *(SetOnHand(product, n, AT) for n, product in enumerate(ids, 1)))
    assert levels(database) == {product: (n, 0) for n, product in enumerate(ids, 1)}
    whole = order(*((product, n) for n, product in enumerate(ids, 1)))
    assert write(database, reserve, whole) == [Reserved()]
    results = write(database, reserve, *(order((product, 1)) for product in sorted_ids))
    assert results == [Insufficient((Missing(product, 1, 0),)) for product in sorted_ids]
    with database.reader.connect() as connection:
        in_order = connection.scalars(sa.select(stock.c.product_id).order_by(stock.c.product_id)).all()
    assert in_order == sorted_ids


@pytest.mark.parametrize("product_id", ["x" * 201, "x" * 1000, "x" * 200 + "\0", "x\0", "\0", "x "])
def test_an_id_that_no_record_can_have_is_not_tracked_and_harms_no_other_order(
    database: Database, product_id: str
) -> None:
    put(database, **{"x": 5, "x" * 200: 5})
    strange, usual = order((product_id, 1)), order(("x", 1))
    assert write(database, reserve, strange, usual) == [Untracked(), Reserved()]
    assert held(database) == {usual.order_id: {"x": 1}}


def test_a_quantity_beyond_every_number_of_the_database_is_insufficient(database: Database) -> None:
    put(database, apple=ON_HAND_MAX)
    result = write(database, reserve, order(("apple", 10**30)))
    assert result == [Insufficient((Missing("apple", 10**30, ON_HAND_MAX),))]
    assert write(database, reserve, order(("apple", ON_HAND_MAX))) == [Reserved()]
    assert levels(database) == {"apple": (ON_HAND_MAX, ON_HAND_MAX)}


def test_reserving_again_for_an_order_reserves_nothing_more(database: Database) -> None:
    put(database, apple=5)
    wanted = order(("apple", 3))
    assert write(database, reserve, wanted, wanted) == [Reserved(), Reserved()]
    assert write(database, reserve, wanted) == [Reserved()]
    assert levels(database) == {"apple": (5, 3)}


def test_releasing_gives_back_once_and_only_what_was_reserved(database: Database) -> None:
    put(database, apple=5)
    wanted, other = order(("apple", 3)), order(("apple", 1))
    write(database, reserve, wanted, other)
    for ids in ([wanted.order_id, wanted.order_id], [wanted.order_id], [str(uuid.uuid4())], []):
        assert write(database, release, *map(Release, ids)) == [None] * len(ids)
        assert levels(database) == {"apple": (5, 1)}
    assert held(database) == {other.order_id: {"apple": 1}}


def test_consuming_takes_out_once_and_only_what_was_reserved(database: Database) -> None:
    put(database, apple=5)
    wanted, other = order(("apple", 3)), order(("apple", 1))
    write(database, reserve, wanted, other)
    for ids in ([wanted.order_id, wanted.order_id], [wanted.order_id], [str(uuid.uuid4())], []):
        assert write(database, consume, *map(Consume, ids)) == [None] * len(ids)
        assert levels(database) == {"apple": (2, 1)}
    assert write(database, release, Release(wanted.order_id)) == [None]
    assert levels(database) == {"apple": (2, 1)}


def test_moves_of_one_batch_happen_in_list_order(database: Database) -> None:
    put(database, apple=1)
    first, second, third = order(("apple", 1)), order(("apple", 1)), order(("apple", 1))
    moves = [
        first,
        second,
        Release(first.order_id),
        second,
        third,
        Release(third.order_id),
        Consume(second.order_id),
        third,
        first,
    ]
    none_left = Insufficient((Missing("apple", 1, 0),))
    results = write(database, move, *moves)
    assert results == [
        Reserved(),
        none_left,
        None,
        Reserved(),
        none_left,
        None,
        None,
        none_left,
        none_left,
    ]
    assert (levels(database), held(database)) == ({"apple": (0, 0)}, {})


def test_an_order_released_and_reserved_again_in_one_batch_holds_its_reservation_once(
    database: Database,
) -> None:
    put(database, apple=4)
    wanted = order(("apple", 2))
    write(database, reserve, wanted)
    assert write(database, move, Release(wanted.order_id), wanted) == [None, Reserved()]
    assert (levels(database), held(database)) == ({"apple": (4, 2)}, {wanted.order_id: {"apple": 2}})


def test_calls_in_one_transaction_see_each_other_and_nothing_stays_of_one_that_is_rolled_back(
    database: Database,
) -> None:
    put(database, apple=1)
    first, second = order(("apple", 1)), order(("apple", 1))
    with database.writer.connect() as connection, connection.begin() as transaction:
        tx = Transaction(connection)
        assert reserve(tx, [first]) == [Reserved()]
        assert reserve(tx, [second]) == [Insufficient((Missing("apple", 1, 0),))]
        assert release(tx, [Release(first.order_id)]) == [None]
        assert reserve(tx, [second]) == [Reserved()]
        tx.send()
        transaction.rollback()
    assert (levels(database), held(database)) == ({"apple": (1, 0)}, {})


def test_a_count_below_what_is_reserved_stops_reserving_until_there_is_enough(database: Database) -> None:
    put(database, apple=5)
    wanted = order(("apple", 4))
    write(database, reserve, wanted)
    assert write(database, set_on_hand, SetOnHand("apple", 1, AT)) == [StockRecord("apple", 1, 4)]
    assert write(database, reserve, order(("apple", 1))) == [Insufficient((Missing("apple", 1, 0),))]
    assert write(database, reserve, wanted) == [Reserved()]
    write(database, release, Release(wanted.order_id))
    assert write(database, reserve, order(("apple", 1))) == [Reserved()]


def test_the_last_count_of_a_batch_stays_and_each_is_answered(database: Database) -> None:
    counts = [SetOnHand("apple", 3, AT), SetOnHand("pear", 0, AT), SetOnHand("apple", 7, AT)]
    assert write(database, set_on_hand, *counts) == [
        StockRecord("apple", 3, 0),
        StockRecord("pear", 0, 0),
        StockRecord("apple", 7, 0),
    ]
    assert levels(database) == {"apple": (7, 0), "pear": (0, 0)}
    with database.reader.connect() as connection:
        assert set(connection.scalars(sa.select(stock.c.counted_at))) == {AT}


@pytest.fixture
def statements(database: Database) -> list[str]:
    """The statements of every transaction from now on, without those that begin and end it."""
    sent: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if not statement.startswith("BEGIN"):
            sent.append(statement)

    event.listen(database.writer, "before_cursor_execute", note)
    return sent


def whole_lives(orders: Sequence[Reserve]) -> tuple[Sequence[Move], ...]:
    """Three batches: all are reserved, half of them released, and all the others consumed."""
    half = orders[: len(orders) // 2]
    return orders, [Release(each.order_id) for each in half], [Consume(each.order_id) for each in orders]


def test_a_thousand_orders_of_one_product_need_as_many_statements_as_two(
    database: Database, statements: list[str]
) -> None:
    put(database, apple=2_000)
    sent: list[int] = []
    for count in (2, 1_000):
        for moves in whole_lives([order(("apple", 1)) for _ in range(count)]):
            statements.clear()
            write(database, move, *moves)
            sent.append(len(statements))
    assert sent[:3] == sent[3:]
    assert max(sent) <= 6
    assert levels(database) == {"apple": (1_499, 0)}


@pytest.mark.parametrize("tracked", [{}, {"apple": 1}])
def test_orders_that_are_not_tracked_cost_a_batch_one_look_up(
    database: Database, statements: list[str], tracked: dict[str, int]
) -> None:
    put(database, **tracked)
    for moves in whole_lives([order((f"p-{n}", 1)) for n in range(500)]):
        statements.clear()
        write(database, move, *moves)
        assert len(statements) == 1


def test_nothing_to_do_sends_nothing(database: Database, statements: list[str]) -> None:
    assert write(database, reserve) == []
    assert write(database, release) == []
    assert write(database, consume) == []
    assert write(database, reserve, order(("\0", sys.maxsize))) == [Untracked()]
    assert statements == []

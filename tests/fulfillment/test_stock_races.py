"""Several writers move the same stock at once: none is sold twice, and none waits for the other forever."""

import random
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.fulfillment.test_stock import AT, database, held, levels, migrated, order, put, write

from orderflow.database.batch import Outcome
from orderflow.database.engine import Database
from orderflow.database.group_commit import GroupCommit
from orderflow.database.transaction import Transaction
from orderflow.fulfillment.stock.records import SetOnHand, set_on_hand
from orderflow.fulfillment.stock.reservations import (
    Consume,
    Insufficient,
    Move,
    Release,
    Reserve,
    Reserved,
    ReserveResult,
    Untracked,
    move,
    reserve,
)
from orderflow.fulfillment.tables import reservations, stock

__all__ = ["database"]

WRITERS = 4


@pytest.mark.parametrize("size", [1, 7, 250])
def test_of_a_thousand_orders_for_a_hundred_pieces_exactly_a_hundred_are_reserved(
    database: Database, size: int
) -> None:
    put(database, apple=100, pear=1_000)
    orders = [order(("pear", 1), ("apple", 1)) for _ in range(1_000)]
    writers = [GroupCommit(database.writer, f"writer-{n}") for n in range(WRITERS)]
    for writer in writers:
        writer.start()
    groups = [orders[start : start + size] for start in range(0, len(orders), size)]

    def reserves(number: int) -> list[Outcome[ReserveResult]]:
        return writers[number % WRITERS].submit_blocking(reserve, groups[number])

    with ThreadPoolExecutor(16) as threads:
        results = list(chain(*threads.map(reserves, range(len(groups)))))
    for writer in writers:
        writer.close()
    winners = {each.order_id for each, result in zip(orders, results, strict=True) if result == Reserved()}
    assert len(winners) == 100
    assert sum(isinstance(result, Insufficient) for result in results) == 900
    assert held(database) == {order_id: {"apple": 1, "pear": 1} for order_id in winners}
    assert levels(database) == {"apple": (100, 100), "pear": (1_000, 100)}


def test_one_order_that_several_writers_reserve_at_once_is_reserved_once(on_server: Database) -> None:
    put(on_server, apple=1_000)
    for _ in range(25):
        wanted, together = order(("apple", 2)), threading.Barrier(WRITERS)

        def reserves(
            _writer: int, wanted: Reserve = wanted, together: threading.Barrier = together
        ) -> list[ReserveResult]:
            together.wait()
            return write(on_server, reserve, wanted)

        before = levels(on_server)["apple"][1]
        with ThreadPoolExecutor(WRITERS) as threads:
            assert list(threads.map(reserves, range(WRITERS))) == [[Reserved()]] * WRITERS
        assert levels(on_server)["apple"] == (1_000, before + 2)


def test_an_order_that_is_released_and_shipped_at_once_is_given_back_or_taken_out_but_not_both(
    on_server: Database,
) -> None:
    together = threading.Barrier(2)

    def ends(end: Move) -> None:
        together.wait()
        write(on_server, move, end)

    for number in range(25):
        put(on_server, apple=10)
        wanted = order(("apple", 4))
        write(on_server, reserve, wanted)
        with ThreadPoolExecutor(2) as threads:
            list(threads.map(ends, [Release(wanted.order_id), Consume(wanted.order_id)]))
        assert levels(on_server)["apple"] in {(10, 0), (6, 0)}, number
        assert held(on_server) == {}


@pytest.fixture
def on_server(server_database: str) -> Iterator[Database]:
    """An empty fulfillment database where transactions overlap."""
    with migrated(server_database) as database:
        yield database


@pytest.fixture
def postgres(postgres_database: str) -> Iterator[Database]:
    """One whose server counts deadlocks."""
    with migrated(postgres_database) as database:
        yield database


def deadlocks(database: Database) -> int:
    """How many the server has counted in this database; sessions report theirs when they end."""
    database.writer.dispose()
    with database.reader.connect() as connection:
        connection.execute(sa.text("SELECT pg_stat_clear_snapshot()"))
        found = connection.scalar(
            sa.text("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        )
    return int(found or 0)


def test_batches_that_name_products_in_opposite_orders_never_deadlock(postgres: Database) -> None:
    products = [f"p-{n}" for n in range(40)] + ["Z", "a", "é", "_", "😀"]
    write(postgres, set_on_hand, *(SetOnHand(product, 10**6, AT) for product in products))
    held_by: list[list[Reserve]] = [[] for _ in range(WRITERS)]

    def works(writer: int) -> None:
        """Raises at the first deadlock."""
        draw = random.Random(writer)
        for turn in range(60):
            named = sorted(draw.sample(products, 30), reverse=bool((writer + turn) % 2))
            batch: list[Move] = [
                order(*((product, 1) for product in named[n : n + 6])) for n in range(0, 30, 6)
            ]
            batch += [draw.choice((Release, Consume))(each.order_id) for each in held_by[writer]]
            held_by[writer] = [each for each in batch if isinstance(each, Reserve)]
            draw.shuffle(batch)
            write(postgres, move, *batch)
            if turn % 10 == 0:
                write(postgres, set_on_hand, *(SetOnHand(product, 10**6, AT) for product in named))

    with ThreadPoolExecutor(WRITERS) as threads:
        list(threads.map(works, range(WRITERS)))
    assert deadlocks(postgres) == 0
    reserved = dict.fromkeys(products, 0)
    for quantities in held(postgres).values():
        for product, quantity in quantities.items():
            reserved[product] += quantity
    assert {product: level[1] for product, level in levels(postgres).items()} == reserved


PRODUCTS = ("apple", "pear", "plum")
ORDERS = [str(uuid.UUID(int=n)) for n in range(1, 6)]
LINES = {
    order_id: tuple((PRODUCTS[(n + k) % 3], 1 + (n * k) % 3) for k in range(1 + n % 3))
    for n, order_id in enumerate(ORDERS)
}
moves = st.one_of(
    st.sampled_from([Reserve(order_id, lines) for order_id, lines in LINES.items()]),
    st.builds(Release, st.sampled_from(ORDERS)),
    st.builds(Consume, st.sampled_from(ORDERS)),
)
counts = st.builds(SetOnHand, st.sampled_from(PRODUCTS[:2]), st.integers(0, 6), st.just(AT))
steps = st.lists(st.one_of(st.lists(moves, max_size=8), counts), max_size=25)


class Model:
    """What stock is meant to do, one move after the other."""

    def __init__(self) -> None:
        self.on_hand: dict[str, int] = {}
        self.held: dict[str, dict[str, int]] = {}

    def reserved(self, product: str) -> int:
        return sum(quantities.get(product, 0) for quantities in self.held.values())

    def move(self, step: Move) -> type[object]:
        if not isinstance(step, Reserve):
            for product, quantity in self.held.pop(step.order_id, {}).items():
                self.on_hand[product] -= quantity if isinstance(step, Consume) else 0
            return type(None)
        if step.order_id in self.held:
            return Reserved
        need: dict[str, int] = {}
        for product, quantity in step.lines:
            if product in self.on_hand:
                need[product] = need.get(product, 0) + quantity
        if any(
            self.reserved(product) + quantity > self.on_hand[product] for product, quantity in need.items()
        ):
            return Insufficient
        if need:
            self.held[step.order_id] = need
        return Reserved if need else Untracked


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps)
def test_whatever_happens_and_is_repeated_stock_is_what_the_model_says(
    database: Database, steps: list[list[Move] | SetOnHand]
) -> None:
    with database.writer.begin() as connection:
        for table in (stock, reservations):
            connection.execute(sa.delete(table))
    model = Model()
    for step in steps:
        before = levels(database)
        if isinstance(step, SetOnHand):
            write(database, set_on_hand, step)
            model.on_hand[step.product_id] = step.on_hand
        else:
            results = write(database, move, *step)
            assert list(map(type, results)) == list(map(model.move, step))
        after = levels(database)
        assert after == {product: (n, model.reserved(product)) for product, n in model.on_hand.items()}
        assert held(database) == model.held
        for product, (on_hand, reserved) in after.items():
            if not isinstance(step, SetOnHand) and on_hand < reserved:
                was_on_hand, was_reserved = before[product]
                assert on_hand - reserved >= was_on_hand - was_reserved, "more than on hand was reserved"


def test_a_crash_before_commit_leaves_nothing_and_the_repeat_does_all(database: Database) -> None:
    put(database, apple=1)
    wanted = order(("apple", 1))
    with database.writer.connect() as connection:
        connection.begin()
        assert reserve(Transaction(connection), [wanted]) == [Reserved()]
        connection.invalidate()
    assert write(database, reserve, wanted) == [Reserved()]
    assert (levels(database), held(database)) == ({"apple": (1, 1)}, {wanted.order_id: {"apple": 1}})

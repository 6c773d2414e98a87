"""The reconciler re-emits what the log lost, a bounded number of times, then asks for a person."""

from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.conftest import SERVERS

from orderflow.contracts.instants import utc_text
from orderflow.contracts.orders_api import OrderIn
from orderflow.database import engine, migrate
from orderflow.database.group_commit import GroupCommit
from orderflow.orders import commands, outbox, parked
from orderflow.orders.events import order_created
from orderflow.orders.migrations import SCHEMA as ORDERS
from orderflow.orders.model import Action, Status, unix_ms
from orderflow.orders.queries import get_order
from orderflow.orders.reconciler import RE_EMISSIONS_MAX, Reconciler
from orderflow.orders.tables import outbox as outbox_table
from orderflow.runtime.ids import new_uuid4, new_uuid7

START = datetime(2026, 2, 10, 9, 30, tzinfo=UTC)
PATIENCE = timedelta(seconds=60)
TRACEPARENT = f"00-{'1' * 32}-{'2' * 16}-00"


class World:
    """An orders database, a reconciler on it, and the time of day."""

    def __init__(self, database: engine.Database) -> None:
        self.now = START
        self.database = database
        self.writer = GroupCommit(database.writer, "test")
        self.writer.start()
        self.reconciler = Reconciler(self.writer, patience_s=PATIENCE.total_seconds(), clock=lambda: self.now)

    def place(self) -> str:
        order_id = new_uuid7(unix_ms(self.now))
        order = OrderIn.model_validate_json(
            '{"customer":{"customerId":"c","name":"n"},"items":[{"productId":"p","quantity":1}]}'
        )
        event_id = new_uuid4()
        content = order.model_dump_json(exclude_none=True)
        event = order_created(content, event_id, order_id, utc_text(self.now), "test", placed_by="test")
        command = commands.PlaceOrder(
            order_id, self.now, "test", TRACEPARENT, event_id, "order-events", event, 1, "test"
        )
        self.writer.submit_blocking(commands.place_orders, [command])
        return order_id

    def publish_all(self) -> list[str]:
        return [order_id for order_id, _, _ in self.claimed()]

    def claimed(self) -> list[tuple[str, int, str]]:
        """What the relay does: publish and mark what one sweep finds. Returns order, version and type."""
        (claimed,) = self.writer.submit_blocking(outbox.claim, [outbox.Claim()])
        assert isinstance(claimed, outbox.Claimed)
        rows = claimed.rows
        marks = [outbox.Mark(row.order_id, row.order_version, self.now, 0, 0) for row in rows]
        if marks:
            self.writer.submit_blocking(outbox.mark, [outbox.MarkAll(marks)])
        return [(row.order_id, row.order_version, row.event_type) for row in rows]

    def update(self, order_id: str, status: Status | None = None, action: Action | None = None) -> None:
        update = commands.UpdateOrder(
            order_id, status, None, None, self.now, "test", None, "test", action=action, topic="order-events"
        )
        (outcome,) = self.writer.submit_blocking(commands.update_orders, [update])
        assert isinstance(outcome, commands.Updated)

    def sent_again(self) -> list[str]:
        outcome = self.reconciler.run_once()
        assert outcome is not None
        return outcome.sent_again

    def degraded(self) -> list[tuple[str, str]]:
        return [(part.part, part.reason) for part in self.writer.health.degraded()]

    def attention(self, order_id: str) -> str:
        with self.database.reader.connect() as connection:
            order = get_order(connection, order_id)
        assert order is not None
        return order["attention"]["kind"]


@pytest.fixture(params=["sqlite", "postgres", "mssql"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[World]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'orders.db'}"
    else:
        url = request.getfixturevalue(SERVERS[request.param])
    database = engine.connect(url, application="test")
    migrate.migrate(database, ORDERS)
    world = World(database)
    yield world
    world.writer.close()
    database.dispose()


def test_an_order_that_was_heard_of_in_time_is_left_alone(world: World) -> None:
    world.place()
    world.publish_all()
    world.now += PATIENCE - timedelta(seconds=1)
    assert world.sent_again() == []


def test_an_event_that_nobody_acted_upon_is_sent_again(world: World) -> None:
    order_id = world.place()
    assert world.publish_all() == [order_id]
    world.now += PATIENCE + timedelta(seconds=1)
    assert world.sent_again() == [order_id]
    assert world.publish_all() == [order_id]
    assert world.sent_again() == []


def test_an_event_that_is_not_published_yet_is_the_relays_business(world: World) -> None:
    world.place()
    world.now += 100 * PATIENCE
    assert world.sent_again() == []


def test_an_event_that_waits_for_too_long_to_be_published_is_noticed_until_it_is(world: World) -> None:
    order_id = world.place()
    world.now += PATIENCE - timedelta(seconds=1)
    world.sent_again()
    assert world.degraded() == []
    world.now += timedelta(seconds=2)
    world.sent_again()
    assert world.degraded() == [
        ("outbox", f"an event of order {order_id} waits for more than 60 s to be published")
    ]
    world.publish_all()
    world.sent_again()
    assert world.degraded() == []


def test_a_parked_event_was_not_sent_and_its_order_asks_for_a_person_instead(world: World) -> None:
    order_id = world.place()
    refused = parked.Refused(order_id, 1, "OrderCreated", "too large", world.now)
    world.writer.submit_blocking(parked.park, [refused])
    world.now += 1000 * PATIENCE
    assert world.sent_again() == []
    assert world.degraded() == []
    assert world.attention(order_id) == "event-too-large"


def test_each_silence_may_be_longer_than_the_one_before_until_a_person_is_asked(world: World) -> None:
    order_id = world.place()
    world.publish_all()
    for count in range(RE_EMISSIONS_MAX):
        world.now += PATIENCE * 5**count
        assert world.sent_again() == []
        world.now += timedelta(seconds=1)
        assert world.sent_again() == [order_id]
        world.publish_all()
    world.now += PATIENCE * 5**RE_EMISSIONS_MAX + timedelta(seconds=1)
    assert world.sent_again() == []
    assert world.attention(order_id) == "stuck"
    world.now += 1000 * PATIENCE
    assert world.sent_again() == [], "an order with attention waits for its person"


@pytest.mark.parametrize("last", [Status.SHIPPED, Status.FAILED])
def test_a_finished_order_is_never_sent_again(world: World, last: Status) -> None:
    order_id = world.place()
    world.publish_all()
    for status in (Status.PROCESSING, last):
        world.update(order_id, status)
    world.now += 1000 * PATIENCE
    assert world.sent_again() == []


def test_an_order_on_hold_is_left_alone_however_long(world: World) -> None:
    order_id = world.place()
    world.publish_all()
    world.update(order_id, action=Action.HOLD)
    for _ in range(RE_EMISSIONS_MAX + 2):
        world.now += 1000 * PATIENCE
        assert world.sent_again() == []
    with world.database.reader.connect() as connection:
        order = get_order(connection, order_id)
    assert order is not None
    assert (order["status"], order["attention"]) == ("OnHold", None)


def test_the_patience_with_a_released_order_begins_with_its_release(world: World) -> None:
    order_id = world.place()
    world.publish_all()
    world.update(order_id, action=Action.HOLD)
    world.now += 1000 * PATIENCE
    world.update(order_id, action=Action.RELEASE)
    assert world.publish_all() == [order_id]
    world.now += PATIENCE - timedelta(seconds=1)
    assert world.sent_again() == []
    world.now += timedelta(seconds=2)
    assert world.sent_again() == [order_id]


def test_a_cancellation_that_nobody_acted_upon_is_requested_again_after_the_order_itself(
    world: World,
) -> None:
    order_id = world.place()
    world.publish_all()
    world.update(order_id, Status.PROCESSING)
    world.update(order_id, action=Action.CANCEL)
    world.publish_all()
    for count in range(RE_EMISSIONS_MAX):
        world.now += PATIENCE * 5**count + timedelta(seconds=1)
        assert world.sent_again() == [order_id]
        assert world.claimed() == [(order_id, 1, "OrderCreated")]
        assert world.claimed() == [(order_id, 3, "OrderCancellationRequested")]
        assert world.sent_again() == []
    world.now += PATIENCE * 5**RE_EMISSIONS_MAX + timedelta(seconds=1)
    assert world.sent_again() == []
    assert world.attention(order_id) == "stuck"


def test_more_orders_than_one_look_takes_in_are_all_found(world: World) -> None:
    world.reconciler = Reconciler(
        world.writer, patience_s=PATIENCE.total_seconds(), clock=lambda: world.now, orders_max=3
    )
    placed = {world.place() for _ in range(8)}
    world.publish_all()
    world.now += PATIENCE + timedelta(seconds=1)
    found: set[str] = set()
    for _ in range(3):
        found |= set(world.sent_again())
    assert found == placed
    with world.database.reader.connect() as connection:
        counts = connection.scalars(sa.select(outbox_table.c.re_emissions)).all()
    assert set(counts) == {1}

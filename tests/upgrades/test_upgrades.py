"""Databases that earlier releases filled are migrated, and today's program finishes what is in them."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.fulfillment.conftest import World
from tests.upgrades.earlier_release import (
    CASES,
    LABEL,
    PARTY,
    TOPIC,
    Case,
    contents,
    event,
    fill,
    letter_id,
    make_schema,
    request_of,
)

from orderflow.database.engine import connect
from orderflow.database.migrate import migrate
from orderflow.fulfillment.carriers import Carrier, ShipmentRequest
from orderflow.fulfillment.carriers.http import HttpCarrier
from orderflow.fulfillment.dead_letters import redrive
from orderflow.fulfillment.dead_letters.redrive import Redrive, Redriven
from orderflow.fulfillment.migrations import SCHEMA as FULFILLMENT
from orderflow.fulfillment.tables import dead_letters
from orderflow.fulfillment.tables import metadata as fulfillment_metadata
from orderflow.fulfillment.worker import FulfillmentWorker
from orderflow.messaging import Message
from orderflow.messaging.embedded import EmbeddedLog
from orderflow.orders.migrations import SCHEMA as ORDERS
from orderflow.orders.tables import metadata as orders_metadata

OPEN_LETTERS = [name for name, case in CASES.items() if case.letter and case.letter_state == "open"]
UNREADABLE = [name for name, case in CASES.items() if case.value is not None]
FIRST, LAST_BEFORE_STEPS = "0001", "0003"


@pytest.fixture(params=[FIRST, LAST_BEFORE_STEPS])
def revision(request: pytest.FixtureRequest) -> str:
    """The fulfillment schema that the earlier release had. The orders schema is the first one."""
    return request.param


@pytest.fixture(params=["sqlite", "postgres"])
def world(request: pytest.FixtureRequest, revision: str, tmp_path: Path) -> Iterator[World]:
    """Both databases as the earlier release has left them."""
    urls = [f"sqlite:///{tmp_path}/fulfillment.db", f"sqlite:///{tmp_path}/orders.db"]
    if request.param == "postgres":
        urls = [str(request.getfixturevalue("postgres_database"))] * 2
    fulfillment, orders = (connect(url, application="test") for url in urls)
    make_schema(fulfillment, FULFILLMENT, revision)
    make_schema(orders, ORDERS, FIRST)
    fill(fulfillment, fulfillment_metadata)
    fill(orders, orders_metadata)
    log = EmbeddedLog(tmp_path / "events.db")
    yield World(tmp_path, fulfillment, orders, log)
    log.close()
    fulfillment.dispose()
    orders.dispose()


def upgrade(world: World) -> None:
    migrate(world.fulfillment, FULFILLMENT)
    migrate(world.orders, ORDERS)


def test_a_migration_keeps_every_row_and_every_value(world: World) -> None:
    def everything() -> dict[str, list[dict[str, Any]]]:
        return contents(world.fulfillment, fulfillment_metadata) | contents(world.orders, orders_metadata)

    before = everything()
    assert all(before.values()), "every table has rows"
    upgrade(world)
    after = everything()
    for table, rows in before.items():
        kept = [{name: row[name] for name in rows[0]} for row in after[table]]
        assert sorted(map(str, kept)) == sorted(map(str, rows))


async def make(carrier: Carrier, case: Case) -> str:
    """Let the carrier make the shipment as the earlier release asked it to; returns the tracking number."""
    wanted = ShipmentRequest(case.order_id, f"orderflow-{case.order_id}", request_of(case))
    return (await carrier.create_shipment(wanted)).tracking_number


def publish_again(world: World) -> None:
    """The log has every event that was published, and gives them to a group that begins at the start."""
    cases = [case for case in CASES.values() if case.is_published and case.value is None]
    world.log.publisher().publish([Message(TOPIC, case.order_id.encode(), event(case)) for case in cases])


async def redrive_all(worker: FulfillmentWorker) -> dict[str, Redriven]:
    """Redrive every letter that was open, as a person does."""
    done: dict[str, Redriven] = {}
    for name in OPEN_LETTERS:
        command = Redrive(letter_id(CASES[name]), "ada", datetime.now(UTC))
        done[name], _ = await worker.writer.submit_one(redrive.redrive, command)
    return done


async def until_ended(world: World, names: list[str]) -> None:
    wanted = {CASES[name].order_id: CASES[name].ends for name in names}

    async def ended() -> bool:
        return {order_id: (await world.order(order_id))["status"] for order_id in wanted} == wanted

    await world.until(ended, f"all of {names} have ended")


async def finish(world: World) -> dict[str, str]:
    """Let today's program do what is left, and a person what is for a person. Returns the tracking numbers of
    what the carrier had made before."""
    async with world.running():
        carrier = HttpCarrier(world.carrier_url)
        made = {name: await make(carrier, case) for name, case in CASES.items() if case.held_by_carrier}
        publish_again(world)
        async with world.working(carrier, party=PARTY) as worker:
            await until_ended(world, [name for name in CASES if name not in OPEN_LETTERS])
            redriven = await redrive_all(worker)
            assert {name for name, how in redriven.items() if how is not Redriven.BACK} == set(UNREADABLE)
            await until_ended(world, list(CASES))
            on_hold = CASES["on hold"].order_id
            assert await world.post(f"/api/orders/{on_hold}/release") == 200
            world.publish("OrderReleased", on_hold)
            await world.until_closed([case.order_id for case in CASES.values() if case.shipment is not None])
            await until_letters_are_done(world)
        await check_orders(world, made)
        live = await world.live_shipments()
        await carrier.close()
    called = [case for case in CASES.values() if case.ends in ("Shipped", "OnHold") and not case.keeps_label]
    assert live == sorted(case.order_id for case in called), "each exactly once"
    return made


async def until_letters_are_done(world: World) -> None:
    def states() -> Counter[str]:
        return Counter(row["state"] for row in world.rows(dead_letters))

    resolved = sum(case.letter is not None for case in CASES.values()) - len(UNREADABLE)
    wanted = Counter(resolved=resolved, open=len(UNREADABLE))
    await world.until(lambda: states() == wanted, "letters are resolved, but for those that say nothing")
    await world.until(
        lambda: not any(row["copy_due_ms"] for row in world.rows(dead_letters)), "letters are on the topic"
    )


async def check_orders(world: World, made: dict[str, str]) -> None:
    for name, case in CASES.items():
        order = await world.order(case.order_id)
        shown: dict[str, Any] = order["fulfillment"] or {}
        if case.keeps_label:
            assert shown["trackingNumber"] == LABEL["tracking_number"], name
        if name in made:
            assert shown["trackingNumber"] == made[name], name
        if name == "rejected, not told":
            assert shown["errorMessage"] == "too heavy"
        attention = order["attention"]
        assert (attention is not None) == (name in UNREADABLE), (name, attention)


def test_todays_program_finishes_what_an_earlier_release_has_left(world: World) -> None:
    """Every order ends as it must, nothing is shipped twice, and old dead letters can be redriven."""
    upgrade(world)
    asyncio.run(finish(world))
    with world.orders.reader.connect() as connection:
        counted = connection.execute(
            sa.text("SELECT status, sum(orders) FROM status_counts GROUP BY status HAVING sum(orders) <> 0")
        )
        there = connection.execute(sa.text("SELECT status, count(*) FROM orders GROUP BY status"))
        assert dict(counted.all()) == dict(there.all())
